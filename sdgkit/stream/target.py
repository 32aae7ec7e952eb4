"""A target: rounds of rows until enough samples are kept."""

from collections import Counter
from dataclasses import dataclass, field

from sdgkit.journal import Outcome
from sdgkit.stream.tally import Tally

EMPTY_ROUNDS = 10
"""Rounds without one new sample after which a target is given up."""


@dataclass(frozen=True)
class RequestLimit:
    """How many requests the rounds of a target may take.

    Attributes:
        requests: The number.
        per_unit: Requests of a unit whose replies are all good. No unit counts for which fewer are
            left, so that the last one is not cut short.
    """

    requests: int
    per_unit: int


@dataclass
class _UnitRequests:
    """The requests behind the rows of a unit: their keys, by the place of the row."""

    keys: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return len(frozenset().union(*self.keys.values()))


class Target:
    """How far a run is from the number of samples that it is to keep.

    The run continues in rounds; each seed's part of a round is a unit. Units are counted from 1, in
    the order of round and seed, and only finished units count whose predecessors are all finished,
    so that the choice of samples does not depend on timing.

    Args:
        number: How many samples to keep.
        seeds: How many rows make a round.
        rounds: How many rounds there are rows for; None where the first stage can always make more.
        samples_per_unit: How many samples a unit is expected to yield, before any is finished.
        rounds_used_up: Why the run ends when all rounds are used up, in words.
        last_stage: The place of the pipeline's last stage, from 0: what leaves it is a sample.
        limit: How many requests the rounds may take; None for as many as bring new samples.
        best_of: How many responses each question has, of which one is kept at the end: those with
            the same parent count as one sample.

    Attributes:
        tally: The rows of all units that count.
        kept: Their samples, as they count.
        requests: The requests behind their rows, recorded ones included.
        last_unit: The last unit that counts.
        begun: How many units have been begun.
        reason: Why the run ended short of the number; empty if it did not.
    """

    def __init__(
        self,
        number: int,
        *,
        seeds: int,
        rounds: int | None,
        samples_per_unit: float,
        rounds_used_up: str,
        last_stage: int,
        limit: RequestLimit | None = None,
        best_of: int = 1,
    ) -> None:
        self.number = number
        self.seeds = seeds
        self.rounds = rounds
        self.rounds_used_up = rounds_used_up
        self.limit = limit
        self.tally = Tally()
        self.kept = 0
        self.requests = 0
        self.last_unit = 0
        self.begun = 0
        self.reason = ""
        self._samples_per_unit = samples_per_unit
        self._last_stage = last_stage
        self._best_of = best_of
        self._unit_samples: dict[int, set[str]] = {}  # the places, where several count as one
        self._empty_units = 0  # of the last ones that count
        self._waiting: dict[int, Tally] = {}  # finished units that have an unfinished predecessor
        self._unit_requests: dict[int, _UnitRequests] = {}  # of units that do not count yet

    @property
    def is_over(self) -> bool:
        """Whether no further unit is needed, or none can help."""
        return not self.seeds or self.kept >= self.number or bool(self.reason)

    @property
    def surplus(self) -> int:
        """Samples of the last unit beyond the number; of a question, all of its responses."""
        beyond = max(0, self.kept - self.number)
        if self._best_of == 1 or not beyond:
            return beyond
        places = self._unit_samples.get(self.last_unit, set())
        responses = Counter(map(_parent, places))
        last_questions = sorted(responses)[-beyond:]
        return sum(responses[question] for question in last_questions)

    @property
    def units_remain(self) -> bool:
        """Whether there are rows for a further unit."""
        return self.rounds is None or self.begun < self.rounds * self.seeds

    def needs_more(self) -> bool:
        """Whether a further unit is to be begun: those that are may fall short of the number."""
        if self.is_over or not self.units_remain or not self._may_begin():
            return False
        waiting_samples = sum(self._samples(unit) for unit in self._waiting)
        samples = self.kept + waiting_samples
        finished = self.last_unit + len(self._waiting)
        rate = (self._samples_per_unit + samples) / (1 + finished)
        expected = samples + (self.begun - finished) * rate
        return expected < self.number

    def _may_begin(self) -> bool:
        """Whether the limit leaves requests for a further unit, beside those that are begun."""
        if self.limit is None:
            return True
        per_unit = self.limit.per_unit
        untouched = self.begun - self.last_unit
        reserved = self.requests
        for unit in self._unit_requests.keys() | self._waiting.keys():
            used = self._requests_of(unit)
            is_finished = unit in self._waiting
            reserved += used if is_finished else max(used, per_unit)
            untouched -= 1
        reserved += untouched * per_unit
        return reserved + per_unit <= self.limit.requests

    def spend(self, requests: int) -> None:
        """Note requests that were sent before the first round."""
        self.requests += requests
        self._stop_at_limit()

    def note(self, outcome: Outcome) -> None:
        """Note what became of a row of a unit."""
        if self._best_of > 1 and not outcome.stage:
            self._unit_samples.setdefault(outcome.unit, set()).add(outcome.place)
        if self.limit is not None and outcome.unit > self.last_unit:
            unit = self._unit_requests.setdefault(outcome.unit, _UnitRequests())
            unit.keys[outcome.place] = frozenset(key for _, key in outcome.trail)

    def forget(self, place: str) -> None:
        """Take back what was noted of the row at this place, and of all below it."""
        for places in self._unit_samples.values():
            places -= {noted for noted in places if f"{noted}.".startswith(f"{place}.")}
        for unit in self._unit_requests.values():
            for noted in list(unit.keys):
                if f"{noted}.".startswith(f"{place}."):
                    del unit.keys[noted]

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
        requests = self.requests + self._requests_of(self.last_unit + 1)
        if self.limit is not None and requests > self.limit.requests:
            self.reason = self._limit_reason()
            return
        self._unit_samples.pop(self.last_unit, None)
        self.last_unit += 1
        samples = self._samples(self.last_unit)
        tally = self._waiting.pop(self.last_unit)
        self._unit_requests.pop(self.last_unit, None)
        self.tally.add(tally)
        self.kept += samples
        self.requests = requests
        self._empty_units = 0 if samples else self._empty_units + 1
        if self.kept >= self.number:
            return
        if self.rounds is not None and self.last_unit >= self.rounds * self.seeds:
            self.reason = self.rounds_used_up
        elif self._empty_units >= EMPTY_ROUNDS * self.seeds:
            self.reason = (
                f"the last {EMPTY_ROUNDS} rounds produced no new sample. Add seeds, or lists to "
                "draw from (--vary), so that contexts and questions repeat less, and run it again"
            )
        else:
            self._stop_at_limit()

    def _stop_at_limit(self) -> None:
        """Stop where the limit does not leave enough for one more unit."""
        if self.limit is not None and self.requests + self.limit.per_unit > self.limit.requests:
            self.reason = self._limit_reason()

    def _limit_reason(self) -> str:
        assert self.limit is not None
        return (
            f"the limit of {self.limit.requests:,} requests is reached. Raise --max-requests "
            f"{self._advice()}and run it again; recorded requests are not repeated"
        )

    def _advice(self) -> str:
        """How high the limit would have to be, if the samples so far tell."""
        if not self.kept:
            return ""
        needed = self.requests * self.number / self.kept
        hundreds = -int(-needed // 100) * 100
        return f"to about {hundreds:,} "

    def _requests_of(self, unit: int) -> int:
        noted = self._unit_requests.get(unit)
        return noted.number if noted is not None else 0

    def _samples(self, unit: int) -> int:
        """The samples of a finished unit that does not count yet."""
        if self._best_of == 1:
            return self._waiting[unit].rows_out(self._last_stage)
        return len({_parent(place) for place in self._unit_samples.get(unit, ())})


class FixedUnits(Target):
    """Units of which all are finished, whatever comes of them: a part of a target's rounds.

    Args:
        units: How many units.
        seeds: How many rows make a round.

    Attributes:
        units: How many units.
        finished: The rows of each finished unit.
    """

    def __init__(self, units: int, seeds: int) -> None:
        super().__init__(
            number=units,
            seeds=seeds,
            rounds=None,
            samples_per_unit=1.0,
            rounds_used_up="",
            last_stage=0,
        )
        self.units = units
        self.finished: dict[int, Tally] = {}

    @property
    def is_over(self) -> bool:
        """Whether all of them are finished."""
        return len(self.finished) == self.units

    @property
    def units_remain(self) -> bool:
        """Whether one is still to be begun."""
        return self.begun < self.units

    def needs_more(self) -> bool:
        """Whether one is still to be begun."""
        return self.units_remain

    def note(self, outcome: Outcome) -> None:
        """Nothing is counted here."""

    def forget(self, place: str) -> None:
        """Nothing is counted here."""

    def finish(self, unit: int, tally: Tally) -> None:
        """Note that a unit is finished; see `Target.finish`."""
        self.finished[unit] = tally


def _parent(place: str) -> str:
    """The place of the row that a row came from."""
    return place.rpartition(".")[0]
