"""Runs of a few rows or a single stage, without files of their own and without notes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sdgkit.errors import RunEmptied
from sdgkit.journal import Journal
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt
from sdgkit.run import Run
from sdgkit.run.notes import say_nothing
from sdgkit.run.plan import Plan
from sdgkit.samples import Row
from sdgkit.stages import Stage
from sdgkit.teachers.teacher import Teacher


def run_quietly(plan: Plan, journal: Journal) -> Run:
    """Carry out a plan to its end.

    It writes no files, so that its rows are never mistaken for samples, and prints no notes.

    Args:
        plan: What to do.
        journal: Where the replies are recorded; what is recorded already is not asked again. It
            stays open.

    Returns:
        The finished run.

    Raises:
        SdgkitError: If the run stopped before its end.
    """
    run = Run(plan, journal=journal, reuse=True, on_note=say_nothing).start()
    with suppress(RunEmptied):  # that nothing was kept is a result, too
        run.wait()
    return run


def run_stage(
    stage: Stage,
    prompt: Prompt,
    rows: Sequence[Row],
    teacher: Teacher,
    journal: Journal,
    *,
    structure: str = "auto",
    variables: Mapping[str, Any] | None = None,
) -> Run:
    """Carry out a single stage on some rows, as `run_quietly` does a plan.

    Args:
        stage: The stage.
        prompt: Its prompt.
        rows: The rows that it works on.
        teacher: The teacher that it asks.
        journal: Where the replies are recorded.
        structure: When to use structured output: "auto", "always" or "never" (as for `plan`).
        variables: The variables of the whole run that the prompt may use.
    """
    plan = Plan(
        pipeline=Pipeline(stage.name, (stage,)),
        rows=rows,
        prompts={stage.name: prompt},
        teacher=teacher,
        structure=structure,
        variables=variables or {},
    )
    return run_quietly(plan, journal)
