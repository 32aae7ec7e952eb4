"""Exact and near duplicates: among the contexts, questions and responses of a set, and between it and its seeds.

Two texts are compared by the sequences of five characters that occur in them (Jaccard similarity, 0 to 1), small
letters and white space made equal; so it works for any language and any form. MinHash with locality-sensitive hashing
(Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3) finds the candidates, which are then compared
exactly: the result is no estimate, and the same on every machine.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.formatting import format_percent
from sdgkit.samples import TEXTS, own_question

Row = Mapping[str, Any]
NEAR_DUPLICATES = "near_duplicates"  # the name of the step
SHINGLE, HASHES, MISSED = (
    5,
    128,
    0.001,
)  # characters; of a text; share of duplicates that may go unnoticed
# A response shorter than this says too little: many contexts may well deserve the same short answer.
TELLING = 100


class Known:
    """Texts by key, to be asked which of them a further one repeats. threshold: from this similarity on, 0 to 1."""

    def __init__(self, threshold: float) -> None:
        from rensa import RMinHashLSH

        # The fewest bands (of the most rows) that overlook hardly anything at the threshold.
        sizes = [2**power for power in range(8)]
        bands = next((b for b in sizes if (1 - threshold ** (HASHES // b)) ** b <= MISSED), HASHES)
        self.threshold = threshold
        self._index = RMinHashLSH(0.0, HASHES, bands)
        self._texts: list[tuple[Any, str, str]] = []
        self._held: set[tuple[str, str]] = set()

    def add(self, key: Any, text: str, group: str = "") -> None:
        """Take a text in, once. group: texts of one group (other than "") are not compared with each other."""
        if (group, text) in self._held:
            return
        self._held.add((group, text))
        self._index.insert(len(self._texts), _sketch(text))
        self._texts.append((key, group, text))

    def like(self, text: str, group: str = "") -> tuple[Any, float] | None:
        """(key, similarity) of the most similar text, the earliest of several; None if none reaches the threshold."""
        candidates = [self._texts[place] for place in sorted(self._index.query(_sketch(text)))]
        found = [
            (key, similarity(text, other))
            for key, theirs, other in candidates
            if not group or theirs != group
        ]
        best = max(found, key=lambda one: one[1], default=(None, 0.0))
        return best if best[1] >= self.threshold else None


@dataclass(frozen=True)
class Repeat:
    """A sample that repeats another. column: in which text. reason: duplicate or near_duplicate. message: whom, by id,
    and how much."""

    id: str
    column: str
    reason: str
    message: str


def repeats(
    samples: Iterable[Row], threshold: float, seeds: Iterable[tuple[str, Row]] = ()
) -> Iterator[Repeat]:
    """The samples that repeat an earlier one that stays, or a seed; in the order given.

    A context is compared with every other context; a question with the others of its context (or, of a freeform skill,
    with all); a response with those of other contexts, if it is long enough to tell. seeds: (id, seed example), beside
    those in the samples' own seed columns.
    """
    known: dict[tuple[str, str], Known] = defaultdict(lambda: Known(threshold))

    def learn(row: Row, key: str) -> None:
        for name in TEXTS if row.get("seed_context") is None else ("context", "response"):
            if isinstance(text := row.get(f"seed_{name}"), str):
                known[name, ""].add(key, text)

    for id_, seed in seeds:
        learn(seed, f"the seed example {id_}")
    for row in samples:
        id_ = str(row.get("id"))
        learn(row, f"its seed example {id_.partition('/')[0]}")
        parent = id_.rpartition("/")[0] if isinstance(row.get("context"), str) else ""
        texts = {**{name: row.get(name) for name in TEXTS}, "question": own_question(row)}
        if len(_plain(str(texts["response"]))) < TELLING:
            del texts["response"]
        mine = [
            (
                name,
                text,
                known[name, parent if name == "question" else ""],
                "" if name == "question" else parent,
            )
            for name, text in texts.items()
            if isinstance(text, str) and text
        ]
        alike = ((name, there.like(text, group)) for name, text, there, group in mine)
        name, found = next(((name, like) for name, like in alike if like is not None), ("", None))
        if found is None:
            for _, text, there, group in mine:
                there.add(id_, text, group)
            continue
        reason, how = (
            ("duplicate", "the same")
            if found[1] == 1
            else ("near_duplicate", f"{format_percent(found[1])} the same")
        )
        yield Repeat(id_, name, reason, f"Its {name} is {how} as that of {found[0]}.")


def check_threshold(threshold: Any) -> float:
    """The threshold as a number. Raises SettingsError unless it is above 0 and at most 1."""
    if (
        not isinstance(threshold, int | float)
        or isinstance(threshold, bool)
        or not 0 < threshold <= 1
    ):
        raise SettingsError(
            f"near_duplicates is a similarity above 0 and up to 1 (such as 0.9), not {threshold!r}."
        )
    return float(threshold)


def similarity(one: str, other: str) -> float:
    """The share of the sequences of two texts that both have (Jaccard), 0 to 1."""
    both = len(_pieces(one) & _pieces(other))
    return both / (len(_pieces(one)) + len(_pieces(other)) - both)


@lru_cache(64)  # a text is looked for, taken in, and is the context of several samples in a row
def _pieces(text: str) -> frozenset[str]:
    """What a text is compared by."""
    plain = _plain(text)
    return frozenset(plain[at : at + SHINGLE] for at in range(max(1, len(plain) - SHINGLE + 1)))


@lru_cache(64)
def _sketch(text: str) -> Any:
    from rensa import RMinHash

    sketch = RMinHash(HASHES, 1)
    sketch.update(list(_pieces(text)))
    return sketch


def _plain(text: str) -> str:
    return (
        " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        .encode("utf-8", "replace")
        .decode()
    )
