"""What all panels have in common: a state that a front end draws, actions that clicks call, errors as one sentence.

A panel holds no logic: `seen` turns an object that works without it into JSON values, an `on_…` method
calls that object.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, TypeAlias
from uuid import uuid4

from sdgkit.errors import SdgkitError, SettingsError
from sdgkit.panels.live import reason_for_a_still_picture
from sdgkit.panels.still import Block, Still
from sdgkit.teachers.teacher import Teacher

FRAMES_PER_S = 6  # far below the 1,000 messages a second beyond which a Jupyter server drops what comes
STILL_AFTER_S = 1.5  # of quiet, before the still picture follows what was clicked
Stop: TypeAlias = Callable[[], object]  # what Cancel calls
_HALF_PAIR = re.compile("[\ud800-\udfff]")  # JSON over a socket cannot hold one


class Panel:
    """A panel. kind: the name of its script in look/. title: its heading.

    last_error: what went wrong last, None if the last action went well.
    """

    kind: ClassVar[str]
    title: ClassVar[str]

    def __init__(self) -> None:
        self.last_error: BaseException | None = None
        self.id = uuid4().hex[:8]
        self.busy = self.told = ""
        self._seen: dict[str, Any] = {}
        self._readable = True
        self._view: Any = None
        self._still: Any = None
        self._timer: threading.Timer | None = None
        self._stop: Stop | None = None
        self._threads: list[threading.Thread] = []
        self._drawing, self._working = threading.RLock(), threading.Lock()

    # For the panels themselves ----------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        """What the front end draws, as JSON values; in all panels `sign` and `words` (the line of status), and where
        there is one `folder`, `facts` and `told` (what the last action did)."""
        raise NotImplementedError

    def blocks(self) -> Iterable[Block]:
        """What a still picture shows below the line of status and the facts."""
        raise NotImplementedError

    def trouble(self) -> BaseException | None:
        """What is to be shown as having gone wrong."""
        return self.last_error

    # Clicks -----------------------------------------------------------------------------------------------------------

    def act(self, name: str, /, **said: Any) -> None:
        """Do what a click does: `panel.act("start")`. What goes wrong is shown, and kept in `last_error`."""
        with self._guarded():
            self.told = ""
            action = getattr(self, f"on_{name}", None)
            if action is None:
                raise SettingsError(f"This panel cannot do {name!r}.")
            action(**said)
        self.render()
        if self._still is not None and not self.busy:
            self._later()

    def _later(self) -> None:
        """Bring the still picture up to date soon, once for many clicks."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(STILL_AFTER_S, self.picture_again)
        self._timer.daemon = True
        self._timer.start()

    def on_cancel(self) -> None:
        """Stop the long work that goes on, if there is any."""
        if self._stop is not None:
            self._stop()

    def work(
        self, words: str, job: Callable[[], None], begin: Callable[[], Callable[[], object]] | None = None
    ) -> None:
        """Do something long in a thread of its own. words: what is shown meanwhile. begin: begins it, at once, and
        returns what Cancel shall call."""
        with self._working:
            if self.busy:
                raise SettingsError(f"One thing at a time: {self.busy[0].lower()}{self.busy[1:]}")
            self._stop = begin() if begin is not None else None
            self.busy = words

        def run() -> None:
            try:
                with self._guarded():
                    job()
            finally:
                self.busy, self._stop = "", None
                self.render()
                self.picture_again()

        self._thread(run)

    def tick(self, over: Callable[[], bool]) -> None:
        """Draw again and again until it is over, and then once more."""

        def run() -> None:
            with self._guarded():
                while not over():
                    self.render()
                    time.sleep(1 / FRAMES_PER_S)
            self.render()
            self.picture_again()

        self._thread(run)

    def wait(self, timeout: float = 60.0) -> None:
        """Until the work that was begun is over, or so many seconds have passed."""
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _thread(self, run: Callable[[], None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=run, name=f"sdgkit {self.kind} panel", daemon=True)
        self._threads.append(thread)
        thread.start()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        self.last_error = None
        try:
            yield
        except Exception as error:  # ipywidgets would swallow it
            self.last_error = _innermost(error)

    # Showing ----------------------------------------------------------------------------------------------------------

    @property
    def view(self) -> Any:
        """The live widget; made when it is first asked for."""
        with self._drawing:  # what comes from a thread meanwhile is drawn when it is there
            if self._view is None:
                from sdgkit.panels.widget import widget

                self._view = widget(self.kind, self._state(), lambda name, said: self.act(name, **said))
            return self._view

    def render(self) -> None:
        """Bring the live widget up to date."""
        with self._drawing:
            if self._view is None:
                return
            state = self._state()
            if state != self._view.state:
                self._view.state = state

    def _state(self) -> dict[str, Any]:
        try:
            self._seen, self._readable = self.seen(), True
        except Exception as error:  # a file that is gone, say: what was there before stays, with the sentence above it
            if not self._seen:
                raise
            self.last_error, self._readable = _innermost(error), False
        common = {"id": self.id, "title": self.title, "busy": self.busy, "told": self.told}
        state: dict[str, Any] = _sendable({**common, "error": sentence(self.trouble()), **self._seen})
        return state

    def picture(self) -> Still:
        """The still picture of the panel as it is now: `str` of it is plain text."""
        reason = reason_for_a_still_picture()
        note = "A still picture of the panel as it was." if reason is None else reason
        return self._drawn(note, self.id if reason is None else "")

    def _drawn(self, note: str = "", id: str = "") -> Still:
        state = self._state()
        shown = {name: state.get(name, "") for name in ("title", "folder", "words", "error")}
        blocks = list(self.blocks()) if self._readable else []
        return Still(**shown, facts=state.get("facts", ()), blocks=blocks, note=note, id=id)

    def display(self) -> None:
        """Show the panel: live where the front end can, otherwise as a still picture.

        A live panel hides the still picture that follows it; where no panel lives (an exported page, a viewer), it is
        what one sees.
        """
        if not _in_a_notebook():
            print(self.picture())
            return
        from IPython.display import display

        if reason_for_a_still_picture() is None:
            display(self.view)
        self._still = display(self.picture().bundle(), raw=True, display_id=f"sdgkit-{self.id}-{uuid4().hex[:6]}")

    _ipython_display_ = display

    def picture_again(self) -> None:
        """Bring the still picture up to date, where one is shown."""
        if self._still is not None:
            self._still.update(self.picture().bundle(), raw=True)

    def __repr__(self) -> str:
        return str(self._drawn())


def _in_a_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def sentence(error: BaseException | None) -> str:
    """An exception in one sentence; "" for none."""
    if error is None:
        return ""
    if isinstance(error, SdgkitError):
        return str(error)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def teacher_of(given: Any) -> Teacher:
    """The teacher that was given, or the one of a TeacherPanel. Raises SettingsError if it is neither."""
    teacher = getattr(given, "teacher", given)
    if not isinstance(teacher, Teacher):
        raise SettingsError("This panel asks a teacher: give teacher=sdgkit.connect(...), or a TeacherPanel.")
    return teacher


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _sendable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _HALF_PAIR.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {str(name): _sendable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(entry) for entry in value]
    return value
