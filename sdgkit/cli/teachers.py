"""`sdgkit ask` and `sdgkit rehearse`: a teacher by itself."""

from collections.abc import Callable
from dataclasses import Field, fields, make_dataclass
from typing import Annotated, Any

import typer

from sdgkit.cli.options import Options, Place, command_line, option, takes
from sdgkit.cli.terminal import complain, counted, say
from sdgkit.errors import SettingsError
from sdgkit.teachers.rehearsal import options as rehearsal

PATIENCE_S = 15.0  # somebody sits there and waits


def _as_option(field: "Field[Any]") -> tuple[str, Any, None]:
    """The rehearsal teacher's own option as one of this command."""
    words = field.metadata["help"]
    if field.default and "default" not in words:
        words += f" (default {field.default:g})"
    kind = int if field.type is int else float
    return field.name, Annotated[kind | None, option("Options", words, field.metadata["metavar"])], None


Server: Any = make_dataclass(
    "Server",
    [_as_option(field) for field in fields(rehearsal.Options)],
    bases=(Options,),
    frozen=True,
)


@takes(place=Place)
def ask(
    words: Annotated[list[str] | None, typer.Argument(metavar="MESSAGE", show_default=False)] = None,
    max_tokens: Annotated[int | None, option("The reply", "its longest length", "N", min=1)] = None,
    temperature: Annotated[float | None, option("The reply", "0 for the likeliest words", "T", min=0)] = None,
    timeout: Annotated[
        float, option("The reply", "how long to wait for it (default 120)", "SECONDS", min=0.001)
    ] = 120.0,
    *,
    place: Place,
) -> Callable[[], int]:
    """Send one message to the teacher: is it there, which model, how fast, and what does it say?

    Example:
      sdgkit ask "Which languages do you speak?" --base-url http://localhost:8000/v1
    """
    message = " ".join(words or [])
    if not message.strip():
        raise SettingsError('Say what to ask: sdgkit ask "Who are you?"')
    sampling = {"max_tokens": max_tokens, "temperature": temperature}
    given = {name: value for name, value in sampling.items() if value is not None}
    return lambda: _ask(message, place, timeout, given)


def _ask(message: str, place: Place, timeout: float, sampling: dict[str, float]) -> int:
    from sdgkit.teachers import connect

    teacher = connect(**place.as_told(), concurrency=1, timeout=timeout, patience=PATIENCE_S)
    try:
        where = "the rehearsal teacher (rules, not a model)" if teacher.is_rehearsal else teacher.model
        say(f"{where} at {teacher.base_url}")
        for note in teacher.notes:
            say(note)
        reply = teacher.ask(message, **sampling)
        load = teacher.load()
    finally:
        teacher.close()
    speed = (
        f", {reply.completion_tokens / reply.seconds:,.0f} tokens/s"
        if reply.completion_tokens and reply.seconds
        else ""
    )
    cut_off = "; cut off at the longest length" if reply.finish_reason == "length" else ""
    say(
        f"answered in {reply.seconds:.2f} s: {counted(reply.completion_tokens, 'token')}{speed}; "
        f"{reply.prompt_tokens:,} in the prompt{cut_off}"
    )
    if load is not None:
        hits, queries = load.get("prefix_cache_hits", 0), load.get("prefix_cache_queries", 0)
        cached = f"; {100 * hits / queries:.0f} % of the prompts' tokens came from its prefix cache" if queries else ""
        say(f"the server runs {counted(load['running'], 'request')} just now, {load.get('waiting', 0)} wait{cached}")
    say()
    say(reply.text if reply.text.strip() else "(The reply is empty.)")
    return 0


@takes(server=Server)
def rehearse(*, server: Options) -> Callable[[], int]:
    """Serve the rehearsal teacher on this machine until Ctrl-C: an OpenAI-compatible server with rules for a model.

    With it you see a whole run, its speed, its faults and its files, before you pay for one.

    Example:
      sdgkit rehearse --mean-latency-ms 800 --slots 32 --rate-limit 0.05
    """
    return lambda: _serve(server)


def _serve(server: Options) -> int:
    from sdgkit.teachers.rehearsal import start

    with start(**server.given()) as process:
        url = process.base_url
        say(f"The rehearsal teacher answers at {url} (Ctrl-C ends it). To use it:")
        say(f"  {command_line('generate', 'SEEDS', '--base-url', url)}")
        say(f'  sdgkit.connect(base_url="{url}")')
        status = process.wait()
    complain(f"The rehearsal teacher ended by itself, with status {status}.")
    return 1
