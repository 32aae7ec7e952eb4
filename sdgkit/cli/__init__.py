"""The `sdgkit` command: reads what was typed, does it, and turns what goes wrong into one or two plain lines."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from sdgkit import __version__
from sdgkit.cli.check import check
from sdgkit.cli.evaluate import calibrate, evaluate
from sdgkit.cli.generate import generate
from sdgkit.cli.help import ABOUT, DEFAULTS, Command, page_of
from sdgkit.cli.lab import lab
from sdgkit.cli.notebook import RunCommand, run
from sdgkit.cli.options import option
from sdgkit.cli.runs import explain, export, merge, push, review, show, status
from sdgkit.cli.teachers import ask, rehearse
from sdgkit.cli.terminal import complain, prepare, say
from sdgkit.errors import PromptError, SdgkitError, SeedError, SettingsError

BAD_ARGUMENTS, FAILED, INTERRUPTED, PIPE_CLOSED = 2, 1, 130, 141
COMMANDS: list[Callable[..., int]] = [generate, run, ask, check, status, show, explain, review]
COMMANDS += [export, merge, calibrate, evaluate, push, rehearse, lab]
UsageError: Any = typer.BadParameter.__base__  # of typer's own parser, whose place changes between its versions

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=ABOUT, epilog=DEFAULTS)
for one in COMMANDS:
    app.command(cls=RunCommand if one is run else Command, **page_of(one))(one)


@app.callback(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def _root(
    context: typer.Context,
    version: Annotated[bool, option("print the version", None, "--version")] = False,
    debug: Annotated[bool, option("show the whole traceback of an error", None, "--debug")] = False,
) -> None:
    if version:
        say(f"sdgkit {__version__}")
    elif context.invoked_subcommand is None:
        say(context.get_help())


def main(args: Sequence[str] | None = None) -> int:
    """The command with these arguments (default: the process's); returns the exit status.

    0 done, 1 the job failed, 2 bad arguments, 130 interrupted and 143 ended by SIGTERM, both resumable.
    """
    prepare()
    words = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in words  # wherever it stands
    words = [word for word in words if word != "--debug"]
    names = {command.__name__ for command in COMMANDS}
    called = next((f"sdgkit {word}" for word in words if word in names), "sdgkit")
    try:
        root = typer.main.get_command(app)
        with root.make_context("sdgkit", words) as context:
            status = root.invoke(context)
        sys.stdout.flush()
        return status or 0
    except typer.Exit as shown:  # a help page
        return shown.exit_code
    except BrokenPipeError:
        # Whoever read the output has enough of it. Nothing must be flushed into the closed pipe at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        complain(f"{called}: {_sentence(error, called)}")
        bad = isinstance(error, UsageError | SettingsError | SeedError | PromptError)
        return BAD_ARGUMENTS if bad else FAILED


def _sentence(error: Exception, called: str) -> str:
    if isinstance(error, UsageError):
        words = error.format_message().strip()
        if words.startswith("Missing argument"):
            words = f"{words.rstrip('.')}: {error.param.help}"
        return f"{words}{'' if words.endswith(('.', '?')) else '.'}\nSee: {called} --help"
    if isinstance(error, SdgkitError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The output'}: {error.strerror}."
    return f"This should not have happened: {type(error).__name__}: {error}\nRun it again with --debug to see where."
