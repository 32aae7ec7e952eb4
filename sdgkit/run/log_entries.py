"""What a session of a run writes to the log: where it begins, and how it ends."""

import logging
from pathlib import Path

from sdgkit.formatting import pluralize
from sdgkit.funnel import drops_by_reason
from sdgkit.log import log
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import Snapshot


def log_start(plan: Plan, out: Path | None, recorded_replies: int) -> None:
    """Log that a session begins.

    Args:
        plan: What it does.
        out: The run's folder; None if it has none.
        recorded_replies: How many replies the journal holds already.
    """
    log(
        logging.INFO,
        "run_started",
        f"Run started: {pluralize(len(plan.rows), 'seed example')}.",
        folder=out.name if out is not None else None,  # without its path
        seeds=len(plan.rows),
        stages=list(plan.pipeline.names),
        model=plan.teacher_model,
        judge=plan.judge_model,
        target=plan.target,
        recorded_replies=recorded_replies,
    )


def log_end(snapshot: Snapshot, out: Path | None, error: str) -> None:
    """Log how a session ended.

    Args:
        snapshot: Its last state.
        out: The run's folder; None if it has none.
        error: What stopped it, in a sentence; empty if nothing did.
    """
    level = logging.ERROR if snapshot.state == "failed" else logging.INFO
    log(
        level,
        "run_ended",
        f"Run {snapshot.state}: {pluralize(snapshot.samples, 'sample')}.",
        folder=out.name if out is not None else None,  # without its path
        state=snapshot.state,
        samples=snapshot.samples,
        dropped=dict(drops_by_reason(snapshot.stages)),
        requests=snapshot.requests,
        reused=snapshot.reused,
        retries=snapshot.retries,
        completion_tokens=snapshot.completion_tokens,
        wall_s=round(snapshot.wall_s, 3),
        error=error or None,
    )
