"""The rehearsal teacher is a process of its own, and ends with the one that started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sdgkit
from sdgkit.rehearsal import start

PACKAGE = str(Path(sdgkit.__path__[0]).parent)
PARENT = """
import sys, time
sys.path.insert(0, {package!r})
from sdgkit.rehearsal import start
teacher = start()
print(teacher.port, teacher.pid, flush=True)
{then}
"""


def parent(
    then: str, *, start_new_session: bool = False
) -> tuple["subprocess.Popen[str]", int, int]:
    """A process that starts a teacher: itself, the teacher's port and process id."""
    program = PARENT.format(package=PACKAGE, then=then)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=start_new_session,
    )
    assert process.stdout is not None
    port, pid = process.stdout.readline().split()
    return process, int(port), int(pid)


def answers(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(5)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def stops_answering(port: int) -> bool:
    for _ in range(200):
        if not answers(port):
            return True
        time.sleep(0.1)
    return False


def test_it_ends_when_its_parent_is_killed() -> None:
    process, port, _ = parent("time.sleep(600)")
    assert answers(port)
    process.kill()
    process.wait()
    process.communicate()
    assert stops_answering(port)


def test_it_ends_when_its_parent_has_finished() -> None:
    process, port, _ = parent("pass")
    assert process.wait(timeout=60) == 0
    process.communicate()
    assert stops_answering(port)


def test_ctrl_c_in_the_terminal_is_left_to_the_parent() -> None:
    process, port, pid = parent("time.sleep(600)", start_new_session=True)
    assert os.getpgid(pid) != os.getpgid(process.pid)
    process.kill()
    process.wait()
    process.communicate()
    assert stops_answering(port)


def test_close_ends_it_and_may_be_called_twice() -> None:
    teacher = start()
    port = teacher.port
    teacher.close()
    teacher.close()
    assert not answers(port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=str)
def test_a_signal_ends_it(number: int) -> None:
    with start() as teacher:
        assert answers(teacher.port)
        os.kill(teacher.pid, number)
        teacher.wait()
        assert stops_answering(teacher.port)


def test_it_imports_its_parents_sdgkit_from_any_folder_and_without_a_home(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise RuntimeError('not the random you meant')")
    (tmp_path / "sdgkit.py").write_text("raise RuntimeError('not the sdgkit you meant')")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = PARENT.format(package=PACKAGE, then="teacher.close()")
    process = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={**environment, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr


def test_it_loads_nothing_heavy() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sdgkit.rehearsal.server; "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program, PACKAGE],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    heavy = {
        "openai",
        "datasets",
        "pandas",
        "pyarrow",
        "jinja2",
        "rich",
        "typer",
        "papermill",
        "httpx",
    }
    assert "aiohttp" in loaded
    assert not heavy.intersection(loaded)
