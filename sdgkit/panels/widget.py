"""The live half of a panel: one anywidget that draws the panel's state and sends back what was clicked."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

LOOK = Path(__file__).parent / "look"


def widget(kind: str, state: Mapping[str, Any], on_click: Callable[[str, Mapping[str, Any]], None]) -> Any:
    """A live view of `state` (JSON values). on_click: called with what to do and what was said with it."""
    view = _widget_class(kind)(state=dict(state))
    view.on_msg(lambda _, message, __: on_click(str(message.get("do")), message.get("said") or {}))
    return view


@cache
def _widget_class(kind: str) -> type:
    import anywidget
    import traitlets

    script = (LOOK / "panel.js").read_text("utf-8") + (LOOK / f"{kind}.js").read_text("utf-8")
    members = {
        "_esm": script,
        "_css": (LOOK / "panel.css").read_text("utf-8"),
        "state": traitlets.Dict().tag(sync=True),
    }
    return type(f"{kind.capitalize()}View", (anywidget.AnyWidget,), members)
