"""The one background thread of the process, with the one event loop in which all teachers' connections live.

Users write plain functions; what is asynchronous runs here, so the same call works in a script and in a Jupyter cell,
whose own loop is busy running the cell.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# How long an interrupted call may take to tidy up before the interrupt goes on its way.
_TIDY_SECONDS = 2.0

# A teacher that is collected while this is held, by whatever made room for an object, asks for the loop as well.
_lock = threading.RLock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The background event loop; its thread starts at the first call.

    Raises RuntimeError in a process that was forked from one with teachers: their connections are its parent's.
    """
    global _loop, _thread
    with _lock:
        if _loop is None or _thread is None:
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_loop.run_forever, name="sdgkit", daemon=True)
            _thread.start()
        if not _thread.is_alive():
            raise RuntimeError(
                "Teachers do not survive a fork. Start processes with the method 'spawn' instead."
            )
        return _loop


def is_here() -> bool:
    """Whether the caller runs on the background loop itself."""
    return threading.current_thread() is _thread


def submit(coro: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the background loop and return at once with its future (cancel() cancels it)."""
    return asyncio.run_coroutine_threadsafe(coro, loop())


def wait(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and return its result, or raise what it raised.

    Ctrl-C cancels the coroutine, gives it a moment to tidy up, and raises KeyboardInterrupt.
    """
    if is_here():
        coro.close()
        raise RuntimeError(
            "wait() was called on the background loop itself and would never return; await instead"
        )
    ended = threading.Event()

    async def run() -> T:
        try:
            return await coro
        finally:
            ended.set()

    future = submit(run())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        ended.wait(_TIDY_SECONDS)
        raise


def _leave_to_the_parent() -> None:
    # In a forked child, which may have a lock that nobody will release, and the parent's very epoll object: tidied up
    # here, it would lose the parent's sockets.
    global _lock
    _lock = threading.RLock()
    with contextlib.suppress(AttributeError):  # there is no loop, or it is one of another library
        _loop._selector.close()  # type: ignore[union-attr]  # our handle only
        _loop._closed = True  # type: ignore[union-attr]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
