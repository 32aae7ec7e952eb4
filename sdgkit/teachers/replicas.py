"""Several servers of one model as one."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sdgkit.teachers.adapters import Adapter, probe_body
from sdgkit.teachers.affinity import preferred_servers
from sdgkit.teachers.diagnosis import Trouble, TroubleCause
from sdgkit.teachers.exchange import Reply

A = TypeVar("A", bound=Adapter)

# Seconds until a server that failed is asked again, and for how long its answer is awaited.
RECHECK_SECONDS = 2.0
PROBE_SECONDS = 60.0

# A response like any other: every server would give the same.
_SAME_EVERYWHERE = (TroubleCause.BAD_REQUEST, TroubleCause.WRONG_KEY)


@dataclass(eq=False)
class _Replica:
    """One of the servers.

    Attributes:
        adapter: The way to it.
        trouble: Why it is left out; empty while it is not.
        in_flight: Requests that it is working on.
        last_asked: When it got its last request (time.monotonic).
        recheck_at: When to ask it again while it is left out (time.monotonic).
        recheck: The task that does so, kept so that it is not garbage-collected.
    """

    adapter: Adapter
    trouble: str = ""
    in_flight: int = 0
    last_asked: float = 0.0
    recheck_at: float = 0.0
    recheck: asyncio.Task[None] | None = None


class Replicas(Adapter):
    """Several servers of one model as one.

    The requests of one seed prefer one server, so that its prefix cache serves the beginning that
    they share (`sdgkit.teachers.affinity`); other requests go to the least busy one.

    A server that fails is left out, and its request goes to another at once, without using up a
    retry; a timeout, which was costly, is left to the retry policy. While requests arrive, the
    servers left out are asked for one token now and then, and are used again as soon as they
    answer. Only when the last server has failed on a request is its failure raised: then the
    teacher is away, as a single server would be.

    Args:
        adapters: The servers.
        absent: Those that do not answer from the start, and why. At least one must answer.
    """

    def __init__(self, adapters: Sequence[A], absent: Mapping[A, Trouble]) -> None:
        self._replicas: list[_Replica] = []
        present = []
        addresses = []
        for adapter in adapters:
            self._replicas.append(_Replica(adapter, str(absent.get(adapter, ""))))
            addresses.append(str(adapter.server.address))
            if adapter not in absent:
                present.append(adapter.server)
        self.server = replace(present[0], base_url=", ".join(addresses), query="")

    @property
    def left_out(self) -> dict[str, str]:
        """The servers that get no requests at the moment: base URL and reason."""
        reasons = {}
        for replica in self._replicas:
            if replica.trouble:
                reasons[replica.adapter.server.base_url] = replica.trouble
        return reasons

    async def exchange(
        self, body: Mapping[str, Any], seconds: float | None = None, seed: str = ""
    ) -> Reply:
        """One chat completion, from whichever server gives it. Raises Trouble."""
        self._recheck_those_left_out(body["model"])
        candidates = [replica for replica in self._replicas if not replica.trouble]
        candidates = candidates or list(self._replicas)
        troubles: list[Trouble] = []
        for replica in _in_order(candidates, seed):
            try:
                return await self._send(replica, body, seconds)
            except Trouble as failure:
                if not replica.trouble or failure.cause is TroubleCause.TIMEOUT:
                    raise
                troubles.append(failure)
        transient = [trouble for trouble in troubles if trouble.cause.is_transient]
        raise (transient or troubles)[0]

    async def metrics(self) -> str:
        """The pages /metrics of all servers that have one, as one text."""
        requests = [replica.adapter.metrics() for replica in self._replicas]
        pages = await asyncio.gather(*requests, return_exceptions=True)
        return "\n".join(page for page in pages if isinstance(page, str))

    async def close(self) -> None:
        """Close all connections."""
        for replica in self._replicas:
            if replica.recheck is not None:
                replica.recheck.cancel()
            await replica.adapter.close()

    async def _send(
        self, replica: _Replica, body: Mapping[str, Any], seconds: float | None
    ) -> Reply:
        """One exchange with this server, recording whether it answers. Raises Trouble."""
        replica.in_flight += 1
        replica.last_asked = time.monotonic()
        try:
            reply = await replica.adapter.exchange(body, seconds)
        except Trouble as trouble:
            if trouble.cause in _SAME_EVERYWHERE:
                replica.trouble = ""
            else:
                replica.trouble = str(trouble)
                pause = trouble.retry_after or RECHECK_SECONDS
                replica.recheck_at = time.monotonic() + pause
            raise
        finally:
            replica.in_flight -= 1
        replica.trouble = ""
        return reply

    def _recheck_those_left_out(self, model: str) -> None:
        """Start to ask again those whose time has come."""
        now = time.monotonic()
        for replica in self._replicas:
            if replica.trouble and now >= replica.recheck_at:
                replica.recheck_at = now + PROBE_SECONDS  # unless the answer comes earlier
                replica.recheck = asyncio.create_task(self._recheck(replica, model))

    async def _recheck(self, replica: _Replica, model: str) -> None:
        """Ask a server that is left out for one token; `_send` records what happens."""
        with contextlib.suppress(Trouble):
            await self._send(replica, probe_body(model), PROBE_SECONDS)


def _in_order(replicas: Sequence[_Replica], seed: str) -> list[_Replica]:
    """The servers in the order in which they are to be asked for a request of a seed."""
    least_busy = sorted(replicas, key=lambda replica: (replica.in_flight, replica.last_asked))
    if not seed:
        return least_busy
    by_name = {replica.adapter.server.base_url: replica for replica in least_busy}
    in_flight = {name: replica.in_flight for name, replica in by_name.items()}
    return [by_name[name] for name in preferred_servers(seed, in_flight)]
