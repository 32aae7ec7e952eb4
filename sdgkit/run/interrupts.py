"""Ctrl-C at the wrong moment: it is held back while a run is being set up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold back the signals that stop a program until the block is over, then deliver them.

    Python raises `KeyboardInterrupt` between any two instructions of the main thread. Between a
    folder that is begun and the run that would end it properly, nobody could catch it. Elsewhere
    than in the main thread no signal arrives, and nothing is done. A signal that is ignored or that
    ends the process stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append((number, frame))

    handlers = {}
    for number in INTERRUPTS:
        handler = signal.getsignal(number)
        if callable(handler):
            handlers[number] = handler
            signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for arrival, frame in arrived:
        handlers[signal.Signals(arrival)](arrival, frame)
