"""How certain a share is that was counted on a few."""

import math
from typing import NamedTuple

Z_95 = 1.959964  # standard deviations of a normal distribution that hold 95% of it


class Interval(NamedTuple):
    """A confidence interval (95%) of a share.

    Attributes:
        low: The lower end, from 0 to 1.
        high: The upper end, from 0 to 1.
    """

    low: float
    high: float

    def __contains__(self, share: object) -> bool:
        """Whether a share lies within the interval, its ends included."""
        return isinstance(share, int | float) and self.low <= share <= self.high


def interval(part: float, whole: int) -> Interval:
    """The confidence interval (95%) of the share `part / whole`.

    The Wilson score interval (Wilson 1927, JASA 22:209), which is valid for small numbers and for
    shares near 0 and 1.

    Args:
        part: How many of the whole have the property; a tie may count as half.
        whole: How many were looked at. If none were, nothing is known: the interval is 0 to 1.

    Example:
        >>> low, high = interval(18, 20)
        >>> f"{low:.3f} to {high:.3f}"
        '0.699 to 0.972'
    """
    if not whole:
        return Interval(0.0, 1.0)
    share = part / whole
    correction = Z_95**2 / whole
    middle = share + correction / 2
    spread = math.sqrt(share * (1 - share) * correction + correction**2 / 4)
    low = (middle - spread) / (1 + correction)
    high = (middle + spread) / (1 + correction)
    return Interval(max(0.0, low), min(1.0, high))
