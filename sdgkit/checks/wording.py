"""The checks `matches`, `length`, and `no_refusal`: what a text says, and how much of it."""

import re
from functools import cache
from typing import Literal

from sdgkit.checks.patterns import is_found
from sdgkit.checks.registry import CheckedText, check, quoted
from sdgkit.errors import SettingsError
from sdgkit.prompts.words import count_words
from sdgkit.texts import load_texts

REFUSED_WITHIN = 250  # characters: a refusal is how a reply begins
_UNITS = ("words", "characters")


@check
def matches(checked: CheckedText, pattern: str) -> str:
    """Check that the text matches a regular expression somewhere.

    Args:
        pattern: The expression, in the syntax of Python's `re`. ^ and $ match at every line.
    """
    if is_found("matches", pattern, checked.text):
        return ""
    return f"Nothing in it matches {pattern}"


@check
def length(
    checked: CheckedText,
    min: int | None = None,
    max: int | None = None,
    unit: Literal["words", "characters"] = "words",
) -> str:
    """Check that the text is not too short and not too long.

    Args:
        min: The fewest words or characters.
        max: The most words or characters.
        unit: What to count. In scripts without spaces between words, a word is a sign.
    """
    _check_limits(min, max, unit)
    if unit == "words":
        number = count_words(checked.text)
    else:
        number = len(checked.text)
    if min is not None and number < min:
        return f"It has {number} {unit}; at least {min} are required."
    if max is not None and number > max:
        return f"It has {number} {unit}; at most {max} are allowed."
    return ""


def _check_limits(min: int | None, max: int | None, unit: str) -> None:
    limits = [limit for limit in (min, max) if limit is not None]
    are_numbers = all(type(limit) is int for limit in limits)
    if not limits or not are_numbers or limits != sorted(limits) or unit not in _UNITS:
        raise SettingsError(
            "length needs min, max or both: length(5, 200), or length(max=900, unit='characters')."
        )


@check
def no_refusal(checked: CheckedText) -> str:
    """Check that the text does not begin with a refusal, unless the seed's text does."""
    phrase = refusal(checked.text)
    if not phrase or refusal(checked.seed):
        return ""
    return f"It declines: {quoted(phrase)}."


def refusal(text: str) -> str:
    """The phrase with which a text declines; "" if it does not.

    Example:
        >>> refusal("I'm sorry, but I can't assist with that request.")
        "i can't assist with"
    """
    begin = text[: 4 * REFUSED_WITHIN].replace("\u2019", "'").casefold()
    begin = " ".join(begin.split())[:REFUSED_WITHIN]
    for phrase in _refusal_phrases():
        if phrase in begin and re.search(rf"(?<!\w){re.escape(phrase)}", begin):
            return phrase
    return ""


@cache
def _refusal_phrases() -> list[str]:
    phrases: list[str] = []
    for phrases_of_language in load_texts("refusals").values():
        phrases += phrases_of_language
    return phrases
