"""Exact and near duplicates: among the contexts, questions and responses of a set, and between it and its seeds.

Two texts are compared by the sequences of five characters that occur in them (Jaccard similarity, 0 to 1), small
letters and white space made equal; so it works for any language and any form. MinHash with locality-sensitive hashing
(Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3) finds the candidates, which are then compared
exactly: the result is no estimate, and the same on every machine.
"""

import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sdgkit.decisions import TEXTS, own_question
from sdgkit.errors import SettingsError
from sdgkit.pages import percent

Row = Mapping[str, Any]
NEAR_DUPLICATES = "near_duplicates"  # the name of the step
SHINGLE, HASHES, MISSED = 5, 128, 0.001  # characters; of a text; share of duplicates that may go unnoticed
# A response shorter than this says too little: many contexts may well deserve the same short answer.
TELLING = 100


class Like(NamedTuple):
    """A text met before. key: whose. share: how similar, 1.0 for equal."""

    key: Any
    share: float


class Known:
    """Texts by key, to be asked which of them a further one repeats. threshold: from this similarity on, 0 to 1."""

    def __init__(self, threshold: float) -> None:
        import rensa

        # The fewest bands (of the most rows) that overlook hardly anything at the threshold.
        sizes = [2**power for power in range(8)]
        bands = next((b for b in sizes if (1 - threshold ** (HASHES // b)) ** b <= MISSED), HASHES)
        self.threshold = threshold
        self._sketch = lambda shingles: _sketched(rensa.RMinHash(HASHES, 1), shingles)
        self._index = rensa.RMinHashLSH(0.0, HASHES, bands)
        self._texts: list[tuple[Hashable, Hashable, str]] = []
        self._exact: dict[str, list[int]] = {}

    def add(self, key: Hashable, text: str, group: Hashable = None) -> None:
        """Take a text in. group: texts of one group are not compared with each other."""
        plain = _plain(text)
        self._exact.setdefault(plain, []).append(len(self._texts))
        if self.threshold < 1:
            self._index.insert(len(self._texts), self._sketch(shingles(plain)))
        self._texts.append((key, group, plain))

    def like(self, text: str, group: Hashable = None) -> Like | None:
        """The most similar text from the threshold on, the earliest of several; None if there is none."""
        plain = _plain(text)
        for place in self._exact.get(plain, ()):
            if group is None or self._texts[place][1] != group:
                return Like(self._texts[place][0], 1.0)
        best: Like | None = None
        mine = shingles(plain)
        for place in sorted(self._index.query(self._sketch(mine))) if self.threshold < 1 else ():
            key, theirs, other = self._texts[place]
            share = similarity(mine, shingles(other))
            near = share >= self.threshold and other != plain
            if near and (group is None or theirs != group) and (best is None or share > best.share):
                best = Like(key, share)
        return best


@dataclass(frozen=True)
class Repeat:
    """A sample that repeats another. column: in which text; like: whom, by id, and how much."""

    id: str
    column: str
    like: Like

    @property
    def reason(self) -> str:
        """duplicate or near_duplicate."""
        return "duplicate" if self.like.share == 1.0 else "near_duplicate"

    @property
    def message(self) -> str:
        """What is repeated, in a sentence."""
        how = "is the same as" if self.like.share == 1.0 else f"is {percent(self.like.share)} the same as"
        return f"Its {self.column} {how} that of {self.like.key}."


def repeats(samples: Iterable[Row], threshold: float, seeds: Iterable[tuple[str, Row]] = ()) -> Iterator[Repeat]:
    """The samples that repeat an earlier one that stays, or a seed; in the order given.

    A context is compared with every other context; a question with the others of its context (or, of a freeform skill,
    with all); a response with those of other contexts, if it is long enough to tell. seeds: (id, seed example), beside
    those in the samples' own seed columns.
    """
    columns = {name: Known(threshold) for name in TEXTS}
    met: dict[str, Like | None] = {}  # by the context's id: whom it repeats
    asked: dict[str, list[tuple[str, str]]] = {}  # by the context's id: the questions that stay
    known_seeds: set[tuple[str, str]] = set()

    def learn(row: Row, key: str) -> None:
        for name, known in columns.items():
            text = row.get(f"seed_{name}")
            grounded_question = name == "question" and row.get("seed_context") is not None
            if isinstance(text, str) and not grounded_question and (name, text) not in known_seeds:
                known_seeds.add((name, text))
                known.add(key, text)

    for id_, seed in seeds:
        learn(seed, f"the seed example {id_}")
    for row in samples:
        id_, parent = str(row.get("id")), str(row.get("id")).rpartition("/")[0]
        learn(row, f"its seed example {id_.partition('/')[0]}")
        context, question, response = row.get("context"), own_question(row), row.get("response")
        found: tuple[str, Like | None] = ("", None)
        if isinstance(context, str):
            if parent not in met:
                met[parent] = columns["context"].like(context)
                if met[parent] is None:
                    columns["context"].add(id_, context)
            found = ("context", met[parent])
            if found[1] is None:
                found = ("question", _among(asked.setdefault(parent, []), question, threshold))
        elif question:
            found = ("question", columns["question"].like(question))
        group = parent if isinstance(context, str) else None
        telling = isinstance(response, str) and len(_plain(response)) >= TELLING
        if found[1] is None and telling:
            found = ("response", columns["response"].like(str(response), group))
        if found[1] is not None:
            yield Repeat(id_, found[0], found[1])
            continue
        if isinstance(context, str):
            asked[parent].append((id_, question))
        elif question:
            columns["question"].add(id_, question)
        if telling:
            columns["response"].add(id_, str(response), group)


def check_threshold(threshold: Any) -> float:
    """The threshold as a number. Raises SettingsError unless it is above 0 and at most 1."""
    good = isinstance(threshold, int | float) and not isinstance(threshold, bool) and 0 < threshold <= 1
    if not good:
        raise SettingsError(f"near_duplicates is a similarity above 0 and up to 1 (such as 0.9), not {threshold!r}.")
    return float(threshold)


def shingles(plain: str) -> frozenset[str]:
    """The sequences of five characters in a text."""
    return frozenset(plain[at : at + SHINGLE] for at in range(max(1, len(plain) - SHINGLE + 1)))


def pieces(text: str) -> frozenset[str]:
    """What a text is compared by."""
    return shingles(_plain(text))


def similarity(one: frozenset[str], other: frozenset[str], least: float = 0.0) -> float:
    """The share of sequences that both have (Jaccard), 0 to 1; 0 where their numbers tell that it is below `least`."""
    fewer, more = sorted((len(one), len(other)))
    if fewer < least * more:
        return 0.0
    both = len(one & other)
    return both / max(1, fewer + more - both)


def _among(others: Sequence[tuple[str, str]], text: str, threshold: float) -> Like | None:
    mine, plain = shingles(_plain(text)), _plain(text)
    found = [Like(key, 1.0 if _plain(o) == plain else similarity(mine, shingles(_plain(o)))) for key, o in others]
    best = max(found, key=lambda like: like.share, default=None)
    return best if best is not None and best.share >= threshold else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).encode("utf-8", "replace").decode()


def _sketched(sketch: Any, shingles: frozenset[str]) -> Any:
    sketch.update(list(shingles))
    return sketch
