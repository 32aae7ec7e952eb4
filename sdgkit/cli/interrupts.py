"""Ctrl-C and SIGTERM, as a long job takes them."""

import os
import signal
import sys
from types import FrameType

from sdgkit.cli.terminal import is_live

SHOW_CURSOR = b"\x1b[?25h\n"  # a live table hides it


class Interrupts:
    """The first signal asks the job to stop, the second ends the process at once.

    number: of the signal that came, 0 before. gently: whether the job looks at `number` by itself now; until it does,
    the signal raises KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.number = 0
        self.gently = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._came)

    @property
    def status(self) -> int:
        """The exit status that shells expect: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.number or signal.SIGINT)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if self.number:  # for the second time: without a further word; what a run has recorded stays recorded
            if is_live():
                os.write(sys.stdout.fileno(), SHOW_CURSOR)
            os._exit(128 + number)
        self.number = number
        if not self.gently:
            raise KeyboardInterrupt
