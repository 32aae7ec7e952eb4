"""Texts taken apart (units, sentences, words, form, language), and templates filled in and found again."""

import random
import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\d\.)[\"”»)]?\s+(?=[\"“„«(¿¡]?[A-ZÄÖÜÀ-Þ0-9¿¡])")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_FORMS = {  # the first that fits
    "a table": re.compile(r"(?m)^\|.*\n(?:.*\n)*?\|"),
    "JSON": re.compile(r"(?s)\A\s*[{\[].*[}\]]\s*\Z"),
    "a list": re.compile(
        r"(?m)^\s*(?:[-*•]|\d{1,2}[.)])\s.*\n(?:.*\n)*?\s*(?:[-*•]|\d{1,2}[.)])\s"
    ),
    "lines": re.compile(r"\S[^\n]*\n\s*\S[^\n]*\n\s*\S"),
}


@cache
def vocabulary(name: str) -> dict[str, Any]:
    """The words in `texts/NAME.toml`."""
    return tomllib.loads(
        (Path(__file__).parent / "texts" / f"{name}.toml").read_text(encoding="utf-8")
    )


def units(text: str) -> tuple[str, ...]:
    """The text's lines, if it has several, or its sentences: the first 200."""
    lines = tuple(line.rstrip() for line in text.splitlines() if line.strip())
    return lines[:200] if len(lines) >= 3 else sentences(text)[:200]


@lru_cache(maxsize=512)
def sentences(text: str) -> tuple[str, ...]:
    """The text's sentences (a line break ends one too)."""
    return tuple(
        part.strip()
        for line in text.splitlines()
        for part in _SENTENCE_END.split(line)
        if part.strip()
    )


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """The different words of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower()))


def likeness(one: str, other: str) -> float:
    """The share of words that two texts have in common."""
    return len(words(one) & words(other)) / (len(words(one) | words(other)) or 1)


def form(text: str) -> str:
    """What a text looks like: one of the forms, or running text."""
    return next((name for name, looks in _FORMS.items() if looks.search(text)), "running text")


def language(text: str) -> str:
    """The text's language among those known (en, de, fr, es, it), or "other"."""
    counts = {
        code: len(words(text) & set(little))
        for code, little in vocabulary("anyskill")["languages"].items()
    }
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] >= 2 else "other"


class _Fields(dict[str, Any]):
    """A template's fields: the known ones, and others, drawn from `lists` when they are first asked for."""

    def __init__(
        self, dice: random.Random, lists: tuple[dict[str, Any], ...], known: dict[str, Any]
    ) -> None:
        super().__init__(known)
        self._dice, self._lists = dice, lists

    def __missing__(self, name: str) -> Any:
        choices = next(held[name] for held in self._lists if name in held)
        whole = isinstance(choices[0], int)  # two numbers are the lowest and the highest
        self[name] = (
            self._dice.randint(*choices) if whole else self._dice.choice(choices).format_map(self)
        )
        return self[name]


def filled(template: str, dice: random.Random, *lists: dict[str, Any], **known: Any) -> str:
    """A template with its fields filled in: from `known`, or drawn from the first of `lists` that has them."""
    return template.format_map(_Fields(dice, (*lists, vocabulary("anyskill")["fillers"]), known))


@cache
def sign(template: str) -> re.Pattern[str]:
    """What finds a filled template in a text, its fields as named groups.

    The first letter may be of another size, and a full stop may be gone: layouts do that.
    """
    text = re.escape(template[1:] if template.endswith("}.") else template[1:].rstrip("."))
    return re.compile(
        re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>(?:[^\\n.]|\\.(?=\\w)){1,60}?)", text) + r"(?!\w)"
    )


def other_number(number: str, dice: random.Random) -> str:
    """Another number of the same make: same separators, same count of digits, years near the same."""
    if not number.isdigit():
        return re.sub(r"\d+", lambda part: other_number(part[0], dice), number)
    value, low = int(number[:18]), 10 ** (len(number[:18]) - 1)
    if low == 1 or 1900 <= value <= 2100:
        return str(dice.randint(2, 9) if low == 1 else value + dice.randint(-2, 2))
    return (
        number
        if number[0] == "0"
        else str(min(10 * low - 1, max(low, round(value * dice.uniform(0.75, 1.3)))))
    )
