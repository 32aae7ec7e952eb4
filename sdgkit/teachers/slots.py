"""The limit on concurrent requests to one teacher."""

import asyncio


class Slots:
    """The limit on concurrent requests, shared by everything that uses one teacher.

    First come, first served. Acquire and release on the background loop only; the two numbers may
    be read anywhere.

    Attributes:
        total: How many requests may be in flight at once.
        in_use: How many are now.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.in_use = 0
        self._semaphore = asyncio.Semaphore(total)

    async def acquire(self) -> None:
        """Wait for a slot. Safe to cancel."""
        await self._semaphore.acquire()
        self.in_use += 1

    def release(self) -> None:
        """Give a slot back; the caller that has waited longest gets it."""
        self.in_use -= 1
        self._semaphore.release()
