"""The limit of concurrent requests to one teacher, shared by all that use it."""

import asyncio
from collections import deque


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
