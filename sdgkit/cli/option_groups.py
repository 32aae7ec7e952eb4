"""Groups of options: a decorator declares them, and one frozen value holds what was typed."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeVar

import click

from sdgkit.cli.commands import is_from_file, option
from sdgkit.rehearsal.options import Options as RehearsalSettings

Function = TypeVar("Function", bound=Callable[..., Any])
Group = TypeVar("Group", bound="OptionGroup")
Decorator = Callable[[Function], Function]


@dataclass(frozen=True)
class OptionGroup:
    """What you typed of a group of options; None or () for options that you left out."""

    def typed(self) -> dict[str, Any]:
        """What you typed, by name; a repeatable option that was typed once is a single value."""
        typed: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, tuple) and len(value) == 1:
                typed[entry.name] = value[0]
            elif isinstance(value, tuple) and value:
                typed[entry.name] = list(value)
            elif value is not None and value is not False and value != ():
                typed[entry.name] = value
        return typed

    def as_typed(self) -> Self:
        """The same without what comes from `sdgkit.toml`."""
        unset = {}
        for entry in fields(self):
            if is_from_file(entry.name):
                unset[entry.name] = entry.default
        return replace(self, **unset)

    def __bool__(self) -> bool:
        return bool(self.typed())


def option_group(
    parameter: str, kind: type[Group], *declarations: Decorator[Any]
) -> Decorator[Any]:
    """A decorator that gives a command these options, and passes what was typed as one value.

    Args:
        parameter: The name of the function's parameter that receives the value.
        kind: The class of the value; its fields are named as the options are.
        declarations: The options, in the order of the page.
    """
    names = [entry.name for entry in fields(kind)]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: object, **values: object) -> Any:
            typed = {}
            for name in names:
                typed[name] = values.pop(name)
            return function(*args, **{parameter: kind(**typed)}, **values)

        decorated = call
        for declare in reversed(declarations):
            decorated = declare(decorated)
        return decorated  # type: ignore[return-value]

    return decorate


def rehearsal_options(parameter: str, section: str, names: Sequence[str]) -> Decorator[Any]:
    """A decorator that gives a command these settings of the rehearsal teacher as options.

    Args:
        parameter: The function's parameter, which receives a dictionary of what was typed.
        section: The heading on the page of help.
        names: Fields of `sdgkit.rehearsal.options.Options`.
    """
    settings = []
    for entry in fields(RehearsalSettings):
        if entry.name in names:
            settings.append(entry)

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: object, **values: object) -> Any:
            settings_typed = {}
            for name in names:
                value = values.pop(name)
                if value is not None:
                    settings_typed[name] = value
            return function(*args, **{parameter: settings_typed}, **values)

        decorated = call
        for setting in reversed(settings):
            help_text = setting.metadata["help"]
            if setting.default and "default" not in help_text:
                help_text = f"{help_text} (default {setting.default:g})"
            declare = option(
                f"--{setting.name.replace('_', '-')}",
                metavar=setting.metadata["metavar"],
                type=int if setting.type is int else click.FLOAT,
                help=help_text,
                section=section,
            )
            decorated = declare(decorated)
        return decorated  # type: ignore[return-value]

    return decorate
