"""Checks that ask nobody: is it a table, is it JSON, how long is it, are its facts those of the context?

Each function gives a `Check`, a stage like any other: `sk.generate(…, checks=[sk.checks.markdown_table()])` puts it
after the stage that writes its column, `pipeline.after(name, check)` anywhere else. What fails is dropped with the
check's own words, and its name as the reason. Whatever nothing is said about is measured by the row's own seed.
"""

import inspect
import runpy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sdgkit.checks.facts import FactsInContext
from sdgkit.checks.rules import Length, MarkdownTable, Matches, NoRefusal, Rule, SameLanguage, ValidJson
from sdgkit.errors import SettingsError
from sdgkit.stages import Check

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
