"""Checks that ask nobody: is it a table, is it JSON, how long is it, are its facts those of the context?

Each function gives a `Check`, a stage like any other: `sk.generate(…, checks=[sk.checks.markdown_table()])` puts it
after the stage that writes its column, `pipeline.after(name, check)` anywhere else. What fails is dropped with the
check's own words, and its name as the reason. Whatever nothing is said about is measured by the row's own seed.
"""

import inspect
import json
import re
import runpy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, ClassVar, Literal

from sdgkit.checks.facts import WORD, Source, codes, is_counted, names, numbers, writes_nouns_large
from sdgkit.errors import SettingsError
from sdgkit.stages import Check, Row
from sdgkit.texts import words

REFUSED_WITHIN = 250  # characters: a refusal is how a reply begins
SHOWN = 5  # facts told of in a message
# Below so many letters, or so sure of it, a language is not named. The model is sure of nearly everything; measured on
# the shipped seeds and their rehearsals, all that it got wrong was shorter or less sure.
TELLING_LETTERS, TELLING_SHARE = 80, 0.99


@dataclass(frozen=True)
class Rule:
    """One check of a text of the row. name: how it is called; column: where the text stands."""

    name: ClassVar[str]
    column: str = field(default="response", kw_only=True)

    def __call__(self, row: Row) -> str | None:
        text = row.get(self.column)
        if not isinstance(text, str):
            return f"There is no text in the column {self.column}."
        return self.flaw(text, row) or None

    def flaw(self, text: str, row: Row) -> str:
        """What is wrong with the text, in a sentence; "" if nothing is."""
        raise NotImplementedError

    def seeds(self, row: Row) -> str:
        """The text of the row's own seed, by which it is measured."""
        return str(row.get(f"seed_{self.column}") or "")

    @classmethod
    def typed(cls, argument: str) -> dict[str, Any]:
        """The settings that stand after "=" on the command line. Raises SettingsError."""
        raise SettingsError(f"{cls.name} takes no argument; {argument!r} was given.")


