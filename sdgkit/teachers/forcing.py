"""How a server can be made to keep to a form: found out once, by asking it for what no model writes by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdgkit.errors import RequestRefused
from sdgkit.structure import PROBE_MESSAGE, PROBE_TEMPERATURE, PROBE_TOKENS, PROBES, WAYS, Way

if TYPE_CHECKING:
    from sdgkit.teachers.teacher import Reply, Request


class Forcing:
    """Lives on the background loop. ask: sends a request, with patience."""

    def __init__(self, ask: Callable[["Request"], Awaitable["Reply"]]) -> None:
        self._ask = ask
        self._lock = asyncio.Lock()
        self._known = False
        self._way: Way | None = None

    async def way(self, like: "Request") -> Way | None:
        """The first way that works, None if none does. like: a request whose extra settings the probe is sent with.

        Raises TeacherRefused and TeacherUnreachable.
        """
        async with self._lock:
            if not self._known:
                self._way = await self._find(like.sampling.get("extra_body") or {})
                self._known = True
        return self._way

    async def _find(self, extra: Mapping[str, Any]) -> Way | None:
        from sdgkit.teachers.teacher import Request

        for way in WAYS:
            settings, is_forced = PROBES[way]
            sampling = {
                "temperature": PROBE_TEMPERATURE,
                "max_tokens": PROBE_TOKENS,
                "extra_body": {**extra, **settings},
            }
            try:
                reply = await self._ask(Request(({"role": "user", "content": PROBE_MESSAGE},), sampling))
            except RequestRefused:
                continue
            if is_forced(reply.text):
                return way
        return None
