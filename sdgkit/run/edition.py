"""Everything that decides the rows of a run, and what has changed since the last session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sdgkit.errors import RunError
from sdgkit.formatting import pluralize, public_model_name
from sdgkit.journal import Edition
from sdgkit.recorded import read_values
from sdgkit.stages import Check

LONGEST_CHANGE = 60
"""Characters up to which a changed value is shown with its old and its new value."""

JUDGE_OF_QUESTIONS = ("eval_grounded_questions", "filter_grounded_questions")

REPAIR = (
    "revise_grounded_responses",
    "evaluate_revised_grounded_qa_pair",
    "revise_responses",
    "evaluate_revised_qa_pair",
)

SETTINGS = (
    "model",
    "judge",
    "target",
    "max_requests",
    "near_duplicates",
    "twins",
    "seed_samples",
    "structure",
)
"""Fields of a config whose change is shown with the old and the new value."""

ProfileState: TypeAlias = Literal["", "to be studied", "used"]
"""Whether a run goes by a profile, or has yet to write one; empty for neither."""

CHECK_KIND = Check.__name__
"""What the description of a check gives as its kind."""

LATER_FIELDS = (
    "variables",
    "twins",
    "seed_samples",
    "profile",
    "max_requests",
    "draw_starts",
)
"""Fields of a config that journals written before do not have."""


@dataclass(frozen=True)
class EditionConfig:
    """Everything that decides the rows of a run. Its hash names the edition in the journal.

    Addresses and concurrency are left out: they do not affect the rows.

    Attributes:
        pipeline: The pipeline's name.
        stages: What each stage does, as JSON values, in order.
        prompts: The prompts by stage name, as JSON values.
        model: The teacher's model.
        judge: The judge's model, None if no stage judges.
        seeds: The key of each seed, in order.
        ids: The ids that the seeds came with, in order.
        target: How many samples to keep, None for one pass.
        near_duplicates: The similarity from which near-duplicates are dropped, None to keep them.
        structure: When structured output is used: `auto`, `always` or `never`.
        variables: The variables of the whole run, as JSON values.
        seed_samples: The tokens of other seeds that a prompt may show, 0 where none shows them.
        twins: `drop` if twins are dropped, otherwise empty.
        profile: Whether the run goes by a profile, or still has to study its seeds to write one;
            empty for a run without one.
        max_requests: How many requests the rounds of a target may take, None for no limit.
        draw_starts: Where the draws of each seed begin, in the order of `seeds`; empty if none
            draws, or each for itself.
    """

    pipeline: str
    stages: Sequence[Mapping[str, Any]]
    prompts: Mapping[str, Mapping[str, Any]]
    model: str | None
    judge: str | None
    seeds: Sequence[str]
    ids: Sequence[str]
    target: int | None
    near_duplicates: float | None
    structure: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    twins: str = ""
    seed_samples: int = 0
    profile: ProfileState = ""
    max_requests: int | None = None
    draw_starts: Sequence[int] = ()

    def as_json(self) -> dict[str, Any]:
        """The config as the journal stores it.

        Fields that were added after the first version are left out where they are unset, so that
        the edition of a run that does not use them stays the same.
        """
        values = dict(vars(self))
        for name in LATER_FIELDS:
            if not values[name]:
                del values[name]
        return values

    @property
    def stages_by_name(self) -> dict[str, Mapping[str, Any]]:
        """What each stage does, by its name, in order."""
        return {stage["name"]: stage for stage in self.stages}

    def is_another_job(self, previous: "EditionConfig") -> bool:
        """Whether this is a run of another model, other stages or wholly different seeds."""
        return (
            self.model != previous.model
            or self.judge != previous.judge
            or _deciding(self.stages) != _deciding(previous.stages)
            or set(self.seeds).isdisjoint(previous.seeds)
        )

    def changes_since(self, previous: "EditionConfig") -> list[str]:
        """What differs from an earlier config, in a few words each; empty if nothing does."""
        changes = _seed_changes(previous.seeds, self.seeds)
        changes += _prompt_changes(previous.prompts, self.prompts)
        changes += _stage_changes(previous.stages_by_name, self.stages_by_name)
        changes += _variable_changes(previous.variables, self.variables)
        for name in SETTINGS:
            old_value = getattr(previous, name)
            new_value = getattr(self, name)
            if old_value != new_value:
                changes.append(_change(name, old_value, new_value))
        return changes


def recorded_config(newest: Edition, out: Path | None) -> EditionConfig:
    """What decided the rows of the last session. Raises RunError where the journal is damaged."""
    return read_values(EditionConfig, newest.config, f"The journal in {out}", out)


def _deciding(stages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the stages that make a job what it is.

    Checks are not among them: they send no requests, and may come and go. Nor are those of a
    repair, without which a run asks and judges the same. Nor is the judge of questions: runs with
    `questions="seed"` did without it once.
    """
    names = []
    for stage in stages:
        if stage.get("kind") != CHECK_KIND and stage["name"] not in REPAIR:
            names.append(stage["name"])
    if "seed_questions" not in names:
        return names
    deciding = []
    for name in names:
        if name not in JUDGE_OF_QUESTIONS:
            deciding.append(name)
    return deciding


