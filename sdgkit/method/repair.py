"""One repair before the drop: the stages that revise a response and judge it again."""

from dataclasses import dataclass

from sdgkit.errors import SettingsError
from sdgkit.pipeline import Pipeline
from sdgkit.stages import JudgeAgain, Revise


@dataclass(frozen=True)
class _RepairStages:
    """The names of the stages of a method that take part in a repair."""

    writer: str
    judge: str
    revise: str
    judge_again: str


REPAIRS = (
    _RepairStages(
        writer="gen_grounded_responses",
        judge="evaluate_grounded_qa_pair",
        revise="revise_grounded_responses",
        judge_again="evaluate_revised_grounded_qa_pair",
    ),
    _RepairStages(
        writer="gen_responses",
        judge="evaluate_qa_pair",
        revise="revise_responses",
        judge_again="evaluate_revised_qa_pair",
    ),
)
"""The stages of both methods; the prompts that revise are named after theirs."""


def with_repair(pipeline: Pipeline) -> Pipeline:
    """The pipeline that revises each response once that its judge did not give the highest score.

    Raises:
        SettingsError: The pipeline does not have the method's writer and judge of responses.
    """
    for names in REPAIRS:
        if {names.writer, names.judge} <= set(pipeline.names):
            return _with_stages(pipeline, names)
    raise SettingsError(
        "repair requires the method's stages that write and judge responses; "
        f"the stages are {', '.join(pipeline.names)}.",
        setting="repair",
    )


def _with_stages(pipeline: Pipeline, names: _RepairStages) -> Pipeline:
    judge = pipeline.stage(names.judge)
    writer = pipeline.stage(names.writer)
    judge_again = JudgeAgain(name=names.judge_again, scale=judge.scale, repeats_judge=names.judge)
    revise = Revise(
        name=names.revise,
        below=max(judge.scale),
        keep_reasoning=writer.keep_reasoning,
    )
    return pipeline.after(names.judge, judge_again).after(names.judge, revise)
