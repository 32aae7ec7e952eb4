"""Exact and near duplicates among the texts of a set, and between the set and its seeds.

Two texts are compared by the sequences of five characters that occur in them (Jaccard similarity, 0
to 1), ignoring letter case and white space; so it works for any language and any form. MinHash with
locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3)
finds the candidates, which are then compared exactly: the result is not an estimate, and it is the
same on every machine.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

from sdgkit.errors import SettingsError
from sdgkit.formatting import format_percent
from sdgkit.samples import TEXTS, Row, own_question, seed_of

if TYPE_CHECKING:
    import rensa

NEAR_DUPLICATES = "near_duplicates"  # the name of the stage that drops them
SHINGLE = 5  # characters of the sequences that are compared
HASHES = 128  # in the sketch of a text
OVERLOOKED = 0.001  # the share of duplicates that the index may miss
# Characters. Many contexts may well deserve the same short response: it is not compared.
TELLING = 100

Key = TypeVar("Key")


@dataclass(frozen=True)
class Match(Generic[Key]):
    """The text of an index that is most similar to another.

    Attributes:
        key: The key that it was added under.
        similarity: How similar it is, from the index's threshold to 1.
    """

    key: Key
    similarity: float

    @property
    def is_exact(self) -> bool:
        """Whether the texts are equal, apart from letter case and white space."""
        return self.similarity == 1


@dataclass(frozen=True)
class _Entry(Generic[Key]):
    key: Key
    group: str
    text: str


class SimilarityIndex(Generic[Key]):
    """Texts under keys, in which you can look up the one most similar to another text.

    Args:
        threshold: The similarity from which a text counts as similar, above 0 and up to 1.

    Example:
        >>> index = SimilarityIndex[str](threshold=0.8)
        >>> index.add("first", "The lamp is bright and cheap.")
        >>> index.most_similar("the lamp is  bright and cheap.")
        Match(key='first', similarity=1.0)
    """

    def __init__(self, threshold: float) -> None:
        from rensa import RMinHashLSH

        self.threshold = threshold
        self._index = RMinHashLSH(0.0, HASHES, _bands(threshold))
        self._entries: list[_Entry[Key]] = []
        self._added: set[tuple[str, str]] = set()

    def add(self, key: Key, text: str, group: str = "") -> None:
        """Add a text, unless its group has it already.

        Args:
            key: The key by which `most_similar` returns it.
            text: The text.
            group: Texts of one group (other than "") are not compared with each other.
        """
        if (group, text) in self._added:
            return
        self._added.add((group, text))
        self._index.insert(len(self._entries), _sketch(text))
        self._entries.append(_Entry(key, group, text))

    def most_similar(self, text: str, group: str = "") -> Match[Key] | None:
        """The most similar text, the earliest of several; None if none reaches the threshold."""
        best: Match[Key] | None = None
        most = 0.0
        shingles = _shingles(text)
        # Thousands of texts after one template are all candidates of each other, so a comparison
        # is cheap, and none is made that could not win.
        for place in sorted(self._index.query(_sketch(text))):
            entry = self._entries[place]
            if group and entry.group == group:
                continue
            other = _packed_shingles(entry.text)
            if min(len(shingles), len(other)) / max(len(shingles), len(other)) <= most:
                continue
            shared = len(_hashes(text).intersection(other))
            found = shared / (len(shingles) + len(other) - shared)
            if found > most:
                most = found
                best = Match(entry.key, found)
            if most == 1:
                break
        if most >= self.threshold:
            return best
        return None


def _bands(threshold: float) -> int:
    """The fewest bands (of the most rows) that miss hardly anything at the threshold."""
    for power in range(8):
        bands = 1 << power
        rows_per_band = HASHES // bands
        overlooked = (1 - threshold**rows_per_band) ** bands
        if overlooked <= OVERLOOKED:
            return bands
    return HASHES


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
    if len(_comparable(str(texts["response"]))) < TELLING:
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


def similarity(text: str, other: str) -> float:
    """The share of the five-character sequences of two texts that both have (Jaccard), 0 to 1.

    Example:
        >>> similarity("The lamp is bright.", "the LAMP is bright.")
        1.0
    """
    shingles = _shingles(text)
    other_shingles = _shingles(other)
    shared = len(shingles & other_shingles)
    return shared / (len(shingles) + len(other_shingles) - shared)


@lru_cache(64)  # a text is looked for, added, and is the context of several samples in a row
def _shingles(text: str) -> frozenset[str]:
    comparable = _comparable(text)
    starts = range(max(1, len(comparable) - SHINGLE + 1))
    return frozenset(comparable[start : start + SHINGLE] for start in starts)


@lru_cache(64)
def _hashes(text: str) -> frozenset[int]:
    return frozenset(map(hash, _shingles(text)))


@lru_cache(5_000)  # 8 bytes a character: the candidates of a text are looked at again and again
def _packed_shingles(text: str) -> array[int]:
    return array("q", map(hash, _shingles(text)))


def hashed_shingles(text: str) -> array[int]:
    """The five-character sequences of a text as numbers, each once."""
    return array("q", _hashes(text))


@lru_cache(64)
def _sketch(text: str) -> rensa.RMinHash:
    from rensa import RMinHash

    sketch = RMinHash(HASHES, 1)
    sketch.update(list(_shingles(text)))
    return sketch


def _comparable(text: str) -> str:
    """The text in one letter case, spacing and Unicode form, and without lone surrogates."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = " ".join(folded.split())
    return spaced.encode("utf-8", "replace").decode()
