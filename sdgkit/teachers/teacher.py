"""What is sent to a teacher, what comes back, and the teacher itself as the rest of sdgkit sees it."""

import asyncio
import hashlib
import json
import os
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sdgkit.structure import Way
from sdgkit.teachers import background
from sdgkit.teachers.diagnosis import Address, diagnose, explain
from sdgkit.teachers.forcing import Forcing
from sdgkit.teachers.load import read_metrics
from sdgkit.teachers.patience import Patience
from sdgkit.teachers.sparing import Sparing

_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request: what it asks and nothing else, so no address, no row and no position.

    messages: `{"role", "content"}` dictionaries. sampling: the fields sent besides model, messages and seed
    (`temperature`, `top_p`, `max_tokens`, ...); the
        dictionary `extra_body`, if any, is merged into the body. JSON values only.
    ordinal: which of the n this is for its row, from 1.
    attempt: from 1; a malformed reply is asked again as the next attempt, and so with another sampling seed.
    """

    messages: tuple[dict[str, str], ...]
    sampling: Mapping[str, Any]
    ordinal: int = 1
    attempt: int = 1
    _keys: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def key(self, model: str) -> str:
        """The name of this request in a journal: SHA-256 (hex) over model, messages, sampling, ordinal,
        attempt.
        """
        known = self._keys.get(model)
        if known is None:
            text = _canonical([model, self.messages, self.sampling, self.ordinal, self.attempt])
            # Broken text (lone surrogates) has a key too, instead of an exception.
            known = self._keys[model] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return known

    def sampling_seed(self, model: str) -> int:
        """The number sent to the server as `seed`: 31 bits, derived from the key."""
        return int(self.key(model)[:8], 16) & 0x7FFFFFFF

    def body(self, model: str) -> dict[str, Any]:
        """The body of POST /v1/chat/completions (OpenAI API reference)."""
        fixed = {"model": model, "messages": list(self.messages), "seed": self.sampling_seed(model)}
        extra = self.sampling.get("extra_body") or {}
        return fixed | {name: value for name, value in self.sampling.items() if name != "extra_body"} | extra


@dataclass(frozen=True, slots=True)
class Reply:
    """What the teacher wrote. `text` and `reasoning` are valid Unicode.

    finish_reason: the server's word; "stop", or "length" where `max_tokens` cut the reply off. seconds: how
    long the successful exchange took. retries: how many failed before it.
    """

    text: str
    finish_reason: str = "stop"
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    retries: int = 0


class Adapter(Protocol):
    """One way of talking to a server. It runs on the background loop, and may raise whatever its client
    raises.
    """

    address: Address

    async def exchange(self, body: Mapping[str, Any]) -> Reply: ...

    async def models(self) -> list[str]: ...

    async def metrics(self) -> str: ...

    async def close(self) -> None: ...


class Slots:
    """How many requests may be with the teacher at once: a fair semaphore, first come first served.

    Lives on the background loop. While it is paused nobody gets a slot; slots in use are given back as usual.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.in_use = 0
        self._paused = False
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return len(self._queue)

    async def acquire(self) -> None:
        """Wait for a slot. Safe to cancel; raises what `turn_away` is given."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._hand_on()
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._queue:
                self._queue.remove(turn)
            elif not turn.cancelled() and turn.exception() is None:
                self.release()  # it was handed over at the very moment of the cancellation
            raise

    def release(self) -> None:
        """Give a slot back; the longest waiting gets it."""
        self.in_use -= 1
        self._hand_on()

    def resize(self, total: int) -> None:
        """Change the number of slots, from any thread. Requests beyond a smaller number are finished, not
        stopped.
        """
        self.total = total
        background.loop().call_soon_threadsafe(self._hand_on)

    def pause(self) -> None:
        """Hand out nothing until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Hand out slots again."""
        self._paused = False
        self._hand_on()

    def turn_away(self, error: Exception) -> None:
        """Everyone in the queue gets this error instead of a slot."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_exception(error)

    def _hand_on(self) -> None:
        while self._queue and not self._paused and self.in_use < self.total:
            turn = self._queue.popleft()
            if not turn.done():
                self.in_use += 1
                turn.set_result(None)


