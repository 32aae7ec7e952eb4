"""Rows to look at: as a table, and beside their seeds. HTML in a notebook, text elsewhere.

The HTML needs no stylesheet and no script, so it stays readable in an exported page, offline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.keywords import known_keywords
from sdgkit.pages import fill
from sdgkit.samples import Row, RowSource, rows_of


@dataclass(frozen=True, repr=False)
class RowView:
    """Some rows, ready to be shown: a notebook shows the HTML, `print` gives the text.

    Attributes:
        template: The name of the templates that show them: "table" or "beside".
        rows: The rows that are shown.
        total: How many rows there are, shown or not.
        columns: The columns of a table, beside the id.
    """

    template: str
    rows: Sequence[Row]
    total: int
    columns: Sequence[str] = ()

    def _repr_html_(self) -> str:
        return "".join(fill(f"{self.template}.html", view=self))

    def __repr__(self) -> str:
        return "".join(fill(f"{self.template}.txt", view=self))


@known_keywords
def as_table(rows: RowSource, *columns: str, most: int = 5, by: str | None = None) -> RowView:
    """Show the first rows as a table.

    Args:
        rows: Rows, or a `Run`, whose samples are shown.
        columns: The columns to show beside the `id`; all of them by default.
        most: How many rows to show at most.
        by: A column of numbers, such as "score": the rows with the lowest numbers come first.

    Returns:
        A view that shows in a notebook and prints as text.

    Example:
        >>> as_table([{"id": "s1", "score": 3}, {"id": "s2", "score": 1}], by="score", most=1)
        s2
          score:
            1
        <BLANKLINE>
        1 of 2 rows shown
    """
    all_rows = [dict(row) for row in rows_of(rows)]
    _add_missing_ids(all_rows)
    if by is not None:
        all_rows.sort(key=lambda row: _number_in(row, by))
    first_columns = {}
    if all_rows:
        first_columns = all_rows[0]
    own_names = []
    for name in first_columns:
        if name != "id":
            own_names.append(name)
    names = columns or tuple(own_names)
    return RowView("table", all_rows[:most], len(all_rows), names)


@known_keywords
def beside_seeds(rows: RowSource, most: int = 3) -> RowView:
    """Show samples or drops next to their seeds.

    Each is shown with the judge's evaluation; a drop also says where and why it was dropped.

    Args:
        rows: Rows, or a `Run`, whose samples are shown.
        most: How many rows to show at most, spread evenly over all of them.

    Returns:
        A view that shows in a notebook and prints as text.
    """
    all_rows = list(rows_of(rows))
    places = spread_evenly(len(all_rows), most)
    return RowView("beside", [all_rows[place] for place in places], len(all_rows))


def spread_evenly(size: int, number: int) -> list[int]:
    """This many of `size` places, or all of them, evenly from the first to the last.

    Example:
        >>> spread_evenly(100, 4)
        [12, 37, 62, 87]
    """
    number = min(size, number)
    return [int((place + 0.5) * size / number) for place in range(number)]


def _add_missing_ids(rows: Sequence[dict[str, Any]]) -> None:
    """Number the rows that have no id; seeds are called s1, s2, … as they will be in a run."""
    for number, row in enumerate(rows, 1):
        prefix = ""
        if "seed_question" in row:
            prefix = "s"
        row["id"] = row.get("id") or f"{prefix}{number}"


def _number_in(row: Row, column: str) -> float:
    """The number in a column; infinity where there is none, so that it sorts last."""
    value = row.get(column)
    if isinstance(value, int | float):
        return value
    return math.inf
