"""How fast a run is, and how much of it is left."""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_PROGRESS = 0.0001
"""The fraction that must be done for an estimate; even a week-long run does more in a minute."""

SMOOTHING_S = 10.0
"""Seconds in which a new estimate takes the place of the old one by two thirds."""


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

    def after(self, earlier: "Pace", seconds: float) -> "Pace":
        """This pace as it is shown after an earlier one: nothing goes back, nothing jumps.

        Args:
            earlier: The pace that is shown.
            seconds: For how long it has been.

        Example:
            >>> shown = Pace(seconds_left=420.0, fraction=0.2)
            >>> now = Pace(seconds_left=60.0, fraction=0.19).after(shown, seconds=0.5)
            >>> now.fraction, round(now.seconds_left)
            (0.2, 402)
        """
        left = self.seconds_left
        if left is not None and earlier.seconds_left is not None:
            expected = max(0.0, earlier.seconds_left - seconds)
            weight = min(1.0, seconds / SMOOTHING_S)
            left = expected + weight * (left - expected)
        return Pace(
            requests_per_s=self.requests_per_s,
            tokens_per_s=self.tokens_per_s,
            seconds_left=left,
            fraction=max(self.fraction, earlier.fraction),
        )
