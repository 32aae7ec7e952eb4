"""What several unit tests need: commands typed in this process."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdgkit.cli.main import main


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Type a command, in a folder of its own; gives status, output and errors."""
    monkeypatch.chdir(tmp_path)
    # On a busy machine, even the imports may take longer than a command waits in silence.
    monkeypatch.setattr("sdgkit.cli.terminal.PATIENT_SECONDS", 600.0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)
