"""The lowest score of the last judge with which a sample is kept."""

from dataclasses import dataclass

from sdgkit.errors import SettingsError
from sdgkit.formatting import format_number
from sdgkit.pipeline import Pipeline
from sdgkit.stages import Stage


def with_min_score(pipeline: Pipeline, min_score: float | None) -> Pipeline:
    """The pipeline whose last filter keeps what its judge gave this score or more.

    Args:
        pipeline: The pipeline.
        min_score: The score; None for the pipeline's own.

    Raises:
        SettingsError: It is not on the judge's scale, or no judge is followed by a filter.
    """
    if min_score is None:
        return pipeline
    last = _last_filter(pipeline)
    lowest = min(last.scale)
    highest = max(last.scale)
    is_number = isinstance(min_score, int | float) and not isinstance(min_score, bool)
    if not is_number or not lowest <= min_score <= highest:
        raise SettingsError(
            f"min_score must be a score of {last.judge}, from {format_number(lowest)} to "
            f"{format_number(highest)}, not {min_score!r}.",
            setting="min_score",
        )
    return pipeline.change(last.filter.name, at_least=float(min_score), equals=None)


@dataclass(frozen=True)
class _LastFilter:
    """The last filter by score, and the judge whose score it reads."""

    filter: Stage
    judge: str
    scale: tuple[float, ...]


def _last_filter(pipeline: Pipeline) -> _LastFilter:
    last_filter: Stage | None = None
    for stage in reversed(pipeline.stages):
        if stage.drops_by_score and "at_least" in stage.field_names:
            last_filter = last_filter or stage
        elif stage.scale and not stage.repeats_judge and last_filter is not None:
            return _LastFilter(last_filter, stage.name, tuple(stage.scale))
    raise SettingsError(
        f"min_score has no stage to apply to: the pipeline {pipeline.name} has no judge that is "
        "followed by a filter (Keep).",
        setting="min_score",
    )
