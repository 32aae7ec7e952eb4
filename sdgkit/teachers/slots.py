"""The limit on concurrent requests to one teacher."""

import asyncio
from collections import deque


class Slots:
    """The limit on concurrent requests, shared by everything that uses one teacher.

    First come, first served. Acquire and release on the background loop only; the numbers may be
    read anywhere.

    Attributes:
        total: How many requests may be in flight at once.
        in_use: How many are now.
        most: How many `total` may become; the same where it is fixed.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.in_use = 0
        self.most = total
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_auto(self) -> bool:
        """Whether `total` follows what the teacher can take."""
        return False

    async def acquire(self) -> None:
        """Wait for a slot. Safe to cancel."""
        if self.in_use < self.total and not self._waiting:
            self.in_use += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()  # it came too late to be used
            raise

    def release(self) -> None:
        """Give a slot back; the caller that has waited longest gets it."""
        self.in_use -= 1
        self._hand_out()

    def resize(self, total: int) -> None:
        """Allow more requests from now on, or fewer; those in flight are left to end."""
        self.total = total
        self._hand_out()

    async def close(self) -> None:
        """End what runs beside the requests."""

    def note_reply(self, *, sent_at: float, in_use: int, stage: str) -> None:
        """A request was answered.

        Args:
            sent_at: When it was sent (time.monotonic).
            in_use: How many slots were in use then.
            stage: The stage that asked; "" for others.
        """

    def note_failure(self, *, sent_at: float) -> None:
        """A request was refused because there were too many, or timed out."""

    def _hand_out(self) -> None:
        while self._waiting and self.in_use < self.total:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_use += 1
                turn.set_result(None)
