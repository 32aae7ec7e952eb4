"""`config.json`: the settings of a run, enough to do it again."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sdgkit.formatting import public_model_name
from sdgkit.run.plan import Plan
from sdgkit.teachers.teacher import Teacher


@dataclass(frozen=True)
class RunConfig:
    """What `config.json` holds.

    Attributes:
        pipeline: The pipeline's name.
        name: The name of the skill.
        settings: The options of `generate`, as JSON values.
        teacher: The kind of teacher.
        model: The teacher's model; None if its name is a path on the server.
        judge: The judge's model, None if the teacher judged its own work or the name is a path.
        target: How many samples to keep; None for one pass over the seeds.
        system: Your own system message for training files.
        prompts: The prompts by stage name, as JSON values.
    """

    pipeline: str
    name: str
    settings: Mapping[str, Any]
    teacher: str | None
    model: str | None
    judge: str | None
    target: int | None
    system: str | None
    prompts: Mapping[str, Mapping[str, Any]]

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
            settings=dict(plan.settings),
            teacher=plan.teacher_kind,
            model=_publishable_model(plan.teacher),
            judge=_publishable_model(plan.judge),
            target=plan.target,
            system=plan.system,
            prompts={name: prompt.as_json() for name, prompt in plan.prompts.items()},
        )

    def as_json(self) -> dict[str, Any]:
        """The content of `config.json`."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunConfig":
        """The config that `as_json` gave; keys that this version does not know are ignored."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def _publishable_model(teacher: Teacher | None) -> str | None:
    """The model's name; None if it is a path, which must not be in the folder's files."""
    if teacher is None or public_model_name(teacher.model) != teacher.model:
        return None
    return teacher.model
