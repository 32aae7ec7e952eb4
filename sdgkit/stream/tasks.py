"""The work of a stream in progress, and how it ends."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """The tasks of a stream.

    Args:
        is_done: Whether nothing is left to do; asked whenever something has changed.

    Attributes:
        runnable: Pieces of work that are not waiting for a reply, and so may still send requests.
        ended: Set when all is done, or the stream stops early.
        error: What stopped the stream, if anything did.
    """

    def __init__(self, is_done: Callable[[], bool]) -> None:
        self.runnable = 0
        self.ended = asyncio.Event()
        self.error: BaseException | None = None
        self._is_done = is_done
        self._tasks: set[asyncio.Task[None]] = set()
        self._watchers: list[asyncio.Event] = []

    def watch(self) -> asyncio.Event:
        """A new event that is set whenever something has changed."""
        watcher = asyncio.Event()
        self._watchers.append(watcher)
        return watcher

    def notify(self) -> None:
        """Wake the watchers: something has started, or ended."""
        for watcher in self._watchers:
            watcher.set()
        if self._is_done():
            self.ended.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a piece of work beside the others."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def fail(self, error: BaseException) -> None:
        """Stop because of an error. Of several, the first counts."""
        if self.error is None:
            self.error = error
        self.ended.set()

    async def cancel(self) -> None:
        """Cancel all tasks that are left, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
