"""Did it help? A student answers held-out questions, and a judge compares the answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

from sdgkit import texts
from sdgkit.errors import RunError
from sdgkit.evaluation.quiet_runs import run_stage
from sdgkit.export import write_text
from sdgkit.export.training_set import TEST_SHARE, held_out
from sdgkit.formatting import format_percent
from sdgkit.journal import Journal
from sdgkit.keywords import known_keywords, known_keywords_throughout
from sdgkit.pages import fill
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.quality.interval import Interval, interval
from sdgkit.run import Run, open_run
from sdgkit.samples import Row, rows_by_id
from sdgkit.stages import Generate, Judge
from sdgkit.teachers.source import TeacherSource, teacher_of
from sdgkit.teachers.teacher import Teacher

FOLDER = "evaluation"  # in the run's folder
NO_MODEL = "the run's samples"  # the name of the other side without a second model
FIRST_IS_BETTER = 1.0
EQUALLY_GOOD = 2.0
SECOND_IS_BETTER = 3.0
ANSWER = Prompt(
    "answer", generation="{{ question }}", sampling={"temperature": 0, "max_tokens": 2048}
)
COMPARE = Judge(name="compare_answers", scale=(FIRST_IS_BETTER, EQUALLY_GOOD, SECOND_IS_BETTER))

Verdict = Literal["win", "tie", "loss"]


@known_keywords_throughout
@dataclass(frozen=True)
class Answers:
    """A model's answers that you already have, in place of a server to ask.

    Attributes:
        model: What the model is called.
        by_id: Its answers by the id of the question (`held_out_questions`).

    Example:
        >>> Answers("tuned", {"s1/c1/q1": "| Feature | Feedback |"}).model
        'tuned'
    """

    model: str
    by_id: Mapping[str, str]


@dataclass(frozen=True)
class Duel:
    """Two answers to one question.

    Attributes:
        id: The id of the sample whose question it is.
        question: The question, with its context.
        student: The student's answer.
        other: The answer that it is compared with.
        verdict: From the student's side. A win or loss is one that the judge gives in both orders;
            anything else is a tie.
        student_first: The judge's evaluation with the student's answer first.
        other_first: The judge's evaluation with the other answer first.
    """

    id: str
    question: str
    student: str
    other: str
    verdict: Verdict
    student_first: str
    other_first: str


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How often the student won. Prints as text.

    Attributes:
        student: The name of the student's model.
        other: The name of the second model, or "the run's samples".
        judge: The name of the judge's model.
        duels: The questions that were decided.
        left_out: Questions to which an answer or a verdict is missing.
    """

    student: str
    other: str
    judge: str
    duels: Sequence[Duel]
    left_out: int = 0

    @property
    def verdicts(self) -> Mapping[Verdict, int]:
        """The number of duels by verdict."""
        return Counter(duel.verdict for duel in self.duels)

    @property
    def rate(self) -> float:
        """The win rate, 0 to 1: the share of duels that the student won. A tie counts half."""
        return self._points / max(1, len(self.duels))

    @property
    def interval(self) -> Interval:
        """The confidence interval (95%) of the win rate."""
        return interval(self._points, len(self.duels))

    @property
    def _points(self) -> float:
        verdicts = self.verdicts
        return verdicts["win"] + verdicts["tie"] / 2

    def __repr__(self) -> str:
        page = fill(
            "evaluation.md",
            evaluation=self,
            rate=format_percent(self.rate),
            low=format_percent(self.interval.low),
            high=format_percent(self.interval.high),
        )
        return "".join(page).rstrip()


@known_keywords
def evaluate(
    run: Run | str | Path,
    student: TeacherSource | Answers,
    *,
    judge: TeacherSource,
    against: TeacherSource | Answers | None = None,
    test_share: float = TEST_SHARE,
    limit: int | None = None,
    prompt: Prompt | str | Path | None = None,
) -> Evaluation:
    """Compare a student's answers to held-out questions with another model's or the run's own.

    Each pair of answers is judged in both orders. Replies are recorded in the run's folder, so that
    the same call asks nothing again. The page `evaluation/STUDENT.html` there shows the answers
    side by side.

    Args:
        run: A `Run` or its folder.
        student: The model that was trained on the run's samples, or its `Answers`.
        judge: The model that compares the answers.
        against: A second model, or its `Answers`, such as the one that the student was trained
            from. By default the student's answers are compared with the run's own responses.
        test_share: The share of the contexts that was held out when the training file was exported
            (`Run.export`), 0 to 1 (default 0.1). With another share, the student has seen some of
            these questions.
        limit: How many questions to ask at most (default: all).
        prompt: Your own prompt for the judge, with the variables and the scale of
            `sdgkit/texts/compare_answers.yaml`.

    Returns:
        The verdicts, with the win rate and its interval.

    Raises:
        RunError: If no question is held out.
        SdgkitError: If the run cannot be read, or a model cannot be asked.

    Example:
        >>> import sdgkit as sk
        >>> seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
        >>> with sk.connect("rehearsal") as model:
        ...     rows = list(sk.load_seeds(seeds))
        ...     run = sk.generate(rows, teacher=model, num_contexts=2, profile=False)
        ...     evaluation = sk.evaluate(run, model, judge=model, test_share=0.5, limit=3)
        >>> len(evaluation.duels) + evaluation.left_out
        3
    """
    opened = run if isinstance(run, Run) else open_run(run)
    questions = held_out_questions(opened, test_share, limit)
    compare_prompt = _compare_prompt(prompt)
    student_model = _answering(student)
    other_model = _answering(against)
    judging_teacher = teacher_of(judge)
    folder = None
    if opened.folder is not None:
        folder = opened.folder / FOLDER
    with closing(Journal(folder)) as journal:
        system = opened.part().system
        student_answers = _answers_of(questions, student_model, system, journal)
        other_answers: Mapping[str, str]
        if other_model is not None:
            other_answers = _answers_of(questions, other_model, system, journal)
        else:
            other_answers = _responses_by_id(questions)
        pairs = list(_judge_rows(questions, student_answers, other_answers))
        judged = run_stage(COMPARE, compare_prompt, pairs, judging_teacher, journal)
        duels = list(_duels(judged.samples()))
    other = NO_MODEL
    if other_model is not None:
        other = other_model.model
    evaluation = Evaluation(
        student=student_model.model,
        other=other,
        judge=judging_teacher.model,
        duels=duels,
        left_out=len(questions) - len(duels),
    )
    if folder is not None:
        page = fill("evaluation.html", evaluation=evaluation)
        write_text(folder / page_name(student_model.model), page)
    return evaluation


