"""The facts of a text, numbers and names, and whether another text holds them.

Made to let on rather than to drop: numbers are compared as numbers, whatever their format; names are looked for
only in languages that do not write every noun with a capital, which the seed shows.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

from sdgkit.checks.rules import Rule
from sdgkit.stages import Row
from sdgkit.texts import words

COUNTED = 10  # a whole number up to this may be a count of something
OPERANDS = 150  # numbers of a source that are computed with, at most
SCALES = (1.0, 1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9)  # "12.6 million" is 12600000
NOUNS = 0.15  # share of words with a capital inside sentences above which the language writes its nouns so
NAMED, SHOWN = 4, 5  # letters by which a name is known again, whatever its ending; facts told of in a message

# Signs of words in scripts that put spaces between words; in others a number may stand inside a sentence's signs.
_SIGN, _LETTER = r"[^\W\u2e80-\ud7ff\uf900-\uffdc]", r"[^\W\d_\u2e80-\ud7ff\uf900-\uffdc]"
# 1 840 · 1'840.5, and 1,840 · 48.6 · 12.11. · 9.4.0
_SPACED = r"\d{1,3}(?:[ \u00a0\u202f'\u2019]\d{3})+(?:[.,]\d+)?"
_PLAIN = r"\d+(?:[.,]\d+)*"
_NUMBER = re.compile(rf"(?<!{_SIGN})(?<![.,#])(?:{_SPACED}|{_PLAIN})(?!{_SIGN}*\d)")  # not the digits of R4 or a1b2
_ITEM = re.compile(r"^\s*(?:\d{1,3}[.)]|#+)\s+", re.MULTILINE)  # the number of an item, a heading
_CODE = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]*\w|https?://[^\s)>\]]+|#\d+"
    rf"|(?<![\w.,-]){_LETTER}(?:{_SIGN}|-)*\d(?:{_SIGN}|-)*"
)
_WORD = re.compile(r"[^\W\d_][\w'\u2019]*(?:-\w+)*")


@dataclass(frozen=True)
class Number:
    """A number as it stands in a text. values: what it may mean (1.840 is two numbers); parts: of a date or version.

    decimals: digits after its point. line: which line it stands in. percent: it is a share, a change or points.
    """

    text: str
    values: frozenset[float]
    parts: tuple[float, ...] = ()
    decimals: int = 0
    line: int = 0
    percent: bool = False


class Source:
    """Texts that facts are looked for in."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.text = "\n".join(texts)

    @cached_property
    def values(self) -> set[float]:
        """Every number in it, in figures and in words; what may be read in two ways is read in both."""
        tokens = [*re.findall(_SPACED, self.text), *re.findall(_PLAIN, self.text)]
        tokens += [piece for token in tokens if "," in token for piece in token.split(",") if len(piece) != 3]
        lists = [line for line in self.text.splitlines() if re.search(r"[^\W\d],\S|\d,[^\W\d]", line)]  # of a CSV
        tokens += re.findall(r"\d+(?:\.\d+)?", "\n".join(lists))
        read = [_read(token, 0, False) for token in tokens]
        found = {value for number in read for value in (*number.values, *number.parts)}
        found |= {_rounded(value / 100) for number in numbers(self.text) if number.percent for value in number.values}
        return found.union(*map(_said, self.words))

    @cached_property
    def words(self) -> set[str]:
        """Its words in small letters, of "dix-sept" also the parts."""
        return set(re.findall(r"[^\W_]+", low := self.text.casefold())) | set(re.findall(r"[^\W_]+(?:-[^\W_]+)+", low))

    @cached_property
    def stems(self) -> set[str]:
        return {word[:NAMED] for word in self.words if len(word) >= NAMED}

    @cached_property
    def squeezed(self) -> str:
        return _squeezed(self.text)

    def has_number(self, number: Number) -> bool:
        scales = (*SCALES, 0.01) if number.percent else SCALES  # 12 % is 0.12
        if any(_rounded(value * scale) in self.values for value, scale in product(number.values, scales)):
            return True
        return bool(number.parts) and all(part in self.values for part in number.parts)

    def has_name(self, name: str) -> bool:
        """Whether it names this, with whatever ending; a code must be the same to the last sign."""
        low = name.casefold()
        ending = not re.search(r"\d|@", low) and low[:NAMED] in self.stems
        return low in self.words or ending or _squeezed(low.removesuffix("'s")) in self.squeezed


@dataclass(frozen=True)
class FactsInContext(Rule):
    """The numbers and names in the text are in the context, the question or the task, or part of the seed's form.

    derived: also let on what may have been computed: whole numbers up to 10 (something counted), and sums,
    differences, shares and changes in percent of two given numbers. A text may still be wrong: this finds what was
    made up, not every mistake.
    """

    name = "facts_in_context"
    numbers: bool = True
    names: bool = True
    derived: bool = True

    def flaw(self, text: str, row: Row) -> str:
        seeds = [str(row.get(f"seed_{part}") or "") for part in ("context", "question", "response")]
        task = str(row.get("task_description") or "")
        source = Source([task, *(str(row.get(part) or "") for part in ("context", "question") if part != self.column)])
        seed = Source(seeds[:2])
        missing = []
        if self.numbers:
            form = {n.values for n in numbers(seeds[2]) if not seed.has_number(n) and not _computed(n, seeds[2], seed)}
            missing += [
                number.text
                for number in numbers(text)
                if not (number.values in form or source.has_number(number))
                and not (self.derived and (_counted(number) or _computed(number, text, source)))
            ]
        if self.names:
            known = Source([word for word in _WORD.findall(seeds[2]) if not seed.has_name(word)])
            found = [*codes(text), *(names(text) if not _writes_nouns_large([task, *seeds]) else ())]
            missing += [name for name in found if not source.has_name(name) and not known.has_name(name)]
        missing = list(dict.fromkeys(missing))
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        held = "the context nor the question" if row.get("context") else "the question nor the task"
        return f"It has {', '.join(missing[:SHOWN])}{more}, which neither {held} holds." if missing else ""


