"""The teacher itself, as the rest of sdgkit sees it."""

import asyncio
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sdgkit.structure import Way
from sdgkit.teachers import background
from sdgkit.teachers.diagnosis import diagnose, explain
from sdgkit.teachers.exchange import Adapter, Reply, Request
from sdgkit.teachers.forcing import find_way
from sdgkit.teachers.load import read_metrics
from sdgkit.teachers.patience import Patience
from sdgkit.teachers.settings import REHEARSAL
from sdgkit.teachers.slots import Slots
from sdgkit.teachers.sparing import Sparing

__all__ = ["Reply", "Request", "Teacher"]


class Teacher:
    """A model behind a server, checked and ready: made by `connect`.

    kind, base_url (never with credentials), model: what was connected. is_rehearsal: rules write here, not a
    model. slots: the limit of concurrent requests, shared by all that use this teacher. context_length: how many tokens
    prompt and reply may have together, None where the server does not tell. notes: sentences the user should read, such
    as a client that does not match its server, or what the server refuses to be told and is spared from then on
    (`sparing`).
    """

    def __init__(
        self,
        adapter: Adapter,
        model: str,
        *,
        concurrency: int = 16,
        patience: float = 1800.0,
        context_length: int | None = None,
        notes: Sequence[str] = (),
        on_close: Callable[[], None],
    ) -> None:
        self._adapter = adapter
        self._address = replace(adapter.address, model=model)
        self.is_rehearsal = model == REHEARSAL
        self.kind = REHEARSAL if self.is_rehearsal else self._address.kind
        self.base_url = self._address.base_url
        self.model = model
        self.context_length = context_length
        self.notes = list(notes)
        self.slots = Slots(concurrency)
        exchange = Sparing(adapter.exchange, self.notes).exchange
        self._patience = Patience(exchange, self.slots, self._address, limit=patience)
        self._way: Way | None = None
        self._way_is_known = False
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
        return await self._patience.ask(request.body(self.model), slot_held=slot_held)

    def ask(self, message: str | Sequence[Mapping[str, str]], **sampling: Any) -> Reply:
        """Send one message, or a list of chat messages, and wait for the reply. Raises what `reply` raises."""
        messages = [{"role": "user", "content": message}] if isinstance(message, str) else message
        return background.wait(self.reply(Request(tuple(dict(m) for m in messages), sampling)))

    async def way_to_force(self, like: Request) -> Way | None:
        """How the server can be made to keep to a form, None if it cannot; runs on the background loop.

        Found out by asking it, once. like: a request whose `extra_body` the asking is done with. Raises
        TeacherRefused and TeacherUnreachable.
        """
        async with self._finding_the_way:
            if not self._way_is_known:
                self._way = await find_way(self.reply, like)
                self._way_is_known = True
        return self._way

    def load(self) -> dict[str, int] | None:
        """How busy the server is, as vLLM tells it: `running` and `waiting` requests, and since its start
        `prefix_cache_hits` of `prefix_cache_queries` (tokens). None where a server does not tell.
        """
        try:
            return read_metrics(background.wait(self._adapter.metrics()))
        except Exception:
            return None  # a page that few servers have, and nothing depends on it

    def models(self) -> list[str]:
        """The models that the server offers now. Raises TeacherError."""
        try:
            return background.wait(self._adapter.models())
        except Exception as error:
            raise explain(diagnose(error, self._address), self._address) from error

    def promise_key(self) -> bool:
        """Say that somebody looks at `wants_key` and will `renew` an expired key: the teacher then waits for it, where
        an error would stop all. False if it waits anyway, for its key file.
        """
        promised = not self._address.credentials.can_be_renewed
        self._address.credentials.can_be_renewed = True
        return promised

    def renew(self, api_key: str) -> None:
        """Send this key from now on; who waits for a fresh one goes on. Raises SettingsError."""
        self._address.credentials.renew(api_key)
        self._patience.wants_key = False  # until this one is refused, too

    @property
    def wants_key(self) -> bool:
        """Whether it is away because its key has expired."""
        return self._patience.wants_key

    @property
    def left_out(self) -> dict[str, str]:
        """Of several servers, those that get no requests until they answer again: base URL and why."""
        return getattr(self._adapter, "left_out", {})

    @property
    def state(self) -> str:
        """ "present", or "away" while nobody is answered and everyone waits."""
        return self._patience.state

    @property
    def away_reason(self) -> str:
        """Why the teacher counts as away, in a few words; empty while it is present."""
        return self._patience.away_reason

    @property
    def retries(self) -> int:
        """How many exchanges failed and were tried again so far."""
        return self._patience.retries

    def __enter__(self) -> "Teacher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and end the rehearsal server if it was started for this teacher."""
        self._finalizer()


def _release(pid: int, adapter: Adapter, on_close: Callable[[], None]) -> None:
    if os.getpid() != pid:
        return  # a forked child: these are its parent's
    closing = background.submit(adapter.close())
    if not background.is_here():
        try:
            closing.result(timeout=1.0)
        except Exception:
            closing.cancel()  # the other side is gone already
    on_close()