class Teacher:
    """A model behind a server, checked and ready: made by `connect`.

    kind, base_url (never with credentials), model: what was connected. is_rehearsal: rules write here, not a
    model. slots: the limit of concurrent requests, shared by all that use this teacher. notes: sentences the
    user should read, such as a client that does not match its server, or what the server refuses to be told
    and is spared from then on (`sparing`).
    """

    def __init__(
        self,
        adapter: Adapter,
        model: str,
        *,
        concurrency: int = 16,
        patience: float = 1800.0,
        is_rehearsal: bool = False,
        notes: Sequence[str] = (),
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._adapter = adapter
        self._address = replace(adapter.address, model=model)
        self.kind = "rehearsal" if is_rehearsal else self._address.kind
        self.base_url = self._address.base_url
        self.model = model
        self.is_rehearsal = is_rehearsal
        self.notes = list(notes)
        self._limit = patience
        self.slots = Slots(concurrency)
        self._sparing = Sparing(adapter.exchange, self.notes)
        self._patience = Patience(self._sparing.exchange, self.slots, self._address, limit=patience)
        self._forcing = Forcing(self.reply)
        # Also when it is forgotten, and at the end of the process.
        self._finalizer = weakref.finalize(self, _release, os.getpid(), adapter, on_close)
        if hasattr(os, "register_at_fork"):
            this = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _begin_anew(this()))

    def __repr__(self) -> str:
        return f"Teacher(kind={self.kind!r}, base_url={self.base_url!r}, model={self.model!r})"

    async def reply(self, request: Request, *, slot_held: bool = False) -> Reply:
        """Ask, with patience; runs on the background loop.

        slot_held: the caller has acquired one of `slots` for this request. It is given back here, whatever
        happens.

        Raises RequestRefused (this request only), TeacherRefused and TeacherUnreachable (no request will do).
        """
        return await self._patience.ask(request.body(self.model), slot_held=slot_held)

    def ask(self, message: str | Sequence[Mapping[str, str]], **sampling: Any) -> Reply:
        """Send one message, or a list of chat messages, and wait for the reply. Raises what `reply`
        raises.
        """
        messages = [{"role": "user", "content": message}] if isinstance(message, str) else message
        return background.wait(self.reply(Request(tuple(dict(m) for m in messages), sampling)))

    async def way_to_force(self, like: Request) -> Way | None:
        """How the server can be made to keep to a form, None if it cannot; runs on the background loop.

        Found out by asking it, once. like: a request whose `extra_body` the asking is done with. Raises
        TeacherRefused and TeacherUnreachable.
        """
        return await self._forcing.way(like)

    def load(self) -> dict[str, int] | None:
        """How busy the server is, as vLLM tells it: `running` and `waiting` requests, and since its start
        `prefix_cache_hits` of `prefix_cache_queries` (tokens). None where a server does not tell.
        """
        try:
            return read_metrics(background.wait(self._adapter.metrics()))
        except Exception:
            return None  # a page that few servers have, and nothing depends on it

    def context_length(self) -> int | None:
        """How many tokens prompt and reply may have together, as vLLM lists it (`max_model_len`); None where a server
        does not tell.
        """
        try:
            rows = background.wait(self._adapter.rows())  # type: ignore[attr-defined]
            return next(int(row["max_model_len"]) for row in rows if row.get("id") == self.model)
        except Exception:
            return None  # few servers have it, and nothing depends on it

    def models(self) -> list[str]:
        """The models that the server offers now. Raises TeacherError."""
        try:
            return background.wait(self._adapter.models())
        except Exception as error:
            raise explain(diagnose(error, self._address), self._address) from error

    def renew(self, api_key: str) -> None:
        """Send this key from now on; a run that waits for a fresh one goes on. Raises SettingsError."""
        self._address.credentials.renew(api_key)

    def await_renewal(self) -> None:
        """Say that somebody will call `renew`: an expired key then makes the teacher away, and no error."""
        self._address.credentials.can_be_renewed = True

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
    def away_since(self) -> float | None:
        """When the failures began (time.monotonic seconds); None while it is present."""
        return self._patience.away_since

    @property
    def retries(self) -> int:
        """How many exchanges failed and were tried again so far."""
        return self._patience.retries

    def close(self) -> None:
        """Close the connections, and end the rehearsal server if it was started for this teacher."""
        self._finalizer()


def _release(pid: int, adapter: Adapter, on_close: Callable[[], None] | None) -> None:
    if os.getpid() != pid:
        return  # a forked child: these are its parent's
    closing = background.submit(adapter.close())
    if not background.is_here():
        try:
            closing.result(timeout=1.0)
        except Exception:
            closing.cancel()  # the other side is gone already
    if on_close is not None:
        on_close()


def _begin_anew(teacher: Teacher | None) -> None:
    """In a forked child: whoever holds or awaits a slot is in the parent."""
    if teacher is not None:
        teacher.slots = Slots(teacher.slots.total)
        exchange = teacher._sparing.exchange
        teacher._patience = Patience(exchange, teacher.slots, teacher._address, limit=teacher._limit)
        teacher._forcing = Forcing(teacher.reply)
