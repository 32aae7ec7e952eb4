"""What drafts of prompts and of seeds have in common: flaws, undo, and a file to be saved in."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sdgkit.errors import FileConflict, SettingsError
from sdgkit.evaluation.kept_draft import DraftFile
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
        >>> history.redo()
        >>> history.state
        'two'
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.saved_state = state
        self._earlier: list[State] = []
        self._later: list[State] = []  # what was undone, the first to come back last
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
        self._later.clear()
        self.state = state
        self._last_topic = topic
        self._last_change = now

    def undo(self) -> None:
        """Take back the last change, if there is one."""
        self._last_topic = ""
        if self._earlier:
            self._later.append(self.state)
            self.state = self._earlier.pop()

    def redo(self) -> None:
        """Make the change again that was taken back last, if nothing was changed since."""
        self._last_topic = ""
        if self._later:
            self._earlier.append(self.state)
            self.state = self._later.pop()

    def mark_saved(self, state: State) -> None:
        """Note what is saved; the state may differ from it."""
        self.saved_state = state

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._earlier)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return bool(self._later)

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self.state != self.saved_state


class Draft(Generic[State]):
    """Something being edited, with undo; every change is kept in a hidden file until it is saved.

    Args:
        state: The state to begin with; it counts as saved.
    """

    def __init__(self, state: State) -> None:
        self._history = EditHistory(state)
        self._kept: DraftFile | None = None
        self._has_kept = False  # this draft's changes are in that file

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return self._history.can_redo

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self._history.changed

    @property
    def problem(self) -> str:
        """Why changes are not kept until they are saved, as a sentence, or ""."""
        if self._kept is not None:
            return self._kept.problem
        return ""

    @property
    def is_kept(self) -> bool:
        """Whether what is not saved is on disk, so that another draft begins with it."""
        return not self.changed or (self._kept is not None and not self._kept.problem)

    def undo(self) -> None:
        """Take back the last change."""
        self._history.undo()
        self._keep()

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        self._history.redo()
        self._keep()

    def _keep(self) -> None:
        """Write the changes to the hidden file, or remove it if there are none."""
        raise NotImplementedError


def file_to_save(path: str | Path | None, own_path: Path | None, suffix: str) -> Path:
    """The file in which a draft is saved.

    Args:
        path: The file that the user names; None or "" for the draft's own.
        own_path: The draft's own file, if it has one.
        suffix: How its name must end.

    Raises:
        SettingsError: If there is no file, or its name ends otherwise.
    """
    target = own_path
    if path:
        target = Path(path)
    if target is None:
        raise SettingsError(f"There is no file to save to. Give a file name that ends in {suffix}.")
    if target.suffix != suffix:
        raise SettingsError(f"{target}: choose a file name that ends in {suffix}.")
    return target


class OwnFile:
    """The file that a draft came from, as it was then.

    Args:
        path: The file, which may not exist.
        digest: A hash of what it held; by default, of what it holds now.
    """

    def __init__(self, path: Path, digest: str | None = None) -> None:
        self.path = path
        self.digest = digest_of(path) if digest is None else digest

    def is_at(self, path: Path) -> bool:
        """Whether this is the same file as the one at another path."""
        return os.path.realpath(path) == os.path.realpath(self.path)

    @property
    def has_changed(self) -> bool:
        """Whether it holds something else than then. A file that was removed holds nothing."""
        return digest_of(self.path) not in ("", self.digest)


def digest_of(path: Path) -> str:
    """A hash of a file's content, "" if there is no such file."""
    if not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refuse_to_overwrite(target: Path, own: OwnFile | None) -> None:
    """Refuse to save where that would overwrite what the draft has not seen.

    Args:
        target: The file to save in.
        own: The file that the draft came from, if there is one.

    Raises:
        FileConflict: It is another file that exists, or the draft's own and changed since.
    """
    if own is None or not own.is_at(target):
        if target.exists():
            raise FileConflict(
                f"{target} exists already. Overwrite it, or choose another name.",
                file=target,
                is_own=False,
            )
    elif own.has_changed:
        raise FileConflict(
            f"{target} was changed since you loaded it: by another program or panel. "
            "Keep your version and overwrite theirs, or load theirs; Undo brings yours back.",
            file=target,
            is_own=True,
        )
