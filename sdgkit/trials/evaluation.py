"""Did it help? One or two models answer the questions that were kept apart, and a judge compares their answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sdgkit import texts
from sdgkit.errors import RunError, SettingsError
from sdgkit.export import write_text
from sdgkit.export.training_set import TEST_SHARE, held_out
from sdgkit.journal import Journal
from sdgkit.pages import count, fill, percent
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.quality.verdicts import interval
from sdgkit.run import Run, open_run
from sdgkit.run.plans import Plan
from sdgkit.stages import Generate, Judge
from sdgkit.teachers.teacher import Teacher
from sdgkit.trials import aside

FOLDER, COMPARE = "evaluation", "compare_answers"  # in the run's own folder; the judge's stage and prompt
FIRST, SECOND = 1.0, 3.0  # the judge's scores for the better one
Verdict = Literal["win", "tie", "loss"]
ANSWER = Prompt("answer", generation="{{ question }}", sampling={"temperature": 0, "max_tokens": 2048})


@dataclass(frozen=True)
class Duel:
    """One question with two answers. words: the judge's, with the student's answer first, and with it second."""

    id: str
    question: str
    student: str
    other: str
    verdict: Verdict
    words: tuple[str, str]


@dataclass(frozen=True)
class Evaluation:
    """Who won how often. student, other, judge: the models' names (other: "the run's samples" without a second model).

    A win or loss is one that the judge gives in both orders; anything else is a tie. left_out: questions without an
    answer of both, or without two verdicts.
    """

    student: str
    other: str
    judge: str
    duels: Sequence[Duel]
    left_out: int = 0

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many of each."""
        return Counter(duel.verdict for duel in self.duels)

    @property
    def rate(self) -> float:
        """The share that the student won, a tie counting half."""
        return self._points / len(self.duels) if self.duels else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Between what the rate lies at 95 %."""
        return interval(self._points, len(self.duels))

    @property
    def _points(self) -> float:
        return self.verdicts["win"] + self.verdicts["tie"] / 2

    def __repr__(self) -> str:
        low, high = self.interval
        wins, ties, losses = (count(self.verdicts[verdict]) for verdict in ("win", "tie", "loss"))
        if low > 0.5 or high < 0.5:
            meaning = f"The difference is {'for' if low > 0.5 else 'against'} {self.student}, and not by chance."
        else:
            meaning = "That may be chance: half is within the interval. More questions would tell."
        lines = [
            f"{self.student} against {self.other}, judged by {self.judge} in both orders, on "
            f"{count(len(self.duels))} questions that were kept apart:",
            f"  {wins} won, {ties} tied, {losses} lost: a win rate of {percent(self.rate)} "
            f"({percent(low)} to {percent(high)} at 95 %).",
            f"  {meaning}" if self.duels else "  Nothing could be compared.",
        ]
        if self.left_out:
            lines.append(f"  {count(self.left_out)} questions left out: an answer or a verdict is missing.")
        return "\n".join(lines)

    @property
    def html(self) -> str:
        """The page: the numbers, and the answers side by side."""
        return "".join(fill("evaluation.html", evaluation=self))


def evaluate(
    run: Run | str | Path,
    student: Teacher,
    *,
    judge: Teacher,
    against: Teacher | None = None,
    test_share: float = TEST_SHARE,
    limit: int | None = None,
    prompt: Prompt | str | Path | None = None,
) -> Evaluation:
    """Ask the student, and a second model if there is one, the questions that were kept apart; have the judge compare.

    run: a `Run` or its folder. Without `against`, the student's answers are compared with the run's own. test_share:
    that of the training file or folder which the student was trained on (see `Run.export`): with another, it has seen
    some of these questions. limit: questions at most. prompt: one's own for the judge (variables and scale as in
    sdgkit/texts/compare_answers.yaml). Replies are recorded in the run's folder: the same call again asks nothing
    twice; the page is evaluation/STUDENT.html there. Raises SdgkitError.
    """
    if limit is not None and limit < 1:
        raise SettingsError(f"limit={limit} leaves no question. Give 1 or more.")
    opened = run if isinstance(run, Run) else open_run(run)
    samples = list(opened.let_through())
    is_apart = held_out(lambda: samples, test_share)
    questions = [sample for sample in samples if is_apart(sample)][:limit]
    if not questions:
        raise RunError(
            f"No question of the run is kept apart at a test share of {test_share:g}. Raise it, or run more."
        )
    folder = opened.out / FOLDER if opened.out is not None else None
    with closing(Journal(folder)) as journal:
        system = opened.part().system
        mine = _answers(questions, student, system, journal)
        theirs = (
            _answers(questions, against, system, journal) if against else {q["id"]: q["response"] for q in questions}
        )
        both = [question for question in questions if question["id"] in mine and question["id"] in theirs]
        shipped = Path(texts.__file__).with_name(f"{COMPARE}.yaml")
        own = prompt if isinstance(prompt, Prompt) else load_prompt(prompt or shipped)
        duels = list(_duels(both, mine, theirs, _verdicts(both, mine, theirs, judge, own, journal)))
    other = against.model if against is not None else "the run's samples"
    evaluation = Evaluation(student.model, other, judge.model, duels, len(questions) - len(duels))
    if folder is not None:
        write_text(folder / page_name(student.model), evaluation.html)
    return evaluation


def page_name(model: str) -> str:
    """The name of the page about a model."""
    return re.sub(r"[^\w.-]+", "_", model).strip("._") + ".html"


def _answers(
    questions: Sequence[Mapping[str, Any]], model: Teacher, system: str | None, journal: Journal
) -> dict[str, str]:
    """The model's answer to each question, by its id: the message alone, as at inference."""
    rows = [{"id": one["id"], "question": one["question"], "system": system} for one in questions]
    prompt = replace(ANSWER, system="{{ system }}" if system else "")
    pipeline = Pipeline("answers", (Generate(name="answer", columns=("response",)),))
    plan = Plan(pipeline, rows, {"answer": prompt}, model)
    return {row["id"]: row["response"] for row in aside(plan, journal).samples()}


