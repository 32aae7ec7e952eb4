"""What the panel of a shelf shows."""

from dataclasses import dataclass

from sdgkit.formatting import format_samples, pluralize
from sdgkit.pages.picture import draw_funnel
from sdgkit.panels.run_state import NEWEST, NewSample
from sdgkit.panels.state import PanelState
from sdgkit.run.snapshot import Snapshot
from sdgkit.shelf import ShelfSnapshot
from sdgkit.texts import load_texts


@dataclass(frozen=True)
class SkillState:
    """A skill of the shelf.

    Attributes:
        name: Its path in the tree.
        sign: Its state.
        state: The same in a word or two.
        fraction: The share of its work that is done.
        samples: Its samples.
        dropped: The rows that it dropped.
        message: Why it is paused or failed, or "".
    """

    name: str
    sign: str
    state: str
    fraction: float
    samples: int
    dropped: int
    message: str

    @classmethod
    def all_of(cls, snapshot: ShelfSnapshot) -> "tuple[SkillState, ...]":
        """All skills, in order."""
        skills = []
        for name, skill in snapshot.skills.items():
            fraction = skill.fraction
            if skill.state == "done":
                fraction = 1.0
            state = cls(
                name=name,
                sign=skill.state,
                state=_words(skill),
                fraction=fraction,
                samples=skill.samples,
                dropped=sum(line.dropped_rows for line in skill.stages),
                message=skill.message,
            )
            skills.append(state)
        return tuple(skills)


@dataclass(frozen=True)
class OpenSkill:
    """The skill that is shown below the list.

    Attributes:
        name: Its path in the tree.
        picture: Its stages, as a drawing; "" before it has begun.
        newest: Its newest samples, the latest first.
    """

    name: str
    picture: str
    newest: tuple[NewSample, ...]

    @classmethod
    def of(cls, name: str, snapshot: ShelfSnapshot) -> "OpenSkill | None":
        """The skill of this name; None for ""."""
        skill = snapshot.skills.get(name)
        if skill is None:
            return None
        picture = ""
        if skill.stages:
            picture = draw_funnel(skill.stages)
        newest = list(skill.newest)[-NEWEST:]
        return cls(name, picture, tuple(NewSample.of(sample) for sample in reversed(newest)))


@dataclass(frozen=True, kw_only=True)
class ShelfState(PanelState):
    """What the panel of a shelf shows.

    Attributes:
        plan: What *Start* would ask for, as a sentence, or "".
        start_label: What the button that starts it says, or "" if it cannot be started here.
        can_start: Whether it can be started now.
        can_cancel: Whether it can be cancelled now.
        fraction: The share of the whole work that is done.
        skills: Its skills, in order.
        opened: The skill that is shown below them, if there is one.
    """

    plan: str
    start_label: str
    can_start: bool
    can_cancel: bool
    fraction: float
    skills: tuple[SkillState, ...]
    opened: OpenSkill | None


def status_of(snapshot: ShelfSnapshot) -> str:
    """The state of the whole in one line."""
    whole = snapshot.whole
    if whole.state == "new":
        return f"Not started: {pluralize(len(snapshot.skills), 'skill')}"
    done = 0
    for skill in snapshot.skills.values():
        if skill.state == "done":
            done += 1
    kept = format_samples(whole.samples, whole.distinct_answers)
    skills = f"{done} of {pluralize(len(snapshot.skills), 'skill')} done"
    return " \u00b7 ".join([_words(whole), skills, kept])


def _words(snapshot: Snapshot) -> str:
    """A state in a word or two; what to do about it stands elsewhere."""
    sentence = str(load_texts("run_states").get(snapshot.state, snapshot.state))
    return sentence.partition(":")[0].partition(";")[0]
