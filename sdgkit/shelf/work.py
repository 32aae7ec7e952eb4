"""The work on a shelf: one skill after the other begins as soon as a slot would be idle."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from sdgkit.errors import SdgkitError, TeacherRefused, TeacherUnreachable, as_sdgkit_error
from sdgkit.formatting import format_samples
from sdgkit.run import Run

LOOK_S = 0.02
"""Seconds between two looks for an idle slot."""


class ShelfWork:
    """One session of work on the skills of a shelf, in a thread of its own.

    Args:
        waiting: The runs of the skills by name, in the order in which they begin.
        slots: Says how many requests the teachers may be working on at once.
        one_by_one: Whether a skill begins only when the one before is over.
        say: Called with each sentence that the user should read.

    Attributes:
        runs: The runs that have begun, by the name of the skill.
        errors: What stopped the runs that failed, by the name of the skill.
        starting: The skill that is just being started: its journal may have no tables yet.
        begun_at: When it began, on the monotonic clock.
        ended_at: When it ended; None until then.
    """

    def __init__(
        self,
        waiting: Mapping[str, Run],
        slots: Callable[[], int],
        *,
        one_by_one: bool,
        say: Callable[[str], None],
    ) -> None:
        self.runs: dict[str, Run] = {}
        self.errors: dict[str, SdgkitError] = {}
        self.starting = ""
        self.begun_at = time.monotonic()
        self.ended_at: float | None = None
        self._waiting = deque(waiting.items())
        self._slots = slots
        self._one_by_one = one_by_one
        self._say = say
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sdgkit-shelf", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether anything is left to do, the writing of files included."""
        return self._thread.is_alive()

    @property
    def wall_s(self) -> float:
        """Seconds since it began, up to its end."""
        return (self.ended_at or time.monotonic()) - self.begun_at

    def join(self, seconds: float) -> None:
        """Wait until it is over, but no longer than this."""
        self._thread.join(seconds)

    def cancel(self) -> None:
        """Stop within a moment."""
        self._cancelled.set()
        for run in list(self.runs.values()):
            run.cancel()

    def _work(self) -> None:
        active: dict[str, Run] = {}
        while self._waiting or active:
            for name, run in list(active.items()):
                if not run.is_running:
                    del active[name]
                    self._end(name, run)
            if self._cancelled.is_set() or self._is_hopeless():
                self._waiting.clear()
            elif self._waiting and self._has_idle_slot(active):
                name, run = self._waiting.popleft()
                if self._begin(name, run):
                    active[name] = run
            time.sleep(LOOK_S)
        self.ended_at = time.monotonic()

    def _has_idle_slot(self, active: Mapping[str, Run]) -> bool:
        """Whether the runs that are active leave a slot of the teacher idle."""
        if self._one_by_one:
            return not active
        in_flight = 0
        for run in active.values():
            snapshot = run.snapshot()
            has_just_begun = not (snapshot.requests or snapshot.reused or snapshot.in_flight)
            if has_just_begun or snapshot.state == "paused":
                return False
            in_flight += snapshot.in_flight
        return in_flight < self._slots()

    def _begin(self, name: str, run: Run) -> bool:
        """Start a run; whether that worked."""
        self.starting = name
        try:
            run.start()
            self.runs[name] = run
            if self._cancelled.is_set():  # while it was being started: `cancel` did not see it
                run.cancel()
            return True
        except Exception as error:
            self.errors[name] = as_sdgkit_error(error, f"{name} could not be started")
        finally:
            self.starting = ""
        self._say(f"{name}: {self.errors[name]}")
        return False

    def _end(self, name: str, run: Run) -> None:
        snapshot = run.snapshot()
        if isinstance(run.error, Exception):
            self.errors[name] = as_sdgkit_error(run.error, f"{name} failed")
        kept = format_samples(snapshot.samples, snapshot.distinct_answers)
        reason = ""
        if snapshot.message:
            reason = f" {snapshot.message}"
        self._say(f"{name}: {snapshot.state}, {kept}.{reason}")

    def _is_hopeless(self) -> bool:
        """Whether the teacher is gone for good, so that the skills that wait would fail, too."""
        gone = (TeacherRefused, TeacherUnreachable)
        return any(isinstance(error, gone) for error in self.errors.values())
