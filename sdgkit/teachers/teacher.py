"""The teacher, as the rest of sdgkit sees it."""

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from sdgkit.errors import RequestRefused
from sdgkit.keywords import known_keywords_throughout
from sdgkit.prompts.sampling import SamplingSettings, check_sampling
from sdgkit.prompts.structured_output import (
    PROBE,
    PROBE_MESSAGE,
    PROBE_SAMPLING,
    PROBE_TEXT,
    WAYS,
    Way,
)
from sdgkit.teachers import background
from sdgkit.teachers.adapters import Adapter
from sdgkit.teachers.auto_slots import AutoSlots
from sdgkit.teachers.concurrency import Concurrency
from sdgkit.teachers.exchange import NOWHERE, Origin, Reply, Request
from sdgkit.teachers.introduction import Introduction
from sdgkit.teachers.load import ServerLoad, read_load
from sdgkit.teachers.retry_policy import RetryPolicy, State
from sdgkit.teachers.settings import REHEARSAL
from sdgkit.teachers.slots import Slots
from sdgkit.teachers.streams import Show

__all__ = ["Origin", "OtherProcesses", "Reply", "Request", "ServerLoad", "Teacher"]


@dataclass
class OtherProcesses:
    """What other processes report that ask the same teacher for the same run.

    Attributes:
        retries: How many exchanges have failed there and were tried again.
        away_reason: Why the teacher is away for all of them; empty while it is present.
    """

    retries: int = 0
    away_reason: str = ""


