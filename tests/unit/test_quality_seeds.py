"""The seed check: what it finds, and that it finds nothing where there is nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import scripted
from scripted import PROMPTS, tagged

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.evaluation.seed_findings import SeedCheck
from sdgkit.export import write_jsonl

SEEDS = sorted((Path(__file__).parents[2] / "notebooks" / "seeds").glob("*.jsonl"))
TASK = "Say in one sentence what the customer wants, in plain words and without adding anything."
CONTEXTS = [
    "Hello, my lamp broke after two days and I want a new one, please. Regards, Tom",
    "the app is slow since the update. fix it!!!",
    "Dear team, could you tell me whether the red chair will be in stock again before Easter? "
    "Yours, Ann Lee",
    "Refund. Now. I have been waiting for three weeks and nobody answers the phone.",
    "So I tried the coffee machine and honestly I love it, but is there a smaller jug for it?",
    "Your courier left the parcel in the rain, the books in it are wet.",
]
ANSWERS = [
    "The customer wants a new lamp, because the lamp broke after two days.",
    "The customer wants the app to be fast again.",
    "The customer asks whether the red chair will be back before Easter.",
    "The customer wants a refund after waiting for three weeks.",
    "The customer asks for a smaller jug for the coffee machine.",
    "The customer complains about wet books in a parcel left in the rain.",
]
ASKED = [
    "What do they want?",
    "And this one?",
    "Please sum it up.",
    "Sum up, please!",
    "in a sentence?",
    "What is it about?",
]


def seeds(number: int = 6, /, **changed: str) -> list[dict[str, str]]:
    """Good seeds; `changed` goes into the second."""
    rows = [
        {"task_description": TASK, "seed_context": c, "seed_question": q, "seed_response": a}
        for c, q, a in zip(CONTEXTS, ASKED, ANSWERS, strict=True)
    ]
    rows[1] |= changed
    return rows[:number]


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_the_shipped_seeds_raise_no_alarm(path: Path) -> None:
    assert not sk.check_seeds(path)


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_the_rehearsal_judge_keeps_the_shipped_seeds(path: Path) -> None:
    teacher = sk.connect("rehearsal")
    found = sk.check_seeds(path, teacher)
    assert not found and found.note.endswith(
        "The judge (rehearsal) scored each seed with another as its example."
    )
    teacher.close()


def test_seeds_in_a_script_without_spaces_raise_no_alarm() -> None:
    heard = [
        f"顾客说这盏灯{word}。但是电池只能用{n}小时。" + "他很失望。" * n
        for n, word in enumerate("亮大好新贵", 1)
    ]
    rows = [
        {
            "task_description": "将客户的反馈整理成一句话的摘要。不添加任何内容。",
            "seed_context": text,
            "seed_question": "请把这条反馈总结成一句话。",
            "seed_response": f"灯{word}。但电池只能用{n}小时。",
        }
        for n, (text, word) in enumerate(zip(heard, "亮大好新贵", strict=True), 1)
    ]
    assert not [
        one for one in sk.check_seeds(rows) if one.severity != "hint" or one.quality != "variety"
    ]


def test_good_seeds_raise_no_alarm() -> None:
    assert not sk.check_seeds(seeds())
    assert "No problems found" in repr(sk.check_seeds(seeds()))


FLAWS = {
    "clear task": [
        {"task_description": "Summarise."},
        {"task_description": ASKED[1]},
        {"task_description": f"{TASK} Sign as [Your name]."},
    ],
    "realistic input": [
        {"seed_context": "printer, error, floor two, urgent, broken"},
        {
            "seed_context": "Hello {{ customer }}, my lamp broke after two days, and I want "
            "another one."
        },
        {"seed_context": "Broken lamp."},
        {
            "seed_context": "Dear [Company Name], my lamp broke after two days, and I want "
            "another one."
        },
        {"seed_question": "Summary?"},
    ],
    "complete output": [
        {"seed_response": "The customer wants the app to be fast and"},
        {"seed_response": "The customer wants …"},
        {"seed_response": "| Wish |\n|---|\n| a | b |"},
        {"seed_response": '{"wish": "a fast app",}'},
        {
            "seed_response": "Sure! Here is the sentence: the customer wants the app to be fast "
            "again."
        },
        {"seed_response": "I'm sorry, but I can't assist with that."},
        {"seed_response": "The customer [insert name] wants the app to be fast again."},
        {"seed_response": CONTEXTS[1]},
        {"seed_question": "What do they want? Answer as JSON."},
    ],
}
CASES = [(quality, flaw) for quality, flaws in FLAWS.items() for flaw in flaws]


@pytest.mark.parametrize(("quality", "flaw"), CASES, ids=lambda value: str(value)[:50])
def test_a_flaw_is_found_in_its_row_and_named_by_its_quality(
    quality: str, flaw: dict[str, str]
) -> None:
    found = [one for one in sk.check_seeds(seeds(**flaw)) if one.severity != "hint"]
    assert [
        one
        for one in found
        if one.quality == quality and one.row in (2, None) and one.problem and one.advice
    ]
    assert {one.row for one in found} <= {2, None}


def test_a_made_up_fact_is_hinted_at() -> None:
    [hint] = sk.check_seeds(
        seeds(seed_response="The customer Peterson wants the app of 2019 to be fast.")
    )
    assert (hint.severity, hint.row) == ("hint", 2)
    assert "2019" in hint.problem
    assert "Peterson" in hint.problem


def test_the_odd_one_out_in_form_is_found() -> None:
    rows = [
        {**row, "seed_response": f"| Wish | Why |\n|---|---|\n| {row['seed_response']} | x |"}
        for row in seeds()
    ]
    rows[3]["seed_response"] = ANSWERS[3]
    rows[4]["seed_response"] = rows[4]["seed_response"].replace("Wish", "Need")
    found = {
        one.row: one.problem for one in sk.check_seeds(rows) if one.quality == "complete output"
    }
    assert "not a Markdown table, as most" in found[4]
    assert found[5] == (
        "The header row of the table is Need | Why; in most responses it is Wish | Why."
    )


def test_the_same_input_with_another_answer_is_ambiguous() -> None:
    found = sk.check_seeds(
        [*seeds(), {**seeds()[0], "seed_response": "The customer complains about a phone."}]
    )
    assert [(one.row, one.severity) for one in found if one.quality == "no ambiguity"] == [
        (7, "error")
    ]


def test_the_same_question_answered_in_two_forms_is_ambiguous() -> None:
    rows = [{**row, "seed_question": "What do they want?"} for row in seeds()]
    for row in rows[:3]:
        row["seed_response"] = "- " + row["seed_response"] + "\n- Nothing else."
    for row in rows[3:]:
        row["seed_response"] = '{"wish": "' + row["seed_response"] + '"}'
    assert "no ambiguity" in {one.quality for one in sk.check_seeds(rows)}


def test_too_few_and_too_similar_seeds_do_not_vary() -> None:
    few = sk.check_seeds(seeds(3))
    assert [(one.row, one.quality, one.severity) for one in few] == [(None, "variety", "warning")]
    copied = sk.check_seeds(seeds(seed_context=CONTEXTS[0].replace("Tom", "Tim")))
    assert [(one.row, one.column) for one in copied if one.quality == "variety"] == [
        (2, "seed_context")
    ]


def test_all_of_one_length_or_one_opening_is_hinted_at() -> None:
    rows = [
        {**row, "seed_context": f"Dear team, {row['seed_context'][:25]:.<30}"} for row in seeds()
    ]
    hints = [
        one.problem
        for one in sk.check_seeds(rows)
        if one.severity == "hint" and one.quality == "variety"
    ]
    assert hints == [
        "All texts are about the same length.",
        "Almost all texts begin with “dear team, …”.",
    ]


def test_a_seed_that_its_own_judge_would_drop_is_the_best_warning_there_is() -> None:
    with scripted.ScriptedTeacher() as script:
        script.answer = lambda ask: tagged(
            evaluation="Jam is missing.", score=1 if ask.given["context"] == CONTEXTS[2] else 3
        )
        found = sk.check_seeds(seeds(), script.connect(), prompts=PROMPTS)
        assert script.by_stage() == {"evaluate_grounded_qa_pair": 6}
    [warning] = found
    assert (warning.row, warning.severity) == (3, "warning")
    assert "score 1): Jam is missing." in warning.problem


def test_what_stands_in_a_seed_cannot_become_markup() -> None:
    found = sk.check_seeds(seeds(seed_response="The customer wants <b>[insert name]</b> and"))
    assert "<b>" not in found._repr_html_()
    assert "seed 2, seed_response: error" in repr(found)


def test_the_command_says_the_same_and_ends_with_1_if_there_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "seeds.jsonl"
    write_jsonl(path, seeds())
    assert main(["check", str(path)]) == 0
    write_jsonl(path, seeds(seed_response="The customer wants the app to be fast and"))
    assert main(["check", str(path)]) == 1
    assert "seed 2, seed_response: error (complete output)" in capsys.readouterr().out
    assert main(["check", str(path), "--model", "m"]) == 2
    assert main(["check"]) == 2


def judged_seeds(
    rows: list[dict[str, str]], says: Callable[[Mapping[str, str]], object]
) -> tuple[SeedCheck, int]:
    """What a judge finds that scores by what it is shown, and how many requests it took."""
    prompt = scripted.prompt(
        "evaluate_grounded_qa_pair",
        (*scripted.SEED, "context", "question", "response"),
        *scripted.JUDGED,
        temperature=0,
    )
    with scripted.ScriptedTeacher() as script:
        script.answer = lambda ask: scripted.tagged(evaluation="Read.", score=says(ask.given))
        found = sk.check_seeds(rows, script.connect(), prompts={prompt.name: prompt})
        return found, script.asked()


def test_the_judge_sees_each_seed_beside_another_one_in_one_request_each() -> None:
    def says(given: Mapping[str, str]) -> int:
        assert given["context"] != given["seed_context"]
        return 1 if "lamp" in given["response"] else 3

    found, requests = judged_seeds(seeds(), says)
    dropped = [one for one in found if one.problem.startswith("The judge would drop this seed")]
    assert [one.row for one in dropped] == [
        number for number, answer in enumerate(ANSWERS, 1) if "lamp" in answer
    ]
    assert requests == len(seeds())


def test_a_seed_that_the_judge_would_keep_with_an_objection_is_named() -> None:
    rows = seeds()
    found, _ = judged_seeds(
        rows, lambda given: 2 if given["response"] == rows[2]["seed_response"] else 3
    )
    [hint] = [one for one in found if "objects (score 2): Read." in one.problem]
    assert (hint.row, hint.severity) == (3, "hint")


def test_a_single_seed_is_not_judged_beside_itself() -> None:
    found, requests = judged_seeds(seeds(1), lambda given: 3)
    assert requests == 0
    assert any("takes another seed of the same task" in one.problem for one in found)
