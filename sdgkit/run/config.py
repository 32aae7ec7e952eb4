"""`config.json`: the settings of a run, enough to repeat it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdgkit.formatting import public_model_name
from sdgkit.recorded import read_file
from sdgkit.run.plan import Plan
from sdgkit.teachers.teacher import Teacher


@dataclass(frozen=True)
class RecordedSettings:
    """The options of a run as its folder records them, each None where it was left out.

    A folder may come from a stranger, so these are values and never a path: an option that would
    name a file (of contexts, of code) is not among them. `sdgkit.plan` explains each.

    Attributes:
        contexts: Your own contexts, the rows themselves.
        questions_together: How many questions of a freeform skill one request asks for; None where
            it asks for all.
        checks: What `sdgkit.checks.saved` gives for each check.
    """

    num_contexts: int | None = None
    num_questions: int | None = None
    extra_tries: int | None = None
    vary: Mapping[str, Sequence[Any]] | None = None
    questions: Literal["seed", "context"] | None = None
    contexts: Sequence[Mapping[str, Any]] | None = None
    structure: Literal["auto", "always", "never"] | None = None
    checks: Sequence[Mapping[str, Any]] | None = None
    near_duplicates: float | None = None
    twins: Literal["keep", "drop"] | None = None
    min_score: float | None = None
    responses: int | None = None
    repair: bool | None = None
    questions_together: int | None = None
    keep_reasoning: bool | None = None
    profile: Literal[False] | None = None
    max_requests: int | None = None
    min_samples: int | None = None

    # An option that is unknown here would be left out of the run silently.
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def chosen(self) -> dict[str, Any]:
        """The options that were not left out."""
        values = {}
        for name, value in vars(self).items():
            if value is not None:
                values[name] = value
        return values


@dataclass(frozen=True)
class RunConfig:
    """What `config.json` holds.

    Attributes:
        pipeline: The pipeline's name.
        name: The name of the skill.
        settings: The options of `generate`.
        teacher: The kind of teacher.
        model: The teacher's model; None if its name is a path on the server.
        judge: The judge's model, None if the teacher judged its own work or the name is a path.
        target: How many samples to keep; None for one pass over the seeds.
        system: Your own system message for training files.
        prompts: The prompts by stage name, as JSON values.
        draw_starts: Where the draws of each seed begin, by its key; None if none draws, or each for
            itself, as in runs of earlier versions.
    """

    pipeline: str
    name: str
    settings: RecordedSettings
    teacher: str | None
    model: str | None
    judge: str | None
    target: int | None
    system: str | None
    prompts: Mapping[str, Mapping[str, Any]]
    draw_starts: Mapping[str, int] | None = None

    @classmethod
    def of(cls, plan: Plan, folder_name: str) -> "RunConfig":
        """The config of a plan.

        Args:
            plan: The plan.
            folder_name: The name of the skill if the seeds have none.
        """
        return cls(
            pipeline=plan.pipeline.name,
            name=plan.name or folder_name,
            settings=RecordedSettings(**plan.settings),
            teacher=plan.teacher_kind,
            model=_publishable_model(plan.teacher),
            judge=_publishable_model(plan.judge),
            target=plan.target,
            system=plan.system,
            prompts={name: prompt.as_json() for name, prompt in plan.prompts.items()},
            draw_starts=plan.draw_starts or None,
        )

    def as_json(self) -> dict[str, Any]:
        """The content of `config.json`."""
        values = {**vars(self), "settings": self.settings.chosen()}
        if self.draw_starts is None:
            del values["draw_starts"]
        return values

    @classmethod
    def read(cls, path: Path) -> "RunConfig":
        """The config in a file; keys that this version does not know are ignored.

        Raises:
            RunError: It holds something that sdgkit does not write.
            OSError: The file cannot be read.
        """
        return read_file(cls, path)


def _publishable_model(teacher: Teacher | None) -> str | None:
    """The model's name; None if it is a path, which must not be in the folder's files."""
    if teacher is None or public_model_name(teacher.model) != teacher.model:
        return None
    return teacher.model
