"""The options of `plan`, `generate` and the stage functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, cast

from sdgkit.checks import CheckSource
from sdgkit.errors import SettingsError
from sdgkit.method.own_contexts import ContextSource
from sdgkit.pipeline import Pipeline
from sdgkit.profile import Profile
from sdgkit.prompts import Prompt
from sdgkit.seeds import Columns, flaw_of
from sdgkit.teachers.source import TeacherSource

Prompts: TypeAlias = Mapping[str, Prompt | str | Path] | str | Path | None
"""Prompts or their files by stage name, or a folder of files named after the stages."""

Sampling: TypeAlias = Mapping[str, Mapping[str, Any]] | None
"""Sampling settings by stage name."""

Vary: TypeAlias = Mapping[str, Sequence[Any]] | None
"""Lists by name, from each of which a value is drawn for each new row."""


ProfileSource: TypeAlias = Profile | str | Path | bool | None
"""A profile or its file; False for none, None or True for the one that the run makes itself."""


class PlanOptions(TypedDict, total=False):
    """The options of `plan` and `generate`, explained there. None means the default."""

    judge: TeacherSource | None
    pipeline: Pipeline | None
    prompts: Prompts
    num_contexts: int | None
    num_questions: int | None
    contexts: ContextSource | None
    questions: str | None
    vary: Vary
    profile: ProfileSource
    target: int | None
    max_requests: int | None
    min_samples: int | None
    checks: CheckSource
    near_duplicates: float | None
    twins: str | None
    responses: int | None
    repair: bool | None
    keep_reasoning: bool | None
    min_score: float | None
    sampling: Sampling
    max_tokens: int | None
    extra_tries: int | None
    system: str | None
    structure: str | None
    encoding: str | None
    task: str | None
    columns: Columns
    split_contexts: str | int | None


class StageOptions(TypedDict, total=False):
    """The options of a stage function, explained in its help. None means the default."""

    teacher: TeacherSource | None
    judge: TeacherSource | None
    out: str | Path | None
    prompt: Prompt | str | Path | None
    sampling: Mapping[str, Any] | None
    max_tokens: int | None
    structure: str | None
    reuse: bool
    num_contexts: int | None
    num_questions: int | None
    extra_tries: int | None
    vary: Vary
    keep_reasoning: bool | None
    profile: Profile | str | Path | None


@dataclass(frozen=True)
class MakerOption:
    """An option of some stages.

    Attributes:
        name: The name of the option.
        stages: The stages that have it.
        field: What it is called there.
        lowest: The lowest number; None for an option that is not a number.
        is_switch: Whether it is on or off.
    """

    name: str
    stages: Sequence[str]
    field: str
    lowest: int | None = None
    is_switch: bool = False

    def check(self, value: object) -> None:
        """Refuse a value that cannot be used. Raises SettingsError."""
        if self.is_switch:
            if not isinstance(value, bool):
                raise SettingsError(f"{self.name} must be True or False.", setting=self.name)
        elif self.lowest is None:
            check_vary(value)
        else:
            check_number(self.name, value, self.lowest)


MAKER_OPTIONS = (
    MakerOption("num_contexts", ("gen_contexts",), "per_row", lowest=1),
    MakerOption("num_questions", ("gen_grounded_questions", "gen_questions"), "per_row", lowest=1),
    MakerOption("extra_tries", ("gen_contexts", "gen_questions"), "extra_tries", lowest=0),
    MakerOption("vary", ("gen_contexts", "gen_questions"), "vary"),
    MakerOption(
        "keep_reasoning",
        ("gen_grounded_responses", "gen_responses"),
        "keep_reasoning",
        is_switch=True,
    ),
)


def with_maker_options(pipeline: Pipeline, values: Mapping[str, Any]) -> Pipeline:
    """The pipeline with these options of its stages.

    Args:
        pipeline: The pipeline.
        values: The options by name; others, and those that are None, are ignored.

    Raises:
        SettingsError: A value cannot be used, or the pipeline has no stage with that option.
    """
    for option in MAKER_OPTIONS:
        value = values.get(option.name)
        if value is None:
            continue
        stage_name = _stage_with(option, pipeline)
        option.check(value)
        pipeline = pipeline.change(stage_name, **{option.field: value})
    return pipeline


def without_misfits(options: PlanOptions, pipeline: Pipeline) -> PlanOptions:
    """The options without those of stages that a pipeline does not have.

    For options that are given to several skills at once, grounded and freeform.
    """
    fitting = dict(options)
    for option in MAKER_OPTIONS:
        stages = [stage for stage in pipeline.stages if stage.name in option.stages]
        if not any(option.field in stage.field_names for stage in stages):
            fitting.pop(option.name, None)
    return cast(PlanOptions, fitting)


def _stage_with(option: MakerOption, pipeline: Pipeline) -> str:
    for stage in pipeline.stages:
        if stage.name in option.stages and option.field in stage.field_names:
            return stage.name
    raise SettingsError(
        f"{option.name} has no stage to apply to: the stages are {', '.join(pipeline.names)}.",
        setting=option.name,
    )


def check_number(name: str, value: object, lowest: int) -> None:
    """Refuse what is not a whole number, or is lower than the lowest. Raises SettingsError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise SettingsError(
            f"{name} must be a whole number of at least {lowest}, not {value!r}.", setting=name
        )


def read_profile(source: ProfileSource) -> Profile | None:
    """The profile that was given, as it is or as the path of its file; None if none was.

    Raises:
        ProfileError: The file cannot be used.
        SettingsError: It is something else.
    """
    if source is None or isinstance(source, bool):
        return None
    if isinstance(source, Profile):
        return source
    if isinstance(source, str | Path):
        return Profile.load(source)
    raise SettingsError(
        f"profile must be a Profile, the path of its file, or False, not {source!r}.",
        setting="profile",
    )


def check_vary(value: object) -> None:
    """Refuse what is not named lists of values that can be stored. Raises SettingsError."""
    lists = value if isinstance(value, Mapping) else {}
    if not lists or not all(_is_filled_list(entries) for entries in lists.values()):
        raise SettingsError(
            "vary must be named lists: {'audience': ['children', 'experts'], 'mood': [...]}.",
            setting="vary",
        )
    for name, entries in lists.items():
        for entry in entries:
            flaw = flaw_of(entry)
            if entry is None:
                flaw = "an entry is None. Write it, or leave it out."
            if flaw:
                raise SettingsError(f"vary, list {name}: {flaw}", setting="vary")


def _is_filled_list(entries: object) -> bool:
    return isinstance(entries, list | tuple) and bool(entries)
