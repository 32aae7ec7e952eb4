"""Keeps the files of a run's folder in step with its review."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import sleep

from sdgkit.errors import FolderInUse
from sdgkit.run.folder import write_reviewed

PAUSES_S = (0.2, 0.5)  # before trying again to write a folder that is in use


class Follower:
    """Rewrites the training file, card and exports after decisions, in a thread of its own.

    Args:
        folder: The run's folder; None for a run in memory, which has no files.
        later: Whether `follow` returns at once and the files are written soon after.
    """

    def __init__(self, folder: Path | None, *, later: bool) -> None:
        self._folder = folder
        self._later = later
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sdgkit review")
        self._pending: Future[None] = Future()

    def follow(self) -> None:
        """Write the files again, now or soon. Raises RunError if this is done now and fails."""
        if self._later:
            self._pending.cancel()  # if it has not begun yet: the next one includes its decisions
        self._pending = self._pool.submit(self._write)
        if not self._later:
            self._pending.result()

    def write(self) -> None:
        """Write the files again, and wait until they are written. Raises RunError."""
        self._pool.submit(self._write).result()

    def _write(self) -> None:
        """Write the files, unless a run is writing the folder: it writes them when it ends."""
        if self._folder is None:
            return
        for pause in PAUSES_S:
            try:
                write_reviewed(self._folder)
                return
            except FolderInUse:
                sleep(pause)
        with suppress(FolderInUse):
            write_reviewed(self._folder)
