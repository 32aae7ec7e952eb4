"""How much is new in a set of samples, and whether more of them still bring more.

Distinct-n is the share of different n-grams among all (Li et al. 2016, arXiv 1510.03055); the compression ratio is the
size of all texts by their size under gzip (Shaib et al. 2024, arXiv 2403.00553): 1 to 3 is varied, 10 repeats itself.
Both depend on how much text there is, so two sets are compared at the same number of samples: the curve.
"""

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.formatting import format_number, format_percent
from sdgkit.pages.picture import Line, curve
from sdgkit.quality.duplicates import check_threshold, repeats
from sdgkit.quality.measures import as_html, as_text
from sdgkit.samples import TEXTS, own_question

Row = Mapping[str, Any]
NEAR = 0.9  # the similarity from which duplicates are counted, unless it is said otherwise
GRAMS, GROWTH = (1, 2, 3), 3  # n of distinct-n and of the curve
STEPS, STEP = (
    10,
    5,
)  # points of the curve at most, samples between them at least: of fewer, chance speaks
HEAD = ("", "texts", "repeated", *(f"distinct-{n}" for n in GRAMS), "compression")
# Words; of scripts without spaces the single characters.
_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)


@dataclass(frozen=True)
class Texts:
    """One column of the set. A context that several samples share counts once.

    number: of texts. distinct: distinct-1, -2, -3. compression: the compression ratio. repeated: texts that are equal
    to an earlier one, but for letter case and white space.
    """

    column: str
    number: int
    repeated: int
    distinct: tuple[float, ...]
    compression: float


@dataclass(frozen=True, repr=False)
class Diversity:
    """The measures of a set. repeats: samples that repeat another or a seed, by what ("context duplicate": 3). growth:
    (number of samples, share of new 3-grams in those since the last point), in an order of chance (the same each time).
    others: sets that are shown beside it."""

    samples: int
    columns: Sequence[Texts]
    repeats: Mapping[str, int]
    growth: Sequence[tuple[float, float]]
    name: str = ""
    others: Sequence["Diversity"] = ()

    def beside(self, *others: "Diversity") -> "Diversity":
        """The same with further sets to compare it with, such as one made with `vary`."""
        return replace(self, others=others)

    def picture(self) -> str:
        """How much is still new as the set grows, as inline SVG."""
        lines = [
            Line(one.name or f"set {at}", one.growth)
            for at, one in enumerate((self, *self.others), 1)
        ]
        said = (
            f"{line.name}: {', '.join(f'{format_percent(y)} at {format_number(x)}' for x, y in line.points)}"
            for line in lines
        )
        words = f"Share of new word triples, by samples, as the set grows. {'; '.join(said)}."
        return curve(lines, up="new word triples", across="samples", words=words)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]], str]:
        sets = (self, *self.others)
        rows = [
            [
                f"{texts.column}, {one.name}" if self.others else texts.column,
                *map(format_number, (texts.number, texts.repeated)),
                *(f"{share:.2f}" for share in texts.distinct),
                f"{texts.compression:.1f}",
            ]
            for one in sets
            for texts in one.columns
        ]
        return HEAD, rows, " ".join(one._note for one in sets)

    @property
    def _note(self) -> str:
        what = ", ".join(f"{name} {number}" for name, number in self.repeats.items())
        name, told = (f"{self.name}: " if self.name else ""), (f" ({what})" if what else "")
        new = (
            f" The last ones brought {format_percent(self.growth[-1][1])} new word triples."
            if self.growth
            else ""
        )
        return f"{name}{sum(self.repeats.values())} of {self.samples} samples repeat others or the seeds{told}.{new}"

    def __repr__(self) -> str:
        return as_text(*self._table())

    def _repr_html_(self) -> str:
        return as_html(*self._table(), self.picture())


def diversity(source: Any, *, near: float = NEAR, name: str = "") -> Diversity:
    """The measures of a run's samples, or of any rows with `context`, `question`, `response` and `id`.

    near: the similarity from which a sample counts as a repeat, 0 to 1. name: for the picture. Raises SettingsError.
    """
    if isinstance(source, str | Path):
        raise SettingsError(
            f"Open the run first: sdgkit.diversity(sdgkit.open_run({str(source)!r}))."
        )
    rows = source.samples() if hasattr(source, "samples") else source
    rows = [{**row, "id": str(row.get("id") or f"r{number}")} for number, row in enumerate(rows, 1)]
    found = Counter(f"{one.column} {one.reason}" for one in repeats(rows, check_threshold(near)))
    texts = dict(text for row in rows for text in _texts(row))
    columns = {
        column: [text for (name, _), text in texts.items() if name == column] for column in TEXTS
    }
    measured = [_measured(column, mine) for column, mine in columns.items() if mine]
    return Diversity(
        len(rows), measured, dict(sorted(found.items())), _growth(rows) if rows else [], name
    )


def _context_of(row: Row) -> str:
    """The id of the sample's context: its own, where there is none."""
    return row["id"].rpartition("/")[0] or row["id"]


def _texts(row: Row) -> Iterator[tuple[tuple[str, str], str]]:
    """((column, whose), text) of each of its texts: a context's are the same for all questions about it."""
    for column in TEXTS:
        text = own_question(row) if column == "question" else row.get(column)
        if isinstance(text, str) and text:
            yield (column, _context_of(row) if column == "context" else row["id"]), text


def _measured(column: str, texts: Sequence[str]) -> Texts:
    grams = [[gram for text in texts for gram in _grams(text, n)] for n in GRAMS]
    distinct = tuple(len(set(all_of_them)) / max(1, len(all_of_them)) for all_of_them in grams)
    plain = "\n".join(texts).encode("utf-8", "replace")
    repeated = len(texts) - len({" ".join(text.casefold().split()) for text in texts})
    return Texts(
        column, len(texts), repeated, distinct, len(plain) / len(gzip.compress(plain, mtime=0))
    )


def _grams(text: str, n: int) -> Iterable[int]:
    """Its n-grams, as numbers: only how many differ is asked."""
    tokens = _TOKEN.findall(text.casefold())
    return map(hash, zip(*(tokens[at:] for at in range(n)), strict=False))


def _growth(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """The curve: contexts in an order of chance, each with all its samples."""
    order = sorted(
        rows, key=lambda row: hashlib.sha256(_context_of(row).encode("utf-8", "replace")).digest()
    )
    steps = max(1, min(STEPS, len(order) // STEP))
    marks = [round(len(order) * step / steps) for step in range(steps + 1)]
    met: dict[tuple[str, str], str] = {}
    seen: set[int] = set()
    points = []
    for before, mark in pairwise(marks):
        fresh = {
            key: text for row in order[before:mark] for key, text in _texts(row) if key not in met
        }
        grams = [gram for text in fresh.values() for gram in _grams(text, GROWTH)]
        points.append((float(mark), len(set(grams) - seen) / max(1, len(grams))))
        met |= fresh
        seen.update(grams)
    return points
