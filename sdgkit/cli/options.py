"""How a function becomes a command: its page is its docstring; the arguments and options stand in `options.yaml`."""

import inspect
from collections import defaultdict
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import yaml
from click.core import ParameterSource

from sdgkit.errors import RunError, SettingsError
from sdgkit.rehearsal.options import Options as Rehearsal

SAID: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("options.yaml").read_text("utf-8"))
AS_WRITTEN = "\b\n"  # before a paragraph whose lines are not to be filled
Given = dict[str, Any]  # what was given of a group of options, by name


class Command(click.Command):
    """Makes a command of a function, which returns the exit status (None: 0).

    A parameter of the function that is named as a group of options gets what was given of them, by name; its others are
    arguments and options of this command alone.
    """

    def __init__(self, function: Callable[..., int | None]) -> None:
        page = inspect.getdoc(function) or ""
        text = page.replace("\n\nExample", f"\n\n{AS_WRITTEN}Example")
        super().__init__(function.__name__, help=text, short_help=page.partition("\n")[0])
        self._function = function
        self._group_of: dict[str | None, str] = {}  # by parameter
        self._sections: defaultdict[str, list[tuple[str, str]]] = defaultdict(
            list
        )  # what one types, what it means
        for key, about in SAID["commands"].get(function.__name__, {}).items():
            self._add(key, "", "Options", **about)
        for group in [
            name for name in inspect.signature(function).parameters if name in SAID["groups"]
        ]:
            said = SAID["groups"][group]
            for key, about in (
                said.get("takes") or _of_rehearsal(said["rehearsal"].split())
            ).items():
                self._add(key, group, said["title"], **about)
        self._sections["Options"].append(("-h, --help", "Show this message and exit."))

    def _add(
        self,
        key: str,
        group: str,
        title: str,
        help: str,
        kind: str = "",
        metavar: str = "",
        **more: Any,
    ) -> None:
        words = key.split()
        flags = [word for word in words if word.startswith("-")]
        if flags:
            self.params.append(click.Option(words, type=KINDS.get(kind), **more))
        else:
            title, metavar = "Arguments", words[0]
            self.params.append(
                click.Argument([words[-1].lower()], type=KINDS.get(kind), metavar=metavar, **more)
            )
        self._group_of[self.params[-1].name] = group
        self._sections[title].append((f"{', '.join(flags)} {metavar}".strip(), help))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, entries in self._sections.items():
            with formatter.section(title):
                formatter.write_dl(entries)

    def invoke(self, ctx: click.Context) -> int | None:
        values: dict[str, Any] = {group: {} for group in self._group_of.values() if group}
        for name, value in ctx.params.items():
            group = self._group_of[name]
            if not group:
                values[name] = value
            elif ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                values[group][name] = _plain(value)
        return self._function(**values)


def _plain(value: Any) -> Any:
    """A value as one would write it in Python: one of several is that one."""
    if not isinstance(value, tuple):
        return value
    return value[0] if len(value) == 1 else list(value)


def _lists(path: str) -> Any:
    """The named lists in a YAML file. Raises SettingsError."""
    try:
        return yaml.safe_load(Path(path).read_text("utf-8-sig")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        words = " ".join(str(error).split())
        raise SettingsError(
            f"--vary {path} cannot be read as a YAML file of lists: {words}."
        ) from None


def _run(folder: str) -> Any:
    """The run in a folder, to look at. Raises SettingsError."""
    from sdgkit.run import open_run

    try:
        return open_run(folder)
    except RunError as error:
        raise SettingsError(str(error)) from None


class Number(click.FloatRange):
    name = "number"  # of a slip click says: 'x' is not a valid number


class WholeNumber(click.IntRange):
    name = "whole number"


KINDS = {
    "whole": int,
    "number": float,
    "count": WholeNumber(min=1),
    "amount": Number(min=0),
    "positive": Number(min=0, min_open=True),
    "lists": _lists,
    "run": _run,
}


def _of_rehearsal(names: list[str]) -> dict[str, dict[str, Any]]:
    """These settings of the rehearsal teacher as options."""
    found = {}
    for entry in fields(Rehearsal):
        if entry.name in names:
            said = {"metavar": entry.metadata["metavar"], "help": entry.metadata["help"]}
            if entry.default and "default" not in said["help"]:
                said["help"] += f" (default {entry.default:g})"
            found[f"--{entry.name.replace('_', '-')}"] = {
                **said,
                "kind": "whole" if entry.type is int else "number",
            }
    return found
