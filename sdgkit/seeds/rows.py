"""A seed as it was read from a file, and where it was found there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Seed: TypeAlias = dict[str, Any]

# The value of a column that a row has twice, since either of the two could be meant.
TWICE = object()


@dataclass(frozen=True)
class Place:
    """The position of something in a source of seeds.

    Attributes:
        line: The line of the file, from 1.
        row: The number of the row, from 1, where rows have no lines.
        key: The key of a YAML file.
    """

    line: int | None = None
    row: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        if self.line is not None:
            place = f"line {self.line}"
        else:
            place = f"row {self.row}"
        if self.key is None:
            return place
        return f"{place}, key {self.key}"


@dataclass(frozen=True)
class SourceRow:
    """One row of a source, not yet checked.

    Attributes:
        place: Where it is.
        columns: What it holds; a `Seed` if it is one.
        column_places: Where single columns are, if the format says so.
    """

    place: Place
    columns: Any
    column_places: Mapping[str, Place] = field(default_factory=dict)

    def place_of(self, column: str) -> str:
        """Where a column is, in words."""
        return f"{self.column_places.get(column, self.place)}, column {column}"


class Unreadable(Exception):
    """A file that cannot be read as its format.

    Attributes:
        problem: What is wrong and what to do about it.
        place: Where it is wrong.
    """

    def __init__(self, problem: str, place: Place) -> None:
        super().__init__(f"{place}: {problem}")
        self.problem = problem
        self.place = place
