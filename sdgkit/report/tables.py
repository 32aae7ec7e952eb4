"""Rows to look at: as a table, and as samples beside their seeds. HTML for a notebook, text for all else.

Nothing depends on a stylesheet or a script, so what is shown stays readable in an exported page, offline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.decisions import TEXTS, own_question
from sdgkit.pages import count, counted, fill, visible

SHOWN = 900  # characters of one text that are shown at once; the rest unfolds
_PRINTED = 300  # characters of one text where nothing unfolds


@dataclass(frozen=True)
class Part:
    """One text to show. title: what it is. text: all of it. seed: the seed's, to stand beside it, or None."""

    title: str
    text: str
    seed: str | None = None


@dataclass(frozen=True)
class Card:
    """What is shown of one row. id: its lineage. words: a few more in the heading."""

    id: str
    words: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Shown:
    """Some rows, ready to be shown: a notebook draws the HTML, `print` gives the text.

    template: the file in `pages` that draws them. total: how many rows there are, shown or not.
    """

    template: str
    cards: Sequence[Card]
    total: int

    def _repr_html_(self) -> str:
        pieces = fill(self.template, cards=self.cards, total=self.total, note=self._note(), split=_split)
        return "".join(pieces)

    def __repr__(self) -> str:
        lines = []
        for card in self.cards:
            lines.append(" · ".join(filter(None, [card.id, card.words])))
            for part in card.parts:
                lines.append(_printed(part.title, part.text))
                if part.seed is not None:
                    lines.append(_printed(f"{part.title} of its seed", part.seed))
            lines.append("")
        return str(visible("\n".join([*lines, self._note()])))

    def _note(self) -> str:
        if not self.total:
            return "There are no rows to show."
        rows = counted(self.total, "row")
        return rows if len(self.cards) == self.total else f"{count(len(self.cards))} of {rows} shown"


def as_table(rows: Iterable[Mapping[str, Any]], *columns: str, most: int = 5, by: str | None = None) -> Shown:
    """The first rows as a table: their `id` and these columns, by default all of them.

    most: rows shown at most. by: a column of numbers, such as "score": the rows with the lowest come first.
    """
    found = [dict(row) for row in rows]
    if by is not None:
        found.sort(key=lambda row: float(row[by]) if isinstance(row.get(by), int | float) else float("inf"))
    names = columns or tuple(name for name in (found[0] if found else {}) if name != "id")
    cards = [
        Card(_id(row, number), "", [Part(name, _text(row.get(name))) for name in names])
        for number, row in enumerate(found[:most], 1)
    ]
    return Shown("table.html", cards, len(found))


def beside_seeds(rows: Iterable[Mapping[str, Any]], most: int = 3) -> Shown:
    """Samples or drops beside their seeds, with the judge's words; of a drop also where and why it left.

    most: rows shown at most, taken evenly from the beginning to the end.
    """
    found = [dict(row) for row in rows]
    return Shown("beside.html", [_beside(found[place]) for place in spread(len(found), most)], len(found))


def spread(size: int, wanted: int) -> list[int]:
    """So many places of `size`, or all, evenly from the first to the last."""
    number = min(size, wanted)
    return [int((place + 0.5) * size / number) for place in range(number)]


def _beside(row: Mapping[str, Any]) -> Card:
    parts = []
    for name in TEXTS:
        text, seed = row.get(name), row.get(f"seed_{name}")
        if name == "question" and isinstance(text, str):
            text = own_question(row)
        if text is not None:
            parts.append(Part(name, _text(text), None if seed is None else _text(seed)))
    if row.get("evaluation"):
        parts.append(Part("what the judge wrote", _text(row["evaluation"])))
    if row.get("reply") and row.get("reason") != "score":
        parts.append(Part("the raw reply", _text(row["reply"])))
    words = [f"judged {_text(row['score'])}"] if row.get("score") is not None else []
    if row.get("stage"):
        words.append(f"dropped by {row['stage']} ({row['reason']}): {row['message']}")
    return Card(str(row.get("id") or ""), " · ".join(words), parts)


def _id(row: Mapping[str, Any], number: int) -> str:
    """The row's own id; for a seed without one the id that it gets in a run."""
    return str(row.get("id") or f"{'s' if 'seed_question' in row else ''}{number}")


def _text(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return count(value)
    return "" if value is None else str(value)


def _split(text: str) -> tuple[str, str]:
    """What is shown of a text at once, and the rest: cut at the end of a line or word."""
    if len(text) <= SHOWN * 1.2:  # a rest of a few words is not worth a click
        return text, ""
    cut = max(text.rfind("\n", SHOWN // 2, SHOWN), text.rfind(" ", SHOWN - 80, SHOWN))
    cut = cut if cut > 0 else SHOWN
    return text[:cut], text[cut:].lstrip("\n")


def _printed(title: str, text: str) -> str:
    more = f" [… {count(len(text) - _PRINTED)} more characters]" if len(text) > _PRINTED else ""
    return "\n    ".join([f"  {title}:", *(text[:_PRINTED] + more).splitlines()])
