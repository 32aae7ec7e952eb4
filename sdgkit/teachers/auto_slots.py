"""Slots whose number follows what the teacher can take."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from sdgkit.teachers.auto_concurrency import AutoConcurrency
from sdgkit.teachers.diagnosis import Trouble
from sdgkit.teachers.load import ServerLoad, read_load
from sdgkit.teachers.slots import Slots

# Seconds between two looks at the server's load while requests are in flight.
LOOK_SECONDS = 1.0
# After so many failed looks, the server is considered to have no such page.
MOST_LOOKS_IN_VAIN = 3


class AutoSlots(Slots):
    """The limit on concurrent requests where it is "auto".

    Args:
        most: The upper bound.
        metrics: Asks for the server's page /metrics; it raises Trouble where there is none.
    """

    def __init__(self, most: int, metrics: Callable[[], Awaitable[str]]) -> None:
        self._auto = AutoConcurrency(most)
        super().__init__(self._auto.level)
        self.most = most
        self._metrics = metrics
        self._watching: asyncio.Task[None] | None = None
        self._looks_in_vain = 0

    @property
    def is_auto(self) -> bool:
        """True: `total` follows what the teacher can take."""
        return True

    async def acquire(self) -> None:
        """Wait for a slot. Safe to cancel."""
        await super().acquire()
        is_watched = self._watching is not None and not self._watching.done()
        if not is_watched and self._looks_in_vain < MOST_LOOKS_IN_VAIN:
            self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Look no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def note_reply(self, *, sent_at: float, in_use: int, stage: str) -> None:
        """A request was answered; see `Slots.note_reply`."""
        now = time.monotonic()
        self._auto.note_reply(sent_at=sent_at, now=now, in_use=in_use, stage=stage)
        self._follow()

    def note_failure(self, *, sent_at: float) -> None:
        """A request was refused because there were too many, or timed out."""
        self._auto.note_failure(sent_at=sent_at, now=time.monotonic())
        self._follow()

    async def _watch(self) -> None:
        """Look at the server's load as long as requests are in flight."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self.in_use:
                return
            load = await self._look()
            if load is not None:
                self._looks_in_vain = 0
                self._auto.note_load(load, self.in_use, time.monotonic())
                self._follow()
                continue
            self._looks_in_vain += 1
            self._auto.note_no_load()
            if self._looks_in_vain >= MOST_LOOKS_IN_VAIN:
                return

    async def _look(self) -> ServerLoad | None:
        """The server's load; None where it does not say."""
        try:
            return read_load(await self._metrics())
        except Trouble:
            return None

    def _follow(self) -> None:
        if self._auto.level != self.total:
            self.resize(self._auto.level)
