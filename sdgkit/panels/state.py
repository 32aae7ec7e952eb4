"""What a panel shows, as values: the live view and the still picture are both drawn from them."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

_HALF_PAIRS = re.compile("[\ud800-\udfff]")  # of a surrogate pair: no socket can send one
_REPLACEMENT = "\ufffd"

RESTORED = "Your unsaved changes from last time are here. Undo goes back to the file."
"""The notice above a draft that begins with what was typed the last time."""


@dataclass(frozen=True, kw_only=True)
class PanelState:
    """What every panel shows; each kind of panel adds its own fields.

    Attributes:
        sign: The mark before the status line: none, busy, good, warn or bad, or the state of a run.
        status: One line under the heading that describes the current state.
        folder: The file or folder that the panel works on, in words.
        error: What went wrong outside of the panel's own actions, as a sentence, or "".
        facts: Names and values, such as `("samples", "120")`.
    """

    sign: str
    status: str
    folder: str = ""
    error: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The state as JSON values. Halves of surrogate pairs become U+FFFD."""
        text = json.dumps(asdict(self), ensure_ascii=False, default=str)
        values: dict[str, Any] = json.loads(_HALF_PAIRS.sub(_REPLACEMENT, text))
        return values


@dataclass(frozen=True)
class Figure:
    """A drawing with its heading.

    Attributes:
        title: The heading.
        caption: How to read the drawing.
        drawing: The drawing as SVG made by sdgkit, or "" where there is nothing to draw.
    """

    title: str
    caption: str
    drawing: str


@dataclass(frozen=True)
class Choice:
    """An entry of a list to choose from.

    Attributes:
        value: What is sent when it is chosen.
        label: What you read.
    """

    value: str
    label: str