def _verdicts(
    questions: Sequence[Mapping[str, Any]],
    mine: Mapping[str, str],
    theirs: Mapping[str, str],
    judge: Teacher,
    prompt: Prompt,
    journal: Journal,
) -> dict[str, Mapping[str, Any]]:
    """The judge's verdicts: each question twice, with the student's answer first ("ID/1") and second ("ID/2")."""
    rows = []
    for one in questions:
        seed = {name: value for name, value in one.items() if name.startswith("seed_") or name == "task_description"}
        for place, (first, second) in enumerate(((mine, theirs), (theirs, mine)), 1):
            answers = {"first": first[one["id"]], "second": second[one["id"]]}
            rows.append({**seed, **answers, "id": f"{one['id']}/{place}", "question": one["question"]})
    pipeline = Pipeline("comparison", (Judge(name=COMPARE, scale=(FIRST, 2.0, SECOND)),))
    plan = Plan(pipeline, rows, {COMPARE: prompt}, judge)
    return {row["id"]: row for row in aside(plan, journal).samples()}


def _duels(
    questions: Sequence[Mapping[str, Any]],
    mine: Mapping[str, str],
    theirs: Mapping[str, str],
    verdicts: Mapping[str, Mapping[str, Any]],
) -> Iterator[Duel]:
    for one in questions:
        first, second = (verdicts.get(f"{one['id']}/{place}") for place in (1, 2))
        if first is None or second is None:
            continue
        scores = (first["score"], second["score"])
        verdict: Verdict = "win" if scores == (FIRST, SECOND) else "loss" if scores == (SECOND, FIRST) else "tie"
        words = (str(first["evaluation"]), str(second["evaluation"]))
        yield Duel(one["id"], one["question"], mine[one["id"]], theirs[one["id"]], verdict, words)
