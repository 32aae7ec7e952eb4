"""Twins: samples that give the same answer to the same context, in the same or in other words.

Where the question cannot change the answer, three questions about one context give one answer three
times. Two responses to one context count as the same answer if they

* share most of their words, in whatever order,
* share their figures and codes, and
* do not each take words from the context that the other leaves out: "the north gate" and "the
  south gate" are two answers, "sales rose" and "sales went up" are one.

This errs on the side of two answers. A freeform sample has no context, so it has no twin.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from sdgkit.checks.numbers import CODE, numbers
from sdgkit.errors import SettingsError
from sdgkit.quality.duplicates import Repeat
from sdgkit.samples import Row

TWINS = "twins"
"""The name of the stage that drops them."""

TWIN_CHOICES = ("keep", "drop")

SHARED_WORDS = 0.5
"""The share of two responses' words that both have, from which they may be one answer. Measured on
pairs of responses in four languages: the same in other words 0.50 to 0.93, others up to 0.75."""

SHARED_FIGURES = 0.8
"""The share of their figures that both have: one figure may be wrong, or be left out."""

OWN_SELECTION = 0.1
"""The share of the shorter response that each takes from the context and the other leaves out, from
which they are two answers."""

TELLING_LETTERS = 4
"""Letters from which a word of an alphabet is likely to be more than grammar."""

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_MIXED = re.compile(r"\d[^\W\d]|[^\W\d]\d")  # 14a, q1
_SIGN_OF_MEANING = re.compile(r"[\u3400-\u9fff\uac00-\ud7af]")


def twins(samples: Iterable[Row]) -> Iterator[Repeat]:
    """Find the samples that give the same answer as an earlier one to the same context.

    Args:
        samples: The samples in lineage order, in which those of one context stand together.

    Yields:
        A `Repeat` for each, with the reason "duplicate". The earliest sample of each answer is not
        among them.

    Example:
        >>> memo = "The lift in the north wing is out of order until Monday."
        >>> responses = ["No lift till Monday.", "Till Monday: no lift.", "It is the north lift."]
        >>> rows = [{"context": memo, "response": response} for response in responses]
        >>> len(list(twins(rows)))
        1
    """
    context: _Words | None = None
    earlier_answers: list[_Answer] = []
    for sample in samples:
        context_text = sample.get("context")
        response = sample.get("response")
        if not isinstance(context_text, str) or not isinstance(response, str):
            continue
        if context is None or context.text != context_text:
            context = _Words(context_text)
            earlier_answers = []
        answer = _Answer(str(sample.get("id", "")), response)
        twin = answer.twin_among(earlier_answers, context)
        if twin is None:
            earlier_answers.append(answer)
        else:
            message = f"Its response gives the same answer to its context as that of {twin.id}."
            yield Repeat(answer.id, "response", "duplicate", message)


def distinct_answers(samples: Iterable[Row]) -> int:
    """How many samples are left if each answer to a context counts once."""
    counted = _Counted(samples)
    repeated = 0
    for _ in twins(counted):
        repeated += 1
    return counted.number - repeated


def check_twins(choice: object) -> str:
    """Return what to do with twins: "keep" or "drop".

    Raises:
        SettingsError: It is neither.
    """
    if choice in TWIN_CHOICES:
        return str(choice)
    raise SettingsError(
        'twins can be "keep" (count them) or "drop" (keep one sample of each answer to a context), '
        f"not {choice!r}.",
        setting="twins",
        choices=TWIN_CHOICES,
    )


class _Counted:
    """Rows that are counted as they pass."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.number = 0
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.number += 1
            yield row


class _Words:
    """A text and its words, without letter case."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words."""
        return frozenset(_WORD.findall(self.text.casefold()))


class _Answer:
    """A response as it is compared. What a comparison needs is found when it first needs it.

    Attributes:
        id: The id of its sample.
        spaced: Its text in one letter case and spacing.
    """

    def __init__(self, id: str, response: str) -> None:
        self.id = id
        self.spaced = " ".join(response.casefold().split())
        self._response = response

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words."""
        return _Words(self._response).words

    @cached_property
    def figures(self) -> frozenset[object]:
        """Its numbers, each with what it may mean, and its codes, such as E-2203 and 14a."""
        figures: set[object] = {number.values | number.parts for number in numbers(self._response)}
        figures.update(match[0].casefold() for match in CODE.finditer(self._response))
        for word in self.words:
            if _MIXED.search(word):
                figures.add(word)
        return frozenset(figures)

    def twin_among(self, earlier: Iterable["_Answer"], context: _Words) -> "_Answer | None":
        """The earliest of these that is the same answer; None if none is."""
        for other in earlier:
            if self._says_the_same(other, context):
                return other
        return None

    def _says_the_same(self, other: "_Answer", context: _Words) -> bool:
        if self.spaced == other.spaced:
            return True
        return (
            _shared(self.words, other.words) >= SHARED_WORDS
            and _shared(self.figures, other.figures) >= SHARED_FIGURES
            and not self._selects_otherwise(other, context)
        )

    def _selects_otherwise(self, other: "_Answer", context: _Words) -> bool:
        """Whether each of the two takes words from the context that the other leaves out."""
        selected = _telling(self.words - other.words, context)
        selected_by_other = _telling(other.words - self.words, context)
        shorter = min(len(self.words), len(other.words))
        return min(selected, selected_by_other) >= OWN_SELECTION * shorter


def _shared(values: frozenset[object], others: frozenset[object]) -> float:
    """The share of the values of both that both have; 1 if there are none (Jaccard)."""
    either = values | others
    if not either:
        return 1.0
    return len(values & others) / len(either)


def _telling(words: frozenset[str], context: _Words) -> int:
    """How many of the words are in the context and say more than grammar."""
    number = 0
    for word in words & context.words:
        if len(word) >= TELLING_LETTERS or _SIGN_OF_MEANING.match(word):
            number += 1
    return number
