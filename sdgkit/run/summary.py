"""The summary of a run: its numbers over all sessions."""

from collections.abc import Sequence

from sdgkit.formatting import public_model_name
from sdgkit.funnel import StageLine, Summary
from sdgkit.journal import Totals
from sdgkit.run.config import RunConfig
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import Snapshot


def summarize(
    plan: Plan, totals: Totals, *, state: str, funnel: Sequence[StageLine], notes: Sequence[str]
) -> Summary:
    """The summary of a run.

    Args:
        plan: The plan of the run.
        totals: The numbers of all sessions.
        state: The state of the run.
        funnel: The final funnel.
        notes: What the run had to say.
    """
    from sdgkit import __version__

    judge = plan.judge or plan.teacher
    return Summary(
        state=state,
        stages=list(funnel),
        **vars(totals),
        teacher=plan.teacher.kind if plan.teacher else None,
        model=public_model_name(plan.teacher.model) if plan.teacher else None,
        judge=public_model_name(judge.model) if judge else None,
        sdgkit_version=__version__,
        seeds=len(plan.rows),
        target=plan.target,
        notes=list(notes),
    )


def summary_so_far(snapshot: Snapshot, config: RunConfig) -> Summary:
    """What can be said of a run that another process is still at work on."""
    return Summary(
        state=snapshot.state,
        stages=snapshot.stages,
        seeds=snapshot.seeds,
        teacher=config.teacher,
        model=config.model,
        judge=config.judge,
    )
