"""What is printed: texts made harmless, in any encoding; numbers and durations in words."""

import os
import sys

from sdgkit.pages import counted as counted
from sdgkit.pages import lasting as lasting
from sdgkit.pages import visible


def prepare() -> None:
    """Let no character end the program: what an encoding lacks is spelled out."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def say(text: object = "") -> None:
    """Print on standard output."""
    print(visible(str(text)))


def complain(text: object) -> None:
    """Print on standard error."""
    print(visible(str(text)), file=sys.stderr)


def is_live() -> bool:
    """Whether what is on the screen can be drawn anew."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
