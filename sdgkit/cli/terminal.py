"""What is printed."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TextIO

from sdgkit.formatting import visible

REHEARSED = "These samples are a rehearsal: rules wrote them, not a model. They show the way; train on none of them."


def say(text: object = "", file: TextIO | None = None) -> None:
    """Print, with what could change the terminal made visible."""
    print(visible(str(text)), file=file)


def is_live() -> bool:
    """Whether what is on the screen can be drawn anew."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def typed(*words: object) -> str:
    """A command to type here: quoted as a shell wants it, with the path of an `sdgkit` that has to be named."""
    program = (
        sys.argv[0]
        if Path(sys.argv[0]).name == "sdgkit" and not shutil.which("sdgkit")
        else "sdgkit"
    )
    return shlex.join([program, *map(str, words)])
