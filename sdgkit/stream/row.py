"""One row on its way through the stages."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sdgkit.prompts import Prompt
from sdgkit.prompts.structured_output import Form
from sdgkit.samples import Row, normalized
from sdgkit.stages import Drop, Stage, against_loops
from sdgkit.stream.tally import Exit, Tally
from sdgkit.teachers.teacher import Reply, Request

AGAIN_TEMPERATURE = 0.3
"""The lowest temperature when asking again: a model at temperature 0 would repeat itself."""


class Withdrawn(Exception):
    """An earlier row with the same texts has taken this row's place, and accounts for it."""


class Mover(Protocol):
    """What a row needs from the stream that moves it."""

    @property
    def stages(self) -> Sequence[Stage]:
        """The stages, in order."""

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """The prompts, by stage name."""

    def variables_of(self, row: Row) -> Mapping[str, Any]:
        """The variables of the whole run, as the prompts for this row see them."""

    def start(self, step: "StreamStep", work: Callable[["StreamStep"], Awaitable[None]]) -> None:
        """Let a piece of work for a row run beside the others."""

    async def move(self, step: "StreamStep") -> None:
        """Move a row on from stage to stage."""

    async def reply_to(self, step: "StreamStep", request: Request, form: Form | None) -> Reply:
        """The reply to a request of a row."""

    def recorded_text(self, key: str) -> str:
        """The text of the reply that is recorded under a key; empty if there is none."""

    def drop(self, step: "StreamStep", drop: Drop) -> None:
        """Record that a row left the stream at its stage."""

    def forget(self, step: "StreamStep") -> None:
        """Take back what is recorded of a row and of everything that came from it."""