@dataclass(frozen=True)
class Table:
    """The first Markdown table in a text (GitHub's form). around: the text before and after it."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    around: str

    @classmethod
    def of(cls, text: str) -> "Table | None":
        lines = [line.strip() for line in text.strip().splitlines()]
        for at, (above, line) in enumerate(pairwise(lines)):
            ruled = re.fullmatch(r"\|?(\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?", line) and "|" in above + line
            if ruled and len(_cells(line)) == len(_cells(above)):
                rows = list(takewhile(lambda line: "|" in line, lines[at + 2 :]))
                around = [*lines[:at], *lines[at + 2 + len(rows) :]]
                return cls(_cells(above), [_cells(row) for row in rows], "\n".join(around).strip())
        return None

    def flaw(self) -> str:
        """What is wrong with its form, in a sentence; "" if nothing is."""
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.head):
                return f"Row {number} of the table has {len(row)} cells, its head {len(self.head)}."
        return "" if self.rows else "The table has no rows."


def _cells(line: str) -> tuple[str, ...]:
    inner = re.sub(r"^\||(?<!\\)\|$", "", line)
    return tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", inner))


@dataclass(frozen=True)
class MarkdownTable(Rule):
    """The text is a Markdown table, every row with as many cells as its head.

    columns: what its head must say, in order; default what the seed's table says. alone: nothing stands around it.
    Raises SettingsError.
    """

    name = "markdown_table"
    columns: Sequence[str] | None = None
    alone: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.columns, str):
            raise SettingsError(f"markdown_table takes a list of column names, ['Name', 'Age'], not {self.columns!r}.")

    def flaw(self, text: str, row: Row) -> str:
        table, seed = Table.of(text), Table.of(self.seeds(row))
        if table is None:
            return "There is no Markdown table in it."
        wanted = tuple(self.columns or (seed or table).head)
        if table.head != wanted:
            return f"The head of the table is {' | '.join(table.head)}, not {' | '.join(wanted)}."
        if self.alone and table.around and not (seed and seed.around):
            return f"There is text around the table: {_quoted(table.around)}."
        return table.flaw()

    @classmethod
    def typed(cls, argument: str) -> dict[str, Any]:
        return {"columns": [name.strip() for name in argument.split(",")]}


@dataclass(frozen=True)
class ValidJson(Rule):
    """The text is JSON (RFC 8259), and fits a JSON schema if there is one. Raises SettingsError for a wrong schema."""

    name = "valid_json"
    schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.schema is not None:
            import jsonschema

            try:
                jsonschema.validators.validator_for(self.schema).check_schema(self.schema)
            except (jsonschema.SchemaError, TypeError) as error:
                raise SettingsError(
                    f"valid_json: this is no JSON schema: {getattr(error, 'message', error)}."
                ) from None

    def flaw(self, text: str, row: Row) -> str:
        inner = re.fullmatch(r"```\w*\n(.*)\n```", text.strip(), re.DOTALL)
        try:
            value = json.loads(inner[1] if inner else text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            return f"It is not JSON: {error}."
        if self.schema is None:
            return ""
        import jsonschema
        import referencing

        # An empty registry: a schema that refers to another by its address is not fetched.
        validator = jsonschema.validators.validator_for(self.schema)(self.schema, registry=referencing.Registry())
        try:
            flaw = jsonschema.exceptions.best_match(validator.iter_errors(value))
        except referencing.exceptions.Unresolvable as missing:
            raise SettingsError(f"valid_json: the schema refers to {missing.ref}, which is not in it.") from None
        return f"It does not fit the schema at {flaw.json_path}: {_quoted(flaw.message, 200)}." if flaw else ""

    @classmethod
    def typed(cls, argument: str) -> dict[str, Any]:
        try:
            return {"schema": json.loads(Path(argument).read_text("utf-8-sig"))}
        except (OSError, ValueError) as error:
            raise SettingsError(f"valid_json={argument}: not a file with a JSON schema ({error}).") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


@dataclass(frozen=True)
class Matches(Rule):
    """A regular expression (Python's; ^ and $ at every line) is found in the text. Raises SettingsError."""

    name = "matches"
    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            raise SettingsError(f"matches: {self.pattern!r} is no regular expression: {error}.") from None

    def flaw(self, text: str, row: Row) -> str:
        return "" if re.search(self.pattern, text, re.MULTILINE) else f"Nothing in it matches {self.pattern}"

    @classmethod
    def typed(cls, argument: str) -> dict[str, Any]:
        return {"pattern": argument}


@dataclass(frozen=True)
class Length(Rule):
    """The text has at least `min` and at most `max` words or characters. Raises SettingsError."""

    name = "length"
    min: int | None = None
    max: int | None = None
    unit: Literal["words", "characters"] = "words"

    def __post_init__(self) -> None:
        numbers = [number for number in (self.min, self.max) if number is not None]
        good = all(type(number) is int and number >= 0 for number in numbers) and numbers == sorted(numbers)
        if not numbers or not good or self.unit not in ("words", "characters"):
            raise SettingsError("length needs min, max or both: length(5, 200), or length(max=900, unit='characters').")

    def flaw(self, text: str, row: Row) -> str:
        number = len(text.split()) if self.unit == "words" else len(text)
        if self.min is not None and number < self.min:
            return f"It has {number} {self.unit}; {self.min} or more are wanted."
        if self.max is not None and number > self.max:
            return f"It has {number} {self.unit}; {self.max} or fewer are wanted."
        return ""

    @classmethod
    def typed(cls, argument: str) -> dict[str, Any]:
        found = re.fullmatch(r"(\d*)\.\.(\d*)\s*(words|characters|)", argument)
        if not found:
            raise SettingsError("length is typed as length=20..200, length=..900characters or length=5..")
        low, high = (int(number) if number else None for number in found.groups()[:2])
        return {"min": low, "max": high, "unit": found[3] or "words"}


@dataclass(frozen=True)
class SameLanguage(Rule):
    """The text is in the language of the seed's. Texts too short or too mixed to tell are let on."""

    name = "same_language"

    def flaw(self, text: str, row: Row) -> str:
        known, mine, seeds = words("languages"), language(text), language(self.seeds(row))
        if not mine or not seeds or mine == seeds or any({mine, seeds} <= set(group) for group in known["alike"]):
            return ""
        return f"It is in {known['names'].get(mine, mine)}, the seed's in {known['names'].get(seeds, seeds)}."


@lru_cache(4096)
def language(text: str) -> str:
    """The language of a text (ISO 639-1), "" if it is too short or too mixed to tell."""
    plain = re.sub(r"```.*?```|`[^`]*`|https?://\S+|\S+@\S+|[\d|_*#]+", " ", text, flags=re.DOTALL)
    if sum(2 if ord(letter) > 0x2E80 else 1 for letter in plain if letter.isalpha()) < TELLING_LETTERS:
        return ""
    found, share = _languages().classify(" ".join(plain.split()))
    return str(found) if share >= TELLING_SHARE else ""


@cache
def _languages() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@dataclass(frozen=True)
class NoRefusal(Rule):
    """The text does not begin with the words by which a model declines, unless the seed's does too."""

    name = "no_refusal"

    def flaw(self, text: str, row: Row) -> str:
        found = refusal(text)
        return f"It declines: {_quoted(found)}." if found and not refusal(self.seeds(row)) else ""


def refusal(text: str) -> str:
    """The words with which a text declines, "" if it does not."""
    start = " ".join(text[: 4 * REFUSED_WITHIN].replace("\u2019", "'").casefold().split())[:REFUSED_WITHIN]
    phrases = (phrase for listed in words("refusals").values() for phrase in listed)
    return next((phrase for phrase in phrases if re.search(rf"(?<!\w){re.escape(phrase)}", start)), "")


@dataclass(frozen=True)
class FactsInContext(Rule):
    """The numbers and names in the text are in the context, the question or the task, or part of the seed's form.

    derived: also let on what may have been computed: whole numbers up to 10 (something counted), and sums,
    differences, shares and changes in percent of two given numbers. A text may still be wrong: this finds what was
    made up, not every mistake.
    """

    name = "facts_in_context"
    derived: bool = True

    def flaw(self, text: str, row: Row) -> str:
        task, *seeds = (
            str(row.get(name) or "") for name in ("task_description", "seed_context", "seed_question", "seed_response")
        )
        source = Source(task, *(str(row.get(part) or "") for part in ("context", "question") if part != self.column))
        seed = Source(*seeds[:2])
        form = {n.values for n in numbers(seeds[2]) if not seed.has_number(n) and not seed.computes(n)}
        missing = [
            number.text
            for number in numbers(text)
            if not (number.values in form or source.has_number(number))
            and not (self.derived and (is_counted(number) or source.computes(number)))
        ]
        known = Source(*(word for word in WORD.findall(seeds[2]) if not seed.has_name(word)))
        found = [*codes(text), *(names(text) if not writes_nouns_large([task, *seeds]) else ())]
        missing += [name for name in found if not source.has_name(name) and not known.has_name(name)]
        missing = list(dict.fromkeys(missing))
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        held = "the context nor the question" if row.get("context") else "the question nor the task"
        return f"It has {', '.join(missing[:SHOWN])}{more}, which neither {held} holds." if missing else ""


def _quoted(text: str, most: int = 80) -> str:
    text = " ".join(text.split())
    return f"\u201c{text[:most]}{'…' if len(text) > most else ''}\u201d"


KINDS = (MarkdownTable, ValidJson, Matches, Length, SameLanguage, NoRefusal, FactsInContext)


def _maker(rule: type[Rule]) -> Callable[..., Check]:
    """A function that makes a check of this rule: of the rule's settings, `column`, and a `name` of its own."""

    def make(*settings: Any, name: str = rule.name, **more: Any) -> Check:
        try:
            return Check(name=name, function=rule(*settings, **more))
        except TypeError as error:  # a setting that it does not have
            known = ", ".join(inspect.signature(rule).parameters)
            raise SettingsError(f"{rule.name}: {error}. It takes {known}, and name.") from None

    make.__name__, make.__doc__ = rule.name, rule.__doc__
    make.__signature__ = inspect.signature(rule)  # type: ignore[attr-defined]
    return make


RULES: dict[str, type[Rule]] = {kind.name: kind for kind in KINDS}
MAKERS = {name: _maker(rule) for name, rule in RULES.items()}
markdown_table, valid_json, matches, length, same_language, no_refusal, facts_in_context = MAKERS.values()


def read_checks(given: Any) -> list[Check]:
    """Checks from whatever a user says: a `Check`, a Python function of a row, a text as on the command line
    ("length=..200 words", "matches=^Subject:", "FILE.py:FUNCTION"), what `saved` gave, or a list of these.

    Names that stand there twice are numbered. Raises SettingsError.
    """
    listed = list(given) if isinstance(given, Iterable) and not isinstance(given, str | Mapping) else [given]
    met: Counter[str] = Counter()
    checks = []
    for check in map(_read, [] if given is None else listed):
        met[check.name] += 1
        checks.append(replace(check, name=f"{check.name}_{met[check.name]}") if met[check.name] > 1 else check)
    return checks


def saved(check: Check) -> dict[str, Any]:
    """A check as JSON values for `read_checks`; of a user's own function, its name alone."""
    rule = check.function
    return {"name": check.name, **({"check": rule.name, **vars(rule)} if isinstance(rule, Rule) else {})}


def _read(given: Any) -> Check:
    if isinstance(given, Check):
        return given
    if isinstance(given, Mapping):
        said = dict(given)
        if said.get("check") not in MAKERS:
            raise SettingsError(f"The check {given.get('name')!r} is a function of your own: give checks= again.")
        return MAKERS[said.pop("check")](**said)
    if isinstance(given, str):
        return _typed(given)
    if not callable(given):
        raise SettingsError(f"A check is one of sdgkit.checks, its name, or a function of a row; {given!r} is none.")
    name = getattr(given, "__name__", type(given).__name__)
    return Check(name=name if name.isidentifier() else "check", function=given)


def _typed(text: str) -> Check:
    """A check as it is typed: NAME, NAME=ARGUMENT, or FILE.py:FUNCTION."""
    name, _, argument = text.partition("=")
    if name in MAKERS:
        return MAKERS[name](**(RULES[name].typed(argument.strip()) if argument.strip() else {}))
    path, _, function = text.rpartition(":")
    if not path.endswith(".py"):
        raise SettingsError(
            f"There is no check {name!r}. There are {', '.join(RULES)}, and FILE.py:FUNCTION of your own."
        )
    try:
        return Check(name=function, function=runpy.run_path(path)[function])
    except Exception as error:  # of the user's file
        raise SettingsError(f"{text} cannot be used as a check: {type(error).__name__}: {error}.") from error