def page_name(model: str) -> str:
    """The file name of the page about a model.

    Example:
        >>> page_name("acme/tuned:7b")
        'acme_tuned_7b.html'
    """
    return re.sub(r"[^\w.-]+", "_", model).strip("._") + ".html"


@known_keywords
def held_out_questions(
    run: Run | str | Path, test_share: float = TEST_SHARE, limit: int | None = None
) -> list[dict[str, Any]]:
    """The samples that an export with this test share leaves out, and that `evaluate` asks about.

    Args:
        run: A `Run` or its folder.
        test_share: The share of the contexts that was held out (`Run.export`), 0 to 1 (default
            0.1).
        limit: How many at most (default: all).

    Raises:
        RunError: If no question is held out, or the run cannot be read.

    Example:
        >>> import sdgkit as sk
        >>> seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
        >>> with sk.connect("rehearsal") as teacher:
        ...     rows = list(sk.load_seeds(seeds))[:2]
        ...     run = sk.generate(rows, teacher=teacher, num_contexts=2, profile=False)
        >>> len(sk.held_out_questions(run, test_share=0.5, limit=1))
        1
    """
    opened = run if isinstance(run, Run) else open_run(run)
    samples = list(opened.let_through())
    is_held_out = held_out(lambda: samples, test_share)
    held_out_samples = []
    for sample in samples:
        if is_held_out(sample):
            held_out_samples.append(sample)
    questions = held_out_samples[:limit]
    if not questions:
        raise RunError(
            f"No question is held out at a test share of {test_share:g}. "
            "Raise test_share, or generate more samples.",
            folder=opened.out,
        )
    return questions


def _compare_prompt(prompt: Prompt | str | Path | None) -> Prompt:
    """The judge's prompt: the user's own, or the shipped one."""
    if isinstance(prompt, Prompt):
        return prompt
    shipped = Path(texts.__file__).with_name(f"{COMPARE.name}.yaml")
    return load_prompt(prompt or shipped)


@overload
def _answering(source: None) -> None: ...
@overload
def _answering(source: TeacherSource | Answers) -> Teacher | Answers: ...
def _answering(source: TeacherSource | Answers | None) -> Teacher | Answers | None:
    """Who answers: a model that can be asked, or answers that are there already."""
    return source if isinstance(source, Answers) else teacher_of(source)


def _answers_of(
    questions: Sequence[Row], model: Teacher | Answers, system: str | None, journal: Journal
) -> Mapping[str, str]:
    """The model's answers by the id of the question, which is sent alone, as at inference."""
    if isinstance(model, Answers):
        return model.by_id
    rows = []
    for row in questions:
        rows.append({"id": row["id"], "question": row["question"], "system": system})
    system_part = ""
    if system:
        system_part = "{{ system }}"
    prompt = replace(ANSWER, system=system_part)
    run = run_stage(Generate(name=ANSWER.name), prompt, rows, model, journal)
    return _responses_by_id(run.samples())


def _responses_by_id(rows: Iterable[Row]) -> dict[str, str]:
    return {row["id"]: row["response"] for row in rows}


def _judge_rows(
    questions: Sequence[Row], student_answers: Mapping[str, str], other_answers: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """What the judge is asked: each question with two answers, in both orders (ids ID/1, ID/2)."""
    for question in questions:
        id_ = question["id"]
        if id_ in student_answers and id_ in other_answers:
            student = student_answers[id_]
            other = other_answers[id_]
            yield {**question, "id": f"{id_}/1", "first": student, "second": other}
            yield {**question, "id": f"{id_}/2", "first": other, "second": student}


def _duels(judged: Iterator[dict[str, Any]]) -> Iterator[Duel]:
    """The duels that the judge decided in both orders."""
    rows = rows_by_id(judged)
    for id_, student_first in rows.items():
        question_id, _, order = id_.rpartition("/")
        other_first = rows.get(f"{question_id}/2")
        if order == "1" and other_first is not None:
            yield Duel(
                id=question_id,
                question=student_first["question"],
                student=student_first["first"],
                other=student_first["second"],
                verdict=_verdict_of_both_orders(student_first["score"], other_first["score"]),
                student_first=str(student_first["evaluation"]),
                other_first=str(other_first["evaluation"]),
            )


def _verdict_of_both_orders(score_student_first: float, score_other_first: float) -> Verdict:
    """What two scores say about the student; they must agree."""
    scores = (score_student_first, score_other_first)
    if scores == (FIRST_IS_BETTER, SECOND_IS_BETTER):
        return "win"
    if scores == (SECOND_IS_BETTER, FIRST_IS_BETTER):
        return "loss"
    return "tie"
