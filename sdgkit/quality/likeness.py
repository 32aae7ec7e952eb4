"""For each text of a set, the earlier one that is most like it; quick where all are alike.

Thousands of texts after one template are all candidates of each other, so that comparing the
candidates is quadratic. But such texts share most of their sequences of characters: a sequence that
occurs in the same texts as another need not be counted apart from it. The sequences are put into
groups by the texts in which they occur, and each text is counted group by group.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdgkit.quality.similarity import Match, SimilarityIndex, hashed_shingles

if TYPE_CHECKING:
    import numpy as np

MOST_WORK = 2_000_000_000
"""Numbers to add up at most, some seconds. Where the groups would take more, the texts have little
in common but their words, and an index finds the few candidates of each."""

LARGE_SHARE = 0.02
"""The share of the texts from which a group is counted for many texts at once."""

BLOCK = 256
"""Texts that are counted at once."""

FEWEST = 200
"""Texts from which groups are worth their making."""


def earlier_matches(texts: Sequence[str], threshold: float) -> list[Match[int] | None]:
    """For each text, the earlier text most like it, by its place; the earliest of several.

    Args:
        texts: The texts, in order.
        threshold: The similarity (Jaccard, of sequences of five characters) that it has to reach.

    Returns:
        One entry for each text; None where none reaches the threshold.

    Example:
        >>> earlier_matches(["The lamp is bright.", "Rain is due.", "the lamp is BRIGHT."], 0.8)
        [None, None, Match(key=0, similarity=1.0)]
    """
    if len(texts) >= FEWEST:
        groups = _Groups.of(texts)
        if groups.work <= MOST_WORK:
            return list(groups.matches(threshold))
    index = SimilarityIndex[int](threshold)
    matches = []
    for place, text in enumerate(texts):
        matches.append(index.most_similar(text))
        index.add(place, text)
    return matches


@dataclass(frozen=True)
class _Groups:
    """The sequences of some texts in groups: those that occur in the same texts.

    Attributes:
        sizes: How many sequences each text has.
        texts_of: For each group, the places of its texts, in order.
        weights: How many sequences each group has.
        groups_of: For each text, the numbers of its groups.
    """

    sizes: np.ndarray[Any, Any]
    texts_of: Sequence[np.ndarray[Any, Any]]
    weights: Sequence[int]
    groups_of: Sequence[Sequence[int]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> _Groups:
        """The groups of these texts."""
        import numpy as np

        packed = [np.array(hashed_shingles(text), dtype=np.int64) for text in texts]
        sizes = np.array([len(shingles) for shingles in packed], dtype=np.int64)
        sequences = np.concatenate(packed)
        places: np.ndarray[Any, Any] = np.repeat(np.arange(len(texts)), sizes)
        order = np.argsort(sequences, kind="stable")  # places stay in order within a sequence
        sequences = sequences[order]
        places = places[order]
        starts = np.flatnonzero(np.r_[True, sequences[1:] != sequences[:-1]])
        ends = np.r_[starts[1:], len(sequences)]
        # The sum of random numbers of 64 bits says in which texts a sequence occurs.
        chance = random.Random(0)
        numbers = np.array([chance.getrandbits(63) for _ in texts], dtype=np.int64)
        marks = np.add.reduceat(numbers[places], starts)
        shared = ends - starts > 1
        _, first, weights = np.unique(marks[shared], return_index=True, return_counts=True)
        shared_starts = starts[shared][first]
        shared_ends = ends[shared][first]
        texts_of = []
        groups_of: list[list[int]] = [[] for _ in texts]
        for group, (start, end) in enumerate(zip(shared_starts, shared_ends, strict=True)):
            occurrences = places[start:end]
            texts_of.append(occurrences)
            for place in occurrences.tolist():
                groups_of[place].append(group)
        return cls(sizes, texts_of, weights.tolist(), groups_of)

    @property
    def work(self) -> int:
        """How many numbers are added up to count all texts."""
        comparisons = 0
        for texts in self.texts_of:
            comparisons += len(texts) ** 2
        return comparisons // 2

    def matches(self, threshold: float) -> Iterator[Match[int] | None]:
        """For each text, the earlier one most like it."""
        import numpy as np

        number = len(self.sizes)
        large = []
        for group, texts in enumerate(self.texts_of):
            if len(texts) > LARGE_SHARE * number:
                large.append(group)
        # Whether a text has a large group, times the square root of the group's weight.
        membership: np.ndarray[Any, Any] = np.zeros((number, len(large)), dtype=np.float64)
        for column, group in enumerate(large):
            membership[self.texts_of[group], column] = np.sqrt(self.weights[group])
        is_large = set(large)
        for begin in range(0, number, BLOCK):
            end = min(begin + BLOCK, number)
            shared = np.rint(membership[begin:end] @ membership[:end].T).astype(np.int64)
            for place in range(begin, end):
                row = shared[place - begin]
                for group in self.groups_of[place]:
                    if group not in is_large:
                        texts = self.texts_of[group]
                        row[texts[texts < end]] += self.weights[group]
                yield self._best(place, row[:place], threshold)

    def _best(
        self, place: int, shared: np.ndarray[Any, Any], threshold: float
    ) -> Match[int] | None:
        """The earlier text with the highest similarity, given the sequences that each shares."""
        if not shared.any():
            return None
        similarities = shared / (self.sizes[place] + self.sizes[:place] - shared)
        best = int(similarities.argmax())
        most = float(similarities[best])
        if most >= threshold:
            return Match(best, most)
        return None
