"""One row on its way through the stages."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from sdgkit.prompts import Prompt
from sdgkit.prompts.structured_output import Form
from sdgkit.samples import Row, normalized
from sdgkit.stages import Drop
from sdgkit.teachers.teacher import Reply, Request

AGAIN_TEMPERATURE = 0.3
"""At least, when asking again: a model at temperature 0 would repeat itself."""

OUT = "\0"  # in counts, where other rows stand under the reason of their drop


class Withdrawn(Exception):
    """An earlier row with the same text has taken this one's place, and has accounted for it."""


class Step:
    """One row on its way through the stages: what a stage works with. The stream makes it (`pipeline.Stream`).

    row: its columns. id: its lineage ("s3/c7/q2"); place: the same, to be sorted by. at: the number of its stage.
    unit: the seed that it came from, or the seed's part of a round, from 1. trail: (stage, key) of every reply in its
    history.
    """

    def __init__(
        self,
        stream: Any,
        parent: "Step | None",
        row: Row,
        label: str = "",
        ordinal: int = 0,
        unit: int = 0,
    ) -> None:
        self.stream, self.row, self.ordinal = stream, row, ordinal
        self.parent: Any = parent  # a Step, or None at the top
        self.open = 0  # pieces of work that are not done yet, its own and those of all below it
        self.gone = False
        self.counts: Counter[str] = (
            Counter()
        )  # f"{at}:{OUT}" and f"{at}:{reason}", of this row and all below it
        self.seen: dict[str, Step] = {}  # the rows that came of it, by their texts
        self.at, self.unit, self.id, self.place, self.trail = (
            0,
            unit,
            label,
            f"{ordinal:06}",
            list[tuple[str, str]](),
        )
        if parent is not None:
            self.at, self.unit, self.trail = parent.at, unit or parent.unit, list(parent.trail)
            if not label:
                self.id, self.place, self.seen = parent.id, parent.place, parent.seen
            elif parent.id:
                self.id, self.place = f"{parent.id}/{label}", f"{parent.place}.{self.place}"

    # For stages -------------------------------------------------------------------------------------------------------

    @property
    def prompt(self) -> Prompt:
        """The stage's prompt."""
        return self.stream.prompts[self.stream.stages[self.at].name]

    async def ask(
        self,
        values: Row | None = None,
        *,
        ordinal: int = 1,
        attempt: int = 1,
        form: Form | None = None,
    ) -> Reply:
        """The teacher's reply to the stage's prompt, rendered with the row and these further values.

        Recorded in the journal before it is returned, and taken from there if it was asked before. ordinal: which of
        the n this is for its row; attempt: 1, or higher when a malformed reply is asked again. form: what the
        reply must look like, for a server that can be held to it. Raises Drop ("teacher_error").
        """
        sampling = dict(self.prompt.sampling)
        if attempt > 1:
            sampling["temperature"] = max(AGAIN_TEMPERATURE, sampling.get("temperature", 0.0))
        messages = self.prompt.render({**self.row, **(values or {})})
        return await self.stream.ask(
            self, Request(tuple(messages), sampling, ordinal, attempt), form
        )

    def last_reply(self) -> str:
        """The raw text of the newest reply in this row's history, "" if there is none."""
        recorded = self.stream.journal.reply(self.trail[-1][1]) if self.trail else None
        return recorded.reply.text if recorded else ""

    def branch(self, work: Callable[["Step"], Awaitable[None]]) -> None:
        """Start a piece of work on the same row, with a history of its own."""
        self.stream.start(Step(self.stream, self, self.row), work)

    def offer(self, ordinal: int, columns: Row, names: Sequence[str]) -> bool:
        """Send on a new row, this one with these columns added, unless it is equal to another in those of these names.

        Of equal ones the lowest ordinal stays, whichever came first. True if the set has grown by it.
        """
        text = normalized(columns, names)
        holder = self.seen.get(text)
        repeats = Drop(
            "duplicate", f"The same {' and '.join(names)} as an earlier one of the same row."
        )
        if holder is not None and holder.ordinal < ordinal:
            self.drop(ordinal, repeats)
            return False
        if (
            holder is not None
        ):  # a later one is on its way: this one takes its place, by the same recorded replies
            holder.withdraw()
            holder.parent.drop(holder.ordinal, repeats)
        self.seen[text] = child = self._child(ordinal, {**self.row, **columns})
        child.count(OUT)
        child.at += 1
        self.stream.start(child, self.stream.flow)
        return holder is None

    def drop(self, ordinal: int, drop: Drop) -> None:
        """Record that the row of this ordinal never came to be, or is no more."""
        self.stream.drop(self._child(ordinal, self.row), drop)

    # For the stream ---------------------------------------------------------------------------------------------------

    def _child(self, ordinal: int, row: Row) -> "Step":
        letter = self.stream.stages[self.at].letter
        return Step(self.stream, self, row, f"{letter}{ordinal}", ordinal)

    def line(self) -> Iterator["Step"]:
        """This row and those that it came of, up to the top."""
        step = self
        while step is not None:
            yield step
            step = step.parent

    def stay(self) -> None:
        """Raises Withdrawn if the row, or one that it came of, has been taken back."""
        if any(step.gone for step in self.line()):
            raise Withdrawn

    def count(self, what: str) -> None:
        """Count what became of it at its stage. Raises Withdrawn."""
        self.stay()
        for step in self.line():
            step.counts[f"{self.at}:{what}"] += 1

    def withdraw(self) -> None:
        """Take back this row and all that came of it; what was asked stays recorded."""
        mine, self.gone = dict(self.counts), True
        for step in self.line():
            step.counts.subtract(mine)
        self.stream.forget(self)
