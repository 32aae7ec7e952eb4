"""Fragments: what a context of a skill may say, and what each of them means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

# What a text means, under the names that its skill has for it, such as "Sentiment": "Positive".
Facts = dict[str, str]

_NOT_FACTS = ("said", "of", "draw")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to be drawn.

    Attributes:
        template: How it is written, such as `¤{:.1f}m`; ¤ is the currency.
        low: The lowest value.
        high: The highest value.
    """

    template: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fragment:
    """Something that a context may say.

    Attributes:
        text: What it says, with {fields}.
        topics: What it goes with; without any, it goes with everything.
        facts: What it means.
        figure: The figure that it gives, if any.
    """

    text: str
    topics: frozenset[str] = frozenset()
    facts: Facts = field(default_factory=dict)
    figure: Figure | None = None

    def goes_with(self, other: "Fragment") -> bool:
        """Whether both may be in one context."""
        return not self.topics or bool(self.topics & other.topics)

    def with_fields(self, fields: Mapping[str, str]) -> "Fragment":
        """The fragment as a text has it, with the fields of its facts filled in."""
        facts = {name: fact.format(**fields) for name, fact in self.facts.items()}
        return replace(self, facts=facts)


def read_fragments(table: Mapping[str, Sequence[Any]]) -> list[Fragment]:
    """The fragments in a table with `columns` and `rows`.

    The column `said` is the text, `of` has the topics, `draw` a figure; the others are facts.
    """
    fragments = []
    for row in table["rows"]:
        values = dict(zip(table["columns"], row, strict=True))
        figure = None
        if "draw" in values:
            figure = Figure(*values["draw"])
        facts = {}
        for name, value in values.items():
            if name not in _NOT_FACTS:
                facts[name] = value
        topics = frozenset(values.get("of", "").split())
        fragments.append(Fragment(values["said"], topics, facts, figure))
    return fragments
