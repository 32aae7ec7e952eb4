"""How much is new in a set of samples, and whether more of them still bring more.

Distinct-n is the share of different n-grams among all (Li et al. 2016, arXiv 1510.03055); the compression ratio is the
size of all texts by their size under gzip (Shaib et al. 2024, arXiv 2403.00553): 1 to 3 is varied, 10 repeats itself.
Both depend on how much text there is, so two sets are compared at the same number of samples: the curve.
"""

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.decisions import TEXTS, own_question
from sdgkit.errors import SettingsError
from sdgkit.pages import count, fill, percent
from sdgkit.pages.picture import Line, curve
from sdgkit.quality.duplicates import check_threshold, repeats

Row = Mapping[str, Any]
NEAR = 0.9  # the similarity from which duplicates are counted, unless it is said otherwise
GRAMS, GROWTH = (1, 2, 3), 3  # n of distinct-n and of the curve
STEPS, STEP = 10, 5  # points of the curve at most, samples between them at least: of fewer, chance speaks
# Words; of scripts without spaces the single characters.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


@dataclass(frozen=True)
class Texts:
    """One column of the set. A context that several samples share counts once.

    number: of texts. distinct: distinct-1, -2, -3. compression: the compression ratio. repeated: texts that are equal
    to an earlier one, but for letter case and white space.
    """

    column: str
    number: int
    distinct: tuple[float, ...]
    compression: float
    repeated: int


@dataclass(frozen=True)
class Point:
    """The set up to so many samples. distinct: distinct-3 of all their texts; new: the share of 3-grams in the samples
    since the last point that none before had."""

    samples: int
    distinct: float
    new: float


