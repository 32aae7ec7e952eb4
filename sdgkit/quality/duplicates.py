"""Exact and near duplicates among the texts of a set, and between the set and its seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sdgkit.errors import SettingsError
from sdgkit.formatting import format_percent
from sdgkit.quality.similarity import Match, SimilarityIndex, comparable
from sdgkit.samples import TEXTS, Row, own_question, seed_of

NEAR_DUPLICATES = "near_duplicates"  # the name of the stage that drops them
# Characters. Many contexts may well deserve the same short response: it is not compared.
TELLING = 100


@dataclass(frozen=True)
class Repeat:
    """A sample that repeats an earlier sample or a seed.

    Attributes:
        id: The sample's id.
        column: The column that repeats: "context", "question" or "response".
        reason: "duplicate" or "near_duplicate".
        message: How similar it is, and to which sample or seed.
    """

    id: str
    column: str
    reason: str
    message: str


def repeats(
    samples: Iterable[Row], threshold: float, seeds: Iterable[tuple[str, Row]] = ()
) -> Iterator[Repeat]:
    """Find the samples that repeat a seed or an earlier sample that is not itself a repeat.

    A context is compared with every other context; a question with the others of its context (of a
    freeform skill, with all); a response with those of other contexts, if it is long enough to
    tell.

    Args:
        samples: The samples, in lineage order.
        threshold: The similarity from which a text counts as repeated, above 0 and up to 1.
        seeds: (id, seed example), in addition to those in the samples' own seed columns.

    Yields:
        A `Repeat` for each such sample, in the order of the samples.
    """
    search = _RepeatSearch(threshold)
    for seed_id, seed in seeds:
        search.add_seed(seed, seed_id)
    for sample in samples:
        repeat = search.repeat_or_add(sample)
        if repeat is not None:
            yield repeat


@dataclass(frozen=True)
class _ComparedText:
    """A text of a sample.

    Attributes:
        column: Its column.
        text: The text.
        scope: The texts of the column that it is compared with.
        group: Those among them that it is not compared with.
    """

    column: str
    text: str
    scope: str
    group: str


class _RepeatSearch:
    """The seeds and samples seen so far, by column and scope."""

    def __init__(self, threshold: float) -> None:
        self._indexes: dict[tuple[str, str], SimilarityIndex[str]] = defaultdict(
            lambda: SimilarityIndex(threshold)
        )

    def add_seed(self, row: Row, seed_id: str) -> None:
        """Add the texts of a seed example."""
        self._add_seed_columns(row, f"the seed example {seed_id}")

    def repeat_or_add(self, sample: Row) -> Repeat | None:
        """What the sample repeats; one that repeats nothing is added, for those that follow."""
        sample_id = str(sample.get("id"))
        self._add_seed_columns(sample, f"its seed example {seed_of(sample_id)}")
        texts = _compared_texts(sample, sample_id)
        for compared in texts:
            match = self._index_of(compared).most_similar(compared.text, compared.group)
            if match is not None:
                return _repeat(sample_id, compared.column, match)
        for compared in texts:
            self._index_of(compared).add(sample_id, compared.text, compared.group)
        return None

    def _add_seed_columns(self, row: Row, key: str) -> None:
        is_freeform = row.get("seed_context") is None
        # The question of a grounded seed may well be asked about another context.
        columns: tuple[str, ...] = ("context", "response")
        if is_freeform:
            columns = TEXTS
        for column in columns:
            text = row.get(f"seed_{column}")
            if isinstance(text, str):
                self._indexes[column, ""].add(key, text)

    def _index_of(self, compared: _ComparedText) -> SimilarityIndex[str]:
        return self._indexes[compared.column, compared.scope]


def _compared_texts(sample: Row, sample_id: str) -> list[_ComparedText]:
    has_context = isinstance(sample.get("context"), str)
    context_id = ""
    if has_context:
        context_id = sample_id.rpartition("/")[0]
    texts = {}
    for column in TEXTS:
        texts[column] = sample.get(column)
    texts["question"] = own_question(sample)
    if len(comparable(str(texts["response"]))) < TELLING:
        del texts["response"]
    compared = []
    for column, text in texts.items():
        if not isinstance(text, str) or not text:
            continue
        if column == "question":
            compared.append(_ComparedText(column, text, scope=context_id, group=""))
        else:
            compared.append(_ComparedText(column, text, scope="", group=context_id))
    return compared


def _repeat(sample_id: str, column: str, match: Match[str]) -> Repeat:
    if match.is_exact:
        reason = "duplicate"
        degree = "the same"
    else:
        reason = "near_duplicate"
        degree = f"{format_percent(match.similarity)} the same"
    return Repeat(sample_id, column, reason, f"Its {column} is {degree} as that of {match.key}.")


def check_threshold(threshold: object) -> float:
    """Return the threshold as a number.

    Raises:
        SettingsError: It is not a number above 0 and up to 1.
    """
    is_boolean = isinstance(threshold, bool)
    if isinstance(threshold, int | float) and not is_boolean and 0 < threshold <= 1:
        return float(threshold)
    raise SettingsError(
        "near_duplicates must be a similarity above 0 and up to 1, such as 0.9, "
        f"not {threshold!r}.",
        setting="near_duplicates",
    )
