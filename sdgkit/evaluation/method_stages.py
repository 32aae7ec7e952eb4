"""The method's stages by name, and the rows on which their prompts can be tried."""

from typing import Any

from sdgkit.method import FREEFORM, GROUNDED, METHODS
from sdgkit.method.repair import with_repair
from sdgkit.pipeline import Pipeline
from sdgkit.samples import Row
from sdgkit.stages import Stage


def pipeline_of(name: str) -> Pipeline:
    """The pipeline of the method that a prompt belongs to; the grounded one for an unknown name.

    Args:
        name: The name of the prompt and its stage.

    Example:
        >>> pipeline_of("gen_responses").name
        'freeform'
    """
    if name in with_repair(FREEFORM).prompted:
        return FREEFORM
    return GROUNDED


def find_stage(name: str) -> Stage | None:
    """The stage of this name in either pipeline of the method; None if there is none.

    The stages of a repair are among them.
    """
    for method in METHODS.values():
        pipeline = with_repair(method)
        if name in pipeline.names:
            return pipeline.stage(name)
    return None


def stand_in(seed: Row, name: str) -> dict[str, Any]:
    """A row on which a stage's prompt can be tried before the stages ahead of it have run.

    Args:
        seed: A seed, or a row of an earlier stage.
        name: The name of the stage.

    Returns:
        The seed's columns, with its own context, question and response where an earlier stage would
        have written them.

    Example:
        >>> seed = {"seed_context": "A note.", "seed_question": "Why?", "seed_response": "So."}
        >>> stand_in(seed, "gen_grounded_responses")["question"]
        'Why?'
    """
    row = {}
    for column, value in seed.items():
        if value is not None:
            row[column] = value
    for stage in pipeline_of(name).stages:
        if stage.name == name:
            break
        for column in stage.columns:
            if f"seed_{column}" in row:
                row.setdefault(column, row[f"seed_{column}"])
    stage_to_try = find_stage(name)
    if stage_to_try is not None and "num_samples" in stage_to_try.prompt_variables:
        row.setdefault("num_samples", stage_to_try.rows_per_request)
    return row
