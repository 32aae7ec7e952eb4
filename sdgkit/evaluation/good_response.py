"""A good response that is going to be damaged, and what the kinds of damage share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdgkit.checks import language
from sdgkit.evaluation.response_parts import words_of
from sdgkit.texts import load_texts

LANGUAGES = ("en", "de", "fr", "es", "it")  # as they stand in texts/damage.yaml
MIN_LITTLE_WORDS = 3  # enough to recognise the language of a short text


@dataclass(frozen=True)
class GoodResponse:
    """A good response, and what goes with it.

    Attributes:
        text: The response.
        source: What it responds to: its context and its question.
        example: The response of the seed that the judge is shown as an example.
    """

    text: str
    source: str
    example: str


def put(text: str, place: re.Match[str], new: str) -> str:
    """The text with another one in the place of a match."""
    return text[: place.start()] + new + text[place.end() :]


def in_its_language(name: str, text: str) -> Any:
    """A text of `texts/damage.yaml` in the language of another one."""
    return damage_texts()[name][language_of(text) or "en"]


def language_of(text: str) -> str:
    """Which of `LANGUAGES` a text is in (a short one by its little words); "" if unclear."""
    own = language(text)
    if own:
        if own in LANGUAGES:
            return own
        return ""
    words = words_of(text)
    counts = []
    for place, code in enumerate(LANGUAGES):
        little_words = {str(row[place]).lower() for row in damage_texts()["little_words"]}
        counts.append((len(words & little_words), code))
    counts.sort(reverse=True)
    (most, best), (second_most, _) = counts[:2]
    if most >= MIN_LITTLE_WORDS and most > second_most:
        return best
    return ""


def damage_texts() -> Mapping[str, Any]:
    return load_texts("damage")
