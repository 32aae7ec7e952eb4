"""The registry of checks: a function that judges a text, made into a stage of a pipeline.

To add a check, write a function of a `CheckedText` and its settings that says what is wrong, and
register it:

    @check
    def no_links(checked: CheckedText, most: int = 0) -> str:
        \"""Check that the text has at most `most` links.\"""
        links = checked.text.count("https://")
        return f"It has {links} links; at most {most} are allowed." if links > most else ""

Then import it in `sdgkit/checks/__init__.py`. From then on `sdgkit.checks.no_links(most=1)` makes a
stage, `--check no_links` works on the command line, and a run that used it can be repeated.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, get_type_hints

from sdgkit.errors import SettingsError
from sdgkit.keywords import unknown_keyword
from sdgkit.samples import Row
from sdgkit.stages import Check

DEFAULT_COLUMN = "response"
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "True or False",
    "dict_type": "a dictionary",
    "sequence_str": "a list",
    "list_type": "a list",
}
"""What pydantic's types of errors say that a value must be."""


@dataclass(frozen=True)
class CheckedText:
    """A text that is checked, and what it can be measured by.

    Attributes:
        text: The text.
        seed: The same column of the row's own seed; "" if it has none.
        row: The row, in which the checked column is empty: a text is no source for itself.
    """

    text: str
    seed: str
    row: Row


RuleFunction = Callable[..., str]
CheckMaker = Callable[..., Check]

RULES: dict[str, RuleFunction] = {}  # by name: what judges a text; "" if nothing is wrong
MAKERS: dict[str, CheckMaker] = {}  # by name: what makes a stage of a rule and its settings


@dataclass(frozen=True)
class Rule:
    """A rule with its settings, which can be called with a row.

    Attributes:
        check: The name of the rule.
        column: The column that it looks at.
        settings: The settings of the rule.
    """

    check: str
    column: str
    settings: Mapping[str, Any]

    def __call__(self, row: Row) -> str | None:
        """What is wrong with the row; None if nothing is."""
        text = row.get(self.column)
        if not isinstance(text, str):
            return f"There is no text in the column {self.column}."
        seed = str(row.get(f"seed_{self.column}") or "")
        checked = CheckedText(text, seed, {**row, self.column: ""})
        return RULES[self.check](checked, **self.settings) or None


def check(rule: RuleFunction) -> CheckMaker:
    """Register a rule, and turn it into a function that makes a `Check` of its settings.

    Args:
        rule: A function of a `CheckedText` and settings. It returns what is wrong with the text,
            as a sentence for the user, or "". It raises SettingsError for a setting that cannot be
            used, on an empty text too.

    Returns:
        A function of the settings and of two keywords: `column`, where the text stands, and
        `name`, the name of the stage and the reason for its drops. It raises SettingsError.
    """
    rule_name = rule.__name__
    rule_parameters = list(inspect.signature(rule).parameters.values())
    settings_signature = inspect.Signature(rule_parameters[1:])
    names = [*settings_signature.parameters, "column", "name"]

    @wraps(rule)
    def make(
        *values: object, column: str = DEFAULT_COLUMN, name: str = rule_name, **keywords: object
    ) -> Check:
        for keyword in keywords:
            if keyword not in names:
                raise unknown_keyword(rule_name, keyword, names)
        for keyword, value in (("column", column), ("name", name)):
            if not isinstance(value, str):
                raise SettingsError(
                    f"{rule_name}: {keyword} must be text, not {value!r}.", setting=keyword
                )
        try:
            settings = settings_signature.bind(*values, **keywords).arguments
        except TypeError as error:
            raise SettingsError(
                f"{rule_name}: {error}. Its arguments: {', '.join(names)}."
            ) from None
        _check_types(rule, settings)
        function = Rule(rule_name, column, settings)
        function({column: ""})  # a setting that cannot be used shows at once
        return Check(name=name, function=function)

    RULES[rule_name] = rule
    MAKERS[rule_name] = make
    _set_signature(make, settings_signature, rule_name)
    return make


def _check_types(rule: RuleFunction, settings: Mapping[str, object]) -> None:
    """Refuse a setting that is not of the type that the rule's signature says."""
    from pydantic import TypeAdapter, ValidationError

    types = get_type_hints(rule)
    for name, value in settings.items():
        try:
            TypeAdapter(types.get(name, Any)).validate_python(value, strict=True)
        except ValidationError as error:
            problem = error.errors()[0]
            kind = _KINDS.get(problem["type"])
            expected = problem["msg"].removeprefix("Input should be ")
            if kind is not None:
                expected = kind
            raise SettingsError(
                f"{rule.__name__}: {name} must be {expected}, not {value!r}.", setting=name
            ) from None


def _set_signature(make: CheckMaker, settings: inspect.Signature, rule_name: str) -> None:
    """What help() and Shift-Tab show: the settings of the rule, column and name."""
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *settings.parameters.values(),
        inspect.Parameter("column", keyword_only, default=DEFAULT_COLUMN, annotation=str),
        inspect.Parameter("name", keyword_only, default=rule_name, annotation=str),
    ]
    signature = inspect.Signature(parameters, return_annotation=Check)
    make.__signature__ = signature  # type: ignore[attr-defined]


def quoted(text: str, longest: int = 80) -> str:
    """A text in quotation marks, on one line, shortened to this many characters."""
    line = " ".join(text.split())
    ellipsis = "…" if len(line) > longest else ""
    return f"\u201c{line[:longest]}{ellipsis}\u201d"
