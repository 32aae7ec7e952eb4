"""The last steps of a run: a target's surplus, twins and near-duplicates are dropped."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.errors import RunEmptied
from sdgkit.formatting import format_drops
from sdgkit.funnel import FAILURES, StageLine, drops_by_reason, samples_kept
from sdgkit.journal import Journal
from sdgkit.quality import NEAR_DUPLICATES, TWINS, Repeat, distinct_answers, repeats, twins
from sdgkit.quality.best import BEST_RESPONSE, worse_responses
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import failed_rows, funnel_of
from sdgkit.stream import Tally, Target


@dataclass(frozen=True)
class LastSteps:
    """The outcome of the last steps.

    Attributes:
        funnel: The final funnel.
        notes: What the user should read.
        distinct_answers: How many samples are left if each answer to a context counts once.
    """

    funnel: list[StageLine]
    notes: list[str]
    distinct_answers: int


def take_last_steps(plan: Plan, target: Target | None, tally: Tally, journal: Journal) -> LastSteps:
    """Take the last steps of a run.

    Args:
        plan: The plan of the run.
        target: The target, if it was pursued to the end; what came of the units after its last one
            is taken back.
        tally: The rows that left each stage.
        journal: The journal, in which the drops are recorded.
    """
    notes = []
    if target is not None:
        tally = target.tally
        _drop_surplus(target, journal)
        if target.reason:
            notes.append(f"Kept only {target.kept} of {target.number} samples: {target.reason}.")
    funnel = funnel_of(plan.pipeline, tally, len(plan.rows), target)
    for line in _drop_repeats(plan, funnel[-1].rows_out, journal):
        funnel.append(line)
        # Of several responses to a question, the target has counted one.
        if line.dropped and target is not None and line.name != BEST_RESPONSE:
            notes.append(
                f"{line.dropped_rows} of {line.rows_in} samples repeated others or the seeds; they "
                f"were dropped after the target was reached, and {line.rows_out} remain. "
                "Raise the target to make up for them."
            )
    return LastSteps(funnel, notes, distinct_answers(journal.samples()))


def emptied_by_failures(
    funnel: Sequence[StageLine], journal: Journal, out: Path | None
) -> RunEmptied | None:
    """Why a run failed that kept no sample mostly because of technical failures.

    Args:
        funnel: Its final funnel.
        journal: The journal, which has the drops.
        out: The run's folder; None if it has none.

    Returns:
        The error; None if it kept a sample, or where the judge, a check or duplicates dropped most
        of the rows.
    """
    is_pipeline = len(funnel) > 1
    if not is_pipeline or samples_kept(funnel):
        return None
    dropped = drops_by_reason(funnel)
    if 2 * failed_rows(funnel) <= dropped.total():
        return None
    first = next(drop for drop in journal.drops() if drop["reason"] in FAILURES)
    return RunEmptied(
        f"No sample was kept. Dropped: {format_drops(dropped)}. The first of them, "
        f"{first['id']} at {first['stage']}: {first['message']}",
        folder=out,
        stage=first["stage"],
        row=first["id"],
    )


def _drop_surplus(target: Target, journal: Journal) -> None:
    """Drop the samples beyond the target, the last ones of the unit that reached it."""
    journal.forget_units_after(target.last_unit)
    places = []
    for outcome in journal.outcomes("sample"):
        if outcome.unit == target.last_unit:
            places.append(outcome.place)
    surplus = places[len(places) - target.surplus :]
    message = f"Beyond the target of {target.number}; a larger target would keep it."
    journal.drop_samples("target", [(place, "target", message) for place in surplus])


def _drop_repeats(plan: Plan, samples: int, journal: Journal) -> list[StageLine]:
    """Drop twins and near-duplicates, if that is wanted, and return the lines of these steps."""
    for stage in (NEAR_DUPLICATES, TWINS, BEST_RESPONSE):
        journal.restore(stage)
    lines = []
    if plan.responses > 1:
        line = _drop_at_end(BEST_RESPONSE, worse_responses(journal.samples()), samples, journal)
        lines.append(line)
        samples = line.rows_out
    if plan.twins == "drop":
        line = _drop_at_end(TWINS, twins(journal.samples()), samples, journal)
        lines.append(line)
        samples = line.rows_out
    if plan.near_duplicates is not None:
        near = repeats(journal.samples(), plan.near_duplicates, plan.admitted)
        lines.append(_drop_at_end(NEAR_DUPLICATES, near, samples, journal))
    return lines


def _drop_at_end(
    stage: str, repeated: Iterable[Repeat], samples: int, journal: Journal
) -> StageLine:
    """Drop the samples that repeat an earlier one or a seed, and return the line of this step."""
    repeats_by_id = {repeat.id: repeat for repeat in repeated}
    drops = []
    for outcome in journal.outcomes("sample"):
        repeat = repeats_by_id.get(outcome.id)
        if repeat is not None:
            drops.append((outcome.place, repeat.reason, repeat.message))
    journal.drop_samples(stage, drops)
    reasons = Counter(repeat.reason for repeat in repeats_by_id.values())
    return StageLine.from_drops(stage, samples, reasons)
