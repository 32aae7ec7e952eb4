"""Twins: samples that give one answer to one context, in whatever words."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import scripted
from scripted import PROMPTS, Ask, ScriptedTeacher, assert_adds_up

import sdgkit as sk
from sdgkit.quality import distinct_answers, twins
from sdgkit.samples import Row


def samples(context: str, *responses: str) -> list[Row]:
    return [
        {"id": f"s1/c1/q{number}", "context": context, "question": "?", "response": response}
        for number, response in enumerate(responses, 1)
    ]


SAME_ANSWER = {
    "letter case and spacing": (
        "The parcel came opened, and the cup in it was broken.",
        ["Complaint", "  complaint "],
    ),
    "an e-mail in other words": (
        "Q1 | turnover 412,448 | up 4% | staff 120 | from Ruth",
        [
            "Dear all,\n\nTurnover rose by 4% to 412,448 euros. We are 120 people now.\n\nRuth",
            "Dear all,\n\nTurnover went up by 4% to 412,448 euros. Now we are 120 people.\n\nRuth",
        ],
    ),
    "another order of words, in German": (
        "Umsatz 1,2 Mio. Euro (+3 %), Kosten um 5 % gesunken, an alle",
        [
            "Der Umsatz stieg um 3 % auf 1,2 Mio. Euro. Die Kosten sanken um 5 %.",
            "Die Kosten sanken um 5 %. Der Umsatz ist um 3 % auf 1,2 Mio. Euro gestiegen.",
        ],
    ),
    "a language without spaces": (
        "火曜日に会議。部屋が二重予約。",
        [
            "会議は火曜日に変更されました。部屋が二重に予約されていたためです。",
            "部屋が二重に予約されていたため、会議は火曜日に変更されました。",
        ],
    ),
}


@pytest.mark.parametrize("case", SAME_ANSWER)
def test_one_answer_in_other_words_counts_once(case: str) -> None:
    context, responses = SAME_ANSWER[case]
    assert distinct_answers(samples(context, *responses)) == 1


TWO_ANSWERS = {
    "another figure": (
        "May: 412,448 euros. June: 398,120 euros.",
        ["The turnover was 412,448 euros.", "The turnover was 398,120 euros."],
    ),
    "another code": (
        "Seats 14A and 14B are taken, and 15C is free.",
        ["Seat 14A is taken.", "Seat 14B is taken."],
    ),
    "another part of the context": (
        "The north gate does not open and the south gate does not close.",
        ["The north gate does not open.", "The south gate does not close."],
    ),
    "another name": (
        "Anna writes the invitations, and Bert writes the minutes.",
        ["Anna writes the invitations.", "Bert writes the minutes."],
    ),
    "a query for another column": (
        "The table staff has the columns name, city and age.",
        ["SELECT name FROM staff WHERE age > 40;", "SELECT city FROM staff WHERE age > 40;"],
    ),
    "another subject": (
        "The battery lasts a week, but the strap tears quickly.",
        ["The battery lasts a week.", "The strap tears quickly."],
    ),
}


@pytest.mark.parametrize("case", TWO_ANSWERS)
def test_answers_that_say_different_things_are_no_twins(case: str) -> None:
    context, responses = TWO_ANSWERS[case]
    assert distinct_answers(samples(context, *responses)) == 2


def test_the_same_answer_to_another_context_is_no_twin() -> None:
    rows = [*samples("The cup was broken.", "Complaint"), *samples("It never came.", "Complaint")]
    assert distinct_answers(rows) == 2


def test_a_twin_names_the_earliest_sample_with_its_answer() -> None:
    rows = samples("A red lamp of 2 kilos.", "It is red.", "It weighs 2 kilos.", "It is RED.")
    [twin] = twins(rows)
    assert (twin.id, twin.reason) == ("s1/c1/q3", "duplicate")
    assert "s1/c1/q1" in twin.message


def test_the_diversity_of_a_set_counts_twins_once_beside_other_repeats() -> None:
    rows = samples("A red lamp.", "It is a red lamp.", "A red lamp it is.", "Red")
    for number, row in enumerate(rows):
        rows[number] = {**row, "question": f"What is it, in word {number}{number}?"}
    measured = sk.diversity([rows[0], *samples("A cup.", "A cup."), *rows[1:]])
    assert measured.repeats == {"response twin": 1}
    assert "1 of 4 samples repeat others" in repr(measured)


def test_rows_without_a_context_have_no_twins() -> None:
    rows = [{"id": f"s1/q{n}", "question": f"{n}?", "response": "Yes."} for n in (1, 2)]
    assert distinct_answers(rows) == 2


# In a run -----------------------------------------------------------------------------------------


def one_answer_a_context(script: ScriptedTeacher) -> Callable[[Ask], str]:
    """Every response repeats its context and no more, and every judge is content."""

    def answer(ask: Ask) -> str:
        if ask.stage == "gen_grounded_responses":
            return scripted.tagged(response=f"In short: {ask.given['context']}")
        if ask.stage == "eval_grounded_questions":
            return scripted.tagged(evaluation="Seen.", score=1)
        if ask.stage == "evaluate_grounded_qa_pair":
            return scripted.tagged(evaluation="Read.", score=3)
        return script.usual(ask)

    return answer


def run_of(script: ScriptedTeacher, concurrency: int = 16, **options: Any) -> sk.Run:
    return sk.generate(
        scripted.seeds(),
        teacher=script.connect(concurrency),
        prompts=PROMPTS,
        profile=False,
        num_contexts=2,
        num_questions=2,
        **options,
    )


def ids_of(run: sk.Run) -> Sequence[str]:
    return [row["id"] for row in run.samples()]


def test_a_run_says_how_many_distinct_answers_its_samples_give(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        script.answer = one_answer_a_context(script)
        run = run_of(script, out=tmp_path)
    assert run.summary.distinct_answers == 6
    for told in (repr(run), repr(run.explain()), (tmp_path / "report.html").read_text("utf-8")):
        assert "12 samples, 6 distinct answers" in told
    assert "num_questions=1" in repr(run.explain())
    assert "12 samples, 6 distinct answers" in repr(sk.open_run(tmp_path))


def test_a_run_whose_answers_all_differ_says_nothing_of_twins(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        run = run_of(script, out=tmp_path)
    assert run.summary.distinct_answers == len(ids_of(run))
    assert "distinct" not in repr(run) + repr(run.explain())


def test_dropping_twins_keeps_the_lowest_ordinal_at_any_concurrency() -> None:
    kept = []
    for concurrency, slow in ((1, 0.0), (16, 0.02)):
        with ScriptedTeacher() as script:
            script.answer = one_answer_a_context(script)
            script.delay = lambda ask, slow=slow: slow * ask.name.startswith("a")
            run = run_of(script, concurrency, twins="drop")
            assert_adds_up(run)
            kept.append(ids_of(run))
    assert kept[0] == kept[1] == [f"s{s}/c{c}/q1" for s in (1, 2, 3) for c in (1, 2)]


def test_dropped_twins_are_in_the_funnel_and_among_the_drops() -> None:
    with ScriptedTeacher() as script:
        script.answer = one_answer_a_context(script)
        run = run_of(script, twins="drop", near_duplicates=1.0)
    twin_line, last_line = run.funnel[-2:]
    assert (twin_line.name, twin_line.dropped) == ("twins", {"duplicate": 6})
    assert last_line.rows_in == 6
    assert "6 of 12 rows (50%) gave an answer that their context already had" in repr(run.explain())
    drops = [drop for drop in run.drops() if drop["stage"] == "twins"]
    assert [drop["id"] for drop in drops] == [f"s{s}/c{c}/q2" for s in (1, 2, 3) for c in (1, 2)]
    assert "s1/c1/q1" in drops[0]["message"]


def test_keeping_or_dropping_twins_later_asks_nothing_again(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        script.answer = one_answer_a_context(script)
        whole = ids_of(run_of(script, out=tmp_path))
        script.forget()
        dropping = run_of(script, out=tmp_path, twins="drop")
        assert "twins none → drop" in " ".join(dropping.notes)
        assert len(ids_of(dropping)) == 6
        again = sk.generate(tmp_path, teacher=script.connect())
        assert ids_of(again) == ids_of(dropping)
        assert again.funnel[-1].dropped == {"duplicate": 6}
        assert ids_of(run_of(script, out=tmp_path, twins="keep")) == whole
        assert script.asked() == 0


@pytest.mark.parametrize("choice", ["merge", 1, True])
def test_an_unknown_choice_is_refused(choice: object) -> None:
    with pytest.raises(sk.SettingsError, match="twins"):
        sk.plan(scripted.seeds(), prompts=PROMPTS, profile=False, twins=choice)  # type: ignore[arg-type]
