"""The facts of a text, numbers and names, and whether another text holds them.

Made to let on rather than to drop: numbers are compared as numbers, whatever their format; names are looked for
only in languages that do not write every noun with a capital, which the seed shows.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

from sdgkit.texts import load_texts

COUNTED = 10  # a whole number up to this may be a count of something
OPERANDS = 150  # numbers of a source that are computed with, at most
SCALES = (1.0, 1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9)  # "12.6 million" is 12600000
NOUNS = 0.15  # share of words with a capital inside sentences above which the language writes its nouns so
NAMED = 4  # letters by which a name is known again, whatever its ending

# Signs of words in scripts that put spaces between words; in others a number may stand inside a sentence's signs.
_SIGN, _LETTER = r"[^\W\u2e80-\ud7ff\uf900-\uffdc]", r"[^\W\d_\u2e80-\ud7ff\uf900-\uffdc]"
# 1 840 · 1'840.5, and 1,840 · 48.6 · 12.11. · 9.4.0
_SPACED = r"\d{1,3}(?:[ \u00a0\u202f'\u2019]\d{3})+(?:[.,]\d+)?"
_PLAIN = r"\d+(?:[.,]\d+)*"
_NUMBER = re.compile(
    rf"(?<!{_SIGN})(?<![.,#])(?:{_SPACED}|{_PLAIN})(?!{_SIGN}*\d)"
)  # not the digits of R4 or a1b2
_ITEM = re.compile(r"^\s*(?:\d{1,3}[.)]|#+)\s+", re.MULTILINE)  # the number of an item, a heading
CODE = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]*\w|https?://[^\s)>\]]+|#\d+"
    rf"|(?<![\w.,-]){_LETTER}(?:{_SIGN}|-)*\d(?:{_SIGN}|-)*"
)
WORD = re.compile(r"[^\W\d_][\w'\u2019]*(?:-\w+)*")


@dataclass(frozen=True)
class Number:
    """A number as it stands in a text. values: what it may mean (1.840 is two numbers); parts: of a date or version.

    decimals: digits after its point. line: what stands beside it. percent: it is a share, a change or points.
    """

    text: str
    values: frozenset[float]
    parts: frozenset[float] = frozenset()
    decimals: int = 0
    line: str = ""
    percent: bool = False

    @classmethod
    def read(cls, text: str, line: str = "", percent: bool = False) -> "Number":
        """What a number in figures may mean."""
        plain = re.sub(r"[ \u00a0\u202f'\u2019]", "", text).rstrip(".,")
        whole = re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+|\d+", plain)
        pointed = re.fullmatch(r"(\d+(?:[.,]\d{3})*)[.,](\d+)", plain)
        groups = re.split("[.,]", plain)
        values = {float("".join(groups))} if whole else set()
        if pointed:
            values.add(float(f"{re.sub('[.,]', '', pointed[1])}.{pointed[2]}"))
        dated = (
            not values if len(groups) > 2 else len(groups) == 2 and len(groups[1]) <= 2
        )  # 12.11.2025, 12.11., 9.4.0
        parts = frozenset(map(float, groups)) if dated else frozenset()
        decimals = len(groups[-1]) if pointed and not whole else 0
        return cls(text, frozenset(values), parts, decimals, line, percent)


class Source:
    """Texts that facts are looked for in."""

    def __init__(self, *texts: str) -> None:
        self.text = "\n".join(texts)
        low = self.text.casefold()
        # Of "dix-sept" also the parts.
        self.words = {*re.findall(r"[^\W_]+", low), *re.findall(r"[^\W_]+(?:-[^\W_]+)+", low)}
        self.stems = {word[:NAMED] for word in self.words if len(word) >= NAMED}
        self.squeezed = _squeezed(self.text)

    @cached_property
    def values(self) -> set[float]:
        """Every number in it, in figures and in words; what may be read in two ways is read in both."""
        tokens = [*re.findall(_SPACED, self.text), *re.findall(_PLAIN, self.text)]
        tokens += [
            piece for token in tokens for piece in token.split(",") if piece and len(piece) != 3
        ]
        lists = [
            line for line in self.text.splitlines() if re.search(r"[^\W\d],\S|\d,[^\W\d]", line)
        ]  # of a CSV
        tokens += re.findall(r"\d+(?:\.\d+)?", "\n".join(lists))
        found = {
            value for number in map(Number.read, tokens) for value in number.values | number.parts
        }
        found |= {
            _rounded(value / 100)
            for number in numbers(self.text)
            if number.percent
            for value in number.values
        }
        known = _number_words()
        for word in self.words:  # of "twenty-three" the parts and their sum
            said = [known[part] for part in word.split("-") if part in known]
            found |= {*said, sum(said)} if said else set()
        return found

    def has_number(self, number: Number) -> bool:
        scales = (*SCALES, 0.01) if number.percent else SCALES  # 12 % is 0.12
        if any(
            _rounded(value * scale) in self.values
            for value, scale in product(number.values, scales)
        ):
            return True
        return bool(number.values & self.values) or (
            bool(number.parts) and number.parts <= self.values
        )

    def computes(self, number: Number) -> bool:
        """Whether it may come of two numbers of the source, one of which stands in the same line of its text."""
        near = {value for other in numbers(number.line) for value in other.values} & self.values
        within = 0.5 * 10.0**-number.decimals + 1e-9
        for one, other in product(near, sorted(self.values)[:OPERANDS]):
            results = [one + other, abs(one - other)]
            if number.percent:
                shares = [part / whole for part, whole in ((one, other), (other, one)) if whole]
                results += [100 * share for share in shares] + [
                    100 * abs(share - 1) for share in shares
                ]
            if any(
                abs(result - value) <= within for result, value in product(results, number.values)
            ):
                return True
        return False

    def has_name(self, name: str) -> bool:
        """Whether it names this, with whatever ending; a code must be the same to the last sign."""
        low = name.casefold()
        ending = not re.search(r"\d|@", low) and low[:NAMED] in self.stems
        return low in self.words or ending or _squeezed(low.removesuffix("'s")) in self.squeezed


def numbers(text: str) -> Iterator[Number]:
    """The numbers in a text, without those of list items and of codes such as R4."""
    for line in _ITEM.sub(" ", text).splitlines():
        line = CODE.sub(" ", line)
        for found in _NUMBER.finditer(line):
            after = line[found.end() :].lstrip(" \u00a0\u202f").casefold()
            yield Number.read(found[0], line, after.startswith(tuple(load_texts("facts")["percent"])))


def names(text: str) -> Iterator[str]:
    """Words with a capital inside a sentence, but for those that everybody writes so."""
    for word in _inside(text):
        low = word.casefold().removesuffix("'s")
        common = (
            low in load_texts("facts")["common"]
            or low in _number_words()
            or (word.isupper() and len(word) <= 3)
        )
        if word[0].isupper() and len(word) > 1 and not common:
            yield word


def _inside(text: str) -> Iterator[str]:
    """The words that stand inside a sentence, after an ordinary word."""
    for line in text.splitlines():
        for found in WORD.finditer(line):
            before = line[max(0, found.start() - 8) : found.start()]
            if re.search(r"[^\W\d_][,;]? $", before) and not re.search(r"\b\w{1,3}\. $", before):
                yield found[0]


def writes_nouns_large(texts: Iterable[str]) -> bool:
    inside = [word for text in texts for word in _inside(text)]
    return sum(word[0].isupper() for word in inside) > NOUNS * len(inside)


@cache
def _number_words() -> dict[str, float]:
    known = load_texts("facts")
    listed = [
        (word, at) for line in known["numbers"].values() for at, word in enumerate(line.split())
    ]
    listed += [
        (word, at) for line in known["months"].values() for at, word in enumerate(line.split(), 1)
    ]
    return {word: float(value) for word, value in [*listed, *known["values"].items()]}


def _rounded(number: float) -> float:
    """The number without what binary fractions add to it."""
    return float(f"{number:.9g}")


def is_counted(number: Number) -> bool:
    return not number.percent and any(
        value == int(value) and value <= COUNTED for value in number.values
    )


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
