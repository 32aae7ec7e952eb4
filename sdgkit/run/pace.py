"""How fast a run is, and how much of it is left."""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_PROGRESS = 0.0001
"""The fraction that must be done for an estimate; even a week-long run does more in a minute."""


@dataclass(frozen=True)
class Measurement:
    """How far a run had got at one moment.

    Attributes:
        at_s: The moment, in seconds.
        requests: Requests sent by then.
        tokens: Tokens written by then.
        fraction: The fraction of the expected work that was done, 0 to 1.
    """

    at_s: float
    requests: int
    tokens: int
    fraction: float


@dataclass(frozen=True)
class Pace:
    """How fast a run is.

    Attributes:
        requests_per_s: Requests a second.
        tokens_per_s: Tokens written a second.
        seconds_left: Seconds left at this pace; None while it cannot be estimated.
        fraction: The fraction of the expected work that is done, 0 to 1.
    """

    requests_per_s: float = 0.0
    tokens_per_s: float = 0.0
    seconds_left: float | None = None
    fraction: float = 0.0

    @classmethod
    def of(cls, measurements: Sequence[Measurement]) -> "Pace":
        """The pace from the first of these measurements to the last."""
        first = measurements[0]
        last = measurements[-1]
        span = max(last.at_s - first.at_s, 1e-6)
        progress = last.fraction - first.fraction
        seconds_left = None
        if progress > MIN_PROGRESS:
            seconds_left = span * (1 - last.fraction) / progress
        return cls(
            requests_per_s=(last.requests - first.requests) / span,
            tokens_per_s=(last.tokens - first.tokens) / span,
            seconds_left=seconds_left,
            fraction=last.fraction,
        )
