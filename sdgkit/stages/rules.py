"""The kinds of stage that ask no teacher: they follow a rule."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.keywords import known_keywords_throughout
from sdgkit.samples import Row
from sdgkit.stages.stage import Stage
from sdgkit.stages.step import Drop, Step

REPAIR = "repair"
"""The column that says what came of a repair, in a run that repairs."""


@known_keywords_throughout
@dataclass(frozen=True, kw_only=True)
class Keep(Stage):
    """Keeps the rows with the right number in a column, and drops the others.

    Attributes:
        column: The column with the number.
        equals: Keep the rows whose number is exactly this.
        at_least: Keep the rows whose number is this or more. Not used if `equals` is given.
        remove: Columns to remove from the rows that are kept.
    """

    column: str = "score"
    equals: float | None = None
    at_least: float | None = None
    remove: Sequence[str] = ()
    drops_by_score = True

    @property
    def removed_columns(self) -> frozenset[str]:
        return frozenset(self.remove)

    def with_all_columns(self) -> Stage:
        return dataclasses.replace(self, remove=())

    def passes(self, row: Row) -> bool:
        number = self._value(row, self.column)
        if self.equals is not None:
            return bool(number == self.equals)
        return bool(number >= (self.at_least or 0.0))

    async def change(self, step: Step) -> Mapping[str, Any]:
        row = step.row
        if self.passes(row):
            columns = {}
            for name, value in row.items():
                if name not in self.remove:
                    columns[name] = value
            return columns
        verdict = step.last_reply() or str(row.get("evaluation", ""))
        if row.get(REPAIR):  # the last reply may be about the version that was not kept
            verdict = str(row["evaluation"])
        raise Drop(
            "score", f"The judge gave {row[self.column]:g}; {self._rule} is required.", verdict
        )

    @property
    def _rule(self) -> str:
        if self.equals is not None:
            return f"exactly {self.equals:g}"
        return f"{self.at_least or 0.0:g} or more"


@known_keywords_throughout
@dataclass(frozen=True, kw_only=True)
class Check(Stage):
    """Keeps the rows for which a function returns a true value or None.

    A row for which it returns a false value is dropped; so is a row for which it returns a text,
    which says why. The stage's name is the reason for the drop.

    Attributes:
        function: The function of a row, async or not.
    """

    function: Callable[[Row], Any]

    @property
    def column(self) -> str:
        """The column that the function checks: its attribute `column`, by default `response`."""
        return str(getattr(self.function, "column", "response"))

    async def change(self, step: Step) -> Mapping[str, Any]:
        await self.verify(step.row)
        return dict(step.row)

    async def verify(self, row: Row) -> None:
        """Check a row.

        Raises:
            Drop: The check rejects it.
        """
        verdict = self.function(dict(row))
        if isinstance(verdict, Awaitable):
            verdict = await verdict
        if isinstance(verdict, str) and verdict:
            raise Drop(self.name, verdict)
        if verdict is not None and not verdict:
            raise Drop(self.name, f"Rejected by the check {self.name}.")


@known_keywords_throughout
@dataclass(frozen=True, kw_only=True)
class Combine(Stage):
    """Joins the texts of several columns into one.

    Attributes:
        column: The column to write.
        parts: The columns to join, in order.
        separator: The text between them.
    """

    column: str = "question"
    parts: Sequence[str] = ("context", "question")
    separator: str = "\n\n"

    @property
    def written_columns(self) -> frozenset[str]:
        return frozenset([self.column])

    async def change(self, step: Step) -> Mapping[str, Any]:
        texts = [str(self._value(step.row, part)) for part in self.parts]
        return {**step.row, self.column: self.separator.join(texts)}
