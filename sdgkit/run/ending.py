"""The last steps of a run, which have to see all of its samples: a target's surplus and near-duplicates leave."""

from collections import Counter

from sdgkit.funnel import StageLine
from sdgkit.journal import Journal
from sdgkit.quality import NEAR_DUPLICATES, repeats
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import funnel_of
from sdgkit.stream import Tally, Target


def last_steps(
    plan: Plan, target: Target | None, tally: Tally, journal: Journal
) -> tuple[list[StageLine], list[str]]:
    """Take them; returns the stages as summary.json lists them, and what the user should read.

    target: if it was pursued to the end; what came of units beyond its last one is taken back. tally: the stream's.
    """
    said = []
    if target is not None:
        tally = target.tally
        journal.forget_units_after(target.last_unit)
        last = [one.place for one in journal.outcomes("sample") if one.unit == target.last_unit]
        words = f"Beyond the target of {target.number}; a larger target keeps it."
        journal.drop_samples(
            "target", [(place, "target", words) for place in last[len(last) - target.surplus :]]
        )
        if target.reason:
            said.append(
                f"{target.kept} of the target's {target.number} samples are kept: {target.reason}."
            )
    stages = funnel_of(plan.pipeline, tally, len(plan.rows), target)
    if plan.near_duplicates is not None:
        journal.restore(NEAR_DUPLICATES)
        found = {
            one.id: one for one in repeats(journal.samples(), plan.near_duplicates, plan.admitted)
        }
        repeated = [
            (one.place, found[one.id]) for one in journal.outcomes("sample") if one.id in found
        ]
        journal.drop_samples(
            NEAR_DUPLICATES, [(place, one.reason, one.message) for place, one in repeated]
        )
        before = stages[-1].rows_out
        stages.append(
            StageLine.from_drops(NEAR_DUPLICATES, before, Counter(one.reason for one in found.values()))
        )
        if found and target is not None:
            said.append(
                f"{len(found)} of {before} samples repeat others or the seeds and were dropped after the target was "
                f"reached: {before - len(found)} are left. Raise the target to make up for them."
            )
    return stages, said
