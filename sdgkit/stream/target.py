"""A target: rounds of rows until enough samples are kept."""

from collections import Counter

EMPTY_ROUNDS = 10  # rounds without one new sample after which a target is given up


class Target:
    """Goes on in rounds until so many samples are kept; counts them in (round, seed) order, so that timing decides
    nothing.

    number: samples to keep. seeds: rows in a round. rounds: at most so many. brings: what one unit (a seed's part of a
    round) may be expected to bring before anything is known. limit: the words for having used up all rounds.
    """

    def __init__(self, number: int, *, seeds: int, rounds: int, brings: float, limit: str) -> None:
        self.number, self.seeds, self.rounds, self.limit = number, seeds, rounds, limit
        self.counts: Counter[str] = Counter()  # of the units that count
        self.kept = self.last_unit = self.begun = self._empty = 0
        self.reason = ""  # why it ended short of the number
        self.over = not seeds
        self._brings = brings
        self._finished: dict[int, Counter[str]] = {}
        self._samples = ""  # the name of the samples in a unit's counts

    @property
    def surplus(self) -> int:
        """Samples of the last unit beyond the number."""
        return max(0, self.kept - self.number)

    def wants_more(self) -> bool:
        """Whether what is on its way may fall short of the number."""
        kept = self.kept + sum(counts[self._samples] for counts in self._finished.values())
        ended = self.last_unit + len(self._finished)
        rate = (self._brings + kept) / (1 + ended)
        return not self.over and kept + (self.begun - ended) * rate < self.number

    def finish(self, unit: int, counts: Counter[str], samples: str) -> None:
        """A unit is finished; units are counted from 1, in order. samples: the name of its samples in its counts.

        While an earlier unit is not finished the counts may change: its rows may take the place of equal ones here.
        """
        self._finished[unit], self._samples = counts, samples
        while not self.over and self.last_unit + 1 in self._finished:
            self.last_unit += 1
            counts = self._finished.pop(self.last_unit)
            self.counts.update(counts)
            self.kept += counts[samples]
            self._empty = 0 if counts[samples] else self._empty + 1
            if self.kept < self.number and self.last_unit >= self.rounds * self.seeds:
                self.reason = self.limit
            elif self._empty >= EMPTY_ROUNDS * self.seeds:
                self.reason = f"the last {EMPTY_ROUNDS} rounds brought no new sample"
            self.over = self.kept >= self.number or bool(self.reason)
