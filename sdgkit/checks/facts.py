"""The check `facts_in_context`: whether the numbers and names of a text are in what it was made of.

When in doubt, it lets a text pass. Numbers are compared as numbers, whatever their format.
Names are looked for only in languages that do not write every noun with a capital.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property, lru_cache
from itertools import product

from sdgkit.checks.numbers import (
    CODE,
    Number,
    numbers,
    plain_digits,
    rounded,
    values_in_digits,
    values_in_words,
)
from sdgkit.checks.proper_names import WORD, capitalises_nouns, names
from sdgkit.checks.registry import CheckedText, check
from sdgkit.formatting import list_briefly
from sdgkit.samples import Row

FACTS_SHOWN = 5  # in the message of a drop
OPERANDS = 150  # at most this many numbers of a source are combined
NEIGHBOURS = 1_000  # with at most this many of a line
SCALES = (1.0, 1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9)  # "12.6 million" is 12600000
PERCENT = 0.01  # 12 % is 0.12
STEM = 4  # letters by which a name is recognised, whatever its ending


@check
def facts_in_context(checked: CheckedText, derived: bool = True) -> str:
    """Check that the text makes up no numbers or names.

    Each must be in the row's context, question, or task, or belong to the form of the seed's
    response. A text that passes may still be wrong: this finds what was made up, not every mistake.

    Args:
        derived: Whether to accept numbers that may have been computed: whole numbers up to 10
            (something counted), and sums, differences, shares, and changes in percent of two
            numbers in the sources.
    """
    row = checked.row
    task = _text_of(row, "task_description")
    source = _source_of(task, _text_of(row, "context"), _text_of(row, "question"))
    seed_context = _text_of(row, "seed_context")
    seed_question = _text_of(row, "seed_question")
    form = _form_of(plain_digits(checked.seed), seed_context, seed_question)

    missing: list[str] = []
    text = plain_digits(checked.text)
    for number in numbers(text):
        is_derived = derived and (number.is_countable or source.computes(number))
        if not (form.has_number(number) or source.has_number(number) or is_derived):
            missing.append(number.text)
    candidates = [match[0].rstrip(".,;:") for match in CODE.finditer(text)]
    if not _capitalise_nouns(task, seed_context, seed_question, checked.seed):
        candidates += names(checked.text)
    for name in candidates:
        if not source.has_name(name) and not form.has_name(name):
            missing.append(name)
    return _missing_facts_sentence(missing, has_context=bool(row.get("context")))


# All samples of a seed share its texts, and those of a context the context: they are read once.


@lru_cache(maxsize=64)
def _source_of(*texts: str) -> "FactSource":
    return FactSource(*texts)


@lru_cache(maxsize=256)
def _form_of(response: str, context: str, question: str) -> "_SeedForm":
    return _SeedForm(response, FactSource(context, question))


@lru_cache(maxsize=256)
def _capitalise_nouns(*texts: str) -> bool:
    return capitalises_nouns(texts)


def _text_of(row: Row, column: str) -> str:
    return plain_digits(str(row.get(column) or ""))


def _missing_facts_sentence(missing: Iterable[str], has_context: bool) -> str:
    facts = list(dict.fromkeys(missing))
    if not facts:
        return ""
    shown = list_briefly(facts, most=FACTS_SHOWN)
    sources = "the question nor the task"
    if has_context:
        sources = "the context nor the question"
    return f"It has {shown}, which neither {sources} contains."


# Whole words, and none of their parts: to try those, too, would take the square of their length.
_HYPHENATED = re.compile(r"(?<![^\W_])[^\W_]++(?:-[^\W_]++)+")


class FactSource:
    """Texts in which facts are looked for.

    Args:
        *texts: The texts.
    """

    def __init__(self, *texts: str) -> None:
        self._text = "\n".join(texts)
        lower = self._text.casefold()
        # Of "dix-sept", the parts and the whole.
        self._words = {*re.findall(r"[^\W_]+", lower), *_HYPHENATED.findall(lower)}
        stems = set()
        for word in self._words:
            if len(word) >= STEM:
                stems.add(word[:STEM])
        self._stems = stems
        self._squeezed = _squeezed(self._text)
        self._results: dict[tuple[str, bool], list[float]] = {}

    @cached_property
    def _values(self) -> set[float]:
        """Every number in the texts, in digits and in words."""
        return values_in_digits(self._text) | values_in_words(self._words)

    def has_number(self, number: Number) -> bool:
        """Whether the texts have this number, in whatever format and on whatever scale."""
        scales = [*SCALES]
        if number.percent:
            scales.append(PERCENT)
        for value, scale in product(number.values, scales):
            if rounded(value * scale) in self._values:
                return True
        if number.values & self._values:
            return True
        return bool(number.parts) and number.parts <= self._values

    def computes(self, number: Number) -> bool:
        """Whether a number may be computed from two numbers in the texts.

        One of the two must be on the same line as the number.
        """
        results = self._results_beside(number.line, number.percent)
        tolerance = 0.5 * 10.0**-number.decimals + 1e-9
        for value in number.values:
            at = bisect_left(results, value - tolerance)
            if at < len(results) and results[at] <= value + tolerance:
                return True
        return False

    def _results_beside(self, line: str, percent: bool) -> list[float]:
        """What may be computed from a number on this line and another one, in order.

        It is computed once for all numbers of a line, of which a table may have hundreds.
        """
        key = (line, percent)
        if key not in self._results:
            beside: set[float] = set()
            for neighbour in numbers(line):
                beside |= neighbour.values & self._values
            results: set[float] = set()
            for first, second in product(sorted(beside)[:NEIGHBOURS], self._operands):
                results.update(_results(first, second, percent))
            self._results[key] = sorted(results)
        return self._results[key]

    @cached_property
    def _operands(self) -> list[float]:
        return sorted(self._values)[:OPERANDS]

    def has_name(self, name: str) -> bool:
        """Whether the texts have a name, with whatever ending; a code must be exactly the same."""
        lower = name.casefold()
        if lower in self._words:
            return True
        is_code = re.search(r"\d|@", lower) is not None
        if not is_code and lower[:STEM] in self._stems:
            return True
        return _squeezed(lower.removesuffix("'s")) in self._squeezed


class _SeedForm:
    """The numbers and names of a seed's response that belong to the form of the skill.

    They are not in the seed's context or question, so every response may have them: a phone number
    in a signature, the words of a heading.
    """

    def __init__(self, response: str, source: FactSource) -> None:
        self._numbers: set[frozenset[float]] = set()
        for number in numbers(response):
            if not source.has_number(number) and not source.computes(number):
                self._numbers.add(number.values)
        own_words = []
        for word in WORD.findall(response):
            if not source.has_name(word):
                own_words.append(word)
        self._names = FactSource(*own_words)

    def has_number(self, number: Number) -> bool:
        return number.values in self._numbers

    def has_name(self, name: str) -> bool:
        return self._names.has_name(name)


def _results(first: float, second: float, percent: bool) -> list[float]:
    """What may be computed from two numbers: sum and difference; shares and changes in percent."""
    results = [first + second, abs(first - second)]
    if percent:
        for part, whole in ((first, second), (second, first)):
            if whole:
                share = 100 * (part / whole)
                change = 100 * abs(part / whole - 1)
                results += [share, change]
    return results


def _squeezed(text: str) -> str:
    """The letters and digits of a text, without letter case."""
    return re.sub(r"[\W_]+", "", text).casefold()
