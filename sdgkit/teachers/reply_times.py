"""Reply times at one level of concurrency, to be compared with those at another."""

import math
from collections import defaultdict
from dataclasses import dataclass


@dataclass
class _Times:
    """The reply times of one stage: how many, and the sum of their logarithms."""

    count: int = 0
    log_sum: float = 0.0

    @property
    def mean(self) -> float:
        """The mean logarithm."""
        return self.log_sum / self.count


class ReplyTimes:
    """The reply times of a window, by stage.

    Logarithms, because reply times differ by factors: a long one counts no more than a short one,
    and a queue, which makes all of them wait, shows most clearly in the short ones.

    Attributes:
        count: How many replies were counted.
    """

    def __init__(self) -> None:
        self.count = 0
        self._in_use_sum = 0
        self._by_stage: defaultdict[str, _Times] = defaultdict(_Times)

    def add(self, seconds: float, in_use: int, stage: str) -> None:
        """Count a reply.

        Args:
            seconds: How long it took.
            in_use: How many requests were in flight when its request was sent.
            stage: The stage that asked: a judgement is shorter than a context.
        """
        self.count += 1
        self._in_use_sum += in_use
        times = self._by_stage[stage]
        times.count += 1
        times.log_sum += math.log(max(seconds, 1e-6))

    @property
    def in_use(self) -> float:
        """How many requests were in flight, on average."""
        return self._in_use_sum / max(1, self.count)

    def plus(self, other: "ReplyTimes") -> "ReplyTimes":
        """Both windows as one."""
        both = ReplyTimes()
        for window in (self, other):
            both.count += window.count
            both._in_use_sum += window._in_use_sum
            for stage, times in window._by_stage.items():
                both._by_stage[stage].count += times.count
                both._by_stage[stage].log_sum += times.log_sum
        return both

    def slower_than(self, other: "ReplyTimes") -> float:
        """How many times as long the replies took as those of another window.

        Only stages that both windows have are compared, each with itself, since a run asks for
        other things at its end than at its beginning.

        Example:
            >>> one, two = ReplyTimes(), ReplyTimes()
            >>> one.add(0.2, in_use=8, stage="gen_contexts")
            >>> two.add(0.4, in_use=16, stage="gen_contexts")
            >>> two.add(0.1, in_use=16, stage="eval_questions")
            >>> round(two.slower_than(one), 2)
            2.0
        """
        difference = 0.0
        weights = 0.0
        for stage, times in self._by_stage.items():
            others = other._by_stage.get(stage)
            if others is not None:
                weight = times.count * others.count / (times.count + others.count)
                difference += weight * (times.mean - others.mean)
                weights += weight
        return math.exp(difference / weights) if weights else 1.0

    def change_since(self, other: "ReplyTimes") -> float:
        """How many times as long the replies took, beyond what a change of the level explains.

        With a queue, reply times grow as the level does; without one, they stay.

        Returns:
            1 where the level explains all; less where they were faster, more where they were
            slower.
        """
        slower = self.slower_than(other)
        levels = max(1.0, self.in_use) / max(1.0, other.in_use)
        if slower < min(1.0, levels):
            return slower / min(1.0, levels)
        if slower > max(1.0, levels):
            return slower / max(1.0, levels)
        return 1.0

    def gain_over(self, other: "ReplyTimes") -> float:
        """How much of a change of the level the throughput followed.

        Returns:
            1 where twice the requests in flight gave twice the replies a second; 0 where they only
            waited longer. The throughput of a closed system is what is in flight, divided by the
            reply time (Little's law).
        """
        change = math.log(max(1.0, self.in_use) / max(1.0, other.in_use))
        if abs(change) < 0.01:
            return 0.0
        return 1 - math.log(self.slower_than(other)) / change
