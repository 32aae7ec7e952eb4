"""Checks that ask nobody: is it a table, is it JSON, how long is it, are its facts those of the context?

Each function gives a `Check`, a stage like any other: `sk.generate(…, checks=[sk.checks.markdown_table()])` puts it
after the stage that writes its column, `pipeline.after(name, check)` anywhere else. What fails is dropped with the
check's own words, and its name as the reason. Whatever nothing is said about is measured by the row's own seed.
"""

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

from sdgkit.checks.facts import FactsInContext
from sdgkit.checks.rules import Length, MarkdownTable, Matches, NoRefusal, Rule, SameLanguage, ValidJson
from sdgkit.errors import SettingsError
from sdgkit.stages import Check, Row

RULES: dict[str, type[Rule]] = {
    "markdown_table": MarkdownTable,
    "valid_json": ValidJson,
    "matches": Matches,
    "length": Length,
    "same_language": SameLanguage,
    "no_refusal": NoRefusal,
    "facts_in_context": FactsInContext,
}


def markdown_table(
    columns: Sequence[str] | None = None, *, alone: bool = True, column: str = "response", name: str = "markdown_table"
) -> Check:
    """The text is a Markdown table, every row with as many cells as its head.

    columns: what its head must say, in order; default what the seed's table says. alone: nothing stands around it.
    """
    return Check(name=name, function=MarkdownTable(column=column, columns=columns or None, alone=alone))


def valid_json(
    schema: Mapping[str, Any] | bool | None = None, *, column: str = "response", name: str = "valid_json"
) -> Check:
    """The text is JSON (RFC 8259), and fits a JSON schema if there is one. Raises SettingsError for a wrong schema."""
    return Check(name=name, function=ValidJson(column=column, schema=schema))


def matches(pattern: str, *, column: str = "response", name: str = "matches") -> Check:
    """A regular expression (Python's; ^ and $ at every line) is found in the text. Raises SettingsError."""
    return Check(name=name, function=Matches(column=column, pattern=pattern))


def length(
    min: int | None = None,
    max: int | None = None,
    unit: Literal["words", "characters"] = "words",
    *,
    column: str = "response",
    name: str = "length",
) -> Check:
    """The text has at least `min` and at most `max` words or characters."""
    return Check(name=name, function=Length(column=column, min=min, max=max, unit=unit))


def same_language(*, column: str = "response", name: str = "same_language") -> Check:
    """The text is in the language of the seed's. Texts too short or too mixed to tell are let on."""
    return Check(name=name, function=SameLanguage(column=column))


def no_refusal(*, column: str = "response", name: str = "no_refusal") -> Check:
    """The text does not begin with the words by which a model declines, unless the seed's does too."""
    return Check(name=name, function=NoRefusal(column=column))


def facts_in_context(
    *,
    numbers: bool = True,
    names: bool = True,
    derived: bool = True,
    column: str = "response",
    name: str = "facts_in_context",
) -> Check:
    """The numbers and names in the text are in the context, the question or the task, or part of the seed's form.

    derived: also let on what may have been computed: whole numbers up to 10 (something counted), and sums,
    differences, shares and changes in percent of two given numbers. A text may still be wrong: this finds what was
    made up, not every mistake.
    """
    rule = FactsInContext(column=column, numbers=numbers, names=names, derived=derived)
    return Check(name=name, function=rule)


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
    if not isinstance(rule, Rule):
        return {"name": check.name, "own": True}
    said = {field.name: getattr(rule, field.name) for field in fields(rule)}
    return {"name": check.name, "check": next(n for n, kind in RULES.items() if kind is type(rule)), **said}


def _read(given: Any) -> Check:
    if isinstance(given, Check):
        return given
    if isinstance(given, Mapping) and given.get("check") in RULES:
        said = {name: value for name, value in given.items() if name not in ("name", "check")}
        return Check(name=given["name"], function=RULES[given["check"]](**said))
    if isinstance(given, Mapping):
        raise SettingsError(f"The check {given.get('name')!r} is a function of your own: give checks= again.")
    if isinstance(given, str):
        return _typed(given)
    if not callable(given):
        raise SettingsError(f"A check is one of sdgkit.checks, its name, or a function of a row; {given!r} is none.")
    name = getattr(given, "__name__", type(given).__name__)
    return Check(name=name if name.isidentifier() else "check", function=given)


def _typed(text: str) -> Check:
    """A check as it is typed: NAME, NAME=ARGUMENT, or FILE.py:FUNCTION."""
    name, _, argument = text.partition("=")
    if name in RULES:
        return Check(name=name, function=RULES[name].typed(argument.strip()))
    path, colon, function = text.rpartition(":")
    if colon and path.endswith(".py"):
        return Check(name=function, function=_own(Path(path), function))
    raise SettingsError(f"There is no check {name!r}. There are {', '.join(RULES)}, and FILE.py:FUNCTION of your own.")


def _own(path: Path, name: str) -> Callable[[Row], bool | str | None]:
    """The function of this name in the user's file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return getattr(module, name)
    except Exception as error:
        raise SettingsError(f"{path}:{name} cannot be used as a check: {type(error).__name__}: {error}.") from error
