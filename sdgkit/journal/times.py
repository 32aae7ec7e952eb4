"""When the sessions of a journal began and ended, and how long they worked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class SessionTimes:
    """The times of one session.

    Attributes:
        begun: When it began by the machine's clock, in seconds since 1970.
        seen: When it last wrote into the journal, by the same clock, which may have been changed
            in between.
        worked: Seconds of work by a clock that cannot be set; None if it stopped before it wrote
            them.
    """

    begun: float
    seen: float
    worked: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of work, at least 0."""
        if self.worked is not None and math.isfinite(self.worked) and self.worked >= 0:
            return self.worked
        elapsed = self.seen - self.begun
        return elapsed if math.isfinite(elapsed) and elapsed > 0 else 0.0


@dataclass(frozen=True)
class Times:
    """The times of all sessions together.

    Attributes:
        wall_s: Seconds of work.
        started: When the first one began, as ISO 8601 in UTC; None if that cannot be told.
        ended: When the last one ended, never before `started`.
    """

    wall_s: float
    started: str | None
    ended: str | None

    @classmethod
    def of(cls, sessions: Sequence[SessionTimes]) -> "Times":
        """The times of these sessions, in their order.

        Example:
            >>> set_back = SessionTimes(begun=1000.0, seen=400.0, worked=60.0)
            >>> times = Times.of([set_back])
            >>> times.started, times.ended
            ('1970-01-01T00:16:40+00:00', '1970-01-01T00:17:40+00:00')
        """
        worked = sum(session.seconds for session in sessions)
        if not sessions:
            return cls(worked, None, None)
        started = sessions[0].begun
        last = sessions[-1]
        ended = max(last.begun + last.seconds, started + worked)
        return cls(round(worked, 3), _as_text(started), _as_text(ended))


def _as_text(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # no clock shows such a time
        return None