def refuse_another_job(
    previous: EditionConfig, config: EditionConfig, folder: str | Path | None
) -> None:
    """Refuse a folder with a run of another model, other stages or wholly different seeds.

    Raises:
        RunError: It holds such a run.
    """
    if config.is_another_job(previous):
        changes = ", ".join(config.changes_since(previous))
        raise RunError(
            f"{folder} holds another run: {changes}. Choose another --out (out=), or pass --reuse "
            "(reuse=True) to continue in it and reuse its recorded replies where they fit.",
            folder=folder,
        )


def _seed_changes(old_seeds: Sequence[str], new_seeds: Sequence[str]) -> list[str]:
    added = len(set(new_seeds) - set(old_seeds))
    removed = len(set(old_seeds) - set(new_seeds))
    some_stayed = not set(old_seeds).isdisjoint(new_seeds)
    # A seed that was edited looks like one that was removed and another that was added.
    edited = min(added, removed) if some_stayed else 0
    numbers = {"edited": edited, "added": added - edited, "removed": removed - edited}
    changes = []
    for verb, number in numbers.items():
        if number:
            changes.append(f"{pluralize(number, 'seed')} {verb}")
    if not changes and list(old_seeds) != list(new_seeds):
        changes.append("seeds reordered")
    return changes


def _prompt_changes(
    old_prompts: Mapping[str, Mapping[str, Any]], new_prompts: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    changes = []
    for name, prompt in new_prompts.items():
        if prompt != old_prompts.get(name):
            changes.append(f"prompt {name}")
    return changes


def _stage_changes(
    old_stages: Mapping[str, Mapping[str, Any]], new_stages: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    changes = []
    for name in new_stages:
        if name not in old_stages:
            changes.append(f"stage {name} added")
    for name in old_stages:
        if name not in new_stages:
            changes.append(f"stage {name} removed")
    for name, old_stage in old_stages.items():
        new_stage = new_stages.get(name, old_stage)
        for part in {**old_stage, **new_stage}:
            old_value = old_stage.get(part)
            new_value = new_stage.get(part)
            if old_value != new_value:
                changes.append(f"stage {name}: {_change(part, old_value, new_value)}")
    same_stages = set(old_stages) == set(new_stages)
    if same_stages and list(old_stages) != list(new_stages):
        changes.append("stages reordered")
    return changes


def _variable_changes(
    old_variables: Mapping[str, Any], new_variables: Mapping[str, Any]
) -> list[str]:
    changed = []
    for name in {**old_variables, **new_variables}:
        if old_variables.get(name) != new_variables.get(name):
            changed.append(name)
    return changed


def _change(name: str, old_value: object, new_value: object) -> str:
    old_text = public_model_name(old_value) or "none"
    new_text = public_model_name(new_value) or "none"
    values = f"{old_text} → {new_text}"
    if len(values) < LONGEST_CHANGE:
        return f"{name} {values}"
    return f"{name} changed"
