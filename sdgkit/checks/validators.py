"""Checks that ask nobody: is it a table, is it JSON, how long is it, are its facts those of the context?

Each function gives a `Check`, a stage like any other: `sk.generate(…, checks=[sk.checks.markdown_table()])` puts it
after the stage that writes its column, `pipeline.after(name, check)` anywhere else. What fails is dropped with the
check's own words, and its name as the reason. Whatever nothing is said about is measured by the row's own seed.
All take `column` (where the text stands, "response") and `name` (the reason), and raise SettingsError.
"""

import inspect
import json
import re
import runpy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, wraps
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, Literal

from sdgkit.checks.facts import CODE, WORD, Source, is_counted, names, numbers, writes_nouns_large
from sdgkit.errors import SettingsError
from sdgkit.samples import Row
from sdgkit.stages import Check
from sdgkit.texts import load_texts

REFUSED_WITHIN = 250  # characters: a refusal is how a reply begins
SHOWN = 5  # facts told of in a message
# Below so many letters, or so sure of it, a language is not named. The model is sure of nearly everything; measured on
# the shipped seeds and their rehearsals, all that it got wrong was shorter or less sure.
TELLING_LETTERS, TELLING_SHARE = 80, 0.99

RULES: dict[str, Callable[..., str]] = {}  # what each check looks at
MAKERS: dict[str, Callable[..., Check]] = {}


@dataclass(frozen=True)
class Rule:
    """A rule with its settings, to be called with a row. column: where the text stands that it looks at."""

    check: str
    column: str
    settings: Mapping[str, Any]

    def __call__(self, row: Row) -> str | None:
        text, seed = row.get(self.column), str(row.get(f"seed_{self.column}") or "")
        if not isinstance(text, str):
            return f"There is no text in the column {self.column}."
        others = {**row, self.column: ""}  # what the text itself says is no source of it
        return RULES[self.check](text, seed, others, **self.settings) or None


def _check(rule: Callable[..., str]) -> Callable[..., Check]:
    """Of a rule, a function of (text, the seed's text, the row without the text, settings …) that says what is wrong
    with the text, the function that makes a check of its settings."""
    signature = inspect.signature(rule)

    @wraps(rule)
    def make(
        *settings: Any, name: str = rule.__name__, column: str = "response", **more: Any
    ) -> Check:
        try:
            given = dict(signature.bind("", "", {}, *settings, **more).arguments)
            function = Rule(rule.__name__, column, {name: given[name] for name in list(given)[3:]})
            function({column: ""})  # a setting that cannot be shows at once
        except TypeError as error:
            known = ", ".join([*list(signature.parameters)[3:], "column", "name"])
            raise SettingsError(f"{rule.__name__}: {error}. It takes {known}.") from None
        return Check(name=name, function=function)

    RULES[rule.__name__], MAKERS[rule.__name__] = rule, make
    make.__signature__ = signature.replace(parameters=list(signature.parameters.values())[3:])  # type: ignore[attr-defined]
    return make


@dataclass(frozen=True)
class Table:
    """The first Markdown table in a text (GitHub's form). around: the text before and after it."""

    head: list[str]
    rows: list[list[str]]
    around: str

    @classmethod
    def of(cls, text: str) -> "Table | None":
        lines = [line.strip() for line in text.strip().splitlines()]
        for at, (above, line) in enumerate(pairwise(lines)):
            ruled = (
                re.fullmatch(r"\|?(\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?", line) and "|" in above + line
            )
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


def _cells(line: str) -> list[str]:
    inner = re.sub(r"^\||(?<!\\)\|$", "", line)
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", inner)]


@_check
def markdown_table(
    text: str, seed: str, row: Row, columns: Sequence[str] | None = None, alone: bool = True
) -> str:
    """The text is a Markdown table, every row with as many cells as its head.

    columns: what its head must say, in order; default what the seed's table says. alone: nothing stands around it.
    """
    if isinstance(columns, str):
        raise SettingsError(
            f"markdown_table takes a list of column names, ['Name', 'Age'], not {columns!r}."
        )
    table, model = Table.of(text), Table.of(seed)
    if table is None:
        return "There is no Markdown table in it."
    wanted = list(columns or (model or table).head)
    if table.head != wanted:
        return f"The head of the table is {' | '.join(table.head)}, not {' | '.join(wanted)}."
    if alone and table.around and not (model and model.around):
        return f"There is text around the table: {_quoted(table.around)}."
    return table.flaw()


