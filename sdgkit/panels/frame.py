"""What all panels have in common: a state that a front end draws, actions that clicks call, errors as one sentence.

A panel holds no logic: `seen` turns an object that works without it into JSON values, an `on_…` method
calls that object. How the state looks is in look/ (live) and in pages/panel/ (still).
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeAlias
from uuid import uuid4

from sdgkit.errors import SdgkitError, SettingsError
from sdgkit.pages import fill
from sdgkit.panels.live import reason_for_a_still_picture
from sdgkit.teachers.teacher import Teacher

FRAMES_PER_S = (
    6  # far below the 1,000 messages a second beyond which a Jupyter server drops what comes
)
LOOK = Path(__file__).parent / "look"
Stop: TypeAlias = Callable[[], object]  # what Cancel calls


class Panel:
    """A panel. kind: the name of its script in look/ and of its page in pages/panel/.

    last_error: what went wrong last, None if the last action went well.
    """

    kind: ClassVar[str]

    def __init__(self) -> None:
        self.last_error: BaseException | None = None
        self.id = uuid4().hex[:8]
        self.busy = self.told = ""
        self._seen: dict[str, Any] = {}
        self._view: Any = None
        self._still: Any = None
        self._stop: Stop | None = None
        self._threads: list[threading.Thread] = []
        self._drawing, self._acting = (
            threading.RLock(),
            threading.RLock(),
        )  # handlers run on any thread

    def seen(self) -> dict[str, Any]:
        """What is drawn, as JSON values; in all panels `sign` and `words` (the line of status), and where there is one
        `folder`, `facts` and `error` (what went wrong outside of the panel)."""
        raise NotImplementedError

    # Clicks -----------------------------------------------------------------------------------------------------------

    def act(self, name: str, /, **said: Any) -> None:
        """Do what a click does: `panel.act("start")`. What goes wrong is shown, and kept in `last_error`."""
        with self._acting, self._guarded():
            self.last_error, self.told = None, ""
            getattr(self, f"on_{name}")(**said)
        self.render()
        self.picture_again()

    def on_cancel(self) -> None:
        """Stop the long work that goes on, if there is any."""
        if self._stop is not None:
            self._stop()

    def work(
        self, words: str, job: Callable[[], None], begin: Callable[[], Stop] | None = None
    ) -> None:
        """Do something long in a thread of its own. words: what is shown meanwhile. begin: begins it, at once, and
        returns what Cancel shall call."""
        with self._acting:
            if self.busy:
                raise SettingsError(f"One thing at a time: {self.busy[0].lower()}{self.busy[1:]}")
            self._stop = begin() if begin is not None else None
            self.busy = words

        def run() -> None:
            try:
                job()
            finally:
                self.busy, self._stop = "", None

        self._thread(run)

    def tick(self, over: Callable[[], bool]) -> None:
        """Draw again and again until it is over, and then once more."""

        def run() -> None:
            while not over():
                self.render()
                time.sleep(1 / FRAMES_PER_S)

        self._thread(run)

    def wait(self, timeout: float = 60.0) -> None:
        """Until the work that was begun is over. timeout: seconds for each thread that does some of it."""
        for thread in list(self._threads):
            thread.join(timeout)

    def _thread(self, run: Callable[[], None]) -> None:
        def guarded() -> None:
            with self._guarded():
                run()
            self.render()
            self.picture_again()

        self.last_error = None
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=guarded, name=f"sdgkit {self.kind} panel", daemon=True)
        self._threads.append(thread)
        thread.start()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # ipywidgets would swallow it
            self.last_error = error

    # Showing ----------------------------------------------------------------------------------------------------------

    @property
    def view(self) -> Any:
        """The live widget; made when it is first asked for."""
        with self._drawing:  # what comes from a thread meanwhile is drawn when it is there
            if self._view is None:
                self._view = _view_class(self.kind)(state=self._state())
                self._view.on_msg(self._hear)
            return self._view

    def _hear(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        self.act(str(message.get("do")), **message.get("said", {}))

    def render(self) -> None:
        """Bring the live widget up to date."""
        with self._drawing:
            if self._view is not None and (state := self._state()) != self._view.state:
                self._view.state = state

    def _state(self) -> dict[str, Any]:
        try:
            self._seen = self.seen()
        except Exception as error:  # a file that is gone, say: what was there before stays, with the sentence above it
            if not self._seen:
                raise
            self.last_error = error
        common = {
            "id": self.id,
            "title": self.kind.capitalize(),
            "busy": self.busy,
            "told": self.told,
        }
        common["error"] = sentence(self.last_error) or self._seen.get("error", "")
        text = json.dumps(self._seen | common, ensure_ascii=False, default=str)
        return dict(
            json.loads(re.sub("[\ud800-\udfff]", "\ufffd", text))
        )  # no socket takes half of a pair

    def picture(self) -> dict[str, str]:
        """The still picture of the panel as it is now, as `text/plain` and as `text/html`."""
        reason = reason_for_a_still_picture()
        note = "A still picture of the panel as it was." if reason is None else reason
        values = {"panel": self._state(), "kind": self.kind, "note": note, "live": reason is None}
        pages = {"text/plain": "panel.txt", "text/html": "panel.html"}
        return {mime: "".join(fill(page, **values)).strip() for mime, page in pages.items()}

    def display(self) -> None:
        """Show the panel: live where the front end can, otherwise as a still picture.

        A live panel hides the still picture that follows it; where no panel lives (an exported page, a viewer), it is
        what one sees.
        """
        shell = sys.modules.get("IPython")
        if shell is None or getattr(shell.get_ipython(), "kernel", None) is None:
            print(self)
            return
        from IPython.display import display

        if reason_for_a_still_picture() is None:
            display(self.view)
        self._still = display(self.picture(), raw=True, display_id=f"sdgkit-{uuid4().hex}")

    _ipython_display_ = display

    def picture_again(self) -> None:
        """Bring the still picture up to date, where one is shown."""
        if self._still is not None:
            self._still.update(self.picture(), raw=True)

    def __repr__(self) -> str:
        return self.picture()["text/plain"]


def _view_class(kind: str) -> type:
    """The live half of a panel: an anywidget that draws the panel's state and sends back what was clicked."""
    import anywidget
    import traitlets

    script = (LOOK / "panel.js").read_text("utf-8") + (LOOK / f"{kind}.js").read_text("utf-8")
    style = (LOOK / "panel.css").read_text("utf-8")
    members = {"_esm": script, "_css": style, "state": traitlets.Dict().tag(sync=True)}
    return type(f"{kind.capitalize()}View", (anywidget.AnyWidget,), members)


def sentence(error: BaseException | None) -> str:
    """An exception in one sentence; "" for none."""
    if error is None:
        return ""
    first_line = str(error).partition("\n")[0]
    return str(error) if isinstance(error, SdgkitError) else f"{type(error).__name__}: {first_line}"


def teacher_of(given: Any) -> Teacher:
    """The teacher that was given, or the one of a TeacherPanel. Raises SettingsError if it is neither."""
    teacher = getattr(given, "teacher", given)
    if not isinstance(teacher, Teacher):
        raise SettingsError(
            "This panel asks a teacher: give teacher=sdgkit.connect(...), or a TeacherPanel."
        )
    return teacher
