"""Whether the front end behind this kernel can show a live panel."""

import os
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from sdgkit.panels.front_ends import PROGRAMS, FrontEnd, Surroundings, seen_front_ends
from sdgkit.run.progress import ipython_shell

VARIABLE = "SDGKIT_PANELS"  # "live" or "static": your own decision
HELLO = "sdgkit.hello"

NOBODY = (
    "This is a still picture: sdgkit found no front end here that shows live panels. "
    f"To try a live one, run `%env {VARIABLE}=live` in a cell, then run this cell again."
)
A_PROGRAM = (
    "This is a still picture: a program runs this notebook. If you are watching it, run "
    f"`%env {VARIABLE}=live` in a cell, then run this cell again."
)


class Liveness(Enum):
    """Whether panels are live."""

    LIVE = "live"
    STILL = "still"
    IN_DOUBT = "in doubt"  # still, until a front end answers


class _Audience:
    """Who watches this kernel, as far as a front end has said so itself."""

    def __init__(self) -> None:
        self.has_answered = False
        self._waiting: list[Callable[[], None]] = []
        self._question: Any = None

    def ask(self, on_answer: Callable[[], None]) -> None:
        """Say hello; a front end answers, a program that runs a notebook does not.

        The message opens a channel of a kind that no front end has. Each must then close it, by
        the protocol of Jupyter; that is the answer. Nothing is shown, and nothing is left in the
        notebook.
        """
        from ipykernel.comm import Comm

        self._waiting.append(on_answer)
        if self._question is not None:
            return
        self._question = Comm(target_name=HELLO)  # type: ignore[no-untyped-call]
        self._question.on_close(self._hear)

    def _hear(self, _message: object) -> None:
        self.has_answered = True
        self._question = None
        waiting, self._waiting = self._waiting, []
        for on_answer in waiting:
            on_answer()


audience = _Audience()


def liveness() -> Liveness:
    """Whether panels are live here."""
    decision = os.environ.get(VARIABLE, "").strip().lower()
    if decision == "live":
        return Liveness.LIVE
    if decision:
        return Liveness.STILL
    if running_marimo() is not None:
        return Liveness.LIVE
    shell = ipython_shell()
    front_ends = seen_front_ends(Surroundings.of(shell))
    if not front_ends:
        return Liveness.STILL
    if audience.has_answered or any(_is_sure(front_end, shell) for front_end in front_ends):
        return Liveness.LIVE
    return Liveness.IN_DOUBT


def reason_for_still_picture() -> str | None:
    """Why panels are still pictures here.

    Returns:
        None if panels are live, "" if you asked for still pictures, otherwise the reason and what
        to do.
    """
    state = liveness()
    if state is Liveness.LIVE:
        return None
    if os.environ.get(VARIABLE, "").strip().lower() == "static":
        return ""
    if state is Liveness.IN_DOUBT:
        return A_PROGRAM
    return NOBODY


def running_marimo() -> Any:
    """marimo, if it runs this code as a notebook, otherwise None; it is not imported for this."""
    marimo = sys.modules.get("marimo")
    is_running = marimo is not None and marimo.running_in_notebook()
    if is_running:
        return marimo
    return None


def _is_sure(front_end: FrontEnd, shell: object) -> bool:
    """Whether a mark means that someone is watching: it may have been inherited."""
    if not front_end.mark.leaks:
        return True
    is_a_program = front_end.answers_input and not _request_allows_input(shell)
    return not is_a_program and not _parent_is_a_program()


def _request_allows_input(shell: object) -> bool:
    """Whether the running cell may ask for input: a program's cells may not.

    Without a running cell, as in a plain interpreter, nothing speaks against it.
    """
    if shell is None or not hasattr(shell, "get_parent"):
        return True
    request = shell.get_parent()
    content = {}
    if request:
        content = request.get("content", {})
    return bool(content.get("allow_stdin", True))


def _parent_is_a_program() -> bool:
    """Whether a program that runs notebooks on its own has started this process (Linux only)."""
    try:
        command = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return False
    words = command.decode("utf-8", "replace").split("\0")
    names = {Path(word).name for word in words[:4]}
    return bool(names & set(PROGRAMS))
