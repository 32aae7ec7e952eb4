"""The whole interface of the command line as values, so that a program can use it."""

import inspect
from typing import Any

import click

from sdgkit import __version__
from sdgkit.cli.commands import Command, Option
from sdgkit.cli.output import plain
from sdgkit.teachers.settings_file import JOB_SETTINGS, OTHER_VARIABLES, SETTING_NAMES

EXIT_STATUSES = {
    "0": "done",
    "1": "failed",
    "2": "bad arguments",
    "3": "finished short",
    "130": "interrupted and resumable",
}


def interface(root: click.Group, called: str) -> dict[str, Any]:
    """The commands with their arguments and options, and the settings beside them.

    Args:
        root: All commands.
        called: The words for which help is wanted: `sdgkit`, or `sdgkit` and a command.
    """
    name = called.removeprefix("sdgkit").strip()
    chosen = dict(root.commands)
    if name:
        chosen = {name: root.commands[name]}
    return {
        "command": "help",
        "version": __version__,
        "exit_statuses": EXIT_STATUSES,
        "environment": [*(f"SDGKIT_{name.upper()}" for name in SETTING_NAMES), *OTHER_VARIABLES],
        "settings_file": {
            **dict.fromkeys(SETTING_NAMES, "text in quotes"),
            **{setting: kind.what for setting, kind in JOB_SETTINGS.items()},
        },
        "commands": [_command(title, command) for title, command in chosen.items()],
    }


def _command(name: str, command: click.Command) -> dict[str, Any]:
    options = []
    arguments = []
    for entry in command.params:
        if isinstance(entry, click.Option):
            options.append(_option(entry))
        elif isinstance(entry, click.Argument):
            arguments.append(_argument(entry))
    page = inspect.cleandoc(command.help or "").replace("\b\n", "")
    return {
        "name": name,
        "summary": command.get_short_help_str(limit=200),
        "help": page,
        "settings_file": sorted(command.settings) if isinstance(command, Command) else [],
        "arguments": arguments,
        "options": options,
    }


def _argument(entry: click.Argument) -> dict[str, Any]:
    return {
        "name": entry.name,
        "metavar": entry.metavar,
        "help": getattr(entry, "help", None),
        "type": entry.type.name,
        "required": entry.required,
        "many": entry.nargs == -1,
    }


def _option(entry: click.Option) -> dict[str, Any]:
    choices = None
    if isinstance(entry.type, click.Choice):
        choices = entry.type.choices
    default = None
    if isinstance(entry.default, str | int | float | bool):
        default = entry.default
    section = "Options"
    if isinstance(entry, Option):
        section = entry.section
    return {
        "names": [*entry.opts, *entry.secondary_opts],
        "metavar": entry.metavar,
        "help": entry.help,
        "section": section,
        "type": "flag" if entry.is_flag else entry.type.name,
        "choices": plain(choices),
        "values": entry.nargs,
        "repeatable": entry.multiple,
        "default": default,
        "required": entry.required,
    }
