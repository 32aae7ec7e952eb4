"""How much is new in a set of samples, and whether more of them still add variety.

Distinct-n is the share of different n-grams among all (Li et al. 2016, arXiv 1510.03055); the
compression ratio is the size of all texts divided by their size under gzip (Shaib et al. 2024,
arXiv 2403.00553): 1 to 3 means varied, 10 means repetitive. Both depend on how much text there is,
so compare two sets at the same number of samples, as the curve does.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.formatting import format_number, format_percent
from sdgkit.keywords import known_keywords
from sdgkit.pages.noted_table import NotedTable
from sdgkit.pages.picture import Curve, LineChart, Point
from sdgkit.quality.duplicates import check_threshold, repeats
from sdgkit.quality.twins import twins
from sdgkit.samples import TEXTS, Row, RowSource, own_question, rows_of, with_ids

NEAR = 0.9  # the similarity from which a sample counts as a repeat, by default
NGRAMS = (1, 2, 3)  # the n of distinct-n
GROWTH_NGRAM = 3  # the n of the curve
POINTS = 10  # of the curve, at most
SAMPLES_PER_POINT = 5  # at least: with fewer, chance decides
HEAD = ("", "texts", "repeated", *(f"distinct-{n}" for n in NGRAMS), "compression")
# Words; in scripts without spaces, single characters.
_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)


@dataclass(frozen=True)
class ColumnDiversity:
    """The measures of one column. A context that several samples share counts once.

    Attributes:
        column: "context", "question" or "response".
        number: How many texts there are.
        repeated: Texts that equal an earlier one, apart from letter case and white space.
        distinct: distinct-1, -2 and -3, each from 0 to 1.
        compression: The compression ratio.
    """

    column: str
    number: int
    repeated: int
    distinct: tuple[float, ...]
    compression: float


@dataclass(frozen=True, repr=False)
class Diversity:
    """The measures of a set of samples; a table in print, a table with a curve in a notebook.

    Attributes:
        samples: How many samples were measured.
        columns: The measures of each column that has texts.
        repeats: How many samples repeat another one or a seed, by column and reason, such as
            `"context duplicate": 3`; `"response twin"` counts further samples that give the same
            answer to the same context, in whatever words.
        growth: How the set grows: (number of samples, share of new 3-grams among those since the
            last point), in a shuffled order that is the same each time.
        name: The name of the set, where several are compared.
        others: Sets to show beside it.
    """

    samples: int
    columns: Sequence[ColumnDiversity]
    repeats: Mapping[str, int]
    growth: Sequence[Point]
    name: str = ""
    others: Sequence[Diversity] = ()

    def beside(self, *others: Diversity) -> Diversity:
        """The same, compared with other sets, such as one made with `vary`."""
        return replace(self, others=others)

    def picture(self) -> str:
        """How much is still new as the set grows, as inline SVG."""
        curves = []
        descriptions = []
        for number, measured in enumerate(self._compared, 1):
            name = measured.name or f"set {number}"
            points = []
            for x, y in measured.growth:
                points.append(f"{format_percent(y)} at {format_number(x)}")
            curves.append(Curve(name, measured.growth))
            descriptions.append(f"{name}: {', '.join(points)}")
        chart = LineChart(
            curves,
            vertical="new word triples",
            horizontal="samples",
            description=(
                "Share of new word triples, by number of samples, as the set grows. "
                f"{'; '.join(descriptions)}."
            ),
        )
        return chart.as_svg()

    @property
    def _compared(self) -> Sequence[Diversity]:
        return (self, *self.others)

    def _table(self) -> NotedTable:
        rows = []
        for measured in self._compared:
            for column in measured.columns:
                if self.others:
                    label = f"{column.column}, {measured.name}"
                else:
                    label = column.column
                rows.append([label, *_cells(column)])
        notes = [measured._note() for measured in self._compared]
        return NotedTable(HEAD, rows, " ".join(notes))

    def _note(self) -> str:
        name = ""
        if self.name:
            name = f"{self.name}: "
        repeated = sum(self.repeats.values())
        kinds = ", ".join(f"{kind} {number}" for kind, number in self.repeats.items())
        kinds_in_brackets = ""
        if kinds:
            kinds_in_brackets = f" ({kinds})"
        sentence = (
            f"{name}{repeated} of {self.samples} samples repeat others or the seeds"
            f"{kinds_in_brackets}."
        )
        if not self.growth:
            return sentence
        newest_share = format_percent(self.growth[-1].y)
        return f"{sentence} In the last samples, {newest_share} of the word triples were new."

    def __repr__(self) -> str:
        return self._table().as_text()

    def _repr_html_(self) -> str:
        return self._table().as_html(self.picture())


def _cells(column: ColumnDiversity) -> list[str]:
    return [
        format_number(column.number),
        format_number(column.repeated),
        *(f"{share:.2f}" for share in column.distinct),
        f"{column.compression:.1f}",
    ]


@known_keywords
def diversity(source: RowSource, *, near: float = NEAR, name: str = "") -> Diversity:
    """Measure how varied a run's samples are, or any rows of texts.

    Args:
        source: A run, or rows with any of `context`, `question`, `response` and `id`.
        near: The similarity from which a sample counts as a repeat, above 0 and up to 1.
        name: What to call the set where several are compared.

    Returns:
        The measures, which print as a table and show as a table with a curve in a notebook.

    Raises:
        SettingsError: `near` is not a valid similarity, or the source is a path.

    Example:
        >>> questions = ["A cup?", "A lid?"]
        >>> diversity([{"question": question} for question in questions]).columns[0].distinct[0]
        0.75
    """
    if isinstance(source, str | Path):
        raise SettingsError(
            f"Open the run first: sdgkit.diversity(sdgkit.open_run({str(source)!r})).",
            setting="source",
        )
    rows = with_ids(rows_of(source), "r")
    found_repeats = list(repeats(rows, check_threshold(near)))
    kinds = Counter(f"{repeat.column} {repeat.reason}" for repeat in found_repeats)
    repeating = {repeat.id for repeat in found_repeats}
    twin_ids = {twin.id for twin in twins(_by_context(rows))}
    if twin_ids - repeating:
        kinds["response twin"] = len(twin_ids - repeating)
    return Diversity(
        samples=len(rows),
        columns=_measured_columns(rows),
        repeats=dict(sorted(kinds.items())),
        growth=_growth(rows),
        name=name,
    )


@dataclass(frozen=True)
class _Text:
    """One text of a sample.

    Attributes:
        column: Its column.
        owner: The id of the sample; of a context, the part of the id that its samples share.
        text: The text.
    """

    column: str
    owner: str
    text: str


def _by_context(rows: Sequence[Row]) -> list[Row]:
    """The rows with those of one context together, otherwise in their order."""
    places: dict[object, int] = {}
    for row in rows:
        places.setdefault(row.get("context"), len(places))
    return sorted(rows, key=lambda row: places[row.get("context")])


def _context_id(row: Row) -> str:
    """The id of the sample's context; the sample's own, where it has none."""
    id: str = row["id"]
    return id.rpartition("/")[0] or id


def _sample_texts(row: Row) -> Iterator[_Text]:
    for column in TEXTS:
        text = row.get(column)
        owner = row["id"]
        if column == "question":
            text = own_question(row)
        elif column == "context":
            owner = _context_id(row)
        if isinstance(text, str) and text:
            yield _Text(column, owner, text)


def _measured_columns(rows: Sequence[Row]) -> list[ColumnDiversity]:
    by_column: dict[str, dict[str, str]] = {}
    for row in rows:
        for text in _sample_texts(row):
            by_column.setdefault(text.column, {})[text.owner] = text.text
    measured = []
    for column in TEXTS:
        if column in by_column:
            measured.append(_measured(column, list(by_column[column].values())))
    return measured


def _measured(column: str, texts: Sequence[str]) -> ColumnDiversity:
    joined = "\n".join(texts).encode("utf-8", "replace")
    compressed = gzip.compress(joined, mtime=0)
    different = {" ".join(text.casefold().split()) for text in texts}
    return ColumnDiversity(
        column=column,
        number=len(texts),
        repeated=len(texts) - len(different),
        distinct=tuple(_distinct(texts, n) for n in NGRAMS),
        compression=len(joined) / len(compressed),
    )


def _distinct(texts: Sequence[str], n: int) -> float:
    ngrams = list(chain.from_iterable(_ngrams(text, n) for text in texts))
    return len(set(ngrams)) / max(1, len(ngrams))


def _ngrams(text: str, n: int) -> Iterable[int]:
    """The n-grams of a text, as hashes: all that matters is how many differ."""
    tokens = _TOKEN.findall(text.casefold())
    shifted = (tokens[start:] for start in range(n))
    return map(hash, zip(*shifted, strict=False))


def _growth(rows: Sequence[Row]) -> list[Point]:
    """The curve: contexts in a shuffled order, each with all its samples."""
    if not rows:
        return []
    shuffled = sorted(rows, key=_shuffle_key)
    number_of_points = max(1, min(POINTS, len(shuffled) // SAMPLES_PER_POINT))
    marks = [round(len(shuffled) * n / number_of_points) for n in range(number_of_points + 1)]
    seen_texts: set[tuple[str, str]] = set()
    seen_ngrams: set[int] = set()
    points = []
    for start, end in pairwise(marks):
        ngrams: list[int] = []
        for text in chain.from_iterable(map(_sample_texts, shuffled[start:end])):
            if (text.column, text.owner) not in seen_texts:
                seen_texts.add((text.column, text.owner))
                ngrams += _ngrams(text.text, GROWTH_NGRAM)
        new_ngrams = set(ngrams) - seen_ngrams
        points.append(Point(float(end), len(new_ngrams) / max(1, len(ngrams))))
        seen_ngrams |= new_ngrams
    return points


def _shuffle_key(row: Row) -> bytes:
    return hashlib.sha256(_context_id(row).encode("utf-8", "replace")).digest()
