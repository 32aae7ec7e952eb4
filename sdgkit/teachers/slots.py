"""The limit of concurrent requests to one teacher, shared by all that use it."""

import asyncio


class Slots:
    """A fair semaphore, first come first served, that tells how many are `in_use`. Lives on the background loop."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.in_use = 0
        self._free = asyncio.Semaphore(total)

    async def acquire(self) -> None:
        """Wait for a slot. Safe to cancel."""
        await self._free.acquire()
        self.in_use += 1

    def release(self) -> None:
        """Give a slot back; the longest waiting gets it."""
        self.in_use -= 1
        self._free.release()
