"""What decides a run, as one value: rows, stages, prompts, teachers, settings. And what has changed since the last
time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sdgkit.errors import RunError, SettingsError
from sdgkit.formatting import pluralize, public_model_name
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt
from sdgkit.prompts.structured_output import check_structure
from sdgkit.seeds import row_key
from sdgkit.stream import Target
from sdgkit.teachers.teacher import Teacher

MAX_ROUNDS = 10  # a target is given up after ten times the usual number of contexts a seed


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs to know.

    rows: the input rows (seeds, or the rows of a dataset), each with an `id` or none. prompts: by stage name. judge:
    None if the teacher judges its own work. settings: the arguments of `generate` as JSON values, enough to do it
    again. target: samples to keep, or None for one pass. near_duplicates: the similarity (0 to 1) from which a sample
    that repeats another or a seed is dropped at the end, or None. system: the user's system message for training files.
    structure: when servers are made to keep to a reply's form ("auto": once a reply did not; "always", "never").
    """

    pipeline: Pipeline
    rows: Sequence[Mapping[str, Any]]
    prompts: Mapping[str, Prompt]
    teacher: Teacher | None = None
    judge: Teacher | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    target: int | None = None
    near_duplicates: float | None = None
    system: str | None = None
    name: str = ""
    structure: str = "auto"

    def __post_init__(self) -> None:
        check_structure(self.structure)
        known: set[str] | None = {name for row in self.rows for name in row if name != "id"} or None
        for stage in self.pipeline.stages:
            if not stage.declares_columns:
                known = None
            if stage.role:
                if stage.name not in self.prompts:
                    raise SettingsError(
                        f"The stage {stage.name} has no prompt. Give prompts={{{stage.name!r}: …}}."
                    )
                variables = known | stage.prompt_variables if known is not None else None
                self.prompts[stage.name].check(stage.columns, variables)
            if known is not None:
                known = (known - stage.removed_columns) | stage.written_columns

    @property
    def admitted(self) -> list[tuple[str, dict[str, Any]]]:
        """(id, row without it) of every input row: its own id, or s1, s2, … in order."""
        admitted = {}
        for number, row in enumerate(self.rows, 1):
            for name, value in row.items():
                try:
                    json.dumps(value)
                except (TypeError, ValueError) as error:
                    words = f"Input row {number}, column {name!r}: {error}. Turn it into text, or leave the column out."
                    raise SettingsError(words) from None
            columns = {name: value for name, value in row.items() if name != "id"}
            admitted[str(row.get("id") or f"s{number}")] = columns
        if len(admitted) < len(self.rows):
            raise SettingsError(
                "Two input rows have the same id. Give each its own, or leave the column id out."
            )
        return list(admitted.items())

    def config(self) -> dict[str, Any]:
        """What decides the result, as JSON values; its hash names the edition. No address and no concurrency is in
        it."""
        judge = self.judge or self.teacher
        judged = any(stage.role == "judge" for stage in self.pipeline.stages)
        return {
            "pipeline": self.pipeline.name,
            "stages": [stage.describe() for stage in self.pipeline.stages],
            "prompts": {name: prompt.as_json() for name, prompt in self.prompts.items()},
            "model": self.teacher.model if self.teacher else None,
            "judge": judge.model if judge and judged else None,
            "seeds": [row_key(row) for row in self.rows],
            "ids": [str(row["id"]) for row in self.rows if row.get("id")],
            "target": self.target,
            "near_duplicates": self.near_duplicates,
            "structure": self.structure,
        }

    def target_rounds(self) -> Target | None:
        """How the target is pursued, None without one. Raises SettingsError if the first stage makes no rows."""
        if self.target is None:
            return None
        first, *others = self.pipeline.stages
        rounds = first.target_rounds(MAX_ROUNDS)
        if not rounds:
            raise SettingsError(
                f"A target needs a first stage that makes new rows; {first.name} makes none."
            )
        if first.total_rows is not None:
            limit = "your own contexts are used up"
        else:
            limit = f"the limit of {rounds} rounds is reached"
        # In a round, a stage that asks for each row by itself makes one row of each seed; any other makes all of them.
        makers = others if first.has_separate_requests else [first, *others]
        new_rows = [
            stage.per_row for stage in makers if stage.fans_out and stage.total_rows is None
        ]
        brings = max(1.0, sum(new_rows) / 2)
        return Target(
            self.target,
            seeds=len(self.rows),
            rounds=rounds,
            brings=brings,
            limit=limit,
            last_stage=len(self.pipeline.stages) - 1,
        )


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two configs, in a few words each; empty if nothing does."""
    theirs, mine = set(old["seeds"]), set(new["seeds"])
    edited = min(len(mine - theirs), len(theirs - mine)) if mine & theirs else 0
    counts = {
        "edited": edited,
        "added": len(mine - theirs) - edited,
        "removed": len(theirs - mine) - edited,
    }
    found = [f"{pluralize(number, 'seed')} {done}" for done, number in counts.items() if number]
    if not found and old["seeds"] != new["seeds"]:
        found = ["seeds in another order"]
    found += [
        f"prompt {name}"
        for name in new["prompts"]
        if new["prompts"][name] != old["prompts"].get(name)
    ]
    before, after = ({stage["name"]: stage for stage in config["stages"]} for config in (old, new))
    found += [f"stage {name} added" for name in after if name not in before]
    found += [f"stage {name} removed" for name in before if name not in after]
    for name, was in before.items():
        stage = after.get(name, was)
        for part in {**was, **stage}:
            if was.get(part) != stage.get(part):
                found.append(f"stage {name}: {_change(part, was.get(part), stage.get(part))}")
    if list(before) != list(after) and set(before) == set(after):
        found.append("stages in another order")
    for name in ("model", "judge", "target", "near_duplicates", "structure"):
        if old[name] != new[name]:
            found.append(_change(name, old[name], new[name]))
    return found


def _change(name: str, old: Any, new: Any) -> str:
    values = " → ".join(public_model_name(value) or "none" for value in (old, new))
    return f"{name} {values if len(values) < 60 else 'changed'}"


def refuse_another_job(old: Mapping[str, Any], new: Mapping[str, Any], folder: Any) -> None:
    """Raises RunError if a folder holds a run of another model, other stages or other seeds."""
    old_stages, new_stages = (
        [stage["name"] for stage in config["stages"]] for config in (old, new)
    )
    another = (
        old["model"] != new["model"] or old["judge"] != new["judge"] or old_stages != new_stages
    )
    if another or set(old["seeds"]).isdisjoint(new["seeds"]):
        raise RunError(
            f"{folder} holds another run: {', '.join(changes(old, new))}. Choose another --out (out=), or say --reuse "
            "(reuse=True) to go on in it and use its recorded replies where they fit."
        )