@dataclass(frozen=True)
class Diversity:
    """The measures of a set. repeats: samples that repeat another or a seed from the threshold on, by what
    ("context duplicate": 3). growth: in an order of chance (the same each time), not in that of the lineage. others:
    sets that are shown beside it."""

    samples: int
    columns: Sequence[Texts]
    repeats: Mapping[str, int]
    threshold: float
    growth: Sequence[Point]
    name: str = ""
    others: Sequence["Diversity"] = ()

    def beside(self, *others: "Diversity") -> "Diversity":
        """The same with further sets to compare it with, such as one made with `vary`."""
        return replace(self, others=others)

    def picture(self) -> str:
        """How much is still new as the set grows, as inline SVG."""
        lines = [
            Line(
                one.name or (f"set {at}" if self.others else "share of new word triples, by samples"),
                [(float(point.samples), point.new) for point in one.growth],
            )
            for at, one in enumerate((self, *self.others), 1)
        ]
        said = []
        for line in lines:
            some = line.points[:: max(1, len(line.points) // 4)]
            said.append(f"{line.name}: " + ", ".join(f"{percent(y)} at {count(x)} samples" for x, y in some))
        words = f"Share of new word triples as the set grows. {'; '.join(said)}."
        return curve(lines, up="new word triples", across="samples", words=words)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        head = ["", "texts", "repeated", *(f"distinct-{n}" for n in GRAMS), "compression"]
        rows = [
            [
                f"{c.column}, {one.name}" if self.others else c.column,
                count(c.number),
                count(c.repeated),
                *(f"{d:.2f}" for d in c.distinct),
                f"{c.compression:.1f}",
            ]
            for one in (self, *self.others)
            for c in one.columns
        ]
        return head, rows

    @property
    def _note(self) -> str:
        return " ".join(one._sentence() for one in (self, *self.others))

    def _sentence(self) -> str:
        what = ", ".join(f"{name} {number}" for name, number in self.repeats.items())
        new = f" The last {self.growth[-1].samples - self.growth[-2].samples} samples" if len(self.growth) > 1 else ""
        new = f"{new} brought {percent(self.growth[-1].new)} new word triples." if new else ""
        repeated = f"{sum(self.repeats.values())} of {self.samples} samples repeat others or the seeds"
        return f"{f'{self.name}: ' if self.name else ''}{repeated}{f' ({what})' if what else ''}.{new}"

    def __repr__(self) -> str:
        head, rows = self._table()
        wide = max(10, *(len(row[0]) for row in rows)) if rows else 10
        lines = [f"{line[0]:<{wide}}" + "".join(f"{cell:>13}" for cell in line[1:]) for line in [head, *rows]]
        return "\n".join([*lines, self._note])

    def _repr_html_(self) -> str:
        head, rows = self._table()
        return "".join(fill("measures.html", head=head, rows=rows, note=self._note, picture=self.picture()))


def diversity(source: Any, *, near: float = NEAR, name: str = "") -> Diversity:
    """The measures of a run's samples, or of any rows with `context`, `question`, `response` and `id`.

    near: the similarity from which a sample counts as a repeat, 0 to 1. name: for the picture. Raises SettingsError.
    """
    if isinstance(source, str | Path):
        raise SettingsError(f"Open the run first: sdgkit.diversity(sdgkit.open_run({str(source)!r})).")
    rows = [dict(row) for row in (source.samples() if hasattr(source, "samples") else source)]
    rows = [{**row, "id": row.get("id") or f"r{number}"} for number, row in enumerate(rows, 1)]
    found = Counter(f"{one.column} {one.reason}" for one in repeats(rows, check_threshold(near)))
    columns = [_measured(name, texts) for name in TEXTS if (texts := _texts(rows, name))]
    return Diversity(len(rows), columns, dict(sorted(found.items())), near, _growth(rows), name)


def _texts(rows: Iterable[Row], column: str) -> list[str]:
    """The texts of a column, a context once for all the questions about it."""
    if column == "context":
        return list({_above(row): row["context"] for row in rows if isinstance(row.get("context"), str)}.values())
    texts = [own_question(row) if column == "question" else row.get(column) for row in rows]
    return [text for text in texts if isinstance(text, str) and text]


def _above(row: Row) -> str:
    return str(row["id"]).rpartition("/")[0] or str(row["id"])


def _measured(column: str, texts: Sequence[str]) -> Texts:
    distinct = []
    for n in GRAMS:
        grams = [gram for text in texts for gram in _grams(text, n)]
        distinct.append(len(set(grams)) / max(1, len(grams)))
    plain = "\n".join(texts).encode("utf-8", "replace")
    equal = len(texts) - len({" ".join(text.casefold().split()) for text in texts})
    return Texts(column, len(texts), tuple(distinct), len(plain) / len(gzip.compress(plain, mtime=0)), equal)


def _grams(text: str, n: int) -> Iterable[int]:
    """Its n-grams, as numbers: only how many differ is asked."""
    tokens = _TOKEN.findall(text.casefold())
    return map(hash, zip(*(tokens[at:] for at in range(n)), strict=False))


def _growth(rows: Sequence[Row]) -> list[Point]:
    """The curve: contexts in an order of chance, each with all its samples."""
    order = sorted(rows, key=lambda row: (hashlib.sha256(_above(row).encode("utf-8", "replace")).digest(), row["id"]))
    steps = max(1, min(STEPS, len(order) // STEP))
    marks = {round(len(order) * step / steps) for step in range(1, steps + 1)}
    seen: set[int] = set()
    met: set[str] = set()
    points: list[Point] = []
    total = before = fresh = since = 0
    for number, row in enumerate(order, 1):
        texts = [own_question(row), str(row.get("response") or "")]
        if _above(row) not in met:
            met.add(_above(row))
            texts.append(str(row.get("context") or ""))
        for gram in (gram for text in texts for gram in _grams(text, GROWTH)):
            total, since = total + 1, since + 1
            before = len(seen)
            seen.add(gram)
            fresh += len(seen) - before
        if number in marks and total:
            points.append(Point(number, len(seen) / total, fresh / max(1, since)))
            fresh = since = 0
    return points
