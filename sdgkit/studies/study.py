"""`sdgkit.study`: the profile of a skill, to look at and edit before a run."""

from contextlib import closing
from pathlib import Path

from sdgkit.errors import RunStopped
from sdgkit.journal import Journal
from sdgkit.keywords import known_keywords
from sdgkit.profile import Profile
from sdgkit.samples import without_id
from sdgkit.seeds import Columns, SeedSource, read_seeds
from sdgkit.studies.ask import Study, choose_study_prompts
from sdgkit.teachers import background
from sdgkit.teachers.source import TeacherSource, teacher_of


@known_keywords
def study(
    seeds: SeedSource,
    *,
    teacher: TeacherSource,
    judge: TeacherSource | None = None,
    prompts: str | Path | None = None,
    encoding: str | None = None,
    task: str | None = None,
    columns: Columns = None,
) -> Profile:
    """Study seeds: the teacher reads the task and all of them, and writes the profile of the skill.

    A study takes one request, and one more for each seed to test every criterion on its response. A
    criterion that a seed breaks is switched off and names the seed: either the rule is wrong or the
    seed is, and you decide which. A run without a profile makes the same one by itself.

    Args:
        seeds: Anything that `load_seeds` accepts.
        teacher: Who writes the profile.
        judge: Who tests the criteria (default: the teacher).
        prompts: A folder with prompts of your own, `write_profile.yaml` or `test_criteria.yaml`.
        encoding: As for `load_seeds`.
        task: As for `load_seeds`.
        columns: As for `load_seeds`.

    Returns:
        The profile: print it, change it, `save` it, and pass it to `generate(…, profile=…)`.

    Raises:
        SeedError: The seeds cannot be used.
        TeacherError: The teacher cannot be asked.
        RunStopped: The teacher could not write a profile.

    Example:
        >>> import sdgkit as sk
        >>> seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
        >>> with sk.connect("rehearsal") as teacher:
        ...     profile = sk.study(seeds, teacher=teacher)
        >>> profile.checks[0]
        'markdown_table=Feature,Feedback,Sentiment'
    """
    rows = read_seeds(seeds, encoding=encoding, task=task, columns=columns)
    return background.wait(StudyOfSeeds(rows, teacher, judge, prompts).profile())


class StudyOfSeeds:
    """The study of seeds that a person waits for: its profile, and how far it has got.

    Args:
        seeds: Anything that `load_seeds` accepts.
        teacher: Who writes the profile.
        judge: Who tests the criteria (default: the teacher).
        prompts: A folder with prompts of your own.

    Attributes:
        expected: How many requests it takes if none has to be asked again.

    Raises:
        SeedError: The seeds cannot be used.
        PromptError: A prompt cannot be used.
    """

    def __init__(
        self,
        seeds: SeedSource,
        teacher: TeacherSource,
        judge: TeacherSource | None = None,
        prompts: str | Path | None = None,
    ) -> None:
        rows = read_seeds(seeds)
        self.expected = len(rows) + 1
        numbered = []
        for number, row in enumerate(rows, 1):
            numbered.append((str(row.get("id") or f"s{number}"), without_id(row)))
        self._rows = numbered
        self._prompts = choose_study_prompts(prompts)
        self._teacher = teacher_of(teacher)
        self._judge = teacher_of(judge)
        self._study: Study | None = None

    @property
    def answered(self) -> int:
        """How many requests were answered so far."""
        if self._study is None:
            return 0
        return self._study.usage_so_far.requests

    async def profile(self) -> Profile:
        """Carry it out, on the background loop.

        Raises:
            TeacherError: The teacher cannot be asked.
            RunStopped: The teacher could not write a profile.
        """
        with closing(Journal()) as journal:
            self._study = Study(self._rows, self._prompts, self._teacher, self._judge, journal)
            outcome = await self._study.carry_out()
        if outcome.profile is None:
            raise RunStopped(f"{self._teacher.model} could not write a profile: {outcome.problem}")
        return outcome.profile
