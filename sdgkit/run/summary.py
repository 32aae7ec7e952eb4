"""The summary of a run: its numbers over all sessions."""

from collections.abc import Sequence

from sdgkit.formatting import public_model_name
from sdgkit.funnel import StageLine, Summary
from sdgkit.journal import Totals
from sdgkit.run.config import RunConfig
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import Snapshot

ENDED = ("done", "cancelled", "failed")
"""The states of a run that is over."""


def summarize(
    plan: Plan,
    totals: Totals,
    *,
    state: str,
    funnel: Sequence[StageLine],
    notes: Sequence[str],
    distinct_answers: int | None = None,
    error: str | None = None,
) -> Summary:
    """The summary of a run.

    Args:
        plan: The plan of the run.
        totals: The numbers of all sessions.
        state: The state of the run.
        funnel: The final funnel.
        notes: What the run noted.
        distinct_answers: How many samples are left if each answer to a context counts once.
        error: What stopped the run, in a sentence.
    """
    from sdgkit import __version__

    return Summary(
        state=state,
        stages=list(funnel),
        **{**vars(totals), "ended": totals.ended if state in ENDED else None},
        teacher=plan.teacher_kind,
        model=_public(plan.teacher_model),
        judge=_public(plan.judge_model),
        sdgkit_version=__version__,
        seeds=len(plan.rows),
        target=plan.target,
        notes=list(notes),
        distinct_answers=distinct_answers,
        max_requests=plan.max_requests,
        min_samples=plan.min_samples,
        error=error,
    )


def _public(model: str | None) -> str | None:
    if model is None:
        return None
    return public_model_name(model)


def summary_so_far(snapshot: Snapshot, config: RunConfig) -> Summary:
    """What can be said about a run that another process is still working on."""
    return Summary(
        state=snapshot.state,
        stages=snapshot.stages,
        seeds=snapshot.seeds,
        teacher=config.teacher,
        model=config.model,
        judge=config.judge,
        target=config.target,
        max_requests=config.settings.max_requests,
        min_samples=config.settings.min_samples,
    )
