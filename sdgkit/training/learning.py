"""What training brings: the held-out questions are answered at intervals during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sdgkit.checks import read_checks
from sdgkit.errors import RunError
from sdgkit.formatting import format_percent, pluralize
from sdgkit.pages import fill
from sdgkit.pages.picture import Curve, LineChart, Point
from sdgkit.samples import Row
from sdgkit.stages import Check
from sdgkit.training.answering import BATCH, MAX_TOKENS, Student

FACTS = "facts_in_context"


@dataclass(frozen=True)
class Lesson:
    """The answers after a number of samples.

    Attributes:
        samples: How many samples the model had been trained on.
        answers: Its answers by the id of the question.
        flaws: What the checks of the form say of an answer, by the id of the question; only of
            those that fail.
        invented: What the check of the facts says, by the id of the question.
    """

    samples: int
    answers: Mapping[str, str]
    flaws: Mapping[str, str]
    invented: Mapping[str, str]

    @property
    def valid(self) -> int:
        """Answers of the form that the seeds have."""
        return len(self.answers) - len(self.flaws)

    @property
    def valid_share(self) -> float:
        """The share of the answers that are valid, 0 to 1."""
        return self.valid / len(self.answers)

    @property
    def factual(self) -> int:
        """Valid answers with no number and no name that is not in their question."""
        return len(self.answers) - len({*self.flaws, *self.invented})

    @property
    def factual_share(self) -> float:
        """The share of the answers that are valid and factual, 0 to 1."""
        return self.factual / len(self.answers)


@dataclass(repr=False)
class Learning:
    """A student's answers to the held-out questions, before, during and after its training.

    In a notebook it shows as a picture, elsewhere as a table.

    Args:
        questions: Samples that were held out (`held_out_questions`).
        checks: What every response must pass, as they are typed after `--check`, such as the
            profile's; `facts_in_context` is counted by itself.
        system: The user's own system message.
        max_tokens: The longest answer, in tokens.
        batch: How many questions are answered at once.

    Raises:
        RunError: No questions are held out.
    """

    questions: Sequence[Row]
    checks: Sequence[str]
    system: str | None = None
    max_tokens: int = MAX_TOKENS
    batch: int = BATCH
    lessons: list[Lesson] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.questions:
            raise RunError("There is no question to ask: none was held out.")
        self._form, self._facts = _form_and_facts(read_checks(self.checks))

    def ask(self, student: Student, samples: int) -> Lesson:
        """Ask the student all questions, after it has been trained on this many samples."""
        ids = []
        chats = []
        for question in self.questions:
            ids.append(str(question["id"]))
            chats.append(self._chat(question))
        texts = student.answers(chats, max_tokens=self.max_tokens, batch=self.batch)
        answers = dict(zip(ids, texts, strict=True))
        lesson = Lesson(
            samples=samples,
            answers=answers,
            flaws=self._findings(self._form, answers),
            invented=self._findings(self._facts, answers),
        )
        self.lessons.append(lesson)
        return lesson

    def _chat(self, question: Row) -> list[dict[str, str]]:
        """The question as the training file has it."""
        chat = [{"role": "user", "content": str(question["question"])}]
        if self.system:
            chat.insert(0, {"role": "system", "content": self.system})
        return chat

    def _findings(self, checks: Sequence[Check], answers: Mapping[str, str]) -> dict[str, str]:
        """What the first check that fails says, by the id of the question."""
        findings: dict[str, str] = {}
        for question in self.questions:
            id_ = str(question["id"])
            row = {**question, "response": answers[id_]}
            for check in checks:
                finding = _finding(check, row)
                if finding is not None:
                    findings.setdefault(id_, finding)
        return findings

    @property
    def before(self) -> Lesson:
        """The answers before any training."""
        return self.lessons[0]

    @property
    def after(self) -> Lesson:
        """The newest answers."""
        return self.lessons[-1]

    def lines(self) -> list[dict[str, Any]]:
        """The table: for each lesson `samples`, `answers`, `valid` and `factual`."""
        lines = []
        for lesson in self.lessons:
            line = {
                "samples": lesson.samples,
                "answers": len(lesson.answers),
                "valid": lesson.valid,
                "factual": lesson.factual,
            }
            lines.append(line)
        return lines

    def __repr__(self) -> str:
        return "".join(fill("learning.txt", learning=self)).rstrip()

    def _repr_html_(self) -> str:
        return self._chart().as_svg()

    def _chart(self) -> LineChart:
        valid = []
        factual = []
        facts = []
        for lesson in self.lessons:
            valid.append(Point(lesson.samples, lesson.valid_share))
            factual.append(Point(lesson.samples, lesson.factual_share))
            facts.append(
                f"after {pluralize(lesson.samples, 'sample')} {format_percent(lesson.valid_share)} "
                f"and {format_percent(lesson.factual_share)}"
            )
        return LineChart(
            curves=[Curve("valid form", valid), Curve("valid form and no made-up fact", factual)],
            vertical=f"share of {pluralize(len(self.questions), 'answer')}",
            horizontal="samples",
            description=f"Valid answers, and those without a made-up fact: {'; '.join(facts)}.",
        )


def _finding(check: Check, row: Row) -> str | None:
    """What a check says of a row that fails, at least its name; None if the row passes."""
    verdict = check.function(row)
    if isinstance(verdict, str):
        return verdict
    passes = verdict is None or bool(verdict)
    return None if passes else check.name


def _form_and_facts(checks: Sequence[Check]) -> tuple[list[Check], list[Check]]:
    """The checks of the form, and those of the facts."""
    form: list[Check] = []
    facts: list[Check] = []
    for check in checks:
        if check.name == FACTS:
            facts.append(check)
        else:
            form.append(check)
    return form, facts
