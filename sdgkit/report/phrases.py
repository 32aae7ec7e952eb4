"""What many texts say: the phrases that they share, and that other texts do not have."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

MOST_PHRASES = 3
WORDS_IN_PHRASE = 8  # at most
READ = 1_000  # characters of each text
_CLAUSE = re.compile(
    r"[^.!?;:,()\"\n\u201c\u201d\u201e\u00ab\u00bb\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]+"
)
_TWO_WORDS = re.compile(r"\w\S*\s.*\w")  # the bars of a table are not words


class Phrase(NamedTuple):
    """A phrase, and how many texts have it."""

    text: str
    number: int


def phrases(texts: Sequence[str], others: Sequence[str] = ()) -> list[Phrase]:
    """Find what these texts say most often, and the others less.

    Args:
        texts: The texts to find phrases of.
        others: Texts of the opposite kind: what both say does not matter.

    Returns:
        Up to three phrases that do not overlap. A phrase is up to eight words of one clause; of a
        script without spaces, a whole clause.

    Example:
        >>> evaluations = ["It is late. No deadline is given.", "No deadline is given, again."]
        >>> phrases(evaluations, others=["It is late."])
        [Phrase(text='No deadline is given', number=2)]
    """
    numbers = _count_phrases(texts)
    numbers_in_others = _count_phrases(others)
    fewest = max(2, len(texts) // 10)
    weights = {}
    for phrase, number in numbers.items():
        excess = number / len(texts) - numbers_in_others[phrase] / max(1, len(others))
        if number >= fewest and excess > 0:
            weights[phrase] = excess * len(phrase.split()) ** 0.7  # a longer one says more
    chosen: list[str] = []
    for phrase in sorted(weights, key=lambda phrase: (-weights[phrase], phrase)):
        if any(_overlap(phrase, other) for other in chosen):
            continue
        chosen.append(phrase)
        if len(chosen) == MOST_PHRASES:
            break
    return [Phrase(phrase, numbers[phrase]) for phrase in chosen]


def _count_phrases(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each phrase occurs."""
    return Counter(chain.from_iterable(map(_phrases_in, texts)))


def _phrases_in(text: str) -> set[str]:
    candidates = set()
    for clause in _CLAUSE.findall(text[:READ]):
        words = clause.split()
        for start in range(len(words)):
            last_end = min(start + WORDS_IN_PHRASE, len(words))
            for end in range(start + 1, last_end + 1):
                candidates.add(" ".join(words[start:end]))
    telling = set()
    for candidate in candidates:
        if _says_something(candidate):
            telling.add(candidate)
    return telling


def _says_something(phrase: str) -> bool:
    """Whether it has two words or, in a script without spaces, enough characters."""
    return len(phrase) >= WORDS_IN_PHRASE or _TWO_WORDS.search(phrase) is not None


def _overlap(phrase: str, other: str) -> bool:
    """Whether both have half of the words of the shorter one."""
    words = set(phrase.split())
    other_words = set(other.split())
    shared = len(words & other_words)
    return shared * 2 >= min(len(words), len(other_words))
