"""Several servers of one model as one: each request goes to the least busy of those that answer."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdgkit.teachers import patience
from sdgkit.teachers.diagnosis import PASSING, Cause, Trouble, diagnose
from sdgkit.teachers.exchange import Reply
from sdgkit.teachers.openai_compatible import OpenAICompatible


@dataclass(eq=False)
class _Replica:
    """One server. trouble: why it is left out, "" if it is not; it is asked again at `look_at` (time.monotonic)."""

    adapter: OpenAICompatible
    trouble: str = ""
    busy: int = 0
    failures: int = 0
    asked_at: float = 0.0
    look_at: float = 0.0
    looking: asyncio.Task[None] | None = None


class Replicas:
    """An adapter over several others.

    A server that fails is left out, and its request goes to another at once, at no cost in retries; a timeout, which
    was costly, is left to Patience. While requests come, the absent are asked for one token now and then, and whoever
    answers takes part again. Only when the last server has failed on a request does that one's failure get out: then
    the teacher is away, as one server would be.
    """

    def __init__(self, adapters: Sequence[OpenAICompatible], away: Mapping[OpenAICompatible, Trouble]) -> None:
        """away: those known to be absent, and why."""
        self._replicas = [_Replica(one, str(away.get(one, ""))) for one in adapters]
        known = next(one.server for one in adapters if one not in away)
        self.server = replace(known, base_url=", ".join(one.server.base_url for one in adapters))

    @property
    def left_out(self) -> dict[str, str]:
        """The servers that get no requests now, by their base URLs, and why."""
        return {one.adapter.server.base_url: one.trouble for one in self._replicas if one.trouble}

    async def exchange(self, body: Mapping[str, Any]) -> Reply:
        """One chat completion, from whoever gives it. Raises what the adapters raise."""
        now = time.monotonic()
        for absent in self._replicas:
            if absent.trouble and now >= absent.look_at:
                absent.look_at = now + patience.PROBE_SECONDS  # unless this look ends before
                absent.looking = asyncio.create_task(self._look(absent, body["model"]))
        waiting = [one for one in self._replicas if not one.trouble] or list(self._replicas)
        raised: Exception | None = None
        while waiting:
            one = min(waiting, key=lambda one: (one.busy, one.asked_at))
            waiting.remove(one)
            try:
                return await self._send(one, body)
            except Exception as error:
                if not one.trouble or isinstance(error, TimeoutError):
                    raise
                # Of several, what may pass counts.
                if raised is None or diagnose(error, one.adapter.server).cause in PASSING:
                    raised = error
        assert raised is not None
        raise raised

    async def metrics(self) -> str:
        """The pages /metrics of all that have one, as one. Raises nothing."""
        pages = await asyncio.gather(*(one.adapter.metrics() for one in self._replicas), return_exceptions=True)
        return "\n".join(page for page in pages if isinstance(page, str))

    async def close(self) -> None:
        """Close all connections."""
        for one in self._replicas:
            if one.looking is not None:
                one.looking.cancel()
            await one.adapter.close()

    async def _send(self, one: _Replica, body: Mapping[str, Any]) -> Reply:
        one.busy, one.asked_at = one.busy + 1, time.monotonic()
        try:
            reply = await one.adapter.exchange(body)
        except Exception as error:
            trouble = diagnose(error, one.adapter.server)
            if trouble.cause in (Cause.BAD_REQUEST, Cause.WRONG_KEY):
                one.trouble, one.failures = "", 0  # an answer, too; another server would say the same
            else:
                one.trouble, one.failures = str(trouble), one.failures + 1
                one.look_at = time.monotonic() + patience.pause_after(
                    trouble, one.failures, patience.LONGEST_PROBE_WAIT
                )
            raise
        finally:
            one.busy -= 1
        one.trouble, one.failures = "", 0
        return reply

    async def _look(self, one: _Replica, model: str) -> None:
        """Whether it answers again; `_send` takes note of what comes of it."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(patience.PROBE_SECONDS):
                await self._send(one, patience.probe_of(model))
