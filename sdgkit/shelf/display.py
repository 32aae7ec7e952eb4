"""What a notebook shows of a shelf: the whole, and each skill with its state, samples and files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.formatting import format_samples, pluralize
from sdgkit.pages import fill
from sdgkit.run.display import CodeLine, Link, facts_of, links_of
from sdgkit.run.snapshot import Snapshot
from sdgkit.shelf.snapshot import ShelfSnapshot
from sdgkit.texts import load_texts

FOLDER_MARK = "/"  # at the end of the name of a link that is a folder


@dataclass(frozen=True)
class SkillLine:
    """A skill of a shelf.

    Attributes:
        name: Its path in the tree.
        state: Its state, in words.
        samples: How many samples it has.
        drops: How many rows it dropped.
        message: Why it is paused, interrupted or failed, or "".
        links: Its files.
    """

    name: str
    state: str
    samples: int
    drops: int
    message: str
    links: Sequence[Link]


@dataclass(frozen=True)
class ShelfPage:
    """A shelf as a page.

    Attributes:
        place: Its folder, in words.
        status: Its state, its skills and its samples.
        message: Why it is paused, interrupted or failed, or "".
        facts: Numbers with their names.
        skills: Its skills, in order.
        steps: What to do next.
    """

    place: str
    status: str
    message: str
    facts: Sequence[tuple[str, str]]
    skills: Sequence[SkillLine]
    steps: Sequence[CodeLine]

    @classmethod
    def of(cls, snapshot: ShelfSnapshot, out: Path, folder: Path) -> "ShelfPage":
        """The page of a shelf.

        Args:
            snapshot: Its numbers.
            out: Its folder, as you passed it.
            folder: Its folder, absolute.
        """
        whole = snapshot.whole
        skills = pluralize(len(snapshot.skills), "skill")
        kept = format_samples(whole.samples, whole.distinct_answers)
        return cls(
            place=str(out),
            status=f"{_state(whole)}: {skills}, {kept}",
            message=whole.message,
            facts=facts_of(whole),
            skills=_skill_lines(snapshot.skills, out, folder),
            steps=_steps(snapshot, out),
        )

    def as_html(self) -> str:
        """The page for a notebook."""
        return "".join(fill("shelf_page.html", page=self))


def _skill_lines(skills: Mapping[str, Snapshot], out: Path, folder: Path) -> list[SkillLine]:
    lines = []
    for name, snapshot in skills.items():
        files = links_of(out / name, folder / name)
        line = SkillLine(
            name=name,
            state=_state(snapshot),
            samples=snapshot.samples,
            drops=sum(line.dropped_rows for line in snapshot.stages),
            message=snapshot.message,
            links=[link for link in files if not link.name.endswith(FOLDER_MARK)],
        )
        lines.append(line)
    return lines


def _state(snapshot: Snapshot) -> str:
    """A state in a word or two; what to do about it is elsewhere on the page."""
    sentence = str(load_texts("run_states").get(snapshot.state, snapshot.state))
    return sentence.partition(":")[0].partition(";")[0]


def _steps(snapshot: ShelfSnapshot, out: Path) -> list[CodeLine]:
    whole = snapshot.whole
    if whole.is_active:
        return [CodeLine("shelf", "shows its current state"), CodeLine("shelf.wait()", "waits")]
    if whole.state == "new":
        return [CodeLine("shelf.start().wait()", "starts it")]
    name = next((name for name, skill in snapshot.skills.items() if skill.samples), "")
    steps = []
    if whole.state != "done":
        steps.append(
            CodeLine(f"sk.generate_shelf(TREE, teacher=teacher, out={str(out)!r})", "resumes it")
        )
    if name:
        steps += [
            CodeLine(f"shelf.run({name!r})", "shows one skill, with samples"),
            CodeLine(
                f"sk.mix({str(out)!r}, 'train.jsonl')", "mixes all skills into one training set"
            ),
        ]
    return steps
