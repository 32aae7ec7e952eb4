"""The `sdgkit` command: reads what you typed, does it, and turns errors into one or two plain
lines.
"""

import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import click

from sdgkit import __version__
from sdgkit.cli.compare import compare
from sdgkit.cli.exit_status import BAD_ARGUMENTS, DONE, FAILED, INTERRUPTED
from sdgkit.cli.flow import flow
from sdgkit.cli.generate import generate
from sdgkit.cli.interface import interface
from sdgkit.cli.judging import calibrate, check, evaluate, study
from sdgkit.cli.lab import lab
from sdgkit.cli.notebook import run
from sdgkit.cli.output import as_text, print_error
from sdgkit.cli.runs import explain, export, merge, push, review, samples, show, status
from sdgkit.cli.shelf import mix
from sdgkit.cli.studio import studio
from sdgkit.cli.teachers import ask, rehearse
from sdgkit.cli.terminal import say
from sdgkit.errors import ProfileError, PromptError, SdgkitError, SeedError, SettingsError
from sdgkit.teachers.settings_file import refuse_unknown_variables

HELP = frozenset(("-h", "--help", "--version"))

BAD_ARGUMENT_ERRORS = (
    click.UsageError,
    SettingsError,
    SeedError,
    PromptError,
    ProfileError,
    FileExistsError,
    NotADirectoryError,
)
COMMANDS: list[click.Command] = [
    generate,
    run,
    study,
    ask,
    check,
    status,
    samples,
    show,
    explain,
    compare,
    review,
    export,
    merge,
    mix,
    calibrate,
    evaluate,
    push,
    flow,
    rehearse,
    studio,
    lab,
]


class Root(click.Group):
    """The commands, in the order in which you need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in order."""
        return list(self.commands)


@click.group(
    cls=Root,
    commands=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""
    The commands look for the teacher in this order: the options; the environment (SDGKIT_TEACHER,
    SDGKIT_BASE_URL, SDGKIT_MODEL, SDGKIT_KEY_FILE, SDGKIT_HEADERS); the file sdgkit.toml in the
    working folder (teacher, base_url, model, key_file, headers), which can hold a whole job: the
    options of generate by their names, such as num_contexts. Without any of these they use the
    rehearsal teacher, which needs no model. The key comes from SDGKIT_API_KEY or from a key file.
    There is no option for it, because commands are recorded in many places.

    For help on a command: sdgkit COMMAND --help
    """,
)
@click.version_option(__version__, message="sdgkit %(version)s")
@click.option("--debug", is_flag=True, help="Show the full traceback of an error.")
@click.pass_context
def root(context: click.Context, debug: bool) -> None:
    """Turn a few seed examples into a fine-tuning set that you have seen and trust.

    \b
    sdgkit run                     try everything once, without a model: a rehearsal
    sdgkit generate seeds.jsonl    use your own seeds; with --base-url, your own teacher
    sdgkit --help --json           every command and option as JSON, for programs
    """
    if context.invoked_subcommand is None:
        say(context.get_help())


def main(args: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (default: the process's).

    Returns:
        The exit status: 0 done, 1 failed, 2 bad arguments, 3 finished short, 130
        interrupted and resumable.
    """
    _prepare_streams()
    _interrupt_on_signals()
    words = list(sys.argv[1:] if args is None else args)
    arguments, wants_traceback = _without_debug(words)
    if "--json" in words and HELP.intersection(words):
        print(as_text(interface(root, _called_command(words)), indent=2))
        return DONE
    try:
        if not HELP.intersection(words):
            refuse_unknown_variables()
        status = root.main(arguments, "sdgkit", standalone_mode=False)
        return status or DONE
    except click.Abort:
        with suppress(OSError):  # the terminal may be what went away
            say("Interrupted. Run the same command again to resume.", sys.stderr)
            _print_error_document(words, KeyboardInterrupt("Interrupted."), INTERRUPTED)
        return INTERRUPTED
    except Exception as error:
        if wants_traceback:
            traceback.print_exc()
        called = _called_command(words)
        say(f"{called}: {_error_sentence(error, called)}", sys.stderr)
        is_bad_argument = isinstance(error, BAD_ARGUMENT_ERRORS)
        exit_status = FAILED
        if is_bad_argument:
            exit_status = BAD_ARGUMENTS
        _print_error_document(words, error, exit_status)
        return exit_status


def _print_error_document(words: Sequence[str], error: BaseException, exit_status: int) -> None:
    """Print what failed as the one document that --json promises."""
    if "--" in words:
        end = words.index("--")
    else:
        end = len(words)
    if "--json" in words[:end]:
        command = _called_command(words).removeprefix("sdgkit").strip()
        message = str(error)
        if isinstance(error, Exception):
            message = _error_sentence(error, command).partition("\nSee: ")[0]
        print_error(command or "sdgkit", type(error).__name__, message, exit_status)


def _prepare_streams() -> None:
    """Spell out characters that the output's encoding lacks, and write each line at once."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def _interrupt_on_signals() -> None:
    """Treat SIGTERM and SIGHUP as Ctrl-C.

    A shell's background jobs ignore SIGINT unless it is set again.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def _without_debug(words: list[str]) -> tuple[list[str], bool]:
    """The words without --debug, which may be anywhere before `--`, and whether it was there."""
    if "--" in words:
        end = words.index("--")
    else:
        end = len(words)
    own_words = words[:end]
    others = words[end:]
    remaining = []
    for word in own_words:
        if word != "--debug":
            remaining.append(word)
    return remaining + others, "--debug" in own_words


def _called_command(words: Sequence[str]) -> str:
    for word in words:
        if word in root.commands:
            return f"sdgkit {word}"
    return "sdgkit"


def _error_sentence(error: Exception, called: str) -> str:
    if isinstance(error, click.UsageError):
        return f"{error.format_message()}\nSee: {called} --help"
    if isinstance(error, SdgkitError):
        notes = getattr(error, "__notes__", ())
        return "\n".join([str(error), *notes])
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The output'}: {error.strerror}."
    return (
        f"This should not have happened: {type(error).__name__}: {error}\n"
        "Run the command again with --debug to see where."
    )
