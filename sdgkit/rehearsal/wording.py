"""What a text looks like: its units, sentences, words, form, language and numbers."""

import random
import re
from functools import lru_cache

from sdgkit.rehearsal.vocabulary import vocabulary

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
RUNNING_TEXT = "running text"

_MAX_UNITS = 200
_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\d\.)[\"”»)]?\s+(?=[\"“„«(¿¡]?[A-ZÄÖÜÀ-Þ0-9¿¡])")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_LIST_MARK = r"\s*(?:[-*•]|\d{1,2}[.)])\s"
# The first that fits is the form of a text.
_FORMS = {
    "a table": re.compile(r"(?m)^\|.*\n(?:.*\n)*?\|"),
    "JSON": re.compile(r"(?s)\A\s*[{\[].*[}\]]\s*\Z"),
    "a list": re.compile(rf"(?m)^{_LIST_MARK}.*\n(?:.*\n)*?{_LIST_MARK}"),
    "lines": re.compile(r"\S[^\n]*\n\s*\S[^\n]*\n\s*\S"),
}


def units(text: str) -> tuple[str, ...]:
    """The text's lines if it has at least three, else its sentences; at most 200."""
    lines_with_text = []
    for line in text.splitlines():
        if line.strip():
            lines_with_text.append(line.rstrip())
    lines = tuple(lines_with_text)
    if len(lines) >= 3:
        return lines[:_MAX_UNITS]
    return sentences(text)[:_MAX_UNITS]


@lru_cache(maxsize=512)
def sentences(text: str) -> tuple[str, ...]:
    """The text's sentences. A line break ends one too.

    Example:
        >>> sentences("It rains. Take an umbrella!")
        ('It rains.', 'Take an umbrella!')
    """
    all_sentences: list[str] = []
    for line in text.splitlines():
        parts = (part.strip() for part in _SENTENCE_END.split(line))
        all_sentences.extend(filter(None, parts))
    return tuple(all_sentences)


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """The different words of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower()))


def similarity(first: str, second: str) -> float:
    """The share of their words that two texts have in common, 0 to 1."""
    first_words = words(first)
    second_words = words(second)
    return len(first_words & second_words) / (len(first_words | second_words) or 1)


def form(text: str) -> str:
    """What a text looks like: "a table", "JSON", "a list", "lines" or "running text"."""
    for name, pattern in _FORMS.items():
        if pattern.search(text):
            return name
    return RUNNING_TEXT


def language(text: str) -> str:
    """The text's language ("en", "de", "fr", "es" or "it"), by its little words; else "other"."""
    text_words = words(text)
    counts = {}
    for code, little_words in vocabulary("anyskill")["languages"].items():
        counts[code] = len(text_words & set(little_words))
    best = max(counts, key=lambda code: counts[code])
    if counts[best] < 2:
        return "other"
    return str(best)


def other_number(number: str, dice: random.Random) -> str:
    """Another number that looks alike: same separators, same count of digits.

    A year stays within two years of it; what begins with a zero stays as it is.
    """
    if not number.isdigit():
        return re.sub(r"\d+", lambda digits: other_number(digits[0], dice), number)
    value = int(number[:18])
    smallest = 10 ** (len(number[:18]) - 1)  # of this count of digits
    if smallest == 1:
        return str(dice.randint(2, 9))
    if 1900 <= value <= 2100:
        return str(value + dice.randint(-2, 2))
    if number[0] == "0":
        return number
    changed = round(value * dice.uniform(0.75, 1.3))
    return str(min(10 * smallest - 1, max(smallest, changed)))
