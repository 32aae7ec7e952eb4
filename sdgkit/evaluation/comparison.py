"""Two versions of a prompt on the same rows, side by side."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from sdgkit.errors import RunEmptied, SettingsError
from sdgkit.evaluation.method_stages import find_stage, pipeline_of
from sdgkit.formatting import pluralize
from sdgkit.keywords import known_keywords, known_keywords_throughout
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompts
from sdgkit.run import Run
from sdgkit.run.notes import say_nothing
from sdgkit.run.plan import Plan
from sdgkit.samples import Row, with_ids
from sdgkit.stages import Stage
from sdgkit.teachers.source import TeacherSource, teacher_of


@dataclass(frozen=True)
class Result:
    """What one version made of a row.

    Attributes:
        texts: The columns of each record that it produced; several for a stage that makes several
            rows.
        scores: The judge's scores of these.
        tried: Records that it set out to make.
        kept: Records that pass the judge's filter.
        reason: Why a record could not be read; "" if all could.
        reply: The raw reply in which it could not be read.
        evaluations: The judge's words about each record.
    """

    texts: Sequence[Row]
    scores: Sequence[float]
    tried: int
    kept: int
    reason: str = ""
    reply: str = ""
    evaluations: Sequence[str] = ()


@dataclass(frozen=True)
class Side:
    """What one version made of all rows.

    Attributes:
        outcomes: The result of each row, by its id.
        tried: Records that it set out to make.
        parsed: Records that could be read.
        passed: Records that pass the judge's filter.
        mean_score: Mean of all scores; None if nothing was judged.
        completion_tokens: Tokens that were written, the judge's included.
    """

    outcomes: Mapping[str, Result]
    tried: int
    parsed: int
    passed: int
    mean_score: float | None
    completion_tokens: int


class Differing(NamedTuple):
    """On how many rows each version is better.

    Attributes:
        one: Rows on which the first version is better.
        other: Rows on which the second version is better.
    """

    one: int
    other: int


class VersionTrial:
    """Several versions of a stage's prompt on the same rows: a run for each, with its judge.

    Args:
        versions: Versions of the prompt of one stage.
        rows: Rows of the stage before, or seeds as `stand_in` completes them.
        teacher: The teacher.
        judge: Another teacher for the judging.
        prompts: The folder with the judge's prompt; the shipped one is used if it has none.

    Attributes:
        ids: The ids of the rows, in order.
        judged: Whether the stage is followed by a judge and its filter.
        runs: The run of each version.

    Raises:
        SettingsError: If these are not versions of one stage's prompt, or there are no rows.
    """

    def __init__(
        self,
        versions: Sequence[Prompt],
        rows: Iterable[Row],
        teacher: TeacherSource,
        *,
        judge: TeacherSource | None = None,
        prompts: str | Path | None = None,
    ) -> None:
        rows_with_ids = with_ids(rows, "s")
        self._stage = _stage_of_versions(versions)
        if not rows_with_ids:
            raise SettingsError("There are no rows to compare on. Give at least one.")
        method = pipeline_of(self._stage.name)
        pipeline = Pipeline(method.name, tuple(_with_judge(self._stage, method)))
        judge_names = []
        for name in pipeline.prompted:
            if name != self._stage.name:
                judge_names.append(name)
        judge_prompts = load_prompts(judge_names, pipeline.name, prompts)
        writer = teacher_of(teacher)
        judging_teacher = teacher_of(judge)
        self.runs: list[Run] = []
        for version in versions:
            version_prompts = {**judge_prompts, version.name: version}
            plan = Plan(pipeline, rows_with_ids, version_prompts, writer, judging_teacher)
            self.runs.append(Run(plan, on_note=say_nothing))
        self.ids = [str(row["id"]) for row in rows_with_ids]
        self.judged = pipeline.stages[-1].drops_by_score

    def start(self) -> "VersionTrial":
        """Start all runs; returns at once."""
        for run in self.runs:
            run.start()
        return self

    def cancel(self) -> None:
        """Stop all runs within a moment."""
        for run in self.runs:
            run.cancel()

    @property
    def is_done(self) -> bool:
        """Whether every run came to its own end."""
        return all(run.state == "done" for run in self.runs)

    def wait(self) -> list[Side]:
        """Wait until all runs have ended, and return what each version made.

        Raises:
            SdgkitError: What stopped one of them; the others are cancelled.
        """
        try:
            for run in self.runs:
                with suppress(RunEmptied):  # that one of them kept nothing is a result, too
                    run.wait()
        except BaseException:
            self.cancel()
            raise
        return [self._side(run) for run in self.runs]

    def _side(self, run: Run) -> Side:
        """The side of a finished run."""
        samples = list(run.samples())
        drops = list(run.drops())
        outcomes: dict[str, Result] = {}
        scores: list[float] = []
        for row_id in self.ids:
            result = self._result(row_id, samples, drops)
            outcomes[row_id] = result
            scores += result.scores
        first_line = run.funnel[0]
        mean_score = None
        if scores:
            mean_score = sum(scores) / len(scores)
        return Side(
            outcomes=outcomes,
            tried=first_line.tried,
            parsed=first_line.rows_out,
            passed=run.funnel[-1].rows_out,
            mean_score=mean_score,
            completion_tokens=run.snapshot().completion_tokens,
        )

    def _result(self, row_id: str, samples: Sequence[Row], drops: Sequence[Row]) -> Result:
        """What became of one row, and of those made of it."""
        kept = []
        for row in samples:
            if _descends_from(row, row_id):
                kept.append(row)
        dropped = [row for row in drops if _descends_from(row, row_id)]
        unreadable = []
        records = list(kept)
        for drop in dropped:
            if drop["stage"] == self._stage.name:
                unreadable.append(drop)
            else:
                records.append(drop)
        records.sort(key=lambda row: str(row["id"]))
        scores = []
        evaluations = []
        for row in records:
            if isinstance(row.get("score"), int | float):
                scores.append(float(row["score"]))
            if row.get("evaluation"):
                evaluations.append(str(row["evaluation"]))
        result = Result(
            texts=[_columns(row, self._stage.columns) for row in records],
            scores=scores,
            tried=len(kept) + len(dropped),
            kept=len(kept),
            evaluations=evaluations,
        )
        if not unreadable:
            return result
        return replace(result, reason=unreadable[0]["message"], reply=unreadable[0]["reply"])


@known_keywords_throughout
class Comparison:
    """Two versions of a prompt, and the two runs that compare them.

    Args:
        one: A version of the prompt of a stage.
        other: Another version of it.
        rows: Rows of the stage before, or seeds as `stand_in` completes them.
        teacher: The teacher.
        judge: Another teacher for the judging.
        prompts: The folder with the judge's prompt; the shipped one is used if it has none.

    Attributes:
        ids: The ids of the rows, in order.
        judged: Whether the stage is followed by a judge and its filter.
        runs: The run of each version.
        sides: Both versions with their results, once `wait` has returned.

    Raises:
        SettingsError: If these are not two versions of one stage's prompt, or there are no rows.
    """

    sides: tuple[Side, Side]

    def __init__(
        self,
        one: Prompt,
        other: Prompt,
        rows: Iterable[Row],
        teacher: TeacherSource,
        *,
        judge: TeacherSource | None = None,
        prompts: str | Path | None = None,
    ) -> None:
        self._trial = VersionTrial((one, other), rows, teacher, judge=judge, prompts=prompts)
        self.runs = self._trial.runs
        self.ids = self._trial.ids
        self.judged = self._trial.judged

    def start(self) -> "Comparison":
        """Start both runs; returns at once."""
        self._trial.start()
        return self

    def cancel(self) -> None:
        """Stop both runs within a moment."""
        self._trial.cancel()

    def wait(self) -> "Comparison":
        """Wait until both runs have ended.

        Raises:
            SdgkitError: What stopped one of them; the other is cancelled.
        """
        one, other = self._trial.wait()
        self.sides = (one, other)
        return self

    @property
    def differing(self) -> Differing:
        """On how many rows each version is better.

        Better is the version of which more is kept; or read, if there is no judge.
        """
        one, other = self.sides
        better_one = better_other = 0
        for row_id in self.ids:
            good_one = self._good_records(one.outcomes[row_id])
            good_other = self._good_records(other.outcomes[row_id])
            better_one += good_one > good_other
            better_other += good_one < good_other
        return Differing(better_one, better_other)

    def summary(self, one: str = "the first", other: str = "the second") -> str:
        """The result in a sentence.

        Args:
            one: What to call the first version.
            other: What to call the second version.
        """
        differing = self.differing
        rows = sum(differing)
        difference = f"The versions differ on {rows} of {pluralize(len(self.ids), 'row')}"
        if not rows:
            return f"{difference}."
        return f"{difference}: {one} is better on {differing.one}, {other} on {differing.other}."

    def _good_records(self, result: Result) -> int:
        if self.judged:
            return result.kept
        return len(result.texts)


@known_keywords
def compare(
    one: Prompt,
    other: Prompt,
    rows: Iterable[Row],
    teacher: TeacherSource,
    *,
    judge: TeacherSource | None = None,
    prompts: str | Path | None = None,
) -> Comparison:
    """Compare two versions of a prompt on the same rows.

    If a judge and its filter follow the stage in the method, they say how much of each version is
    kept.

    Args:
        one: A version of the prompt of a stage.
        other: Another version of it.
        rows: Rows of the stage before, or seeds as `stand_in` completes them.
        teacher: The teacher.
        judge: Another teacher for the judging (default: `teacher`).
        prompts: The folder with the judge's prompt (default: the shipped one).

    Returns:
        The finished comparison.

    Raises:
        SettingsError: If these are not two versions of one stage's prompt, or there are no rows.
        SdgkitError: What stopped one of the two runs.

    Example:
        >>> import sdgkit as sk
        >>> prompt = sk.load_prompt(sk.shipped("prompts") / "freeform" / "gen_responses.yaml")
        >>> row = {
        ...     "task_description": "Answer in one word.",
        ...     "seed_question": "The capital of Italy?",
        ...     "seed_response": "Rome.",
        ...     "question": "The capital of Spain?",
        ... }
        >>> with sk.connect("rehearsal") as teacher:
        ...     comparison = sk.compare(prompt, prompt, [row], teacher)
        >>> comparison.summary()
        'The versions differ on 0 of 1 row.'
    """
    return Comparison(one, other, rows, teacher, judge=judge, prompts=prompts).start().wait()


def _stage_of_versions(versions: Sequence[Prompt]) -> Stage:
    """The stage that all prompts belong to. Raises SettingsError."""
    names = list(dict.fromkeys(version.name for version in versions))
    stage = find_stage(names[0])
    if stage is None or len(names) > 1:
        raise SettingsError(
            f"{versions[0].name} and {versions[-1].name} are not two versions of one stage's "
            "prompt. Give both the name of that stage."
        )
    return stage


def _with_judge(stage: Stage, method: Pipeline) -> list[Stage]:
    """The stage with one request per row, and the judge and filter that follow it, if any."""
    place = method.names.index(stage.name)
    stages = [stage.with_single_request()]
    for follower in method.stages[place + 1 : place + 3]:
        if not (follower.scale or follower.drops_by_score):
            break
        stages.append(follower.with_all_columns())
    return stages


def _descends_from(row: Row, row_id: str) -> bool:
    """Whether a row is the one of this id, or was made of it."""
    return f"{row['id']}/".startswith(f"{row_id}/")


def _columns(row: Row, names: Sequence[str]) -> dict[str, Any]:
    columns = {}
    for name in names:
        if name in row:
            columns[name] = row[name]
    return columns
