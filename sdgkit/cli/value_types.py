"""What is typed after an option, and how it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from sdgkit.errors import RunError, SettingsError

if TYPE_CHECKING:
    from sdgkit.run import Run
    from sdgkit.shelf import Shelf


class Number(click.FloatRange):
    """A number; click names the type in its own messages."""

    name = "number"


class WholeNumber(click.IntRange):
    """A whole number."""

    name = "whole number"


class RunFolder(click.ParamType["Run"]):
    """The folder of a run, opened to be looked at."""

    name = "run"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Run":
        """Open the run. Raises SettingsError where the folder holds none."""
        from sdgkit.run import open_run

        try:
            return open_run(value)
        except RunError as error:
            raise SettingsError(str(error), setting="RUN") from None

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Let the shell complete folders."""
        return [CompletionItem(incomplete, type="dir")]


class RunOrShelfFolder(RunFolder):
    """The folder of a run or of a shelf, opened to be looked at."""

    def convert(  # type: ignore[override]
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Run | Shelf":
        """Open it. Raises SettingsError where the folder holds neither."""
        from sdgkit.shelf import is_shelf, open_shelf

        if is_shelf(Path(value)):
            return open_shelf(value)
        return super().convert(value, param, ctx)


class ListsFile(click.ParamType[object]):
    """A YAML file of named lists, read."""

    name = "file"

    def convert(
        self,
        value: str | Mapping[str, object],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> object:
        """Read the lists. Raises SettingsError where the file does not hold lists."""
        from sdgkit.method.lists_file import read_lists

        return value if isinstance(value, Mapping) else read_lists(value)


RUN = RunFolder()
RUN_OR_SHELF = RunOrShelfFolder()
COUNT = WholeNumber(min=1)
AMOUNT = Number(min=0)
SHARE = click.FLOAT
PATH = click.Path()
FOLDER = click.Path(file_okay=False)
