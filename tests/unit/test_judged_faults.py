"""A judge names the kinds of fault that it found, where its prompt asks for them."""

from dataclasses import replace
from pathlib import Path

import pytest
import scripted
from scripted import PROMPTS, ScriptedTeacher, tagged

import sdgkit as sk
from sdgkit.prompts.faults import read_faults
from sdgkit.run import Run

WITH_FAULTS = {
    **PROMPTS,
    "evaluate_grounded_qa_pair": scripted.prompt(
        "evaluate_grounded_qa_pair",
        ("context", "question", "response"),
        "evaluation",
        "faults",
        "score",
        temperature=0,
    ),
}


def judged(reply: str) -> Run:
    """The run of one seed and one question, whose judge gives this reply."""
    with ScriptedTeacher() as script:
        usual = script.usual

        def answer(ask: scripted.Ask) -> str:
            is_judge = ask.stage == "evaluate_grounded_qa_pair"
            return reply if is_judge else str(usual(ask))

        script.answer = answer
        return sk.generate(
            scripted.seeds(1),
            teacher=script.connect(),
            prompts=WITH_FAULTS,
            profile=False,
            num_contexts=1,
            num_questions=1,
        )


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("truth, form", ["truth", "form"]),
        ("Form; TRUTH", ["truth", "form"]),
        ("- **extra**\n- manner", ["manner", "extra"]),
        ("faults: language and copied", ["language", "copied"]),
        ("truth (the total, not the form)", ["truth"]),
        ("none", []),
        ("None (the form is the example's)", []),
        ("no truth fault", []),
        ("", []),
        ("spelling", []),
        ("truth, truth", ["truth"]),
    ],
)
def test_the_kinds_of_fault_are_read_however_they_are_listed(text: str, faults: list[str]) -> None:
    assert read_faults(text) == faults


def test_a_sample_holds_the_faults_that_its_judge_named() -> None:
    run = judged(tagged(evaluation="A clumsy phrase.", faults="Manner", score=2))
    assert run.dataset[0]["faults"] == "manner"
    assert run.dataset[0]["evaluation"] == "A clumsy phrase."


def test_a_drop_holds_them_too() -> None:
    run = judged(tagged(evaluation="The total is wrong.", faults="form, truth", score=1))
    assert [row["faults"] for row in run.dropped] == ["truth, form"]


def test_a_sample_without_faults_has_an_empty_text() -> None:
    run = judged(tagged(evaluation="Nothing.", faults="none", score=3))
    assert run.dataset[0]["faults"] == ""


@pytest.mark.parametrize("faults", [None, ""])
def test_a_judge_that_leaves_the_faults_out_is_still_understood(faults: str | None) -> None:
    columns = {"evaluation": "Fine.", "faults": faults, "score": 3}
    run = judged(tagged(**{name: text for name, text in columns.items() if text is not None}))
    assert (run.dataset[0]["faults"], run.dataset[0]["score"]) == ("", 3.0)
    assert run.funnel[5].dropped_rows == 0


def test_what_the_judge_works_out_before_the_tags_is_not_its_evaluation() -> None:
    thought = "1) yes 2) no, score 1?\n\n"
    run = judged(thought + tagged(evaluation="Fine.", faults="none", score=3))
    assert (run.dataset[0]["evaluation"], run.dataset[0]["score"]) == ("Fine.", 3.0)


def test_a_prompt_with_two_pairs_of_tags_gives_no_faults(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        run = sk.generate(
            scripted.seeds(1),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            num_contexts=1,
        )
    assert "faults" not in run.dataset.column_names


def test_a_question_judge_may_name_faults_and_none_of_them_is_taken_for_the_sample_s() -> None:
    question_judge = replace(
        WITH_FAULTS["evaluate_grounded_qa_pair"],
        name="eval_grounded_questions",
        generation=PROMPTS["eval_grounded_questions"].generation,
    )
    with ScriptedTeacher() as script:
        usual = script.usual

        def answer(ask: scripted.Ask) -> str:
            if ask.stage == "eval_grounded_questions":
                return tagged(evaluation="Good.", faults="manner", score=1)
            return str(usual(ask))

        script.answer = answer
        run = sk.generate(
            scripted.seeds(1),
            teacher=script.connect(),
            prompts={**PROMPTS, "eval_grounded_questions": question_judge},
            profile=False,
            num_contexts=1,
        )
    assert len(run.dataset) == 3
    assert "faults" not in run.dataset.column_names
