"""Numbers in a text, whatever their format and script.

1,840 · 1.840 · 1 840 · 1'840 · 1,23,456 (South Asian groups) · 48.6 · 12.11. · 9.4.0; in the digits
of any script.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sdgkit.texts import load_texts

COUNTABLE = 10  # a whole number up to this may be a count of something

# Scripts in which a number may stand directly between the signs of a sentence: those without spaces
# between words, and those that write little words together with the next (Hebrew, Arabic).
_DENSE = r"\u0590-\u06ff\u0e00-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\uffdc"
WORD_CHARACTER = rf"[^\W{_DENSE}]"
WORD_LETTER = rf"[^\W\d_{_DENSE}]"

LONGEST = 40  # signs of a number; a longer row of digits is a code or a teacher gone astray
PERCENT_WITHIN = 40  # characters after a number in which its sign of percent begins

_SPACES = " \u00a0\u202f\u2007\u2009"
_APOSTROPHES = "'\u2018\u2019\u02bc\u00b4\uff07"  # Swiss
_THOUSANDS_SPACES = rf"[{_SPACES}{_APOSTROPHES}]"
_INDIAN = r"\d{1,2}(?:,\d{2})+,\d{3}"
# The signs of numbers in other scripts.
_SIGNS = str.maketrans("\u066b\u066c\u066a\uff0e\uff0c\uff05", ".,%.,%")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
# `++`: a part of a row of digits is no number, so it is not tried, which would take the square of
# its length.
_SPACED_NUMBER = rf"\d{{1,3}}(?:{_THOUSANDS_SPACES}\d{{3}})+(?:[.,]\d++)?"
_PLAIN_NUMBER = r"\d++(?:[.,]\d++)*"
# Not the digits of codes such as R4 or a1b2.
_NUMBER = re.compile(
    rf"(?<!{WORD_CHARACTER})(?<![.,#])"
    rf"(?:{_SPACED_NUMBER}|{_PLAIN_NUMBER})"
    rf"(?!{WORD_CHARACTER}*\d)"
)
# The number of a list item, or the signs of a heading.
_ITEM_NUMBER = re.compile(r"^[^\S\n]*(?:\d{1,3}[.)]|#+)\s+", re.MULTILINE)
# An e-mail address, a web address, #77, E-2203. None begins within a word: a long word would be
# looked through from each of its letters.
CODE = re.compile(
    r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]*\w"
    r"|https?://[^\s)>\]]+"
    r"|#\d+"
    rf"|(?<![\w.,-]){WORD_LETTER}(?:{WORD_CHARACTER}|-)*\d(?:{WORD_CHARACTER}|-)*"
)
# A line of comma-separated values.
_CSV_LINE = re.compile(r"[^\W\d],\S|\d,[^\W\d]")

_WHOLE = re.compile(rf"\d{{1,3}}(?:[.,]\d{{3}})+|{_INDIAN}|\d+")
_POINTED = re.compile(rf"({_INDIAN}|\d+(?:[.,]\d{{3}})*)[.,](\d+)")


@dataclass(frozen=True)
class Number:
    """A number as it appears in a text.

    Attributes:
        text: The number as it is written.
        values: What it may mean: 1.840 may be 1840 or 1.84.
        parts: The numbers of a date, version, or address such as 12.11.2025; empty for others.
        decimals: How many digits stand after its decimal point.
        line: The line that it is in.
        percent: Whether it is a share, a change in percent, or a number of points.
    """

    text: str
    values: frozenset[float]
    parts: frozenset[float] = frozenset()
    decimals: int = 0
    line: str = ""
    percent: bool = False

    @classmethod
    def read(cls, text: str, line: str = "", percent: bool = False) -> "Number":
        """Read a number written in digits.

        Example:
            >>> sorted(Number.read("1.840").values)
            [1.84, 1840.0]
        """
        plain = re.sub(_THOUSANDS_SPACES, "", plain_digits(text)).rstrip(".,")
        groups = re.split("[.,]", plain)
        is_whole = _WHOLE.fullmatch(plain) is not None
        pointed = _POINTED.fullmatch(plain)
        values = set()
        if is_whole:
            values.add(float("".join(groups)))
        if pointed is not None:
            whole_digits = re.sub("[.,]", "", pointed[1])
            values.add(float(f"{whole_digits}.{pointed[2]}"))
        is_dated = len(groups) == 2 and len(groups[1]) <= 2  # 12.11.
        if len(groups) > 2:  # 12.11.2025, 9.4.0
            is_dated = not values
        parts: set[float] = set()
        if is_dated:
            parts = {float(group) for group in groups}
        decimals = 0
        if pointed is not None and not is_whole:
            decimals = len(groups[-1])
        return cls(text, frozenset(values), frozenset(parts), decimals, line, percent)

    @property
    def is_countable(self) -> bool:
        """Whether it may be a count of something: a small whole number."""
        if self.percent:
            return False
        return any(value == int(value) and value <= COUNTABLE for value in self.values)


def plain_digits(text: str) -> str:
    r"""The text with the digits 0 to 9 and their signs in place of those of any other script.

    Example:
        >>> plain_digits("\N{ARABIC-INDIC DIGIT FOUR}\N{FULLWIDTH DIGIT TWO}")
        '42'
    """
    if text.isascii():
        return text
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text).translate(
        _SIGNS
    )


def numbers(text: str) -> Iterator[Number]:
    """The numbers in a text, without those of list items and of codes such as R4."""
    signs_of_percent = tuple(load_texts("facts")["percent"])
    for line in _ITEM_NUMBER.sub(" ", plain_digits(text)).splitlines():
        line_without_codes = CODE.sub(" ", line)
        for match in _NUMBER.finditer(line_without_codes):
            if len(match[0]) > LONGEST:
                continue
            after = (
                line_without_codes[match.end() : match.end() + PERCENT_WITHIN]
                .lstrip(_SPACES)
                .casefold()
            )
            percent = after.startswith(signs_of_percent)
            yield Number.read(match[0], line_without_codes, percent)


def values_in_digits(text: str) -> set[float]:
    """Every number that may be meant by the digits in a text; what can be read in two ways is read
    in both."""
    text = plain_digits(text)
    tokens = re.findall(_SPACED_NUMBER, text) + re.findall(_PLAIN_NUMBER, text)
    tokens += _pieces_between_commas(tokens)
    csv_lines = []
    for line in text.splitlines():
        if _CSV_LINE.search(line):
            csv_lines.append(line)
    tokens += re.findall(r"\d+(?:\.\d+)?", "\n".join(csv_lines))
    values: set[float] = set()
    for token in tokens:
        if len(token) <= LONGEST:
            number = Number.read(token)
            values |= number.values | number.parts
    for number in numbers(text):
        if number.percent:
            values |= {rounded(value / 100) for value in number.values}
    return values


def values_in_words(words: set[str]) -> set[float]:
    """The numbers that words stand for; of "twenty-three", the parts and their sum."""
    value_of = number_words()
    values: set[float] = set()
    for word in words:
        parts = []
        for part in word.split("-"):
            if part in value_of:
                parts.append(value_of[part])
        if parts:
            values |= {*parts, sum(parts)}
    return values


def _pieces_between_commas(tokens: list[str]) -> list[str]:
    """The text between commas that do not group thousands."""
    pieces: list[str] = []
    for token in tokens:
        for piece in token.split(","):
            if piece and len(piece) != 3:
                pieces.append(piece)
    return pieces


@cache
def number_words() -> dict[str, float]:
    """The number that each word stands for: numbers, months, and others such as "dozen"."""
    facts = load_texts("facts")
    value_of: dict[str, float] = {}
    for line in facts["numbers"].values():
        for number, word in enumerate(line.split()):
            value_of[word] = float(number)
    for line in facts["months"].values():
        for number, word in enumerate(line.split(), 1):
            value_of[word] = float(number)
    for word, value in facts["values"].items():
        value_of[word] = float(value)
    return value_of


def rounded(number: float) -> float:
    """The number without what binary fractions add to it."""
    return float(f"{number:.9g}")
