"""The plan of a run, as one value: rows, stages, prompts, teachers, settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.pipeline import Pipeline
from sdgkit.profile import PROFILE_COLUMN, Profile
from sdgkit.prompts import Prompt
from sdgkit.prompts.structured_output import check_structure
from sdgkit.run import seed_samples
from sdgkit.run.context_fit import refuse_what_does_not_fit
from sdgkit.run.edition import EditionConfig, ProfileState
from sdgkit.samples import Row, without_id
from sdgkit.seeds import row_key
from sdgkit.stages import Stage
from sdgkit.stream import RequestLimit, Target
from sdgkit.teachers.teacher import Teacher


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs to know.

    Attributes:
        pipeline: The stages.
        rows: The input rows: seeds, or the rows of a dataset. Each may have an `id`.
        prompts: The prompts of the stages that ask, by stage name.
        teacher: The teacher that the stages ask.
        judge: The teacher that the judging stages ask; None if the teacher judges its own work.
        settings: The options of `generate` as JSON values, enough to repeat the run.
        target: How many samples to keep; None for one pass over the rows.
        max_requests: How many requests the rounds of a target may take; None for as many as bring
            new samples.
        min_samples: How many samples have to be kept for the run not to have finished short.
        near_duplicates: The similarity, 0 to 1, from which a sample that repeats another or a seed
            is dropped at the end; None to keep them all.
        responses: Responses to each question, of which the best is kept at the end.
        twins: What to do with samples that give the same answer to the same context: `keep` or
            `drop` all but the first, at the end.
        system: Your own system message for training files.
        name: The name of the skill.
        structure: When structured output is used: `auto` (after a malformed reply),
            `always` or `never`.
        variables: Variables of the whole run, as JSON values: every prompt may use them beside the
            columns of its row; a column of the same name takes precedence.
        shown_seeds: The seeds that prompts can show as `seed_samples` and `other_seeds`; None for
            the rows.
        profile: The profile that the plan goes by; see `with_profile`.
        study: The prompts by which the run studies its seeds to write a profile, if it has none;
            None to run without one.

    Raises:
        SettingsError: A stage has no prompt, or `structure` is unknown.
        PromptError: A prompt does not fit its stage or the rows.
        SeedError: A context of your own does not fit into what a teacher can hold.
    """

    pipeline: Pipeline
    rows: Sequence[Row]
    prompts: Mapping[str, Prompt]
    teacher: Teacher | None = None
    judge: Teacher | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    target: int | None = None
    max_requests: int | None = None
    min_samples: int | None = None
    near_duplicates: float | None = None
    twins: str = "keep"
    responses: int = 1
    system: str | None = None
    name: str = ""
    structure: str = "auto"
    variables: Mapping[str, Any] = field(default_factory=dict)
    shown_seeds: Sequence[Row] | None = None
    profile: Profile | None = None
    study: Mapping[str, Prompt] | None = None

    def __post_init__(self) -> None:
        check_structure(self.structure)
        self._check_prompts()
        contexts = self.settings.get("contexts")
        if contexts:
            refuse_what_does_not_fit(contexts, self.teachers, self.prompts)

    def _check_prompts(self) -> None:
        """Check every prompt against the columns that its stage will find, where they are known."""
        columns = self._input_columns()
        for stage in self.pipeline.stages:
            if not stage.declares_columns:
                columns = None
            if stage.role:
                variables = None
                if columns is not None:
                    variables = columns | stage.prompt_variables | self.variables.keys()
                    if "seed_question" in columns:
                        variables |= seed_samples.VARIABLES
                prompt = self._prompt_of(stage)
                prompt.check(stage.reply_columns(prompt), variables)
            if columns is not None:
                columns = (columns - stage.removed_columns) | stage.written_columns

    def _input_columns(self) -> frozenset[str] | None:
        """The columns of the input rows; None if there are no rows to tell from."""
        names: set[str] = set()
        for row in self.rows:
            names.update(row)
        names.discard("id")
        return frozenset(names) or None

    def _prompt_of(self, stage: Stage) -> Prompt:
        if stage.name not in self.prompts:
            raise SettingsError(
                f"The stage {stage.name} has no prompt. Give prompts={{{stage.name!r}: …}}.",
                setting="prompts",
            )
        return self.prompts[stage.name]

    @property
    def admitted(self) -> list[tuple[str, dict[str, Any]]]:
        """The id of every input row, its own or s1, s2, … in order, and the row without it.

        Raises:
            SettingsError: Two rows have the same id, or a value cannot be stored as JSON.
        """
        admitted = {}
        for number, row in enumerate(self.rows, 1):
            columns = without_id(row)
            _refuse_unstorable(row, number)
            admitted[str(row.get("id") or f"s{number}")] = columns
        if len(admitted) < len(self.rows):
            raise SettingsError(
                "Two input rows have the same id. Give each its own, or leave out the column id."
            )
        return list(admitted.items())

    def with_profile(self, profile: Profile, *, checked: bool = True) -> "Plan":
        """The plan by a profile.

        Its criteria become the variable `criteria` of all prompts. The first stage, where it makes
        new rows and its prompt shows `vary`, draws from the lists of its variety; a list of your
        own comes before one of the same name. Its checks are one stage, which follows the one that
        writes responses; a check of your own comes before one of the same name.

        Args:
            profile: The profile.
            checked: Whether its checks are applied.

        Raises:
            SettingsError: A check cannot be used.
        """
        pipeline = self.pipeline
        if profile.variety and self.can_draw:
            first = pipeline.stages[0]
            lists = {}
            for name, entries in profile.variety.items():
                lists[name] = list(entries)
            pipeline = pipeline.change(first.name, vary={**lists, **(first.vary or {})})
        if checked and pipeline.writer_of(PROFILE_COLUMN):
            pipeline = pipeline.with_checks(profile.check_stages(but=pipeline.names))
        variables = dict(self.variables)
        if profile.enabled_criteria:
            variables["criteria"] = profile.enabled_criteria
        return replace(self, pipeline=pipeline, variables=variables, profile=profile, study=None)

    @property
    def can_draw(self) -> bool:
        """Whether the first stage can draw from lists, and its prompt shows what was drawn."""
        first = self.pipeline.stages[0]
        prompt = self.prompts.get(first.name)
        can_draw = first.fans_out and "vary" in first.field_names
        return can_draw and prompt is not None and prompt.mentions("vary")

    def with_draws_from(self, starts: Mapping[str, int]) -> "Plan":
        """The plan in which the draws of each seed begin at its start; see `draw`.

        Args:
            starts: The starts, by `row_key`; none if each seed draws for itself.
        """
        first = self.pipeline.stages[0]
        return replace(self, pipeline=self.pipeline.change(first.name, draw_starts=starts))

    def variables_of(self, row: Row) -> Mapping[str, Any]:
        """The variables of the whole run, as the prompts for this row see them.

        Where a prompt uses `seed_samples` or `other_seeds`, both are among them.
        """
        samples = self._seed_samples
        if samples is None or "seed_question" not in row:
            return self.variables
        return {**samples.variables_of(row), **self.variables}

    @cached_property
    def _seed_samples(self) -> seed_samples.SeedSamples | None:
        """The seeds that prompts show; None if no prompt shows them."""
        budget = self._seed_samples_budget()
        if not budget:
            return None
        seeds = self.rows
        if self.shown_seeds is not None:
            seeds = self.shown_seeds
        return seed_samples.SeedSamples(seeds, budget)

    def _seed_samples_budget(self) -> int:
        """Tokens of other seeds that a request may have; 0 if no prompt shows them."""
        for prompt in self.prompts.values():
            texts = [str(text) for text in prompt.as_json().values()]
            if seed_samples.uses(texts):
                return seed_samples.token_budget(
                    teacher.context_length for teacher in self.teachers
                )
        return 0

    @property
    def teachers(self) -> list[Teacher]:
        """The teachers that the run asks: the teacher, and the judge if it is a different one."""
        teachers = dict.fromkeys([self.teacher, self.judge])
        askable = []
        for teacher in teachers:
            if teacher is not None:
                askable.append(teacher)
        return askable

    @property
    def teacher_kind(self) -> str | None:
        """The kind of teacher, such as `vllm`; None without one."""
        if self.teacher is None:
            return None
        return self.teacher.kind

    @property
    def teacher_model(self) -> str | None:
        """The teacher's model; None without a teacher."""
        if self.teacher is None:
            return None
        return self.teacher.model

    @property
    def judge_model(self) -> str | None:
        """The model that judges: the judge's, or the teacher's if it judges its own work."""
        if self.judge is None:
            return self.teacher_model
        return self.judge.model

    def require_teachers(self) -> None:
        """Refuse a plan in which a stage would have no teacher to ask.

        Raises:
            SettingsError: A stage asks a teacher, and there is none.
        """
        for stage in self.pipeline.stages:
            asked = self.teacher
            if stage.role == "judge":
                asked = self.judge or self.teacher
            if stage.role and asked is None:
                raise SettingsError(
                    f"The stage {stage.name} asks a teacher. Give teacher=sk.connect(...).",
                    setting="teacher",
                )

    def edition(self) -> EditionConfig:
        """Everything that decides the rows of the run.

        While its seeds are still to be studied, the run has an edition without rows.
        """
        is_judged = any(stage.role == "judge" for stage in self.pipeline.stages)
        ids = []
        for row in self.rows:
            if row.get("id"):
                ids.append(str(row["id"]))
        seeds = list(map(row_key, self.rows))
        starts = self.draw_starts
        return EditionConfig(
            pipeline=self.pipeline.name,
            stages=[stage.describe() for stage in self.pipeline.stages],
            prompts={name: prompt.as_json() for name, prompt in self.prompts.items()},
            model=self.teacher_model,
            judge=self.judge_model if is_judged else None,
            seeds=seeds,
            ids=ids,
            target=self.target,
            max_requests=self.max_requests,
            near_duplicates=self.near_duplicates,
            structure=self.structure,
            twins="drop" if self.twins == "drop" else "",
            seed_samples=self._seed_samples_budget(),
            variables=dict(self.variables),
            profile=self._profile_state,
            draw_starts=[starts[key] for key in seeds if key in starts],
        )

    @property
    def draw_starts(self) -> dict[str, int]:
        """Where the draws of each seed begin, by its key; empty if none draws in turn."""
        first = self.pipeline.stages[0]
        starts = first.draw_starts
        if not first.vary or not starts:
            return {}
        keys = map(row_key, self.rows)
        return {key: starts[key] for key in keys if key in starts}

    @property
    def _profile_state(self) -> ProfileState:
        if self.profile is not None:
            return "used"
        if self.study is None:
            return ""
        return "to be studied"

    def target_rounds(self) -> Target | None:
        """How the target is pursued; None without a target.

        Raises:
            SettingsError: The first stage makes no new rows, or the limit of requests is too low.
        """
        if self.target is None:
            return None
        first, *others = self.pipeline.stages
        rounds = first.target_rounds
        if rounds == 0:
            raise SettingsError(
                f"A target requires a first stage that makes new rows; {first.name} makes none.",
                setting="target",
            )
        # In a round, the first stage makes one request for each seed.
        new_rows = []
        for stage in others:
            is_best_of = self.responses > 1 and "response" in stage.columns
            if stage.fans_out and stage.total_rows is None and not is_best_of:
                new_rows.append(stage.per_row)
        if not first.has_separate_requests and first.total_rows is None:
            new_rows.append(first.rows_per_request)
        return Target(
            self.target,
            seeds=len(self.rows),
            rounds=rounds,
            samples_per_unit=max(1.0, sum(new_rows) / 2),
            rounds_used_up="your own contexts are used up. Add some, and run it again",
            last_stage=len(self.pipeline.stages) - 1,
            limit=self._request_limit(),
            best_of=self.responses,
        )

    def _request_limit(self) -> RequestLimit | None:
        if self.max_requests is None:
            return None
        per_unit = self._requests_per_unit()
        if self.max_requests < per_unit:
            raise SettingsError(
                f"max_requests must be at least {per_unit}, the requests of one round for one "
                f"seed, not {self.max_requests}.",
                setting="max_requests",
            )
        return RequestLimit(self.max_requests, per_unit)

    def _requests_per_unit(self) -> int:
        """The requests of one seed's part of a round of a target, if all replies are good."""
        first, *others = self.pipeline.stages
        requests = 1 if first.role else 0
        width = 1 if first.has_separate_requests or not first.role else first.rows_per_request
        for stage in others:
            requests += width * stage.requests_per_row
            width *= stage.per_row
        return requests


def _refuse_unstorable(row: Row, number: int) -> None:
    for name, value in row.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise SettingsError(
                f"Input row {number}, column {name!r}: {error}. "
                "Turn it into text, or leave the column out."
            ) from None
