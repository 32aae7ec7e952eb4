"""The `sdgkit` command: reads what was typed, does it, and turns what goes wrong into one or two plain lines."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from sdgkit import __version__
from sdgkit.cli.help import COMMANDS, Group
from sdgkit.cli.terminal import complain, prepare, say
from sdgkit.errors import PromptError, SdgkitError, SeedError, SettingsError

BAD_ARGUMENTS, FAILED, INTERRUPTED, PIPE_CLOSED = 2, 1, 130, 141
UsageError: Any = typer.BadParameter.__base__  # of typer's own parser, whose place changes between its versions

app = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the whole traceback of an error")] = False,
) -> None:
    if version:
        say(f"sdgkit {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())


def main(args: Sequence[str] | None = None) -> int:
    """The command with these arguments (default: the process's); returns the exit status.

    0 done, 1 the job failed, 2 bad arguments, 130 interrupted and 143 ended by SIGTERM, both resumable.
    """
    prepare()
    words = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in words  # wherever it stands
    words = [word for word in words if word != "--debug"]
    name = next((word for word in words if not word.startswith("-")), "")
    try:
        status = _read(words)
        status = status() if callable(status) else status
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except BrokenPipeError:
        # Whoever read the output has enough of it. Nothing must be flushed into the closed pipe at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        command = f"sdgkit {name}" if name in COMMANDS else "sdgkit"
        complain(f"{command}: {_sentence(error, command)}")
        return _status(error)


def _read(words: list[str]) -> int | Callable[[], int] | None:
    """What is to be done, or the status if only a page was to be shown."""
    return app(words, prog_name="sdgkit", standalone_mode=False)


def _sentence(error: Exception, command: str) -> str:
    if isinstance(error, UsageError):
        words = error.format_message().strip()
        return f"{words}{'' if words.endswith(('.', '?')) else '.'}\nSee: {command} --help"
    if isinstance(error, SdgkitError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'A file'}: {error.strerror}."
    return f"This should not have happened: {type(error).__name__}: {error}\nRun it again with --debug to see where."


def _status(error: Exception) -> int:
    bad = isinstance(error, UsageError | SettingsError | SeedError | PromptError)
    return BAD_ARGUMENTS if bad else FAILED
