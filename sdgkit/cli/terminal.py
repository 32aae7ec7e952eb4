"""What is printed: texts made harmless, on any terminal and in any encoding."""

import os
import re
import sys

from sdgkit.pages import counted as counted
from sdgkit.pages import lasting as lasting

# Control characters move the cursor, recolour or rename the terminal; marks of writing direction reorder what is read.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_ASCII = str.maketrans({"\u00b7": ",", "\u2026": "...", "\u2192": "->", "\u2014": "-"})


def harmless(text: object) -> str:
    """The text with its control characters spelled out (`\\x1b`), so that showing it does nothing else."""
    return _HARMFUL.sub(lambda found: ascii(found[0])[1:-1], str(text).replace("\r\n", "\n"))


def prepare() -> None:
    """Let no character end the program: what an encoding lacks is spelled out."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def say(text: object = "") -> None:
    """Print on standard output."""
    print(_fitting(harmless(text), sys.stdout.encoding))


def complain(text: object) -> None:
    """Print on standard error."""
    print(_fitting(harmless(text), sys.stderr.encoding), file=sys.stderr)


def is_live() -> bool:
    """Whether what is on the screen can be drawn anew."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _fitting(text: str, encoding: str | None) -> str:
    """The text with the few typographic signs of sdgkit's own sentences replaced, where the encoding lacks them."""
    try:
        "\u00b7\u2026\u2192\u2014".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII)
    return text
