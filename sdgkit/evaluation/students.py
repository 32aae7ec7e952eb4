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
from sdgkit.errors import RunError
from sdgkit.evaluation.quiet_runs import run_stage
from sdgkit.export import write_text
from sdgkit.export.training_set import TEST_SHARE, held_out
from sdgkit.formatting import format_percent
from sdgkit.journal import Journal
from sdgkit.pages import fill
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.quality.verdicts import interval
from sdgkit.run import Run, open_run
from sdgkit.samples import Row
from sdgkit.stages import Generate, Judge
from sdgkit.teachers.teacher import Teacher

FOLDER = "evaluation"  # in the run's own folder
ANSWER = Prompt(
    "answer", generation="{{ question }}", sampling={"temperature": 0, "max_tokens": 2048}
)
COMPARE = Judge(
    name="compare_answers", scale=(1.0, 2.0, 3.0)
)  # the first is better, neither, the second
Verdict = Literal["win", "tie", "loss"]
IN_BOTH_ORDERS: Mapping[tuple[float, float], Verdict] = {(1.0, 3.0): "win", (3.0, 1.0): "loss"}


@dataclass(frozen=True)
class Duel:
    """One question with two answers. words: the judge's, with the student's answer first, and with it second."""

    id: str
    question: str
    student: str
    other: str
    verdict: Verdict
    words: tuple[str, str]


@dataclass(frozen=True, repr=False)
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
        return (self.verdicts["win"] + self.verdicts["tie"] / 2) / max(1, len(self.duels))

    @property
    def interval(self) -> tuple[float, float]:
        """Between what the rate lies at 95%."""
        return interval(self.rate * len(self.duels), len(self.duels))

    def __repr__(self) -> str:
        low, high = map(format_percent, self.interval)
        return "".join(
            fill(
                "evaluation.md", evaluation=self, rate=format_percent(self.rate), low=low, high=high
            )
        ).rstrip()


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
    opened = run if isinstance(run, Run) else open_run(run)
    samples = list(opened.let_through())
    is_apart = held_out(lambda: samples, test_share)
    questions = [sample for sample in samples if is_apart(sample)][:limit]
    if not questions:
        raise RunError(
            f"No question is kept apart at a test share of {test_share:g}. Raise it, or run more."
        )
    shipped = Path(texts.__file__).with_name(f"{COMPARE.name}.yaml")
    own = prompt if isinstance(prompt, Prompt) else load_prompt(prompt or shipped)
    folder = opened.out / FOLDER if opened.out is not None else None
    with closing(Journal(folder)) as journal:
        system = opened.part().system
        mine = _answers(questions, student, system, journal)
        theirs = {one["id"]: one["response"] for one in questions}
        if against is not None:
            theirs = _answers(questions, against, system, journal)
        pairs = list(
            _pairs(
                [one for one in questions if one["id"] in mine.keys() & theirs.keys()], mine, theirs
            )
        )
        duels = list(
            _duels(
                {row["id"]: row for row in run_stage(COMPARE, own, pairs, judge, journal).samples()}
            )
        )
    other = against.model if against is not None else "the run's samples"
    evaluation = Evaluation(student.model, other, judge.model, duels, len(questions) - len(duels))
    if folder is not None:
        write_text(
            folder / page_name(student.model), fill("evaluation.html", evaluation=evaluation)
        )
    return evaluation


def page_name(model: str) -> str:
    """The name of the page about a model."""
    return re.sub(r"[^\w.-]+", "_", model).strip("._") + ".html"


def _answers(
    questions: Sequence[Row], model: Teacher, system: str | None, journal: Journal
) -> dict[str, str]:
    """The model's answer to each question, by its id: the message alone, as at inference."""
    rows = [{"id": one["id"], "question": one["question"], "system": system} for one in questions]
    prompt = replace(ANSWER, system="{{ system }}" if system else "")
    run = run_stage(Generate(name=ANSWER.name), prompt, rows, model, journal)
    return {row["id"]: row["response"] for row in run.samples()}


def _pairs(
    questions: Sequence[Row], mine: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """What the judge is asked: each question twice, with the student's answer first ("ID/1") and second ("ID/2")."""
    for one in questions:
        answers = [mine[one["id"]], theirs[one["id"]]]
        for place, (first, second) in enumerate((answers, answers[::-1]), 1):
            yield {**one, "id": f"{one['id']}/{place}", "first": first, "second": second}


def _duels(judged: Mapping[str, Row]) -> Iterator[Duel]:
    for id, first in judged.items():
        second = judged.get(f"{id[:-2]}/2")
        if id.endswith("/1") and second is not None:
            verdict = IN_BOTH_ORDERS.get((first["score"], second["score"]), "tie")
            words = (str(first["evaluation"]), str(second["evaluation"]))
            yield Duel(id[:-2], first["question"], first["first"], first["second"], verdict, words)
