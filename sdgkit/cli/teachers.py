"""`sdgkit ask` and `sdgkit rehearse`: a teacher by itself."""

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from sdgkit.cli.options import Options, Place, command_line, option, rehearsal, rehearsing, takes
from sdgkit.cli.terminal import complain, counted, say

if TYPE_CHECKING:
    from sdgkit.teachers import Teacher

TIMEOUT_S, PATIENCE_S = 120.0, 15.0  # somebody sits there and waits
Server = rehearsing(None, [entry.name for entry in fields(rehearsal.Options)])


@takes(place=Place)
def ask(
    words: Annotated[list[str], typer.Argument(metavar="MESSAGE", help='what to ask, such as "Who are you?"')],
    max_tokens: Annotated[int | None, option("the reply's longest length", "N", min=1)] = None,
    *,
    place: Place,
) -> int:
    """Send one message to the teacher: is it there, which model, how fast?

    Example:
      sdgkit ask "Which languages do you speak?" --base-url http://localhost:8000/v1
    """
    from sdgkit.teachers import connect

    with connect(**place.told(), concurrency=1, timeout=TIMEOUT_S, patience=PATIENCE_S) as teacher:
        where = "the rehearsal teacher (rules, not a model)" if teacher.is_rehearsal else teacher.model
        say(f"{where} at {teacher.base_url}")
        for note in teacher.notes:
            say(note)
        reply = teacher.ask(" ".join(words), **({"max_tokens": max_tokens} if max_tokens else {}))
        cut_off = "; cut off at the longest length" if reply.finish_reason == "length" else ""
        speed = f", {reply.completion_tokens / reply.seconds:,.0f} tokens/s" if reply.completion_tokens else ""
        say(
            f"answered in {reply.seconds:.2f} s: {counted(reply.completion_tokens, 'token')}{speed}; "
            f"{reply.prompt_tokens:,} in the prompt{cut_off}"
        )
        _tell_load(teacher)
    empty = "(Nothing but its reasoning came. Raise --max-tokens.)" if reply.reasoning else "(The reply is empty.)"
    say(f"\n{reply.text if reply.text.strip() else empty}")
    return 0


def _tell_load(teacher: "Teacher") -> None:
    """How busy the server is, where it offers that."""
    load = teacher.load()
    if load is None:
        return
    hits, queries = load.get("prefix_cache_hits", 0), load.get("prefix_cache_queries", 0)
    cached = f"; {100 * hits / queries:.0f} % of the prompts' tokens came from its prefix cache" if queries else ""
    say(f"the server runs {counted(load['running'], 'request')} just now, {load.get('waiting', 0)} wait{cached}")


@takes(server=Server)
def rehearse(*, server: Options) -> int:
    """Serve the rehearsal teacher on this machine, as slow and faulty as you like.

    It is an OpenAI-compatible server with rules for a model; Ctrl-C ends it. With it you see a whole run, its speed,
    its faults and its files, before you pay for one.

    Example:
      sdgkit rehearse --mean-latency-ms 800 --slots 32 --rate-limit 0.05
    """
    from sdgkit.teachers.rehearsal import start

    with start(**server.given()) as process:
        url = process.base_url
        say(f"The rehearsal teacher answers at {url} (Ctrl-C ends it). To use it:")
        say(f"  {command_line('generate', 'SEEDS', '--base-url', url)}")
        say(f'  sdgkit.connect(base_url="{url}")')
        status = process.wait()
    complain(f"The rehearsal teacher ended by itself, with status {status}.")
    return 1
