"""What drafts of prompts and of seeds have in common: flaws, undo, and a file to be saved in."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sdgkit.errors import SettingsError
from sdgkit.evaluation.seed_findings import Severity

State = TypeVar("State")

ONE_STEP_S = 2.0  # seconds within which changes of the same text are one step for undo


@dataclass(frozen=True)
class Flaw:
    """Something that is wrong with a draft.

    Attributes:
        part: The part of the prompt, or the column of the seed; "" if it concerns the whole.
        message: What is wrong and what to do about it.
        line: The line in that part, from 1; 0 if none is to blame.
        severity: "error" (the draft cannot be used), "warning" or "hint".
    """

    part: str
    message: str
    line: int = 0
    severity: Severity = "error"


class EditHistory(Generic[State]):
    """The state of something being edited, the states before it, and the state that was saved.

    A state is a value that is never changed in place.

    Args:
        state: The state to begin with; it counts as saved.

    Attributes:
        state: The state now.

    Example:
        >>> history = EditHistory("one")
        >>> history.change("two")
        >>> history.changed
        True
        >>> history.undo()
        >>> history.state
        'one'
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.saved_state = state
        self._earlier: list[State] = []
        self._last_topic = ""
        self._last_change = 0.0

    def change(self, state: State, topic: str = "") -> None:
        """Replace the state with another.

        Args:
            state: The new state.
            topic: What is being changed. Changes of one topic in quick succession are one step for
                undo.
        """
        now = time.monotonic()
        same_topic = topic != "" and topic == self._last_topic
        if not same_topic or now - self._last_change >= ONE_STEP_S:
            self._earlier.append(self.state)
        self.state = state
        self._last_topic = topic
        self._last_change = now

    def undo(self) -> None:
        """Take back the last change, if there is one."""
        self._last_topic = ""
        if self._earlier:
            self.state = self._earlier.pop()

    def mark_saved(self, state: State) -> None:
        """Make this the state, and the one that is saved; no step for undo."""
        self.state = state
        self.saved_state = state

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._earlier)

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self.state != self.saved_state


def file_to_save(path: str | Path | None, own_path: Path | None, suffix: str) -> Path:
    """The file in which a draft is saved.

    Args:
        path: The file that the user names; None or "" for the draft's own.
        own_path: The draft's own file, if it has one.
        suffix: How its name must end.

    Raises:
        SettingsError: If there is no file, or its name ends otherwise.
    """
    target = Path(path) if path else own_path
    if target is None:
        raise SettingsError(f"There is no file to save to. Give a file name that ends in {suffix}.")
    if target.suffix != suffix:
        raise SettingsError(f"{target}: choose a file name that ends in {suffix}.")
    return target
