"""One repair before the drop: a response that is not perfect is revised once and judged anew."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import (
    FREEFORM_PROMPTS,
    PROMPTS,
    Ask,
    ScriptedTeacher,
    assert_adds_up,
    prompt,
    seeds,
    tagged,
)

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.errors import SettingsError
from sdgkit.evaluation.judgement import last_judge

REVISE = "revise_grounded_responses"
JUDGE = "evaluate_grounded_qa_pair"
DRAFT = ("context", "question", "response", "evaluation")
WITH_REVISION = {**PROMPTS, REVISE: prompt(REVISE, DRAFT, "response", temperature=0)}
WORDS = {1: "It is wrong.", 2: "It is clumsy.", 3: "Nothing to object to."}

SCORES = {
    "s1": {"first": 1, "revised": 3},
    "s2": {"first": 2, "revised": 1},
    "s3": {"first": 3, "revised": 3},
    "s4": {"first": 1, "revised": 1},
}
"""The scores of the two versions, by the seed."""


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        script.answer = answer
        yield script


def answer(ask: Ask) -> str:
    if ask.stage.startswith("gen_") and ask.stage.endswith("responses"):
        return tagged(response=f"s{seed_number(ask)} first")
    if ask.stage.startswith("revise_"):
        return tagged(response=ask.given["response"].replace("first", "revised"))
    if ask.stage in ("eval_grounded_questions", "eval_questions"):
        return tagged(evaluation="Seen.", score=1)
    if ask.stage in (JUDGE, "evaluate_qa_pair"):
        seed, version = ask.given["response"].split()
        score = SCORES[seed][version]
        return tagged(evaluation=f"{version}: {WORDS[score]}", score=score)
    return ScriptedTeacher.usual(ask)


def seed_number(ask: Ask) -> str:
    return str(ask.given["seed_response"].rpartition(" ")[2])


def run_of(script: ScriptedTeacher, repair: bool | None = True, **options: Any) -> sk.Run:
    given: dict[str, Any] = {"num_contexts": 1, "num_questions": 1, "prompts": WITH_REVISION}
    if not repair:
        given["prompts"] = PROMPTS
    given["profile"] = False
    return sk.generate(seeds(4), teacher=script.connect(), repair=repair, **{**given, **options})


def by_seed(rows: Any) -> dict[str, dict[str, Any]]:
    return {row["id"].partition("/")[0]: row for row in rows}


# What it does -------------------------------------------------------------------------------------


def test_a_response_below_the_best_score_is_revised_once_with_the_judges_words(
    script: ScriptedTeacher,
) -> None:
    run = run_of(script)
    asks = [ask for ask in script.asks if ask.stage == REVISE]
    told = sorted((ask.given["response"], ask.given["evaluation"]) for ask in asks)
    assert told == [
        ("s1 first", "first: It is wrong."),
        ("s2 first", "first: It is clumsy."),
        ("s4 first", "first: It is wrong."),
    ]
    assert script.asked(JUDGE) == 4 + 3
    assert_adds_up(run)


def test_the_better_of_the_two_versions_is_kept_with_its_own_verdict(
    script: ScriptedTeacher,
) -> None:
    kept = by_seed(run_of(script).samples())
    shown = {
        seed: (row["response"], row["evaluation"], row["score"], row["repair"])
        for seed, row in kept.items()
    }
    assert shown == {
        "s1": ("s1 revised", "revised: Nothing to object to.", 3, "revised"),
        "s2": ("s2 first", "first: It is clumsy.", 2, "first"),
        "s3": ("s3 first", "first: Nothing to object to.", 3, ""),
    }


def test_the_version_that_was_not_kept_and_its_score_stand_beside_it(
    script: ScriptedTeacher,
) -> None:
    kept = by_seed(run_of(script).samples())
    others = {seed: (row["other_response"], row["other_score"]) for seed, row in kept.items()}
    assert others == {"s1": ("s1 first", 1), "s2": ("s2 revised", 1), "s3": (None, None)}
    assert "first_version" not in kept["s1"]


def test_what_is_bad_in_both_versions_is_dropped_with_what_was_said_of_the_first(
    script: ScriptedTeacher,
) -> None:
    [drop] = [drop for drop in run_of(script).drops() if drop["reason"] == "score"]
    assert drop["id"] == "s4/c1/q1"
    assert (drop["response"], drop["reply"]) == ("s4 first", "first: It is wrong.")
    assert drop["other_response"] == "s4 revised"


def test_show_tells_both_versions_and_both_verdicts(script: ScriptedTeacher) -> None:
    told = repr(run_of(script).trace("s1/c1/q1"))
    for text in ("s1 first", "first: It is wrong.", "s1 revised", "revised: Nothing to object to."):
        assert text in told


def test_without_repair_nothing_is_asked_again_and_no_column_comes(
    script: ScriptedTeacher,
) -> None:
    for repair in (None, False):
        run = run_of(script, repair)
        assert "repair" not in next(run.samples())
    assert script.asked(REVISE) == 0
    assert "revise" not in json.dumps(sk.plan(seeds(1)).edition().as_json())


def test_a_freeform_skill_is_repaired_too(script: ScriptedTeacher) -> None:
    revise = "revise_responses"
    prompts = {**FREEFORM_PROMPTS, revise: prompt(revise, DRAFT[1:], "response", temperature=0)}
    run = sk.generate(
        seeds(4, grounded=False),
        teacher=script.connect(),
        prompts=prompts,
        profile=False,
        num_questions=1,
        repair=True,
    )
    assert [row["response"] for row in run.samples()] == ["s1 revised", "s2 first", "s3 first"]


# Where no better version comes --------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    ["no tags here", tagged(response="s2 first"), tagged(response="s2 revised, I am sorry")],
    ids=["malformed", "the same", "rejected by a check"],
)
def test_the_first_response_stays_where_there_is_no_other_to_be_had(
    script: ScriptedTeacher, reply: str
) -> None:
    script.answer = lambda ask: reply if ask.stage == REVISE else answer(ask)
    kept = by_seed(run_of(script, checks=[no_apology]).samples())["s2"]
    assert (kept["response"], kept["score"], kept["repair"]) == ("s2 first", 2, "failed")


def no_apology(row: Any) -> bool:
    return "sorry" not in row["response"]


def test_the_checks_of_a_profile_hold_for_the_revised_response_too(
    script: ScriptedTeacher,
) -> None:
    profile = sk.Profile(checks=("length=..2 words",))

    def wordy(ask: Ask) -> str:
        is_revision = ask.stage == REVISE
        return tagged(response="s1 revised at length") if is_revision else answer(ask)

    script.answer = wordy
    run = run_of(script, profile=profile)
    assert {row["repair"] for row in run.samples()} == {"", "failed"}


def test_without_a_second_verdict_the_first_version_stays(script: ScriptedTeacher) -> None:
    def silent(ask: Ask) -> str:
        is_second = ask.stage == JUDGE and "revised" in ask.given["response"]
        return "no tags" if is_second else answer(ask)

    script.answer = silent
    kept = by_seed(run_of(script).samples())
    assert "s1" not in kept
    assert (kept["s2"]["response"], kept["s2"]["repair"]) == ("s2 first", "first")
    assert kept["s2"]["other_response"] == "s2 revised"


# With other options -------------------------------------------------------------------------------


def test_the_folder_does_the_same_again_and_asks_nothing(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    first = list(run_of(script, out=tmp_path).samples())
    script.forget()
    again = sk.generate(tmp_path, teacher=script.connect())
    assert list(again.samples()) == first
    assert script.asked() == 0


def test_a_finished_run_can_be_repaired_and_asks_for_nothing_but_the_repairs(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run_of(script, None, out=tmp_path)
    script.forget()
    run_of(script, out=tmp_path)
    assert script.by_stage() == {REVISE: 3, JUDGE: 3}


def test_the_two_versions_are_a_preference_pair(script: ScriptedTeacher, tmp_path: Path) -> None:
    run_of(script).export("preference", tmp_path / "pairs.jsonl")
    lines = (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    answers = [(pair["chosen"][-1]["content"], pair["rejected"][-1]["content"]) for pair in pairs]
    assert answers == [("s1 revised", "s1 first"), ("s2 first", "s2 revised")]
    assert [pair["id"] for pair in pairs] == ["s1/c1/q1-first", "s2/c1/q1-revised"]


def test_the_reasoning_is_that_of_the_version_that_was_kept(script: ScriptedTeacher) -> None:
    def thinking(ask: Ask) -> str:
        thoughts = {"gen_grounded_responses": "Quickly now.", REVISE: "Once more, carefully."}
        return f"{thoughts.get(ask.stage, '')}\n{answer(ask)}"

    script.answer = thinking
    kept = by_seed(run_of(script, keep_reasoning=True).samples())
    reasonings = {seed: row["reasoning"] for seed, row in kept.items()}
    assert reasonings == {
        "s1": "Once more, carefully.",
        "s2": "Quickly now.",
        "s3": "Quickly now.",
    }


def test_a_higher_min_score_drops_what_the_repair_did_not_lift(script: ScriptedTeacher) -> None:
    kept = by_seed(run_of(script, min_score=3).samples())
    assert sorted(kept) == ["s1", "s3"]


def test_each_of_several_responses_is_repaired(script: ScriptedTeacher) -> None:
    run = run_of(script, responses=2)
    assert [row["id"] for row in run.samples()] == ["s1/c1/q1/r1", "s2/c1/q1/r1", "s3/c1/q1/r1"]


def test_the_judge_that_is_calibrated_is_the_first_one() -> None:
    planned = sk.plan(seeds(2), repair=True)
    assert last_judge(planned.pipeline).judge.name == JUDGE
    assert planned.prompts["evaluate_revised_grounded_qa_pair"] == planned.prompts[JUDGE]


def test_the_judge_of_revised_responses_has_no_prompt_of_its_own() -> None:
    name = "evaluate_revised_grounded_qa_pair"
    with pytest.raises(SettingsError, match="there is no stage"):
        sk.plan(seeds(2), repair=True, sampling={name: {"temperature": 0.5}})


def test_a_pipeline_without_the_methods_judge_cannot_be_repaired() -> None:
    pipeline = sk.GROUNDED.without(JUDGE, "filter_grounded_qa_pair")
    with pytest.raises(SettingsError, match="repair requires the method's stages"):
        sk.plan(seeds(2), pipeline=pipeline, repair=True)


@pytest.mark.parametrize("value", ["yes", 1, 0])
def test_repair_is_a_switch(value: object) -> None:
    with pytest.raises(SettingsError, match="repair must be True or False"):
        sk.plan(seeds(2), repair=value)  # type: ignore[arg-type]


# The shipped prompts, with the rehearsal teacher --------------------------------------------------


def test_the_rehearsal_teacher_repairs_what_its_judge_objected_to(tmp_path: Path) -> None:
    seed_file = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    main(["generate", str(seed_file), "--repair", "--out", str(tmp_path)])
    run = sk.open_run(tmp_path)
    repaired = [row for row in run.samples() if row["repair"] == "revised"]
    assert len(repaired) >= 5
    assert all(row["score"] > row["other_score"] for row in repaired)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert config["settings"]["repair"] is True
