"""What a plan's judge says about given rows, and whether the plan would keep them."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.evaluation.quiet_runs import run_stage
from sdgkit.journal import Journal
from sdgkit.pipeline import Pipeline
from sdgkit.run.plan import Plan
from sdgkit.samples import Row, without_id
from sdgkit.stages import Stage
from sdgkit.teachers.teacher import Teacher


@dataclass(frozen=True)
class Judgement:
    """What the judge said about one row.

    Attributes:
        row: The row with the judge's `evaluation` and `score`; the drop if the judge gave no
            verdict.
        kept: Whether the plan would keep the row; None if the judge gave no verdict.
    """

    row: Row
    kept: bool | None


@dataclass(frozen=True)
class JudgeAndFilter:
    """A judge and the filter that follows its verdict.

    Attributes:
        judge: The stage that judges.
        filter: The stage that keeps or drops a row by the judge's score.
    """

    judge: Stage
    filter: Stage


def judge_rows(
    judge: Teacher, rows: Sequence[Row], plan: Plan, out: str | Path | None = None
) -> list[Judgement]:
    """Have rows judged by the last judge of a plan and its filter.

    Args:
        judge: The teacher that judges.
        rows: Rows with the columns of a sample, each with an `id`.
        plan: The plan whose judge, prompt and filter are used.
        out: A folder for the journal; what is recorded there is not asked again. None to keep
            nothing.

    Returns:
        The judgements in lineage order, those without a verdict last.

    Raises:
        SdgkitError: If the plan has no such judge, or the teacher cannot be asked.
    """
    stages = last_judge(plan.pipeline)
    prompt = plan.prompts[stages.judge.name]
    folder = None
    if out is not None:
        folder = Path(out)
    with closing(Journal(folder)) as journal:
        run = run_stage(
            stages.judge,
            prompt,
            rows,
            judge,
            journal,
            structure=plan.structure,
            variables=plan.variables,
        )
        judgements = []
        for row in run.samples():
            judgements.append(Judgement(row, kept=stages.filter.passes(row)))
        for drop in run.drops():
            judgements.append(Judgement(drop, kept=None))
    return judgements


def last_judge(pipeline: Pipeline) -> JudgeAndFilter:
    """The last judge of a pipeline, and the filter that follows it.

    Raises:
        SettingsError: If no judge is followed by a filter.
    """
    last_filter: Stage | None = None
    for stage in reversed(pipeline.stages):
        if stage.drops_by_score:
            last_filter = stage
        elif stage.scale and not stage.repeats_judge and last_filter is not None:
            return JudgeAndFilter(stage, last_filter)
    raise SettingsError(
        f"The pipeline {pipeline.name} has no judge that is followed by a filter (Keep). Add both."
    )


def as_sample(seed: Row) -> dict[str, Any]:
    """A seed as a sample: its own context, question and response, with itself as the example.

    Example:
        >>> as_sample({"seed_question": "Why?", "seed_response": "Because."})["response"]
        'Because.'
    """
    sample = without_id(seed)
    for name, value in seed.items():
        if name.startswith("seed_"):
            sample[name.removeprefix("seed_")] = value
    return sample
