"""The teacher itself, as the rest of sdgkit sees it."""

import asyncio
import contextlib
import os
import re
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sdgkit.errors import RequestRefused
from sdgkit.prompts.structured_output import (
    PROBE,
    PROBE_MESSAGE,
    PROBE_SAMPLING,
    PROBE_TEXT,
    WAYS,
    Way,
)
from sdgkit.teachers import background
from sdgkit.teachers.exchange import Reply, Request
from sdgkit.teachers.patience import Adapter, Patience
from sdgkit.teachers.settings import REHEARSAL

__all__ = ["Reply", "Request", "Teacher"]

# What vLLM's page /metrics tells, in the text format of Prometheus (docs.vllm.ai, "Production Metrics").
_METRIC = re.compile(
    r"^vllm:(?:num_requests_)?(running|waiting|prefix_cache_hits|prefix_cache_queries)(?:_total)?(?:\{.*\})?\s+(\S+)",
    re.MULTILINE,
)


class Teacher(Patience, contextlib.AbstractContextManager["Teacher", None]):
    """A model behind a server, checked and ready: made by `connect`.

    kind, base_url (never with credentials), model: what was connected. is_rehearsal: rules write here, not a
    model. slots: the limit of concurrent requests, shared by all that use this teacher. context_length: how many tokens
    prompt and reply may have together, None where the server does not tell. notes: sentences the user should read, such
    as a client that does not match its server, or what the server refuses to be told and is spared from then on.
    """

    def __init__(
        self, adapter: Adapter, concurrency: int, patience: float, on_close: Callable[[], None]
    ) -> None:
        super().__init__(adapter, concurrency, patience)
        self.base_url, self.model, self.notes = (
            adapter.server.base_url,
            adapter.server.model,
            adapter.server.notes,
        )
        self.context_length = adapter.server.models[self.model]
        self.is_rehearsal = self.model == REHEARSAL
        self.kind = REHEARSAL if self.is_rehearsal else adapter.server.kind
        self._ways: list[
            Way | None
        ] = []  # what was found out about forced form: nothing yet, or one answer
        self._finding_the_way = asyncio.Lock()
        # Also when it is forgotten, and at the end of the process.
        self._finalizer = weakref.finalize(self, _release, os.getpid(), adapter, on_close)

    def __repr__(self) -> str:
        return f"Teacher(kind={self.kind!r}, base_url={self.base_url!r}, model={self.model!r})"

    async def reply(self, request: Request, *, slot_held: bool = False) -> Reply:
        """Ask, with patience; runs on the background loop.

        slot_held: the caller has acquired one of `slots` for this request. It is given back here, whatever happens.

        Raises RequestRefused (this request only), TeacherRefused and TeacherUnreachable (no request will do).
        """
        return await self.see_through(request.body(self.model), slot_held)

    def ask(self, message: str | Sequence[Mapping[str, str]], **sampling: Any) -> Reply:
        """Send one message, or a list of chat messages, and wait for the reply. Raises what `reply` raises."""
        messages = [{"role": "user", "content": message}] if isinstance(message, str) else message
        return background.wait(self.reply(Request(tuple(dict(m) for m in messages), sampling)))

    async def way_to_force(self, like: Request) -> Way | None:
        """How the server can be made to keep to a form, None if it cannot; runs on the background loop.

        Found out once, by asking it for what no model writes by itself. like: a request whose `extra_body` the asking
        is done with. Raises TeacherRefused and TeacherUnreachable.
        """
        async with self._finding_the_way:
            if not self._ways:
                self._ways.append(await self._find_way(like.sampling.get("extra_body") or {}))
        return self._ways[0]

    async def _find_way(self, extra: Mapping[str, Any]) -> Way | None:
        for way in WAYS:
            sampling = {**PROBE_SAMPLING, "extra_body": {**extra, **PROBE.settings(way)}}
            with contextlib.suppress(RequestRefused):
                reply = await self.reply(
                    Request(({"role": "user", "content": PROBE_MESSAGE},), sampling)
                )
                if PROBE.tagged(reply.text).strip() == PROBE_TEXT:
                    return way
        return None

    def load(self) -> dict[str, int] | None:
        """How busy the server is, as vLLM tells it: `running` and `waiting` requests, and since its start
        `prefix_cache_hits` of `prefix_cache_queries` (tokens), each summed over its engines. None where a server does
        not tell.
        """
        found: Counter[str] = Counter()
        with contextlib.suppress(
            Exception
        ):  # a page that few servers have, and nothing depends on it
            for name, value in _METRIC.findall(background.wait(self._adapter.metrics())):
                found[name] += int(float(value))
        return dict(found) if "running" in found else None

    def models(self) -> list[str]:
        """The models that the server offered when it was connected."""
        return list(self._server.models)

    def promise_key(self) -> bool:
        """Say that somebody looks at `wants_key` and will `renew` an expired key: the teacher then waits for it, where
        an error would stop all. False if it waits anyway, for its key file.
        """
        promised = not self._server.credentials.can_be_renewed
        self._server.credentials.can_be_renewed = True
        return promised

    def renew(self, api_key: str) -> None:
        """Send this key from now on; who waits for a fresh one goes on. Raises SettingsError."""
        self._server.credentials.renew(api_key)
        self.wants_key = False  # until this one is refused, too

    @property
    def left_out(self) -> dict[str, str]:
        """Of several servers, those that get no requests until they answer again: base URL and why."""
        return getattr(self._adapter, "left_out", {})

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and end the rehearsal server if it was started for this teacher."""
        self._finalizer()


def _release(pid: int, adapter: Adapter, on_close: Callable[[], None]) -> None:
    if os.getpid() != pid:
        return  # a forked child: these are its parent's
    with contextlib.suppress(Exception):  # the other side may be gone already
        closing = background.submit(adapter.close())
        if not background.is_here():
            closing.result(timeout=1.0)
    on_close()
