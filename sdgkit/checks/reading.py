"""Reads checks however a user gives them: objects, functions, typed text, or a saved run."""

import json
import re
import runpy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from sdgkit.checks.registry import MAKERS, Rule
from sdgkit.errors import SettingsError
from sdgkit.formatting import visible
from sdgkit.stages import Check

_LIMITS = re.compile(r"(?P<min>\d*)\.\.(?P<max>\d*)\s*(?P<unit>words|characters|)")


OneCheck: TypeAlias = Check | Callable[..., Any] | str | Mapping[str, Any]
"""A `Check`, a Python function of a row, a text as on the command line, or what `saved` gave."""

CheckSource: TypeAlias = OneCheck | Iterable[OneCheck] | None
"""Checks as users pass them: one or several."""


def read_checks(source: CheckSource) -> list[Check]:
    """Read checks.

    Args:
        source: A `Check`, a Python function of a row, a text as on the command line
            ("length=..200 words", "matches=^Subject:", "FILE.py:FUNCTION"), what `saved` gave, or
            a list of these. None for no checks.

    Returns:
        The checks. Those that share a name are numbered.

    Raises:
        SettingsError: For what is not a check, or a check whose settings cannot be used.

    Example:
        >>> [check.name for check in read_checks(["length=..200 words", "no_refusal"])]
        ['length', 'no_refusal']
    """
    if source is None:
        return []
    entries: list[object] = [source]
    if isinstance(source, Iterable) and not isinstance(source, str | Mapping):
        entries = list(source)
    counts: Counter[str] = Counter()
    checks = []
    for entry in entries:
        check = _read_check(entry)
        counts[check.name] += 1
        number = counts[check.name]
        if number > 1:
            check = replace(check, name=f"{check.name}_{number}")
        checks.append(check)
    return checks


def read_shipped_check(text: str) -> Check:
    """Read a check that names no file: for a profile, which may come from a stranger.

    Args:
        text: The check as it is typed after `--check`.

    Raises:
        SettingsError: It is not a check of sdgkit's own, or names the file of a schema.
    """
    name, _, argument = text.partition("=")
    if name.strip() not in MAKERS:
        raise SettingsError(
            f"{text!r} is not a check that comes with sdgkit: {', '.join(MAKERS)}. Pass one of "
            "your own with --check (checks=).",
            setting="checks",
            choices=list(MAKERS),
        )
    if argument.strip().endswith(".json"):
        raise SettingsError(
            f"{text}: a schema file cannot be named here. Pass it with --check (checks=), "
            "or name the keys: valid_json=name,age.",
            setting="checks",
        )
    if name.strip() == "valid_json" and argument.strip():
        return MAKERS["valid_json"](keys=_comma_list(argument))
    return _typed_check(text)


def saved(check: Check) -> dict[str, Any]:
    """A check as JSON values for `read_checks`; of a user's own function, its name alone."""
    rule = check.function
    if not isinstance(rule, Rule):
        return {"name": check.name}
    return {"name": check.name, "check": rule.check, "column": rule.column, **rule.settings}


def _read_check(entry: object) -> Check:
    if isinstance(entry, Check):
        return entry
    if isinstance(entry, Mapping):
        return _saved_check(entry)
    if isinstance(entry, str):
        return _typed_check(entry)
    if callable(entry):
        name = getattr(entry, "__name__", type(entry).__name__)
        if not name.isidentifier():
            name = "check"
        return Check(name=name, function=entry)
    raise SettingsError(
        f"{entry!r} is not a check. Use one of sdgkit.checks, its name, or a function of a row.",
        setting="checks",
        choices=list(MAKERS),
    )


def _saved_check(values: Mapping[str, Any]) -> Check:
    """A check from what `saved` gave."""
    settings = dict(values)
    named = [settings.get(name, "") for name in ("name", "check", "column")]
    if not all(isinstance(value, str) for value in named):
        raise SettingsError("A recorded check is damaged: give checks= again.", setting="checks")
    maker = MAKERS.get(settings.pop("check", ""))
    if maker is None:
        name = visible(str(settings.get("name")))
        raise SettingsError(
            f"The run used a check of your own, {name!r}. Only its name is recorded, never code: "
            "give all checks again with --check (checks=).",
            setting="checks",
        )
    return maker(**settings)


def _typed_check(text: str) -> Check:
    """A check as it is typed: NAME, NAME=ARGUMENT, or FILE.py:FUNCTION."""
    name, _, argument = text.partition("=")
    name = name.strip()
    argument = argument.strip()
    if name in MAKERS:
        return MAKERS[name](**_typed_settings(name, argument))
    path, _, function_name = text.rpartition(":")
    if not path.endswith(".py"):
        raise SettingsError(
            f"There is no check {name!r}. Choose from {', '.join(MAKERS)}, or name a function of "
            "your own as FILE.py:FUNCTION.",
            setting="checks",
            choices=list(MAKERS),
        )
    try:
        return Check(name=function_name, function=runpy.run_path(path)[function_name])
    except Exception as error:  # whatever the user's file raises
        raise SettingsError(
            f"{text} cannot be used as a check: {type(error).__name__}: {error}.", setting="checks"
        ) from error


def _typed_settings(name: str, argument: str) -> dict[str, Any]:
    """The settings of a check that stand after "=" on the command line."""
    if not argument:
        return {}
    reader = _ARGUMENT_READERS.get(name)
    if reader is None:
        raise SettingsError(f"{name}={argument}: this check takes no argument. Leave it out.")
    return reader(argument)


def _comma_list(argument: str) -> list[str]:
    return [entry.strip() for entry in argument.split(",")]


def _read_columns(argument: str) -> dict[str, Any]:
    return {"columns": _comma_list(argument)}


def _read_schema_or_keys(argument: str) -> dict[str, Any]:
    """The file of a schema (`invoice.json`), or the keys of an object (`name,age`)."""
    if not argument.endswith(".json") and not Path(argument).is_file():
        return {"keys": _comma_list(argument)}
    try:
        return {"schema": json.loads(Path(argument).read_text("utf-8-sig"))}
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"valid_json={argument}: not a file with a JSON schema ({error}).", setting="schema"
        ) from None


def _read_pattern(argument: str) -> dict[str, Any]:
    return {"pattern": argument}


def _read_limits(argument: str) -> dict[str, Any]:
    limits = _LIMITS.fullmatch(argument)
    if limits is None:
        raise SettingsError(
            f"length={argument}: not a valid length. Write 20..200 or ..900characters."
        )
    return {
        "min": _read_limit(limits["min"]),
        "max": _read_limit(limits["max"]),
        "unit": limits["unit"] or "words",
    }


def _read_limit(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits)


_ARGUMENT_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "markdown_table": _read_columns,
    "valid_json": _read_schema_or_keys,
    "matches": _read_pattern,
    "length": _read_limits,
}
