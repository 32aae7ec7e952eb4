"""What training brings, counted: forms and facts apart, and what tutorial 8 says of itself."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdgkit import training
from sdgkit.errors import RunError, SettingsError
from sdgkit.training.answering import Chat, Student
from sdgkit.training.callback import Watching

TABLE = "| Feature | Feedback |\n|---|---|\n| Motor | {} |"
CHECKS = ["markdown_table=Feature,Feedback", "facts_in_context"]


@dataclass
class Pupil(Student):
    """A student whose answers are written down, in the order of the questions."""

    written: Sequence[str] = ()
    was_asked: Sequence[Chat] = ()

    def answers(self, chats: Sequence[Chat], *, max_tokens: int = 0, batch: int = 0) -> list[str]:
        self.was_asked = chats
        return list(self.written)


def pupil(*answers: str) -> Pupil:
    nothing: Any = None
    return Pupil("pupil", nothing, nothing, answers)


def question(number: int) -> dict[str, str]:
    context = f"The motor ran for {number}00 hours."
    return {
        "id": f"s1/c{number}/q1",
        "context": context,
        "question": f"{context}\n\nAs a table, please.",
        "seed_context": "It broke.",
        "seed_question": "A table, please.",
        "seed_response": TABLE.format("It broke."),
        "task_description": "Turn feedback into a table.",
    }


def test_forms_and_facts_are_counted_apart() -> None:
    learning = training.Learning([question(4), question(5), question(6)], CHECKS)
    right = TABLE.format("It ran for 400 hours.")
    made_up = TABLE.format("It ran for 999 hours.")
    lesson = learning.ask(pupil(right, made_up, "It ran for 600 hours."), samples=25)
    assert (lesson.valid, lesson.factual) == (2, 1)
    assert lesson.flaws == {"s1/c6/q1": "There is no Markdown table in it."}
    assert "999" in lesson.invented["s1/c5/q1"]


def test_an_answer_with_a_wrong_form_is_not_counted_as_factual() -> None:
    learning = training.Learning([question(4)], CHECKS)
    assert learning.ask(pupil("Yes."), samples=0).factual == 0


def test_a_question_is_asked_as_it_stands_in_the_training_file() -> None:
    student = pupil("Yes.")
    training.Learning([question(4)], CHECKS, system="Be brief.").ask(student, samples=0)
    assert student.was_asked == [
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": question(4)["question"]},
        ]
    ]


def test_the_picture_is_read_aloud_with_its_numbers_and_prints_as_a_table() -> None:
    learning = training.Learning([question(4), question(5)], CHECKS)
    learning.ask(pupil("Yes.", "No."), samples=0)
    learning.ask(pupil(TABLE.format("It ran."), TABLE.format("It ran 7000 hours.")), samples=28)
    assert "after 0 samples 0% and 0%; after 28 samples 100% and 50%" in learning._repr_html_()
    assert repr(learning).splitlines() == [
        "samples  valid form  without made-up facts",
        "      0      0 of 2                 0 of 2",
        "     28      2 of 2                 1 of 2",
    ]


def test_without_questions_nothing_can_be_learned_about_a_model() -> None:
    with pytest.raises(RunError, match="none was held out"):
        training.Learning([], CHECKS)


@pytest.mark.skipif(find_spec("torch") is not None, reason="the extra `train` is installed")
def test_without_the_extra_you_are_told_what_to_install() -> None:
    with pytest.raises(SettingsError, match=r"torch.*pip install 'sdgkit\[train\]'"):
        training.load_model()


def test_a_training_is_looked_at_at_the_next_whole_step_and_at_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    looked: list[int] = []
    watching = Watching(60, [25, 26, 50], looked.append)
    steps = SimpleNamespace(max_steps=15, global_step=0, epoch=0.0)
    watching.on_train_begin(None, steps, None)
    for step in range(1, 16):
        steps.global_step = step
        steps.epoch = step / 15
        watching.on_step_end(None, steps, None)
        watching.on_log(None, steps, None, logs={"loss": 2 - step / 10})
    watching.on_train_end(None, steps, None)
    assert looked == [28, 52, 60]
    lines = capsys.readouterr().out.splitlines()
    assert "0 of 60 samples" in lines[0]
    assert "8 of 60 samples · loss 1.80 · about " in lines[2]
    assert "60 of 60 samples · loss 0.50 · done after " in lines[-1]


def test_the_guide_shows_the_figures_of_the_last_training(repo: Path) -> None:
    text = (repo / "tests" / "training" / "figures.json").read_text("utf-8")
    lines = json.loads(text)["learning"]
    page = (repo / "notebooks" / "guide" / "training.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (\d+) of (\d+) \| (\d+) \|$", page, re.MULTILINE)
    figures = ("samples", "valid", "answers", "factual")
    assert rows == [tuple(str(line[name]) for name in figures) for line in lines]
    assert len(rows) > 3
