"""A target: rounds of rows until enough samples are kept."""

from sdgkit.stream.tally import Tally

EMPTY_ROUNDS = 10
"""Rounds without one new sample after which a target is given up."""


class Target:
    """How far a run is from the number of samples that it is to keep.

    The run continues in rounds; each seed's part of a round is a unit. Units are counted from 1, in
    the order of round and seed, and only finished units count whose predecessors are all finished,
    so that the choice of samples does not depend on timing.

    Args:
        number: How many samples to keep.
        seeds: How many rows make a round.
        rounds: How many rounds to try at most.
        samples_per_unit: How many samples a unit is expected to yield, before any is finished.
        limit_reason: Why the run ends when all rounds are used up, in words.
        last_stage: The place of the pipeline's last stage, from 0: what leaves it is a sample.

    Attributes:
        tally: The rows of all units that count.
        kept: Their samples.
        last_unit: The last unit that counts.
        begun: How many units have been begun.
        reason: Why the run ended short of the number; empty if it did not.
    """

    def __init__(
        self,
        number: int,
        *,
        seeds: int,
        rounds: int,
        samples_per_unit: float,
        limit_reason: str,
        last_stage: int,
    ) -> None:
        self.number = number
        self.seeds = seeds
        self.rounds = rounds
        self.limit_reason = limit_reason
        self.tally = Tally()
        self.kept = 0
        self.last_unit = 0
        self.begun = 0
        self.reason = ""
        self._samples_per_unit = samples_per_unit
        self._last_stage = last_stage
        self._empty_units = 0  # of the last ones that count
        self._waiting: dict[int, Tally] = {}  # finished units that have an unfinished predecessor

    @property
    def is_over(self) -> bool:
        """Whether no further unit is needed, or none can help."""
        return not self.seeds or self.kept >= self.number or bool(self.reason)

    @property
    def surplus(self) -> int:
        """Samples of the last unit beyond the number."""
        return max(0, self.kept - self.number)

    def needs_more(self) -> bool:
        """Whether the units that have been begun may fall short of the number."""
        waiting_samples = sum(self._samples(tally) for tally in self._waiting.values())
        samples = self.kept + waiting_samples
        finished = self.last_unit + len(self._waiting)
        rate = (self._samples_per_unit + samples) / (1 + finished)
        expected = samples + (self.begun - finished) * rate
        return not self.is_over and expected < self.number

    def finish(self, unit: int, tally: Tally) -> None:
        """Note that a unit is finished.

        Args:
            unit: The number of the unit.
            tally: Its rows. The numbers may still change while an earlier unit is not finished,
                whose rows may take the place of equal ones.
        """
        self._waiting[unit] = tally
        while not self.is_over and self.last_unit + 1 in self._waiting:
            self._count_next_unit()

    def _count_next_unit(self) -> None:
        self.last_unit += 1
        tally = self._waiting.pop(self.last_unit)
        samples = self._samples(tally)
        self.tally.add(tally)
        self.kept += samples
        self._empty_units = 0 if samples else self._empty_units + 1
        if self.kept < self.number and self.last_unit >= self.rounds * self.seeds:
            self.reason = self.limit_reason
        elif self._empty_units >= EMPTY_ROUNDS * self.seeds:
            self.reason = f"the last {EMPTY_ROUNDS} rounds produced no new sample"

    def _samples(self, tally: Tally) -> int:
        return tally.rows_out(self._last_stage)
