"""The last steps of a run, which have to see all of its samples: a target's surplus and near-duplicates leave."""

from collections import Counter
from collections.abc import Iterator

from sdgkit.journal import Journal
from sdgkit.pipeline import Target
from sdgkit.quality import NEAR_DUPLICATES, repeats
from sdgkit.run.plans import Plan
from sdgkit.stages import Row


def cut_to_target(target: Target, journal: Journal) -> str:
    """Take back what came of later units, and drop the surplus of the last one; returns why it fell short, or ""."""
    journal.forget_units_after(target.last_unit)
    if target.surplus:
        last = [one.place for one in journal.outcomes("sample") if one.unit == target.last_unit]
        words = f"Beyond the target of {target.number}; a larger target keeps it."
        journal.drop_samples("target", [(place, "target", words) for place in last[-target.surplus :]])
    return f"{target.kept} of the target's {target.number} samples are kept: {target.reason}." if target.reason else ""


def drop_repeats(plan: Plan, journal: Journal) -> Counter[str]:
    """Drop the samples that repeat an earlier one or a seed; returns how many, by reason."""
    assert plan.near_duplicates is not None
    journal.restore(NEAR_DUPLICATES)
    places: dict[str, str] = {}

    def samples() -> Iterator[Row]:
        for outcome in journal.outcomes("sample"):
            places[outcome.id] = outcome.place
            yield outcome.columns

    found = list(repeats(samples(), plan.near_duplicates, plan.admitted))
    journal.drop_samples(NEAR_DUPLICATES, [(places[one.id], one.reason, one.message) for one in found])
    return Counter(one.reason for one in found)
