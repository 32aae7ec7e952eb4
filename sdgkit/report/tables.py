"""Rows to look at: as a table, and as samples beside their seeds. HTML for a notebook, text for all else.

Nothing depends on a stylesheet or a script, so what is shown stays readable in an exported page, offline.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.pages import fill


@dataclass(frozen=True)
class Shown:
    """Some rows, ready to be shown: a notebook draws the HTML, `print` gives the text.

    look: the name of the templates in `pages` that draw them. total: how many rows there are, shown or not. columns: of
    a table.
    """

    look: str
    rows: Sequence[Mapping[str, Any]]
    total: int
    columns: Sequence[str] = ()

    def _repr_html_(self) -> str:
        return "".join(fill(f"{self.look}.html", shown=self))

    def __repr__(self) -> str:
        return "".join(fill(f"{self.look}.txt", shown=self))


def as_table(rows: Any, *columns: str, most: int = 5, by: str | None = None) -> Shown:
    """The first rows as a table: their `id` and these columns, by default all of them.

    rows: rows, or a `Run`, whose samples are shown. most: rows shown at most. by: a column of numbers, such as "score":
    the rows with the lowest come first.
    """
    found = _rows(rows)
    for number, row in enumerate(found, 1):  # a seed without an id is called as it will be in a run
        row["id"] = row.get("id") or f"{'s' if 'seed_question' in row else ''}{number}"
    if by is not None:
        found.sort(key=lambda row: row[by] if isinstance(row.get(by), int | float) else math.inf)
    names = columns or tuple(name for name in (found[0] if found else {}) if name != "id")
    return Shown("table", found[:most], len(found), names)


def beside_seeds(rows: Any, most: int = 3) -> Shown:
    """Samples or drops beside their seeds, with the judge's words; of a drop also where and why it left.

    rows: rows, or a `Run`, whose samples are shown. most: rows shown at most, taken evenly from the beginning to the
    end.
    """
    found = _rows(rows)
    return Shown("beside", [found[place] for place in spread(len(found), most)], len(found))


def _rows(source: Any) -> list[dict[str, Any]]:
    rows: Iterable[Mapping[str, Any]] = source.samples() if hasattr(source, "samples") else source
    return [dict(row) for row in rows]


def spread(size: int, wanted: int) -> list[int]:
    """So many places of `size`, or all, evenly from the first to the last."""
    number = min(size, wanted)
    return [int((place + 0.5) * size / number) for place in range(number)]