@known_keywords_throughout
class Teacher:
    """A model behind a server, checked and ready. Get one from `connect`.

    It is also a context manager that closes itself.

    Attributes:
        kind: "vllm", "openai", "llama-stack" or "rehearsal".
        base_url: Its address; never with credentials. Several servers are separated by commas.
        model: The model that is asked.
        is_rehearsal: Whether rules, not a model, write the replies.
        context_length: How many tokens prompt and reply may have together; None where the server
            does not say.
        notes: Sentences for the user, such as a parameter that the server refuses. The list grows.
        slots: The limit on concurrent requests, shared by everything that uses this teacher.
        introduction: What another process needs to connect to it; None where that is not known.
        elsewhere: What other processes report of it.
    """

    def __init__(
        self,
        adapter: Adapter,
        concurrency: Concurrency,
        patience: float,
        on_close: Callable[[], None],
        introduction: Introduction | None = None,
    ) -> None:
        server = adapter.server
        self.introduction = introduction
        self.elsewhere = OtherProcesses()
        self.base_url = str(server.address)
        self.model = server.model
        self.is_rehearsal = server.model == REHEARSAL
        self.kind = REHEARSAL if self.is_rehearsal else server.kind
        self.context_length = server.models.get(server.model)
        self.notes = server.notes
        self._server = server
        self._adapter = adapter
        self.slots = _slots(concurrency, adapter)
        self._retry_policy = RetryPolicy(adapter, self.slots, patience)
        self._structured_output_way: Way | None = None
        self._has_tried_structured_output = False
        self._trying_structured_output = asyncio.Lock()
        # Also runs when the teacher is garbage-collected, and at the end of the process.
        self._finalizer = weakref.finalize(
            self, _release, os.getpid(), adapter, self.slots, on_close
        )

    def __repr__(self) -> str:
        return f"Teacher(kind={self.kind!r}, base_url={self.base_url!r}, model={self.model!r})"

    def __enter__(self) -> "Teacher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and end the rehearsal teacher if it was started for this one."""
        self._finalizer()

    # Asking -----------------------------------------------------------------------------------

    def ask(
        self,
        message: str | Sequence[Mapping[str, str]],
        *,
        show: Show | None = None,
        **sampling: Unpack[SamplingSettings],
    ) -> Reply:
        """Send a message and wait for the reply.

        Args:
            message: One message, or a chat as a list of dictionaries with `role` and `content`.
            show: Called with each piece of the reply while it is written, in another thread.
            **sampling: Sampling settings, such as `temperature` and `max_tokens`; further fields of
                the request in `extra_body`.

        Raises:
            SettingsError: A setting does not exist, or is out of its range.
            RequestRefused: This request cannot be answered.
            TeacherRefused: No request will be.
            TeacherUnreachable: The teacher has been away for longer than the patience.
        """
        check_sampling(sampling, "ask")
        messages = [{"role": "user", "content": message}] if isinstance(message, str) else message
        chat = tuple(dict(entry) for entry in messages)
        return background.wait(self.reply(Request(chat, sampling), show=show))

    async def reply(
        self,
        request: Request,
        *,
        slot_held: bool = False,
        show: Show | None = None,
        origin: Origin = NOWHERE,
    ) -> Reply:
        """Send a request until it has its reply; runs on the background loop.

        Args:
            request: What to send.
            slot_held: The caller has acquired one of `slots` for it. It is released here in any
                case.
            show: Called with each piece of the reply while it is written.
            origin: Who sends it.

        Raises:
            RequestRefused: This request cannot be answered.
            TeacherRefused: No request will be.
            TeacherUnreachable: The teacher has been away for longer than the patience.
        """
        body = request.body(self.model)
        return await self._retry_policy.send(body, slot_held=slot_held, show=show, origin=origin)

    # State ------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Either "away", while nothing is answered and all requests wait, or "present"."""
        return "away" if self.elsewhere.away_reason else self._retry_policy.state

    @property
    def away_reason(self) -> str:
        """Why it is away, in a few words; empty while it is present."""
        return self.elsewhere.away_reason or self._retry_policy.away_reason

    @property
    def retries(self) -> int:
        """How many exchanges have failed and were tried again so far."""
        return self._retry_policy.retries + self.elsewhere.retries

    @property
    def left_out(self) -> dict[str, str]:
        """Of several servers, those that get no requests until they answer: base URL and reason."""
        return self._adapter.left_out

    def models(self) -> list[str]:
        """The models that the server offered when it was connected."""
        return list(self._server.models)

    def load(self) -> ServerLoad | None:
        """How busy the server is, as vLLM reports it; None where a server does not."""
        # A page that few servers have, and nothing depends on it.
        with contextlib.suppress(Exception):
            return read_load(background.wait(self._adapter.metrics()))
        return None

    # Key --------------------------------------------------------------------------------------

    @property
    def wants_key(self) -> bool:
        """Whether it is away because its key has expired."""
        return self._retry_policy.wants_key

    def offer_renewal(self) -> bool:
        """Announce that you watch `wants_key` and will call `renew` when the key expires.

        The teacher then waits for the new key, instead of raising an error that ends the run.

        Returns:
            Whether that changes anything: a teacher with a key file waits anyway.
        """
        credentials = self._server.credentials
        makes_a_difference = not credentials.can_be_renewed
        credentials.can_be_renewed = True
        return makes_a_difference

    def renew(self, api_key: str) -> None:
        """Send this key from now on; requests that wait for a new one continue.

        Raises:
            SettingsError: It cannot be a key.
        """
        self._server.credentials.renew(api_key)
        self._retry_policy.wants_key = False  # until this one is refused too

    # Structured output ------------------------------------------------------------------------

    async def structured_output_way(self, like: Request) -> Way | None:
        """How this server enforces a form of replies, None if it cannot; on the background loop.

        Learned once, by asking for a form that no model would write of its own accord.

        Args:
            like: A request whose `extra_body` is sent along.

        Raises:
            TeacherRefused: No request will be answered.
            TeacherUnreachable: The teacher has been away for longer than the patience.
        """
        async with self._trying_structured_output:
            if not self._has_tried_structured_output:
                extra_body = like.sampling.get("extra_body") or {}
                self._structured_output_way = await self._find_structured_output_way(extra_body)
                self._has_tried_structured_output = True
        return self._structured_output_way

    async def _find_structured_output_way(self, extra_body: Mapping[str, Any]) -> Way | None:
        messages = ({"role": "user", "content": PROBE_MESSAGE},)
        for way in WAYS:
            sampling = {**PROBE_SAMPLING, "extra_body": {**extra_body, **PROBE.settings(way)}}
            try:
                reply = await self.reply(Request(messages, sampling))
            except RequestRefused:
                continue
            if PROBE.tagged(reply.text).strip() == PROBE_TEXT:
                return way
        return None


def _slots(concurrency: Concurrency, adapter: Adapter) -> Slots:
    if concurrency.is_auto:
        return AutoSlots(concurrency.most, adapter.metrics)
    return Slots(concurrency.most)


def _release(pid: int, adapter: Adapter, slots: Slots, on_close: Callable[[], None]) -> None:
    """Close what a teacher holds. Must not refer to the teacher, or it would never be collected."""
    if os.getpid() != pid:
        return  # in a forked child: all of it is the parent's
    with contextlib.suppress(Exception):  # the other side may be gone already
        closing = background.submit(_close(adapter, slots))
        if not background.is_here():
            closing.result(timeout=1.0)
    on_close()


async def _close(adapter: Adapter, slots: Slots) -> None:
    await slots.close()
    await adapter.close()
