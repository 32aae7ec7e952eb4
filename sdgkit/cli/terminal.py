"""What is printed: texts made harmless, in any encoding; numbers and durations in words."""

import os
import sys

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


def counted(number: int, noun: str) -> str:
    """`1 sample`, `1,200 samples`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def lasting(seconds: float) -> str:
    """A duration in words, as exact as one wants to know it: `0.8 s`, `41 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