@_check
def valid_json(text: str, seed: str, row: Row, schema: Mapping[str, Any] | None = None) -> str:
    """The text is JSON (RFC 8259), and fits a JSON schema if there is one."""
    validator = _validator(json.dumps(schema)) if schema is not None else None
    inner = re.fullmatch(r"```\w*\n(.*)\n```", text.strip(), re.DOTALL)
    try:
        value = json.loads(inner[1] if inner else text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"It is not JSON: {error}."
    if validator is None:
        return ""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        flaw = best_match(validator.iter_errors(value))
    except Unresolvable as missing:
        raise SettingsError(
            f"valid_json: the schema refers to {missing.ref}, which is not in it."
        ) from None
    return (
        f"It does not fit the schema at {flaw.json_path}: {_quoted(flaw.message, 200)}."
        if flaw
        else ""
    )


@cache
def _validator(schema: str) -> Any:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(json.loads(schema))
    try:
        kind.check_schema(json.loads(schema))
    except (SchemaError, TypeError) as error:
        raise SettingsError(
            f"valid_json: this is no JSON schema: {getattr(error, 'message', error)}."
        ) from None
    return kind(
        json.loads(schema), registry=Registry()
    )  # an empty one: what is said by its address is not fetched


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


@_check
def matches(text: str, seed: str, row: Row, pattern: str) -> str:
    """A regular expression (Python's; ^ and $ at every line) is found in the text."""
    try:
        return "" if re.search(pattern, text, re.MULTILINE) else f"Nothing in it matches {pattern}"
    except (re.error, TypeError) as error:
        raise SettingsError(f"matches: {pattern!r} is no regular expression: {error}.") from None


@_check
def length(
    text: str,
    seed: str,
    row: Row,
    min: int | None = None,
    max: int | None = None,
    unit: Literal["words", "characters"] = "words",
) -> str:
    """The text has at least `min` and at most `max` words or characters."""
    limits = [number for number in (min, max) if number is not None]
    if (
        not limits
        or {*map(type, limits)} != {int}
        or limits != sorted(limits)
        or unit not in ("words", "characters")
    ):
        raise SettingsError(
            "length needs min, max or both: length(5, 200), or length(max=900, unit='characters')."
        )
    number = len(text.split()) if unit == "words" else len(text)
    if min is not None and number < min:
        return f"It has {number} {unit}; {min} or more are wanted."
    return (
        f"It has {number} {unit}; {max} or fewer are wanted."
        if max is not None and number > max
        else ""
    )


@_check
def same_language(text: str, seed: str, row: Row) -> str:
    """The text is in the language of the seed's. Texts too short or too mixed to tell are let on."""
    known, mine, seeds = load_texts("languages"), language(text), language(seed)
    if (
        not mine
        or not seeds
        or mine == seeds
        or any({mine, seeds} <= set(group) for group in known["alike"])
    ):
        return ""
    return f"It is in {known['names'].get(mine, mine)}, the seed's in {known['names'].get(seeds, seeds)}."


@lru_cache(4096)
def language(text: str) -> str:
    """The language of a text (ISO 639-1), "" if it is too short or too mixed to tell."""
    plain = re.sub(r"```.*?```|`[^`]*`|https?://\S+|\S+@\S+|[\d|_*#]+", " ", text, flags=re.DOTALL)
    if (
        sum(2 if ord(letter) > 0x2E80 else 1 for letter in plain if letter.isalpha())
        < TELLING_LETTERS
    ):
        return ""
    found, share = _languages().classify(" ".join(plain.split()))
    return str(found) if share >= TELLING_SHARE else ""


@cache
def _languages() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@_check
def no_refusal(text: str, seed: str, row: Row) -> str:
    """The text does not begin with the words by which a model declines, unless the seed's does too."""
    found = refusal(text)
    return f"It declines: {_quoted(found)}." if found and not refusal(seed) else ""


def refusal(text: str) -> str:
    """The words with which a text declines, "" if it does not."""
    start = " ".join(text[: 4 * REFUSED_WITHIN].replace("\u2019", "'").casefold().split())[
        :REFUSED_WITHIN
    ]
    phrases = (phrase for listed in load_texts("refusals").values() for phrase in listed)
    return next(
        (phrase for phrase in phrases if re.search(rf"(?<!\w){re.escape(phrase)}", start)), ""
    )


@_check
def facts_in_context(text: str, seed: str, row: Row, derived: bool = True) -> str:
    """The numbers and names in the text are in the context, the question or the task, or part of the seed's form.

    derived: also let on what may have been computed: whole numbers up to 10 (something counted), and sums,
    differences, shares and changes in percent of two given numbers. A text may still be wrong: this finds what was
    made up, not every mistake.
    """
    task, *seeds = (
        str(row.get(name) or "") for name in ("task_description", "seed_context", "seed_question")
    )
    source = Source(task, *(str(row.get(part) or "") for part in ("context", "question")))
    given = Source(*seeds)
    form = {n.values for n in numbers(seed) if not given.has_number(n) and not given.computes(n)}
    missing = [
        number.text
        for number in numbers(text)
        if not (number.values in form or source.has_number(number))
        and not (derived and (is_counted(number) or source.computes(number)))
    ]
    known = Source(*(word for word in WORD.findall(seed) if not given.has_name(word)))
    codes = (code[0].rstrip(".,;:") for code in CODE.finditer(text))  # E-2203, #77, a@b.org
    found = [*codes, *(names(text) if not writes_nouns_large([task, *seeds, seed]) else ())]
    missing += [name for name in found if not source.has_name(name) and not known.has_name(name)]
    missing = list(dict.fromkeys(missing))
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    held = "the context nor the question" if row.get("context") else "the question nor the task"
    return (
        f"It has {', '.join(missing[:SHOWN])}{more}, which neither {held} holds." if missing else ""
    )


def _quoted(text: str, most: int = 80) -> str:
    text = " ".join(text.split())
    return f"\u201c{text[:most]}{'…' if len(text) > most else ''}\u201d"


def read_checks(given: Any) -> list[Check]:
    """Checks from whatever a user says: a `Check`, a Python function of a row, a text as on the command line
    ("length=..200 words", "matches=^Subject:", "FILE.py:FUNCTION"), what `saved` gave, or a list of these.

    Names that stand there twice are numbered. Raises SettingsError.
    """
    listed = (
        list(given)
        if isinstance(given, Iterable) and not isinstance(given, str | Mapping)
        else [given]
    )
    met: Counter[str] = Counter()
    checks = []
    for check in map(_read, [] if given is None else listed):
        met[check.name] += 1
        checks.append(
            replace(check, name=f"{check.name}_{met[check.name]}") if met[check.name] > 1 else check
        )
    return checks


def saved(check: Check) -> dict[str, Any]:
    """A check as JSON values for `read_checks`; of a user's own function, its name alone."""
    rule = check.function
    told = (
        {"check": rule.check, "column": rule.column, **rule.settings}
        if isinstance(rule, Rule)
        else {}
    )
    return {"name": check.name, **told}


def _read(given: Any) -> Check:
    if isinstance(given, Check):
        return given
    if isinstance(given, Mapping):
        said = dict(given)
        if said.get("check") not in MAKERS:
            raise SettingsError(
                f"The check {given.get('name')!r} is a function of your own: give checks= again."
            )
        return MAKERS[said.pop("check")](**said)
    if isinstance(given, str):
        return _typed(given)
    if not callable(given):
        raise SettingsError(
            f"A check is one of sdgkit.checks, its name, or a function of a row; {given!r} is none."
        )
    name = getattr(given, "__name__", type(given).__name__)
    return Check(name=name if name.isidentifier() else "check", function=given)


def _typed(text: str) -> Check:
    """A check as it is typed: NAME, NAME=ARGUMENT, or FILE.py:FUNCTION."""
    name, _, argument = (part.strip() for part in text.partition("="))
    if name in MAKERS:
        return MAKERS[name](**(_settings(name, argument) if argument else {}))
    path, _, function = text.rpartition(":")
    if not path.endswith(".py"):
        known = ", ".join(MAKERS)
        raise SettingsError(
            f"There is no check {name!r}. There are {known}, and FILE.py:FUNCTION of your own."
        )
    try:
        return Check(name=function, function=runpy.run_path(path)[function])
    except Exception as error:  # of the user's file
        raise SettingsError(
            f"{text} cannot be used as a check: {type(error).__name__}: {error}."
        ) from error


def _settings(name: str, argument: str) -> dict[str, Any]:
    """What stands after "=" on the command line."""
    if name == "markdown_table":
        return {"columns": [column.strip() for column in argument.split(",")]}
    if name == "valid_json":
        try:
            return {"schema": json.loads(Path(argument).read_text("utf-8-sig"))}
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"valid_json={argument}: not a file with a JSON schema ({error})."
            ) from None
    if name == "matches":
        return {"pattern": argument}
    found = re.fullmatch(r"(\d*)\.\.(\d*)\s*(words|characters|)", argument)
    if name != "length" or not found:
        raise SettingsError(
            f"{name}={argument}: length takes 20..200 or ..900characters, other checks no argument."
        )
    low, high = (int(number) if number else None for number in found.groups()[:2])
    return {"min": low, "max": high, "unit": found[3] or "words"}
