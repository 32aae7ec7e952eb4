"""How similar two texts are, and an index that finds the one most similar to another.

Two texts are compared by the sequences of five characters that occur in them (Jaccard similarity, 0
to 1), ignoring letter case and white space; so it works for any language and any form.

The index is exact: it finds what comparing each with each would. Thousands of texts after one
template share most of their sequences, and yet few of them are as similar as asked for. So the
sequences of each text are put in one order, the rarest first. Two texts of 100 sequences that share
95 of them have one in common among the first 6 of each, and only those few are looked up (prefix
filtering: Chaudhuri, Ganti and Kaushik 2006; Xiao et al., "Efficient Similarity Joins for Near
Duplicate Detection", WWW 2008). The better the best text found so far, the fewer remain to be
looked up. Before two texts are compared, their signatures tell whether they can be similar enough
(bitmap filter: Sandes, Teodoro and Melo, "Bitmap Filter: Speeding up Exact Set Similarity Joins
with Bitwise Operations", Information Systems 88, 2020).
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np

SHINGLE = 5  # characters of the sequences that are compared

FEW = 32
"""Texts that are compared one by one: looking up takes as long."""

MOST_COUNTERS = 1 << 20
"""Counters of how many texts have a sequence. Those of two sequences may fall together; that takes
time, and changes no result."""

CLASS_SHARE = 0.25
"""How many sizes of texts are looked up together, as a share of those that could be similar."""

SMALLEST_CLASS = 0.01

SIGNATURE_BITS = 2048
"""More of them tell texts of thousands of sequences apart, and take more memory for each text."""

ROUNDING = 1e-6  # a share of a sequence that is no sequence

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
    size: int
    signature: int


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
        self.threshold = threshold
        self._entries: list[_Entry[Key]] = []
        self._added: set[tuple[str, str]] = set()
        self._beginnings: _Beginnings | None = None

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
        size = len(_packed_shingles(text))
        self._entries.append(_Entry(key, group, text, size, _signature(text)))
        number = len(self._entries)
        if number < FEW:
            return
        if self._beginnings is None or number >= 2 * self._beginnings.ordered_for:
            # What is rare among many texts may not be what was rare among the first.
            self._beginnings = _Beginnings(self.threshold, [entry.text for entry in self._entries])
        else:
            self._beginnings.add(number - 1, text)

    def most_similar(self, text: str, group: str = "") -> Match[Key] | None:
        """The most similar text, the earliest of several; None if none reaches the threshold."""
        search = _Search(text, self.threshold)
        if self._beginnings is None:
            places: Iterator[int] = iter(range(len(self._entries)))
        else:
            places = self._beginnings.places(search)
        for place in places:
            entry = self._entries[place]
            if group and entry.group == group:
                continue
            if search.may_match(entry.size, entry.signature):
                search.compare(place, entry.text)
        if search.place is None:
            return None
        return Match(self._entries[search.place].key, search.most)


class _Search:
    """The search for the text most similar to another.

    Attributes:
        text: The other text.
        size: How many sequences it has.
        most: The similarity of the best text so far; before, the threshold.
        place: The place of that text.
    """

    def __init__(self, text: str, threshold: float) -> None:
        self.text = text
        self.most = threshold
        self.place: int | None = None
        self._hashes = _hashes(text)
        self._signature = _signature(text)
        self.size = len(self._hashes)

    def may_match(self, size: int, signature: int) -> bool:
        """Whether a text of this size and signature can be as similar as the best so far.

        Two texts differ in at least as many sequences as their signatures do in bits.
        """
        if min(self.size, size) / max(self.size, size) < self.most:
            return False
        different_bits = (self._signature ^ signature).bit_count()
        most_different = (self.size + size) * (1 - self.most) / (1 + self.most)
        return different_bits <= most_different + ROUNDING

    def compare(self, place: int, text: str) -> None:
        """Compare it with the text at this place, and keep it if it is better or equal, earlier."""
        other = _packed_shingles(text)
        shared = len(self._hashes.intersection(other))
        similarity = shared / (self.size + len(other) - shared)
        if similarity < self.most:
            return
        if self.place is None or similarity > self.most or place < self.place:
            self.most = similarity
            self.place = place


class _Beginnings:
    """Where the sequences occur with which the texts of an index begin, the rarest first.

    Args:
        threshold: The similarity that is asked for.
        texts: The texts of the index so far, which decide what is rare.

    Attributes:
        ordered_for: The number of texts that decided it.
    """

    def __init__(self, threshold: float, texts: Sequence[str]) -> None:
        import numpy as np

        self.ordered_for = len(texts)
        self._threshold = threshold
        self._class_width = math.log1p(max((1 - threshold) * CLASS_SHARE, SMALLEST_CLASS))
        sequences = 0
        looked_up = 0
        for text in texts:
            size = len(_packed_shingles(text))
            sequences += size
            looked_up += _beginning(size, size * threshold)
        counters = min(_power_of_two(sequences), MOST_COUNTERS)
        self._counts: np.ndarray[Any, Any] = np.zeros(counters, dtype=np.int32)
        for text in texts:
            np.add.at(self._counts, self._counters(_packed_shingles(text)), 1)
        self._classes: dict[int, _SizeClass] = {}
        # Chains of postings, each by a sequence and a class of sizes.
        self._heads = array("i", [-1]) * _power_of_two(2 * looked_up)
        self._chains = array("q")
        self._next = array("i")
        self._places = array("i")
        for place, text in enumerate(texts):
            self.add(place, text)

    def add(self, place: int, text: str) -> None:
        """Add the text at this place."""
        shingles = _packed_shingles(text)
        size = len(shingles)
        number = math.floor(math.log(size) / self._class_width)
        size_class = self._classes.setdefault(number, _SizeClass(number, size, size))
        size_class.smallest = min(size_class.smallest, size)
        size_class.largest = max(size_class.largest, size)
        for shingle in self._rarest(shingles)[: _beginning(size, size * self._threshold)]:
            chain = hash((shingle, number))
            head = chain % len(self._heads)
            self._next.append(self._heads[head])
            self._heads[head] = len(self._places)
            self._chains.append(chain)
            self._places.append(place)

    def places(self, search: _Search) -> Iterator[int]:
        """The places of the texts that could be as similar as the best that the search has found.

        Args:
            search: It may find better ones while the places are read.
        """
        seen: set[int] = set()
        most = 0.0
        depths: list[tuple[int, int]] = []
        for position, shingle in enumerate(self._rarest(_packed_shingles(search.text))):
            if search.most > most:
                most = search.most
                depths = self._depths(search.size, most)
            is_over = True
            for number, depth in depths:
                if position < depth:
                    is_over = False
                    for place in self._chain(hash((shingle, number))):
                        if place not in seen:
                            seen.add(place)
                            yield place
            if is_over:
                return

    def _chain(self, chain: int) -> Sequence[int]:
        """The places of the texts in a chain."""
        posting = self._heads[chain % len(self._heads)]
        if posting < 0:
            return ()
        places = []
        while posting >= 0:
            if self._chains[posting] == chain:
                places.append(self._places[posting])
            posting = self._next[posting]
        return places

    def _depths(self, size: int, most: float) -> list[tuple[int, int]]:
        """How many sequences of a text of this size to look up in each class of sizes."""
        depths = []
        for size_class in self._classes.values():
            smallest = max(size_class.smallest, size * most - ROUNDING)
            if smallest <= size_class.largest and size_class.smallest <= size / most + ROUNDING:
                shared = most * (size + smallest) / (1 + most)
                depths.append((size_class.number, _beginning(size, shared)))
        return depths

    def _rarest(self, shingles: array[int]) -> list[int]:
        """The sequences of a text, the rarest first."""
        import numpy as np

        hashes: np.ndarray[Any, Any] = np.array(shingles, dtype=np.int64)
        order = np.lexsort((hashes, self._counts[self._counters(shingles)]))
        rarest: list[int] = hashes[order].tolist()
        return rarest

    def _counters(self, shingles: array[int]) -> np.ndarray[Any, Any]:
        import numpy as np

        counters: np.ndarray[Any, Any] = np.array(shingles, dtype=np.int64) % len(self._counts)
        return counters


@dataclass
class _SizeClass:
    """Texts of nearly the same number of sequences.

    Attributes:
        number: The number of the class.
        smallest: The fewest sequences of one of its texts.
        largest: The most.
    """

    number: int
    smallest: int
    largest: int


def _beginning(size: int, shared: float) -> int:
    """How many sequences of a text to look up, so that one is among them of any that share so many.

    Args:
        size: How many sequences the text has.
        shared: How many of them the other text has at least.
    """
    return size - math.ceil(shared - ROUNDING) + 1


def _power_of_two(number: int) -> int:
    """The smallest power of two that is not below a number."""
    return 1 << max(1, number - 1).bit_length()


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
    spaced = comparable(text)
    starts = range(max(1, len(spaced) - SHINGLE + 1))
    return frozenset(spaced[start : start + SHINGLE] for start in starts)


@lru_cache(64)
def _hashes(text: str) -> frozenset[int]:
    return frozenset(map(hash, _shingles(text)))


@lru_cache(5_000)  # 8 bytes a character: the candidates of a text are looked at again and again
def _packed_shingles(text: str) -> array[int]:
    return array("q", _hashes(text))


@lru_cache(64)
def _signature(text: str) -> int:
    """A number of so many bits, each of which tells whether an odd number of sequences has it."""
    signature = 0
    for shingle in _hashes(text):
        signature ^= 1 << (shingle % SIGNATURE_BITS)
    return signature


def hashed_shingles(text: str) -> array[int]:
    """The five-character sequences of a text as numbers, each once."""
    return array("q", _hashes(text))


def comparable(text: str) -> str:
    """The text in one letter case, spacing and Unicode form, and without lone surrogates."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = " ".join(folded.split())
    return spaced.encode("utf-8", "replace").decode()