@dataclass(eq=False, slots=True)
class StreamStep:
    """One row on its way through the stages: the stream's kind of `sdgkit.stages.Step`.

    The rows of a stream are a tree. Below its top are the admitted rows; with a target, each has
    its parts of the rounds below it; below them are the rows that stages make of them. A branch is
    the same row again, with a history of its own.

    Attributes:
        stream: The stream that moves the row.
        row: Its columns.
        parent: The row that it came from; None at the top.
        id: Its lineage, such as `s3/c7/q2`.
        place: The same, to be sorted by.
        ordinal: Which of its parent's rows it is, from 1; 0 for a branch.
        unit: The seed that it came from, or the seed's part of a round, from 1; 0 above those.
        at: The place of its stage in the pipeline, from 0.
        trail: Stage and journal key of every reply in its history.
        new_rows: The rows that came from it, by their texts; a branch shares them with its row.
        open: Pieces of work that are not done yet, its own and those of all rows below it.
        is_withdrawn: Whether it was taken back.
        tally: What became of it and of all rows below it.
    """

    stream: Mover
    row: Row
    parent: "StreamStep | None" = None
    id: str = ""
    place: str = ""
    ordinal: int = 0
    unit: int = 0
    at: int = 0
    trail: list[tuple[str, str]] = field(default_factory=list)
    new_rows: "dict[str, StreamStep]" = field(default_factory=dict)
    open: int = 0
    is_withdrawn: bool = False
    tally: Tally = field(default_factory=Tally)

    # For stages -----------------------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        """The stage at which the row is."""
        return self.stream.stages[self.at]

    @property
    def seed(self) -> str:
        """The lineage id of its seed."""
        return self.id.partition("/")[0]

    @property
    def prompt(self) -> Prompt:
        """The stage's prompt."""
        return self.stream.prompts[self.stage.name]

    async def ask(
        self,
        values: Row | None = None,
        *,
        ordinal: int = 1,
        attempt: int = 1,
        form: Form | None = None,
        after_loop: bool = False,
    ) -> Reply:
        """Ask for a reply to the stage's prompt; see `sdgkit.stages.Step.ask`."""
        sampling = dict(self.prompt.sampling)
        if attempt > 1:
            sampling["temperature"] = max(AGAIN_TEMPERATURE, sampling.get("temperature", 0.0))
        if after_loop:
            sampling = against_loops(sampling)
        variables = {**self.stream.variables_of(self.row), **self.row, **(values or {})}
        messages = self.prompt.render(variables)
        request = Request(tuple(messages), sampling, ordinal, attempt)
        return await self.stream.reply_to(self, request, form)

    def last_reply(self) -> str:
        """The raw text of the newest reply in this row's history; empty if there is none."""
        if not self.trail:
            return ""
        _, key = self.trail[-1]
        return self.stream.recorded_text(key)

    def branch(self, work: Callable[["StreamStep"], Awaitable[None]]) -> None:
        """Start a piece of work on the same row, with a history of its own."""
        self.stream.start(self.same_row(), work)

    def offer(self, ordinal: int, columns: Row, names: Sequence[str]) -> bool:
        """Send a new row on to the next stage; see `sdgkit.stages.Step.offer`."""
        text = normalized(columns, names)
        equal = self.new_rows.get(text)
        repeated = Drop(
            "duplicate", f"The same {' and '.join(names)} as an earlier one of the same row."
        )
        if equal is not None and equal.ordinal < ordinal:
            self.drop(ordinal, repeated)
            return False
        if equal is not None:
            # A later row is on its way already. This one takes its place, by the same replies.
            equal.withdraw()
            assert equal.parent is not None
            equal.parent.drop(equal.ordinal, repeated)
        new_row = self._new_row(ordinal, {**self.row, **columns})
        self.new_rows[text] = new_row
        new_row.count(None)
        new_row.at += 1
        self.stream.start(new_row, self.stream.move)
        return equal is None

    def drop(self, ordinal: int, drop: Drop) -> None:
        """Record that the new row of this ordinal could not be made, or was taken back."""
        self.stream.drop(self._new_row(ordinal, self.row), drop)

    # For the stream -------------------------------------------------------------------------------

    def admit(self, id: str, ordinal: int, row: Row, unit: int = 0) -> "StreamStep":
        """At the top: a row that is admitted to the stream.

        Args:
            id: The row's lineage.
            ordinal: Which of the input rows it is, from 1.
            row: Its columns.
            unit: Its number as a unit; 0 if its parts of the rounds are units.
        """
        place = f"{ordinal:06}"
        return StreamStep(
            self.stream, row, parent=self, id=id, place=place, ordinal=ordinal, unit=unit
        )

    def same_row(self, unit: int = 0) -> "StreamStep":
        """This row again: a branch of it or, with a unit, its part of a round."""
        return StreamStep(
            self.stream,
            self.row,
            parent=self,
            id=self.id,
            place=self.place,
            unit=unit or self.unit,
            at=self.at,
            trail=list(self.trail),
            new_rows=self.new_rows,
        )

    def _new_row(self, ordinal: int, row: Row) -> "StreamStep":
        return StreamStep(
            self.stream,
            row,
            parent=self,
            id=f"{self.id}/{self.stage.letter}{ordinal}",
            place=f"{self.place}.{ordinal:06}",
            ordinal=ordinal,
            unit=self.unit,
            at=self.at,
            trail=list(self.trail),
        )

    @property
    def is_unit(self) -> bool:
        """Whether a unit begins with this row: all rows of the unit are below it."""
        return self.unit > 0 and (self.parent is None or self.parent.unit == 0)

    def ancestry(self) -> Iterator["StreamStep"]:
        """This row and those that it came from, up to the top."""
        step: StreamStep | None = self
        while step is not None:
            yield step
            step = step.parent

    def raise_if_withdrawn(self) -> None:
        """Raise Withdrawn if the row, or one that it came from, was taken back."""
        step: StreamStep | None = self
        while step is not None:  # several times a request, so without a generator
            if step.is_withdrawn:
                raise Withdrawn
            step = step.parent

    def count(self, reason: str | None) -> None:
        """Count how the row left its stage: the reason of its drop, None if it moved on.

        Raises:
            Withdrawn: The row was taken back, and is accounted for.
        """
        self.raise_if_withdrawn()
        exit = Exit(self.at, reason)
        for step in self.ancestry():
            step.tally.count(exit)

    def withdraw(self) -> None:
        """Take back this row and everything that came from it; the replies stay recorded."""
        self.is_withdrawn = True
        own = self.tally.copy()
        for step in self.ancestry():
            step.tally.subtract(own)
        self.stream.forget(self)
