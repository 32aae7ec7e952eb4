"""The one background thread of the process, with the one event loop in which all teachers' connections live.

Users write plain functions; what is asynchronous runs here, so the same call works in a script, in a Jupyter
cell (whose own loop is busy running the cell) and in a forked child, which gets a fresh thread of its own.
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

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_left_behind: list[object] = []


def loop() -> asyncio.AbstractEventLoop:
    """The background event loop; it is started at the first call, and anew in a forked child."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="sdgkit", daemon=True).start()
        return _loop


def is_here() -> bool:
    """Whether the caller runs on the background loop itself."""
    try:
        return asyncio.get_running_loop() is _loop
    except RuntimeError:
        return False


def submit(coro: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the background loop and return at once with its future (cancel() cancels it)."""
    return asyncio.run_coroutine_threadsafe(coro, loop())


def wait(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and return its result, or raise what it raised.

    Ctrl-C cancels the coroutine, gives it a moment to tidy up, and raises KeyboardInterrupt.
    """
    if is_here():
        coro.close()
        raise RuntimeError("wait() was called on the background loop itself and would never return; await instead")
    ended = threading.Event()

    async def run() -> T:
        try:
            return await coro
        finally:
            ended.set()

    future = None
    try:
        future = submit(run())
        return future.result()
    except KeyboardInterrupt:
        if future is not None:
            future.cancel()
            ended.wait(_TIDY_SECONDS)
        raise


def _forget() -> None:
    # A forked child has its parent's loop without the thread, perhaps a lock that nobody will release, and on
    # Linux the very epoll object of the parent: to tidy up the loop here would unplug the parent's
    # connections.
    global _lock, _loop
    if _loop is not None:
        _left_behind.append(_loop)
        with contextlib.suppress(AttributeError):
            _loop._selector.close()  # type: ignore[attr-defined]  # our handle only
            _loop._closed = True  # type: ignore[attr-defined]  # so that nothing deleted here touches it
    _lock, _loop = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
