"""Carrying out a study: a few requests, recorded in a journal like those of any stage."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdgkit.checks import derive_checks
from sdgkit.journal import Journal
from sdgkit.pipeline import Pipeline
from sdgkit.profile import Criterion, Profile
from sdgkit.prompts import Prompt, load_prompts
from sdgkit.samples import Row
from sdgkit.stages import Stage
from sdgkit.stream import Stream, Usage
from sdgkit.studies.fitting import fitting_seeds, study_row, with_fitting_reply
from sdgkit.studies.stages import STUDY, VARIETY
from sdgkit.teachers.teacher import Teacher


@dataclass(frozen=True)
class StudyOutcome:
    """What came of a study.

    Attributes:
        profile: The profile; None if the teacher could not write one.
        problem: Why it could not, in a sentence; empty if it could.
        trail: What it was made from: stage names and the keys of replies in the journal.
    """

    profile: Profile | None
    problem: str = ""
    trail: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class _Tests:
    """What the criteria's tests on the seeds brought.

    Attributes:
        broken_by: For each criterion that is broken, by its number, the seeds that break it.
        untested_on: The seeds about which the judge gave no answer that could be read.
    """

    broken_by: Mapping[int, Sequence[str]]
    untested_on: Sequence[str]


@dataclass(frozen=True)
class _StudyPlan:
    """One stage of a study, as a stream needs it."""

    pipeline: Pipeline
    prompts: Mapping[str, Prompt]
    teacher: Teacher | None
    judge: Teacher | None
    structure: str

    def variables_of(self, row: Row) -> Mapping[str, Any]:
        return {}


@dataclass
class Study:
    """The study of some seeds. Made anywhere; carried out on the background loop.

    Attributes:
        seeds: The ids and the columns of the seeds.
        prompts: The prompts of `STUDY`, by stage name.
        teacher: Who writes the notes.
        judge: Who tests the criteria; None for the teacher.
        journal: Where the replies are recorded; what is recorded there is not asked again.
        structure: When structured output is used.
        usage: What the study has taken so far.
    """

    seeds: Sequence[tuple[str, Row]]
    prompts: Mapping[str, Prompt]
    teacher: Teacher
    judge: Teacher | None
    journal: Journal
    structure: str = "auto"
    usage: Usage = field(default_factory=Usage)
    is_cancelled: bool = False
    _stream: Stream | None = None
    _trail: set[tuple[str, str]] = field(default_factory=set)

    @property
    def in_flight(self) -> int:
        """How many requests the teachers are working on."""
        if self._stream is None:
            return 0
        return self._stream.in_flight

    @property
    def usage_so_far(self) -> Usage:
        """What it has taken, the stage that is running included."""
        if self._stream is None:
            return self.usage
        return self.usage.plus(self._stream.usage)

    def cancel(self) -> None:
        """Stop now; what is recorded stays. Call it on the background loop."""
        self.is_cancelled = True
        if self._stream is not None:
            self._stream.cancel()

    async def carry_out(self) -> StudyOutcome:
        """Write the notes, test the criteria on every seed, and derive the checks.

        Raises:
            SdgkitError: What stopped the study, such as a teacher that refuses for good.
        """
        write_notes, test_criteria = STUDY.stages
        shown = self._shown_seeds(write_notes)
        with closing(Journal(replies_in=self.journal)) as rows_of_notes:
            await self._stream_through(write_notes, [("study", study_row(shown))], rows_of_notes)
            notes = next(iter(rows_of_notes.samples()), None)
            problems = []
            for drop in rows_of_notes.drops():
                problems.append(drop["message"])
        if notes is None:
            problem = ""
            if problems:
                problem = problems[0]
            return StudyOutcome(None, problem=problem, trail=frozenset(self._trail))
        # Telling a language loads a model of 68 MB: nothing else waits for it in a thread.
        seeds = [seed for _, seed in self.seeds]
        deriving = asyncio.create_task(asyncio.to_thread(derive_checks, seeds))
        tests = await self._test(test_criteria, notes["criteria"])
        profile = self._profile(notes, tests, await deriving, len(shown))
        return StudyOutcome(profile, trail=frozenset(self._trail))

    def _shown_seeds(self, stage: Stage) -> Sequence[Row]:
        """The seeds that fit into one request to the teacher."""
        length = self.teacher.context_length
        prompt = with_fitting_reply(self.prompts[stage.name], length)
        return fitting_seeds([seed for _, seed in self.seeds], prompt, length)

    async def _test(self, stage: Stage, criteria: Sequence[str]) -> _Tests:
        """Ask for every seed whether its response meets each of the criteria."""
        rows = []
        for id_, seed in self.seeds:
            columns = {}
            for name, value in seed.items():
                if value is not None:
                    columns[name] = value
            rows.append((id_, {**columns, "criteria": list(criteria)}))
        broken_by: dict[int, list[str]] = {}
        untested = dict.fromkeys(id_ for id_, _ in self.seeds)
        with closing(Journal(replies_in=self.journal)) as rows_of_tests:
            await self._stream_through(stage, rows, rows_of_tests)
            for tested in rows_of_tests.samples():
                del untested[tested["id"]]
                for number in tested["broken"]:
                    broken_by.setdefault(number, []).append(tested["id"])
        return _Tests(broken_by, list(untested))

    async def _stream_through(
        self, stage: Stage, rows: Sequence[tuple[str, Row]], journal: Journal
    ) -> None:
        """Ask for a stage, unless the study was cancelled before this one could begin."""
        if self.is_cancelled:
            return
        journal.session = self.journal.session
        asked = self.teacher
        if stage.role == "judge" and self.judge is not None:
            asked = self.judge
        prompt = with_fitting_reply(self.prompts[stage.name], asked.context_length)
        plan = _StudyPlan(
            Pipeline(stage.name, (stage,)),
            {stage.name: prompt},
            self.teacher,
            self.judge,
            self.structure,
        )
        self._stream = Stream(plan, rows, journal, {}, None)
        try:
            await self._stream.run()
        finally:
            self.usage = self.usage.plus(self._stream.usage)
            self._stream = None
        for outcome in (*journal.outcomes("sample"), *journal.outcomes("drop")):
            self._trail.update(outcome.trail)

    def _profile(self, notes: Row, tests: _Tests, checks: Sequence[str], shown: int) -> Profile:
        criteria = []
        for number, text in enumerate(notes["criteria"], 1):
            breakers = tuple(tests.broken_by.get(number, ()))
            criteria.append(Criterion(text, enabled=not breakers, broken_by=breakers))
        seeds = [seed for _, seed in self.seeds]
        is_grounded = all(seed.get("seed_context") for seed in seeds)
        variety = {}
        for name in VARIETY:
            variety[VARIETY[name]] = tuple(notes[name])
        return Profile(
            criteria=tuple(criteria),
            variety=variety,
            checks=tuple(checks),
            question_steers=notes["steering"] if is_grounded else None,
            untested_on=tuple(tests.untested_on),
            seeds_shown=shown if shown < len(seeds) else None,
        )


def choose_study_prompts(
    prompts: Mapping[str, Prompt] | str | Path | None = None, other_names: Collection[str] = ()
) -> dict[str, Prompt]:
    """The prompts of a study: yours where you have them, otherwise the shipped ones.

    Args:
        prompts: Prompts by stage name, or a folder of them, such as `--prompts` names.
        other_names: The stages whose prompts may be in the folder as well.

    Raises:
        PromptError: A prompt cannot be used.
    """
    if isinstance(prompts, Mapping):
        chosen = load_prompts(STUDY.names, STUDY.name, own_prompts=prompts)
    else:
        chosen = load_prompts(STUDY.names, STUDY.name, prompts, other_names=other_names)
    for stage in STUDY.stages:
        chosen[stage.name].check(stage.columns)
    return chosen
