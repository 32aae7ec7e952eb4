"""Reads the kinds of fault that a judge named."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FAULT_KINDS = {
    "truth": "something is wrong, or does not follow from what is given",
    "completeness": "something is missing, cut off or ignored",
    "form": "parts, order, headings, labels, marks or layout are not the example's",
    "manner": "tone, level of detail, length or wording are not the example's",
    "language": "it is in another language",
    "copied": "it repeats what belongs to the example's content",
    "extra": "something is added that was not asked for",
}
"""The kinds of fault that a judge can name, and what they mean."""

_ASIDE = re.compile(r"\([^()]*\)")
_LABEL = re.compile(r"(?i)^\W*faults?\b\s*:")
_SEPARATOR = re.compile(r"[,;/|\n+&]|\band\b")
_WORD = re.compile(r"[^\W\d_]+")


def read_faults(text: str) -> Sequence[str]:
    """Read the kinds of fault in a judge's text.

    Args:
        text: What the judge wrote, such as "truth, form" or "none".

    Returns:
        The kinds of `FAULT_KINDS` that it names, each once and in the order that they have there;
        empty if it names none.

    Example:
        >>> read_faults("**Form**, truth (the total)")
        ['truth', 'form']
        >>> read_faults("none")
        []
    """
    plain = _LABEL.sub("", _ASIDE.sub(" ", text))
    named = set()
    for entry in _SEPARATOR.split(plain.lower()):
        first_word = _WORD.search(entry)
        if first_word is not None:
            named.add(first_word[0])
    kinds = []
    for kind in FAULT_KINDS:
        if kind in named:
            kinds.append(kind)
    return kinds


def faults_in(value: object) -> Sequence[str]:
    """The kinds of fault in a row's column `faults`; empty if the row has no such column."""
    if not isinstance(value, str):
        return []
    return read_faults(value)


class FaultCount(NamedTuple):
    """A kind of fault, and how many rows have it."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


def count_faults(rows: Iterable[Mapping[str, Any]]) -> list[FaultCount]:
    """Count the kinds of fault in the column `faults`, the most frequent first.

    Args:
        rows: Samples or drops. Those without the column have no faults.

    Example:
        >>> counts = count_faults([{"faults": "truth, form"}, {"faults": "form"}, {"faults": ""}])
        >>> [str(count) for count in counts]
        ['form 2', 'truth 1']
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(faults_in(row.get("faults")))
    return [FaultCount(kind, number) for kind, number in counts.most_common()]
