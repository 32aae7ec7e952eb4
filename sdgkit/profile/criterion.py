"""A criterion: a rule that a response must meet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sdgkit.keywords import known_keywords_throughout

CRITERION_KEYS = ("text", "enabled", "broken_by")


@known_keywords_throughout
@dataclass(frozen=True)
class Criterion:
    """A rule that a response must meet.

    Attributes:
        text: The rule, to be answered with yes or no.
        enabled: Whether it is used.
        broken_by: The ids of the seeds whose own response breaks it, such as `s2`.
    """

    text: str
    enabled: bool = True
    broken_by: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The criterion as JSON values."""
        values: dict[str, Any] = {"text": self.text, "enabled": self.enabled}
        if self.broken_by:
            values["broken_by"] = ", ".join(self.broken_by)
        return values


def split_ids(text: str) -> tuple[str, ...]:
    """The ids of seeds in a text.

    Example:
        >>> split_ids("s2, s5")
        ('s2', 's5')
    """
    ids = []
    for id_ in text.split(","):
        if id_.strip():
            ids.append(id_.strip())
    return tuple(ids)


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts without those that repeat an earlier one in other letter case or spacing.

    Example:
        >>> distinct(["a form", "A  form", "a chat"])
        ('a form', 'a chat')
    """
    by_words: dict[str, str] = {}
    for text in texts:
        by_words.setdefault(" ".join(text.split()).casefold(), text)
    return tuple(by_words.values())
