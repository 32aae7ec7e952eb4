"""The live half of a panel: an anywidget that draws its state and sends back what you do.

Only `Panel.view` imports this file, so that sdgkit starts without a front end's libraries.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from sdgkit.panels.message_order import Message, MessageOrder

LOOK = Path(__file__).parent / "look"
# Preact draws the panels; htm lets them be written as HTML. Both are copies of the published files.
LIBRARIES = ("preact", "htm")
# A panel that shows others within itself needs their scripts, too.
SHOWN_WITHIN = {
    "studio": ("teacher", "seeds", "profile", "prompt", "run", "review", "export"),
}


class PanelView(anywidget.AnyWidget):  # type: ignore[misc]
    """The widget of one panel.

    Args:
        kind: The name of the panel's script in look/.
        state: What is drawn, as JSON values.
        on_message: Called with each message from the front end.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self, kind: str, state: Mapping[str, Any], on_message: Callable[[Message], None]
    ) -> None:
        super().__init__(_esm=module_source(kind), _css=style_sheet(), state=dict(state))
        self._on_message = on_message
        self._order = MessageOrder(self._do)
        self.on_msg(self._receive)

    def _receive(self, _widget: object, message: Message, _buffers: object) -> None:
        # Answered before the action runs: a slow action must not look like a kernel that is gone.
        self.send({"received": message.get("id")})
        self._order.take(message)

    def _do(self, message: Message) -> None:
        if "action" in message:
            self._on_message(message)
            self.send({"done": message.get("id")})

    def bundle(self) -> dict[str, Any]:
        """What a notebook stores for this widget."""
        bundle = self._repr_mimebundle_()
        # ipywidgets and anywidget differ in whether metadata come with it.
        return dict(bundle[0] if isinstance(bundle, tuple) else bundle)

    def __repr__(self) -> str:
        """Nothing: an exported notebook shows the still picture that follows."""
        return ""


@cache
def module_source(kind: str) -> str:
    """The JavaScript module of a panel: the libraries, what all panels share, and its own view."""
    libraries = [_as_constant(name) for name in LIBRARIES]
    # Each in a block of its own, so that the names of one do not meet those of another.
    scripts = [f"{{\n{_look_file(f'{name}.js')}}}" for name in (*SHOWN_WITHIN.get(kind, ()), kind)]
    default = f"export default panelOf(panels.{kind});"
    return "\n".join([*libraries, _look_file("panel.js"), *scripts, default])


@cache
def style_sheet() -> str:
    """The stylesheet of all panels."""
    return _look_file("panel.css")


def _as_constant(library: str) -> str:
    """A CommonJS file as a constant of the module: nothing of it reaches the page's globals."""
    source = _look_file(f"vendor/{library}.js")
    return (
        f"const {library} = (() => {{\n"
        "const module = { exports: {} };\n"
        "const exports = module.exports;\n"
        f"{source}\n"
        "return module.exports;\n"
        "})();"
    )


def _look_file(name: str) -> str:
    return (LOOK / name).read_text("utf-8")
