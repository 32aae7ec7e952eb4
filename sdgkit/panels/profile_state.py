"""What the panel of a profile shows."""

from dataclasses import dataclass

from sdgkit.evaluation.drafts import Flaw
from sdgkit.panels.state import PanelState


@dataclass(frozen=True)
class BreakerState:
    """A seed whose own response breaks a criterion: its id, and the response."""

    id: str
    response: str


@dataclass(frozen=True)
class CriterionState:
    """A criterion with the seeds that break it.

    Attributes:
        text: The rule.
        enabled: Whether it is used.
        broken_by: The seeds whose own response breaks it.
        flaws: What is wrong with it.
    """

    text: str
    enabled: bool
    broken_by: tuple[BreakerState, ...]
    flaws: tuple[Flaw, ...]


@dataclass(frozen=True)
class ListState:
    """A list of texts, one per line.

    Attributes:
        name: Its name.
        text: Its entries, one a line.
        number: How many there are.
        flaws: What is wrong with it.
    """

    name: str
    text: str
    number: int
    flaws: tuple[Flaw, ...]


@dataclass(frozen=True, kw_only=True)
class ProfileState(PanelState):
    """What the panel of a profile shows.

    Attributes:
        path: The file that *Save* writes.
        criteria: The rules that a response must meet.
        variety: The lists that contexts draw from.
        checks: The checks, one a line.
        steering: Whether questions steer the answer: "yes", "no", or "" if that is unknown.
        revision: Changes when texts were replaced other than by typing.
        study_label: What *Study* takes, in words.
        can_study: Whether *Study* can be pressed.
        can_save: Whether there is something to save.
        can_undo: Whether there is something to undo.
        can_redo: Whether there is something to redo.
        is_empty: Whether there is nothing in the profile yet.
        problem: Why what you type is not kept until you save it, or "".
        notes: What the study could not look at.
    """

    path: str
    criteria: tuple[CriterionState, ...]
    variety: tuple[ListState, ...]
    checks: ListState
    steering: str
    revision: int
    study_label: str
    can_study: bool
    can_save: bool
    can_undo: bool
    can_redo: bool
    is_empty: bool
    problem: str
    notes: tuple[str, ...]


def list_state(name: str, entries: tuple[str, ...], flaws: list[Flaw], part: str) -> ListState:
    """A list as lines; an entry of several lines is shown in one."""
    lines = [" ".join(entry.splitlines()) for entry in entries]
    flaws_of_part = []
    for flaw in flaws:
        if flaw.part == part:
            flaws_of_part.append(flaw)
    own_flaws = tuple(flaws_of_part)
    return ListState(name, "\n".join(lines), len(entries), own_flaws)
