"""The waves in which the workers of a cluster pursue a target."""

import shutil
from contextlib import closing

from sdgkit.cluster.messages import Shard, ShardResult
from sdgkit.journal import Journal, copy_rows
from sdgkit.run.plan import Plan
from sdgkit.run.session import target_of
from sdgkit.stream import Tally, Target

FIRST_SHARE = 10
"""The first wave shows how many samples a unit yields: a tenth of the units that are expected, or
one for each slot."""


class Waves:
    """The waves in which the workers of a cluster pursue a target.

    A unit is a seed's part of a round. In a wave, the workers do all units that seem to be needed
    by the samples so far, those of earlier waves from their recorded replies; then all units are
    counted as one machine counts them. So the choice of samples depends neither on timing nor on
    who did a unit.

    Args:
        plan: The plan of the whole run.
        journal: Its journal.
        target: Its target, before the first round.

    Attributes:
        target: The target, as it stands after the last wave.
        tally: The rows of the last wave.
    """

    def __init__(self, plan: Plan, journal: Journal, target: Target) -> None:
        self.target = target
        self.tally = Tally()
        self._plan = plan
        self._journal = journal
        self._last_stage = len(plan.pipeline.stages) - 1
        self._results: list[tuple[Shard, ShardResult]] = []
        self._units = 0

    def begin(self, slots: int) -> int:
        """Begin a wave. Returns how many units it does, those of earlier waves included.

        Args:
            slots: How many requests can be in flight.
        """
        target = self.target
        most: int | None = None
        if not self._units:
            most = max(slots, target.number // FIRST_SHARE)
        while target.needs_more() and target.begun != most:
            target.begun += 1
        self._units = target.begun
        self._results = []
        return self._units

    def add(self, shard: Shard, result: ShardResult) -> None:
        """Add what came of a shard in this wave. Its folder is needed until the end of the wave."""
        self._results.append((shard, result))

    def shown(self, tally: Tally) -> Tally:
        """Which rows to show during a wave: its own, once they are as many as in the one before.

        Args:
            tally: The rows of this wave so far.
        """
        if tally.rows_out(self._last_stage) >= self.tally.rows_out(self._last_stage):
            return tally
        return self.tally

    def note_progress(self, tally: Tally) -> None:
        """Let the target show how many samples there are before they are counted.

        Args:
            tally: The rows of this wave so far.
        """
        samples = min(tally.rows_out(self._last_stage), self.target.number)
        self.target.kept = max(self.target.kept, samples)

    def end(self, tally: Tally, *, is_whole: bool) -> None:
        """End a wave: its rows take the place of those of the wave before.

        Args:
            tally: Its rows.
            is_whole: Whether all of its units are finished. Otherwise its rows are used only if
                there are as many samples among them as before.
        """
        if is_whole or self.shown(tally) is tally:
            self._take_rows()
            self.tally = tally
        for shard, _ in self._results:
            shutil.rmtree(shard.folder)
        if is_whole:
            self.target = self._counted()

    def _take_rows(self) -> None:
        self._journal.forget_units_after(0)
        for shard, _ in self._results:
            with closing(Journal(shard.folder, read_only=True)) as recorded:
                copy_rows(recorded, self._journal, shard.seeds, shard.units)

    def _counted(self) -> Target:
        """The target after all units so far."""
        target = target_of(self._plan, self._journal)
        assert target is not None, "the plan has one"
        target.begun = self._units
        for outcome in self._journal.outcomes("sample"):
            target.note(outcome)
        for outcome in self._journal.outcomes("drop"):
            target.note(outcome)
        for shard, result in self._results:
            for unit, numbers in result.tallies.items():
                target.finish(shard.units[unit], Tally.from_json(numbers))
        return target
