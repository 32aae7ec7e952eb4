"""Commands, options and arguments of click: pages of help, and settings from `sdgkit.toml`."""

import functools
import inspect
from collections.abc import Collection, Sequence
from typing import Any

import click

from sdgkit.teachers.settings_file import job_settings

AS_WRITTEN = "\b\n"  # click fills the lines of a paragraph unless this stands before it


class Option(click.Option):
    """An option with the heading under which a page of help lists it."""

    def __init__(self, names: Sequence[str], *, section: str = "Options", **settings: Any) -> None:
        super().__init__(names, **settings)
        self.section = section


class Command(click.Command):
    """A command whose page lists options under headings and shows examples as written.

    Attributes:
        settings: The settings of a job in `sdgkit.toml` that it takes.
    """

    def __init__(
        self,
        name: str | None,
        help: str | None = None,
        takes: Collection[str] = (),
        **settings: Any,
    ) -> None:
        self.settings = takes
        page = inspect.cleandoc(help or "").replace("\n\nExample", f"\n\n{AS_WRITTEN}Example")
        settings.setdefault("short_help", page.partition("\n")[0])
        super().__init__(name, help=page, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what `sdgkit.toml` says of a job for the options that are not typed."""
        if self.settings and not set(args) & {"-h", "--help"}:
            ctx.default_map = settings_for(self)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order in which the parameters are declared."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if not isinstance(parameter, click.Option):
                continue  # click lists the arguments
            record = parameter.get_help_record(ctx)
            if record is not None:
                title = "Options"
                if isinstance(parameter, Option):
                    title = parameter.section
                sections.setdefault(title, []).append(record)
        own_options = sections.pop("Options", [])
        sections["Options"] = own_options
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def settings_for(command: Command) -> dict[str, Any]:
    """What `sdgkit.toml` says for the options of a command, by the names of its parameters."""
    values: dict[str, Any] = {}
    for name, value in job_settings().items():
        if name == "profile" and isinstance(value, bool):
            values["no_profile"] = not value
        elif name in command.settings:
            values[name] = [value] if name in REPEATABLE and isinstance(value, str) else value
    return values


def is_from_file(name: str) -> bool:
    """Whether the value of a parameter of the running command comes from `sdgkit.toml`."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.DEFAULT_MAP


REPEATABLE = ("checks", "columns", "judge_base_url")
"""Settings of a job that are options to be repeated."""

LIMIT_SETTINGS = ("concurrency", "timeout", "patience", "judge_base_url", "judge_model")
"""The settings of a job that every command takes which asks a teacher for minutes."""

command = functools.partial(click.command, cls=Command)
argument = click.argument
option = functools.partial(click.option, cls=Option)
