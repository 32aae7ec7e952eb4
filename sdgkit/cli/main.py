"""The `sdgkit` command: reads what was typed, does it, and turns what goes wrong into one or two plain lines."""

import signal
import sys
import traceback
from collections.abc import Sequence

import click

from sdgkit import __version__
from sdgkit.cli.generate import generate
from sdgkit.cli.lab import lab
from sdgkit.cli.notebook import run
from sdgkit.cli.options import AS_WRITTEN, SAID
from sdgkit.cli.runs import explain, export, merge, push, review, show, status
from sdgkit.cli.teachers import ask, calibrate, check, evaluate, rehearse
from sdgkit.cli.terminal import say
from sdgkit.errors import PromptError, SdgkitError, SeedError, SettingsError

BAD_ARGUMENTS = (
    click.UsageError,
    SettingsError,
    SeedError,
    PromptError,
    FileExistsError,
    NotADirectoryError,
)
COMMANDS = [generate, run, ask, check, status, show, explain, review]
COMMANDS += [export, merge, calibrate, evaluate, push, rehearse, lab]


class Root(click.Group):
    """The commands, in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=Root,
    commands=COMMANDS,
    invoke_without_command=True,
    help=SAID["about"].replace("\n\n", f"\n\n{AS_WRITTEN}"),
    epilog=SAID["defaults"],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="sdgkit %(version)s")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def root(context: click.Context, debug: bool) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())


def main(args: Sequence[str] | None = None) -> int:
    """The command with these arguments (default: the process's); returns the exit status.

    0 done, 1 the job failed, 2 bad arguments, 130 interrupted (and resumable).
    """
    for stream in (sys.stdout, sys.stderr):  # what an encoding lacks is spelled out
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # both as Ctrl-C, which a shell's background jobs ignore
        signal.signal(number, signal.default_int_handler)
    words = list(sys.argv[1:] if args is None else args)
    ours = words[: words.index("--")] if "--" in words else words
    try:
        # --debug may stand anywhere; what stands after -- is not sdgkit's.
        given = [word for word in ours if word != "--debug"] + words[len(ours) :]
        return root.main(given, "sdgkit", standalone_mode=False) or 0
    except click.Abort:
        say("Interrupted. The same command again goes on.", sys.stderr)
        return 130
    except Exception as error:
        if "--debug" in ours:
            traceback.print_exc()
        called = next((f"sdgkit {word}" for word in words if word in root.commands), "sdgkit")
        say(f"{called}: {_sentence(error, called)}", sys.stderr)
        return 2 if isinstance(error, BAD_ARGUMENTS) else 1


def _sentence(error: Exception, called: str) -> str:
    if isinstance(error, click.UsageError):
        return f"{error.format_message()}\nSee: {called} --help"
    if isinstance(error, SdgkitError):
        return "\n".join([str(error), *getattr(error, "__notes__", ())])
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The output'}: {error.strerror}."
    return f"This should not have happened: {type(error).__name__}: {error}\nRun it again with --debug to see where."
