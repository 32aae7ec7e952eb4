"""What the commands print."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TextIO

from sdgkit.formatting import visible

REHEARSAL_SAMPLES = (
    "These samples are from the rehearsal teacher (rules, not a model): do not train on them."
)
REHEARSAL_ANSWERS = "The rehearsal teacher answered here (rules, not a model)."


def say(text: object = "", file: TextIO | None = None) -> None:
    """Print text, with characters that could control the terminal made visible."""
    print(visible(str(text)), file=file)


def is_live() -> bool:
    """Whether lines on the screen can be redrawn."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def command_line(*words: object) -> str:
    """A command to type, quoted for a shell.

    An `sdgkit` that is not on the shell's path is named by the path with which it was called.
    """
    called = sys.argv[0]
    is_off_path = Path(called).name == "sdgkit" and shutil.which("sdgkit") is None
    program = called if is_off_path else "sdgkit"
    return shlex.join([program, *map(str, words)])
