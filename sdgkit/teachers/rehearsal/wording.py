"""Texts taken apart (units, sentences, words, numbers, form, language), and templates filled in."""

import random
import re
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

LONGEST = 60_000  # characters of a given text that the rules look at
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

_SENTENCE_END = re.compile(
    r"(?<=[.!?…])(?<!\bca\.)(?<!\bzw\.)[\"”»)]?\s+"
    r"(?!(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez)[a-z]*\b|Stock|Etage)"  # "3. November" is no end
    r"(?=[\"“„«(¿¡]?[A-ZÄÖÜÀ-Þ0-9¿¡])"
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


@cache
def vocabulary(name: str) -> dict[str, Any]:
    """The words in `texts/NAME.toml`."""
    return tomllib.loads((Path(__file__).parent / "texts" / f"{name}.toml").read_text(encoding="utf-8"))


def units(text: str) -> tuple[list[str], str]:
    """The text's lines, if it has several, or its sentences; and what joins them again."""
    lines = [line.rstrip() for line in text[:LONGEST].splitlines() if line.strip()]
    return (lines, "\n") if len(lines) >= 3 else (sentences(text), " ")


def sentences(text: str) -> list[str]:
    """The text's sentences (a line break ends one too)."""
    return list(_sentences(text[:LONGEST]))


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for line in text.splitlines() for part in _SENTENCE_END.split(line) if part.strip())


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """The different words of a text, in lower case."""
    return frozenset(_WORD.findall(text[:LONGEST].lower()))


@lru_cache(maxsize=1024)
def numbers(text: str) -> frozenset[str]:
    """The different numbers of a text, digits only: "1,250" and "1.250" are the same."""
    return frozenset(_plain(found) for found in NUMBER.findall(text[:LONGEST]))


def _plain(number: str) -> str:
    parts = re.split(r"[.,]", number)
    if len(parts) > 1 and len(parts[-1]) != 3:
        return "".join(parts[:-1]) + "." + parts[-1]
    return "".join(parts)


@lru_cache(maxsize=256)
def form(text: str) -> str:
    """What a text looks like: table, list, json, lines or prose."""
    lines = [line.strip() for line in text[:LONGEST].splitlines() if line.strip()]
    if sum(line.startswith("|") for line in lines) >= 2:
        return "table"
    if lines and lines[0][0] in "{[" and lines[-1][-1] in "}]":
        return "json"
    if sum(bool(re.match(r"[-*•]\s|\d{1,2}[.)]\s", line)) for line in lines) >= 2:
        return "list"
    return "lines" if len(lines) >= 3 else "prose"


@lru_cache(maxsize=256)
def language(text: str) -> str:
    """The text's language among those known (en, de, fr, es, it), or "other"."""
    found = words(text)
    counts = {code: len(found.intersection(little)) for code, little in vocabulary("anyskill")["languages"].items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] >= 2 else "other"


class _Fields(dict[str, Any]):
    """A template's fields: the known ones, and others, drawn from `lists` when they are first asked for."""

    def __init__(self, dice: random.Random, lists: tuple[Mapping[str, Any], ...], known: Mapping[str, Any]) -> None:
        super().__init__(known)
        self._dice, self._lists = dice, lists

    def __missing__(self, name: str) -> Any:
        choices = next(held[name] for held in self._lists if name in held)
        whole = isinstance(choices[0], int)  # two numbers are the lowest and the highest
        self[name] = self._dice.randint(*choices) if whole else self._dice.choice(choices).format_map(self)
        return self[name]


def filled(template: str, dice: random.Random, *lists: Mapping[str, Any], **known: Any) -> str:
    """A template with its fields filled in: from `known`, or drawn from the first of `lists` that has them."""
    return template.format_map(_Fields(dice, (*lists, vocabulary("anyskill")["fillers"]), known))


def other_number(number: str, dice: random.Random) -> str:
    """Another number of the same make: same separators, same count of digits, years near the same."""
    if not number.isdigit():
        return re.sub(r"\d+", lambda part: other_number(part[0], dice) if part[0] != "0" else "0", number)
    value, digits = int(number[:18]), len(number[:18])
    if digits == 1:
        return str(dice.randint(2, 9))
    if digits == 4 and 1900 <= value <= 2100:
        return str(value + dice.randint(-2, 2))
    if number[0] == "0":
        return number
    low, high = 10 ** (digits - 1), 10**digits - 1
    return str(min(high, max(low, round(value * dice.uniform(0.75, 1.3)))))


def renumbered(text: str, dice: random.Random) -> str:
    """The text with other numbers in it (clock times stay clock times)."""

    def other(match: re.Match[str]) -> str:
        before, after = text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1]
        if ":" in before + after and len(match[0]) <= 2:
            return f"{dice.randint(7, 19)}" if after == ":" else f"{dice.randrange(0, 60, 5):02d}"
        return other_number(match[0], dice)

    return NUMBER.sub(other, text)