def numbers(text: str) -> Iterator[Number]:
    """The numbers in a text, without those of list items and of codes such as R4."""
    for at, line in enumerate(_ITEM.sub(" ", text).splitlines()):
        line = _CODE.sub(" ", line)
        for found in _NUMBER.finditer(line):
            after = line[found.end() :].lstrip(" \u00a0\u202f").casefold()
            yield _read(found[0], at, after.startswith(tuple(words("facts")["percent"])))


def names(text: str) -> Iterator[str]:
    """Words with a capital inside a sentence, but for those that everybody writes so."""
    for word, inside in _words(text):
        if inside and word[0].isupper() and len(word) > 1 and not _is_common(word):
            yield word


def codes(text: str) -> Iterator[str]:
    """Addresses, and words with digits: E-2203, #77, a@b.org."""
    yield from (found[0].rstrip(".,;:") for found in _CODE.finditer(text))


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """(word, whether it stands inside a sentence and of ordinary words)."""
    for line in text.splitlines():
        for found in _WORD.finditer(line):
            before = line[max(0, found.start() - 8) : found.start()]
            yield found[0], bool(re.search(r"[^\W\d_][,;]? $", before)) and not re.search(r"\b\w{1,3}\. $", before)


def _writes_nouns_large(texts: Iterable[str]) -> bool:
    inside = [word for text in texts for word, inside in _words(text) if inside]
    return sum(word[0].isupper() for word in inside) > NOUNS * len(inside)


def _is_common(word: str) -> bool:
    low = word.casefold().removesuffix("'s")
    return low in _common() or low in _number_words() or (word.isupper() and len(word) <= 3)


@cache
def _common() -> frozenset[str]:
    return frozenset(words("facts")["common"].split())


@cache
def _number_words() -> dict[str, float]:
    listed = [(word, at) for line in words("facts")["numbers"].values() for at, word in enumerate(line.split())]
    listed += [(word, at) for line in words("facts")["months"].values() for at, word in enumerate(line.split(), 1)]
    return {word: float(value) for word, value in [*listed, *words("facts")["values"].items()]}


def _said(word: str) -> set[float]:
    """The number that a word says; of "twenty-three" also its parts."""
    known = _number_words()
    parts = [known[part] for part in word.split("-") if part in known]
    return {*parts, sum(parts)} if parts else {known[word]} if word in known else set()


def _rounded(number: float) -> float:
    """The number without what binary fractions add to it."""
    return float(f"{number:.9g}")


def _read(text: str, line: int, percent: bool) -> Number:
    plain = re.sub(r"[ \u00a0\u202f'\u2019]", "", text).rstrip(".,")
    signs = [sign for sign in plain if sign in ".,"]
    groups = re.split(r"[.,]", plain)
    whole = float("".join(groups))
    in_thousands = len(groups) > 1 and len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    if not signs:
        return Number(text, frozenset([whole]), line=line, percent=percent)
    if len(set(signs)) == 2 and signs.index(signs[-1]) == len(signs) - 1:  # 1,840.5 or 1.840,5
        number = float(f"{''.join(groups[:-1])}.{groups[-1]}")
        return Number(text, frozenset([number]), (), len(groups[-1]), line, percent)
    if len(signs) == 1:
        number = float(f"{groups[0]}.{groups[1]}")
        values = frozenset([number, whole] if in_thousands else [number])
        parts = tuple(map(float, groups)) if len(groups[1]) <= 2 else ()
        return Number(text, values, parts, 0 if in_thousands else len(groups[1]), line, percent)
    values = frozenset([whole] if in_thousands else [])
    return Number(text, values, tuple(map(float, groups)), 0, line, percent)  # a date, a version


def _counted(number: Number) -> bool:
    return not number.percent and any(value == int(value) and value <= COUNTED for value in number.values)


def _computed(number: Number, text: str, source: Source) -> bool:
    """Whether it comes of two numbers of the source, one of which stands in the same line of the text."""
    near = {value for other in numbers(text) if other.line == number.line for value in other.values} & source.values
    far = sorted(source.values)[:OPERANDS]
    within = 0.5 * 10.0**-number.decimals + 1e-9
    for one, other in product(near, far):
        results = [one + other, abs(one - other)]
        if number.percent:
            results += [100 * abs(a - b) / b for a, b in ((one, other), (other, one)) if b]
            results += [100 * a / b for a, b in ((one, other), (other, one)) if b]
        if any(abs(result - value) <= within for result, value in product(results, number.values)):
            return True
    return False


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
