"""Which entries of the lists of a run have samples: kinds of text, special cases, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.samples import Row

UNCOVERED_SHOWN = 5
"""Entries without a sample that are named."""


@dataclass(frozen=True)
class Coverage:
    """One list from which rows drew, and the samples that came of it.

    Attributes:
        name: The name of the list.
        samples: For each entry of the list, in order, how many samples drew it.
    """

    name: str
    samples: Mapping[str, int]

    @property
    def covered(self) -> int:
        """How many entries have a sample."""
        drawn = 0
        for number in self.samples.values():
            if number:
                drawn += 1
        return drawn

    @property
    def uncovered(self) -> list[str]:
        """The entries without a sample."""
        uncovered = []
        for entry, number in self.samples.items():
            if not number:
                uncovered.append(entry)
        return uncovered

    @property
    def sentence(self) -> str:
        """How much of the list is covered, and what is not.

        Example:
            >>> Coverage("case", {"late": 3, "missing": 0}).sentence
            'case 1 of 2 (none for “missing”)'
        """
        part = f"{self.name} {self.covered} of {len(self.samples)}"
        if not self.uncovered:
            return part
        named = [f"\u201c{entry}\u201d" for entry in self.uncovered[:UNCOVERED_SHOWN]]
        rest = len(self.uncovered) - len(named)
        if rest:
            named.append(f"{rest} more")
        return f"{part} (none for {', '.join(named)})"


def coverage(samples: Iterable[Row], lists: Mapping[str, Sequence[Any]]) -> list[Coverage]:
    """The samples that came of each list that rows drew from.

    Args:
        samples: The samples; `vary` holds what each drew.
        lists: The lists, by name.
    """
    if not lists:
        return []
    numbers = {name: {str(entry): 0 for entry in entries} for name, entries in lists.items()}
    for sample in samples:
        drawn = sample.get("vary")
        if not isinstance(drawn, Mapping):
            continue
        for name, entry in drawn.items():
            if str(entry) in numbers.get(name, {}):
                numbers[name][str(entry)] += 1
    return [Coverage(name, counts) for name, counts in numbers.items()]
