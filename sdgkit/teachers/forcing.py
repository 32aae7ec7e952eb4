"""How a server can be made to keep to a form: found out by asking it for what no model writes by itself."""

from collections.abc import Awaitable, Callable

from sdgkit.errors import RequestRefused
from sdgkit.structure import PROBE, PROBE_MESSAGE, PROBE_TEMPERATURE, PROBE_TEXT, PROBE_TOKENS, WAYS, Way
from sdgkit.teachers.exchange import Reply, Request


async def find_way(ask: Callable[[Request], Awaitable[Reply]], like: Request) -> Way | None:
    """The first way that works, None if none does. ask: sends a request, with patience. like: a request whose extra
    settings the probes are sent with.

    Raises TeacherRefused and TeacherUnreachable.
    """
    extra = like.sampling.get("extra_body") or {}
    for way in WAYS:
        extra_body = {**extra, **PROBE.settings(way)}
        sampling = {"temperature": PROBE_TEMPERATURE, "max_tokens": PROBE_TOKENS, "extra_body": extra_body}
        try:
            reply = await ask(Request(({"role": "user", "content": PROBE_MESSAGE},), sampling))
        except RequestRefused:
            continue
        if PROBE.tagged(reply.text).strip() == PROBE_TEXT:
            return way
    return None
