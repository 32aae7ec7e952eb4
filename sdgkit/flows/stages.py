"""The kinds of stage that only flow files need."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdgkit.prompts import OUT_OF, read_score
from sdgkit.stages import Drop, Judge, Stage, Step

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    f"operator.{name}": getattr(operator, name)
    for name in ("eq", "ne", "ge", "gt", "le", "lt", "contains")
}
TYPES: dict[str, Callable[[Any], Any]] = {"float": float, "int": int}
WHOLE_NUMBERS = range(101)


@dataclass(frozen=True, kw_only=True)
class FlowJudge(Judge):
    """A judge whose scale is not known, since a flow does not state it.

    Any whole number up to 100 is a score, even when it is written as "2/3".

    Attributes:
        scale: The scores that a server is made to choose from where it enforces the reply's form.
    """

    scale: Sequence[float] = tuple(float(number) for number in range(11))

    def score_in(self, text: str) -> float | None:
        return read_score(OUT_OF.sub("", text), WHOLE_NUMBERS)


@dataclass(frozen=True, kw_only=True)
class FlowFilter(Stage):
    """Keeps the rows whose value in a column compares with at least one of some values.

    Attributes:
        column: The column; without one all rows are kept.
        operation: How to compare: a name in `OPERATORS`.
        values: The values; a match with one is enough.
        convert: The type that the column's value is converted to first: a name in `TYPES`.
        remove: Columns to remove from the rows that are kept.
    """

    column: str = ""
    operation: str = ""
    values: Sequence[Any] = ()
    convert: str | None = None
    remove: Sequence[str] = ()

    @property
    def removed_columns(self) -> frozenset[str]:
        return frozenset(self.remove)

    def with_all_columns(self) -> Stage:
        return replace(self, remove=())

    async def change(self, step: Step) -> Mapping[str, Any]:
        row = dict(step.row)
        if self.column and not self._keeps(row):
            choices = " or ".join(map(str, self.values))
            raise Drop(
                self.name,
                f"{self.column} is {row[self.column]!r}; {self.operation} {choices} is required.",
                step.last_reply(),
            )
        columns = {}
        for name, value in row.items():
            if name not in self.remove:
                columns[name] = value
        return columns

    def _keeps(self, row: dict[str, Any]) -> bool:
        """Whether the row is kept; its value is converted in place."""
        compare = OPERATORS[self.operation]
        try:
            if self.convert:
                row[self.column] = TYPES[self.convert](row[self.column])
            return any(compare(row[self.column], value) for value in self.values)
        except (TypeError, ValueError):
            return False
