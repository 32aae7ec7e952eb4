"""The one background thread of the process, with the event loop in which all connections live.

Users write plain functions; what is asynchronous runs here. The same call therefore works in a
script and in a Jupyter cell, whose own loop is busy running the cell.

Why no library does this: the blocking portals of anyio and asgiref are scopes that must be left
before the process ends, and neither lets an interrupted call clean up first, nor survives a fork.
"""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from sdgkit.errors import show_in_notebook

T = TypeVar("T")

# Seconds that an interrupted call may take to clean up before KeyboardInterrupt is raised.
CLEANUP_SECONDS = 2.0

# Re-entrant: the garbage collector may run while the lock is held, and a teacher that it collects
# asks for the loop as well.
_lock = threading.RLock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_waiting: dict[int, concurrent.futures.Future[Any]] = {}  # what each thread waits for, by its id


def loop() -> asyncio.AbstractEventLoop:
    """The background event loop; its thread starts at the first call.

    Raises:
        RuntimeError: In a process forked from one with teachers; the connections are its parent's.
    """
    global _loop, _thread
    with _lock:
        if _loop is None or _thread is None:
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_loop.run_forever, name="sdgkit", daemon=True)
            _thread.start()
        if not _thread.is_alive():
            raise RuntimeError(
                "Teachers do not survive a fork. "
                "Start processes with the method 'spawn' instead of 'fork'."
            )
        return _loop


def is_here() -> bool:
    """Whether the caller runs on the background loop itself."""
    return threading.current_thread() is _thread


def submit(coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the background loop.

    Returns:
        Its future, at once. `cancel()` on it cancels the coroutine.
    """
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and return its result, or raise what it raised.

    Raises:
        KeyboardInterrupt: After Ctrl-C, which cancels the coroutine and gives it a moment to
            clean up.
        RuntimeError: When called on the background loop itself.
    """
    if is_here():
        coroutine.close()
        raise RuntimeError(
            "wait() was called on the background loop itself and would never return; await instead"
        )
    has_ended = threading.Event()

    async def run() -> T:
        try:
            return await coroutine
        finally:
            has_ended.set()

    future = submit(run())
    this_thread = threading.get_ident()
    _waiting[this_thread] = future
    try:
        return future.result()
    except KeyboardInterrupt as interrupt:
        future.cancel()
        has_ended.wait(CLEANUP_SECONDS)
        show_in_notebook(interrupt, "Interrupted.")
        raise
    finally:
        _waiting.pop(this_thread, None)


def cancel_wait(thread: threading.Thread) -> None:
    """Cancel what a thread waits for, if it does: its `wait` raises CancelledError."""
    future = _waiting.get(thread.ident or 0)
    if future is not None:
        future.cancel()


def _disown_loop() -> None:
    """In a forked child: replace the lock, which may never be released, and abandon the loop.

    The child holds the parent's epoll object. Cleaned up the usual way, the loop would unregister
    the parent's sockets from it, so only this process's handle is closed.
    """
    global _lock
    _lock = threading.RLock()
    selector = getattr(_loop, "_selector", None)  # None without a loop, or with another library's
    if selector is not None:
        selector.close()
        _loop._closed = True  # type: ignore[union-attr]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_loop)
