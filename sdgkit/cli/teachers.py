"""Commands about a teacher, a judge or a tuned model on its own."""

from typing import TYPE_CHECKING, Any

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.documents import (
    ask_document,
)
from sdgkit.cli.option_groups import rehearsal_options
from sdgkit.cli.options import (
    TeacherOptions,
    reports,
    teacher_options,
)
from sdgkit.cli.output import output, print_document
from sdgkit.cli.terminal import command_line, say, waiting
from sdgkit.cli.value_types import COUNT
from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.formatting import format_percent, pluralize, visible

if TYPE_CHECKING:
    from sdgkit.teachers import Reply, Teacher
    from sdgkit.teachers.teacher import ServerLoad

# Shorter than for a run: you sit there and wait.
ASK_TIMEOUT_S = 120.0
ASK_PATIENCE_S = 15.0
ASK_TOKENS = 512
SERVER_SETTINGS = (
    "port",
    "mean_latency_ms",
    "sigma",
    "slots",
    "error_rate",
    "rate_limit",
    "retry_after",
    "drop_rate",
    "hang_rate",
    "malformed_rate",
    "truncate_rate",
    "context_length",
)


@command()
@reports
@argument(
    "words", metavar="MESSAGE", nargs=-1, required=True, help='what to ask, such as "Who are you?"'
)
@teacher_options
@option(
    "--max-tokens",
    metavar="N",
    type=COUNT,
    default=ASK_TOKENS,
    help=f"the longest reply, in tokens (default {ASK_TOKENS})",
)
def ask(words: tuple[str, ...], teacher: TeacherOptions, max_tokens: int) -> None:
    """Send one message to the teacher: does it answer, which model, how fast?

    The reply is shown while it is being written. Without an address, `ask` looks at the usual ports
    of this machine (vLLM 8000, Llama Stack 8321, Ollama 11434, LM Studio 1234, llama.cpp 8080) and
    lists the servers that answer; if there is only one, it gets the message.

    Examples:
      sdgkit ask "Which languages do you speak?" --base-url http://localhost:8000/v1
      sdgkit ask "Who are you?"                    a server on this machine
    """
    from sdgkit.teachers import connect
    from sdgkit.teachers.settings import is_teacher_set

    arguments = teacher.typed()
    if not arguments and not is_teacher_set():
        arguments = _found_on_this_machine()
    address = arguments.get("base_url", "the teacher")
    with waiting(lambda: f"Still waiting for {address} to list its models (Ctrl-C stops)."):
        connected = connect(
            **arguments, concurrency=1, timeout=ASK_TIMEOUT_S, patience=ASK_PATIENCE_S
        )
    with connected:
        rules = ""
        if connected.is_rehearsal:
            rules = " (rules, not a model)"
        say(f"{connected.model}{rules} at {connected.base_url}")
        notes_shown = len(connected.notes)
        for note in connected.notes:
            say(note)
        say()
        reply = _ask_and_show(connected, " ".join(words), max_tokens)
        for note in connected.notes[notes_shown:]:
            say(note)
        say(_speed(reply))
        load = connected.load()
        if load is not None:
            say(_load(load))
        document = ask_document(connected, reply)
    print_document("ask", document)


def _found_on_this_machine() -> dict[str, Any]:
    """The arguments of `connect` for the only teacher on this machine; none for a rehearsal.

    Raises:
        SettingsError: Several answer.
    """
    from sdgkit.teachers import local_servers

    ports = ", ".join(f"{name} {port}" for port, name in local_servers.USUAL_PORTS.items())
    servers = local_servers.find_servers()
    if not servers:
        say(f"No teacher answers on the usual ports of this machine ({ports}).")
        return {}
    say("On this machine:")
    for server in servers:
        say(f"  {server}")
    if len(servers) > 1:
        addresses = ", ".join(server.base_url for server in servers)
        raise SettingsError(
            f"Several teachers answer on this machine. Choose one with --base-url: {addresses}.",
            setting="base_url",
            choices=[server.base_url for server in servers],
        )
    [server] = servers
    return {"kind": server.kind, "base_url": server.base_url}


def _ask_and_show(connected: "Teacher", message: str, max_tokens: int) -> "Reply":
    """Send a message, and show the reply while it is written."""
    shown: list[str] = []

    def show(piece: str) -> None:
        shown.append(piece)
        if not output().as_json:
            print(visible(piece), end="", flush=True)

    def patience() -> str:
        if shown:
            return ""
        reason = ""
        if connected.away_reason:
            reason = f": {connected.away_reason}"
        return (
            f"Still waiting for {connected.model} to begin its reply, for {ASK_TIMEOUT_S:.0f} s at "
            f"most (Ctrl-C stops){reason}."
        )

    with waiting(patience):
        reply = connected.ask(message, show=show, max_tokens=max_tokens)
    if not reply.text.strip():
        say(_empty(reply), end="")
    say("\n")
    return reply


def _empty(reply: "Reply") -> str:
    """What the server did with the text of an empty reply."""
    if reply.reasoning.strip():
        return (
            f"(The reply is empty; the server put {len(reply.reasoning):,} characters into "
            "reasoning_content. If the answer is in there, start the server without its reasoning "
            "parser, or with the one that fits the model. If the model only thought, it may need "
            "more --max-tokens.)"
        )
    return (
        f"(The reply is empty: finish_reason {reply.finish_reason!r}. A model that reasons first "
        "may need more --max-tokens.)"
    )


def _speed(reply: "Reply") -> str:
    """How long a reply took, and how long it is."""
    parts = [pluralize(reply.completion_tokens, "token")]
    if reply.completion_tokens:
        parts.append(f"{reply.completion_tokens / reply.seconds:,.0f} tokens/s")
    written = ", ".join(parts)
    cut_off = _ending(reply)
    return (
        f"answered in {reply.seconds:.2f} s: {written}; {reply.prompt_tokens:,} in the "
        f"prompt{cut_off}"
    )


def _ending(reply: "Reply") -> str:
    from sdgkit.teachers.endings import Ending

    if reply.ending in (Ending.NATURAL, Ending.UNSAID):
        return ""
    if reply.ending is Ending.TRUNCATED:
        return "; cut off at the token limit (--max-tokens)"
    return f"; it ended with finish_reason {reply.finish_reason!r}"


def _load(load: "ServerLoad") -> str:
    """How busy the server is, if it reports that."""
    cached = "none"
    if load.prefix_cache_queries:
        cached = format_percent(load.prefix_cache_hits / load.prefix_cache_queries)
    running = pluralize(load.running, "request")
    return (
        f"the server is running {running}, with {load.waiting} waiting; "
        f"{cached} of the prompt tokens came from its prefix cache"
    )


@command()
@rehearsal_options("settings", "Options", SERVER_SETTINGS)
def rehearse(settings: dict[str, Any]) -> None:
    """Serve the rehearsal teacher on this machine, as slow and faulty as you like.

    It is an OpenAI-compatible server that answers by rules. Use it to see a whole run, with its
    speed, faults and files, before you pay for one. Ctrl-C stops it.

    Example:
      sdgkit rehearse --mean-latency-ms 800 --slots 32 --rate-limit 0.05
    """
    from sdgkit.rehearsal import start

    with start(**settings) as process:
        say(f"The rehearsal teacher answers at {process.base_url} (Ctrl-C stops it). To use it:")
        say(f"  {command_line('generate', 'SEEDS', '--base-url', process.base_url)}")
        process.wait()
    raise TeacherUnreachable("The rehearsal teacher stopped unexpectedly.")
