"""What the commands print."""

import os
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sdgkit.cli.output import output
from sdgkit.formatting import visible

REHEARSAL_SAMPLES = (
    "These samples are from the rehearsal teacher (rules, not a model): do not train on them."
)
REHEARSAL_ANSWERS = "The rehearsal teacher answered here (rules, not a model)."


PATIENT_SECONDS = 5.0
"""How long a command waits without saying what for."""


def say(text: object = "", file: TextIO | None = None, end: str = "\n") -> None:
    """Print a result, with characters that could control the terminal made visible.

    Nothing goes to stdout beside the document of a command with --json.
    """
    if file is None and output().as_json:
        return
    print(visible(str(text)), file=file, end=end)


@contextmanager
def waiting(reason: Callable[[], str]) -> Iterator[None]:
    """Say on stderr what the command waits for, if it still does after five seconds.

    Args:
        reason: Gives the sentence; "" if there is nothing to say by then.
    """

    def speak() -> None:
        sentence = reason()
        if sentence:
            say(sentence, sys.stderr)

    timer = threading.Timer(PATIENT_SECONDS, speak)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def tell(text: object) -> None:
    """Print the progress towards a result: to stderr if stdout is for a document."""
    if output().quiet or output().log == "json":
        return
    stream = None
    if output().as_json:
        stream = sys.stderr
    print(visible(str(text)), file=stream)


def is_live() -> bool:
    """Whether lines on the screen can be redrawn."""
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return is_terminal and output().is_plain


def command_line(*words: object) -> str:
    """A command to type, quoted for a shell.

    An `sdgkit` that is not on the shell's path is named by the path with which it was called.
    """
    called = sys.argv[0]
    is_off_path = Path(called).name == "sdgkit" and shutil.which("sdgkit") is None
    program = called if is_off_path else "sdgkit"
    return shlex.join([program, *map(str, words)])
