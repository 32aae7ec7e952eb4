"""What all panels have in common: a state that is drawn, actions, and errors as one sentence.

A panel holds no logic. Its `state` turns an object that works without it into values, and its
actions call that object. How the state looks is in look/ (live) and in pages/panel/ (still).
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias
from uuid import uuid4

from sdgkit.errors import FileConflict, RunBeginning, SdgkitError, SettingsError
from sdgkit.pages import fill
from sdgkit.panels.live import (
    Liveness,
    audience,
    liveness,
    reason_for_still_picture,
    running_marimo,
)
from sdgkit.panels.state import PanelState
from sdgkit.run.progress import ipython_shell
from sdgkit.teachers.source import TeacherSource, teacher_of
from sdgkit.teachers.teacher import Teacher

if TYPE_CHECKING:
    from sdgkit.panels.view import PanelView

# A Jupyter server drops what exceeds 1,000 messages a second, for good: stay far below.
FRAMES_PER_S = 6
DRAWING_SHARE = 0.1  # of the time, which leaves the rest to the run itself
PICTURE_S = 4.0  # between two still pictures of something that runs

Action: TypeAlias = Callable[..., object]
Cancel: TypeAlias = Callable[[], object]


class _Display(Protocol):
    """The handle that IPython returns for an output that can be replaced."""

    def update(self, picture: Mapping[str, str], *, raw: bool) -> None: ...


class Panel:
    """A panel: shown by a notebook that ends a cell with it, printed elsewhere.

    Attributes:
        kind: The name of the panel's script in look/ and of its page in pages/panel/.
        id: A short random name; it keeps the elements of two panels on one page apart.
        busy: What the panel is doing in the background, as a sentence, or "".
        notice: What the last action did, as a sentence, or "".
        last_error: What went wrong last; None if the last action succeeded.
        conflict: The file that saving would have overwritten, while the panel asks about it.
        host: The panel that shows this one within itself, if there is one.
    """

    kind: ClassVar[str]
    restored_notice: ClassVar[str] = ""  # what is said above texts that outlived their kernel

    def __init__(self) -> None:
        self.id = uuid4().hex[:8]
        self.busy = ""
        self.notice = ""
        self.last_error: BaseException | None = None
        self.conflict: FileConflict | None = None
        self.host: Panel | None = None
        self._cell = ""
        self._last_state: PanelState | None = None
        self._view: PanelView | None = None
        self._still: _Display | None = None
        self._cancel: Cancel | None = None
        self._threads: list[threading.Thread] = []
        # Widget messages arrive on any thread.
        self._drawing = threading.RLock()
        self._acting = threading.RLock()

    def state(self) -> PanelState:
        """What the panel shows now."""
        raise NotImplementedError

    def actions(self) -> dict[str, Action]:
        """What clicks can do: the name that the front end sends, and the method that it calls."""
        raise NotImplementedError

    # Actions --------------------------------------------------------------------------------------

    def act(self, name: str, /, **arguments: object) -> None:
        """Do what a click does, such as `panel.act("start")`.

        What goes wrong is shown in the panel and kept in `last_error`.

        Args:
            name: One of the panel's `actions`.
            **arguments: The action's arguments.
        """
        with self._acting, self._catch_errors():
            self.last_error = None
            self.notice = ""
            actions = self.actions()
            if name not in actions:
                raise SettingsError(
                    f"The {self.kind} panel has no action {name!r}. It has {', '.join(actions)}.",
                    setting=name,
                    choices=list(actions),
                )
            actions[name](**arguments)
        self.refresh()
        self.update_picture()

    def cancel(self) -> None:
        """Cancel the work in the background, if there is any."""
        if self._cancel is not None:
            self._cancel()

    def work(
        self, activity: str, job: Callable[[], None], begin: Callable[[], Cancel] | None = None
    ) -> None:
        """Do something long in a thread of its own.

        Args:
            activity: What is being done, as a sentence that is shown until it is done.
            job: The work.
            begin: Starts the work before this method returns; it returns what `cancel` calls.

        Raises:
            SettingsError: If the panel is already at work.
        """
        with self._acting:
            if self.busy:
                current = f"{self.busy[0].lower()}{self.busy[1:]}".rstrip(".")
                raise SettingsError(f"Wait until this is done, or cancel it: {current}.")
            if begin is not None:
                self._cancel = begin()
            self.busy = activity

        def run() -> None:
            try:
                job()
            finally:
                self.busy = ""
                self._cancel = None

        self._start_thread(run)

    def redraw_until(self, is_over: Callable[[], bool]) -> None:
        """Redraw the panel until `is_over`, and once afterwards.

        The live panel is redrawn several times a second, the still picture every few seconds. A
        panel that takes long to draw, such as that of a shelf with many skills, is redrawn less
        often.
        """

        def run() -> None:
            next_picture = 0.0
            while not is_over():
                begin = time.monotonic()
                self.refresh()
                drawing_s = time.monotonic() - begin
                if time.monotonic() >= next_picture:
                    self.update_picture()
                    next_picture = time.monotonic() + PICTURE_S
                time.sleep(max(1 / FRAMES_PER_S, drawing_s / DRAWING_SHARE))

        self._start_thread(run)

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until the work in the background is done.

        Args:
            timeout: Seconds to wait for each thread at most.
        """
        for thread in list(self._threads):
            thread.join(timeout)

    def _start_thread(self, run: Callable[[], None]) -> None:
        def guarded() -> None:
            with self._catch_errors():
                run()
            self.refresh()
            self.update_picture()

        self.last_error = None
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=guarded, name=f"sdgkit {self.kind} panel", daemon=True)
        self._threads.append(thread)
        thread.start()

    @contextmanager
    def _catch_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # ipywidgets would swallow it
            self.last_error = error

    # Showing --------------------------------------------------------------------------------------

    @property
    def view(self) -> "PanelView":
        """The live widget; made when it is first asked for."""
        with self._drawing:  # a thread that draws at the same time finds the finished widget
            if self._view is None:
                from sdgkit.panels.view import PanelView

                self._cell = running_cell()
                self._view = PanelView(self.kind, self.drawn(), self._receive)
            return self._view

    @property
    def is_live(self) -> bool:
        """Whether it can be clicked: it is shown as a widget, by itself or in another."""
        return self._view is not None or (self.host is not None and self.host.is_live)

    def ask_about(self, conflict: FileConflict) -> None:
        """Ask whether to overwrite a file; saving or loading it, or `dismiss`, is the answer."""
        self.conflict = conflict

    def dismiss(self) -> None:
        """Leave the file as it is, and continue."""
        self.conflict = None

    def _receive(self, message: Mapping[str, Any]) -> None:
        arguments = message.get("arguments", {})
        self.act(str(message["action"]), **arguments)
        if message.get("is_late"):
            self.note_late_text(arguments)

    def note_late_text(self, arguments: Mapping[str, Any]) -> None:
        """Say that a text has arrived which was on its way when the last kernel ended.

        Args:
            arguments: Those of the action that brought it.
        """
        if self.last_error is None:
            self.notice = self.restored_notice
            self.refresh()

    def refresh(self) -> None:
        """Bring the live widget up to date."""
        if self.host is not None:
            self.host.part_changed(self)
        with self._drawing:
            if self._view is None:
                return
            drawn = self.drawn()
            if drawn != self._view.state:
                self._view.state = drawn

    def part_changed(self, part: "Panel") -> None:
        """Draw again after a panel that this one shows within itself has changed."""
        self.refresh()

    def drawn(self) -> dict[str, Any]:
        """Everything that is drawn, as JSON values: the panel's state and what all panels have."""
        try:
            state = self.state()
        except Exception as error:
            if self._last_state is None:
                raise
            # Its file is gone, say: what was there stays, with the sentence above it. A run that is
            # just beginning is shown in a moment.
            if not isinstance(error, RunBeginning):
                self.last_error = error
            state = self._last_state
        self._last_state = state
        return {
            **state.as_json(),
            "id": self.id,
            "cell": self._cell,
            "title": self.kind.capitalize(),
            "busy": self.busy,
            "notice": self.notice,
            "error": self.sentence_of(self.last_error) or state.error,
            "conflict": self._drawn_conflict(),
        }

    def sentence_of(self, error: BaseException | None) -> str:
        """An error in one sentence, or "" for None."""
        return error_sentence(error)

    def _drawn_conflict(self) -> dict[str, Any] | None:
        if self.conflict is None:
            return None
        return {
            "sentence": str(self.conflict),
            "file": str(self.conflict.file),
            "is_own": self.conflict.is_own,
        }

    def picture(self) -> dict[str, str]:
        """The still picture of the panel as it is now, as `text/plain` and as `text/html`."""
        reason = reason_for_still_picture()
        is_live = reason is None
        note = reason
        if is_live:
            note = "This is a still picture of the panel."
        values = {"panel": self.drawn(), "kind": self.kind, "note": note, "live": is_live}
        plain = "".join(fill("panel.txt", **values)).strip()
        page = "".join(fill("panel.html", **values)).strip()
        return {"text/plain": plain, "text/html": page}

    def display(self) -> None:
        """Show the panel: live where the front end can, otherwise as a still picture.

        A live panel hides the still picture that follows it. Where no live panel can be shown (an
        exported page, a viewer), you see the picture.
        """
        marimo = running_marimo()
        if marimo is not None:
            marimo.output.append(self._display_())
            return
        if not hasattr(ipython_shell(), "kernel"):
            print(self)
            return
        from IPython.display import display

        state = liveness()
        if state is Liveness.LIVE:
            display(self.view)  # type: ignore[no-untyped-call]
        self._still = display(self.picture(), raw=True, display_id=f"sdgkit-{uuid4().hex}")  # type: ignore[no-untyped-call]
        if state is Liveness.IN_DOUBT:
            audience.ask(self._become_live)
        self.on_show()

    def _ipython_display_(self) -> None:
        self.display()

    def on_show(self) -> None:
        """Called when the panel is shown, and again when it becomes live."""

    def _become_live(self) -> None:
        """Put the live panel where its still picture is: a front end has answered."""
        with self._drawing:
            still, self._still = self._still, None
            if still is not None:
                still.update(self.view.bundle(), raw=True)
        self.on_show()

    def _display_(self) -> Any:
        """What marimo shows."""
        shown = running_marimo().ui.anywidget(self.view)
        self.on_show()
        return shown

    def update_picture(self) -> None:
        """Bring the still picture up to date, where one is shown."""
        if self.host is not None:
            self.host.update_picture()
        with self._drawing:
            if self._still is not None:
                self._still.update(self.picture(), raw=True)

    def __repr__(self) -> str:
        return self.picture()["text/plain"]


def running_cell() -> str:
    """The id of the notebook cell that is running, where the front end sends it, otherwise ""."""
    shell = ipython_shell()
    if shell is None or not hasattr(shell, "get_parent"):
        return ""
    metadata = shell.get_parent().get("metadata", {})
    return str(metadata.get("cellId", ""))


def error_sentence(error: BaseException | None) -> str:
    """An exception in one sentence, or "" for None."""
    if error is None:
        return ""
    if isinstance(error, SdgkitError):
        return str(error)
    first_line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"


def required_teacher(source: TeacherSource | None) -> Teacher:
    """The teacher that a panel was given.

    Raises:
        SettingsError: If it was given none.
    """
    if source is None:
        raise SettingsError(
            "This panel needs a teacher. Pass teacher=sdgkit.connect(...), or a TeacherPanel.",
            setting="teacher",
        )
    return teacher_of(source)
