"""Several responses to each question: the best is kept, the others become preference pairs."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import FREEFORM_PROMPTS, PROMPTS, Ask, ScriptedTeacher, assert_adds_up, seeds, tagged

import sdgkit as sk
from sdgkit.review import Review

SCORES = {1: 2, 2: 3, 3: 1, 4: 3}
"""The score of each response, by its ordinal."""


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:

        def answer(ask: Ask) -> str:
            if ask.stage in ("gen_grounded_responses", "gen_responses"):
                return tagged(response=f"Response {ask.ordinal} to {ask.given['question']}")
            if ask.stage in ("eval_grounded_questions", "eval_questions"):
                return tagged(evaluation="Seen.", score=1)
            if ask.stage in ("evaluate_grounded_qa_pair", "evaluate_qa_pair"):
                ordinal = int(ask.given["response"].split()[1])
                return tagged(evaluation="Read.", score=SCORES[ordinal])
            return script.usual(ask)

        script.answer = answer
        yield script


def run_of(script: ScriptedTeacher, responses: int | None, **options: Any) -> sk.Run:
    given = {"num_contexts": 2, "num_questions": 2, **options}
    return sk.generate(
        seeds(2),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        responses=responses,
        **given,
    )


def pairs_of(run: sk.Run, path: Path) -> list[dict[str, Any]]:
    run.export("preference", path)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_of_several_responses_the_first_with_the_highest_score_is_kept(
    script: ScriptedTeacher,
) -> None:
    run = run_of(script, 4)
    assert script.asked("gen_grounded_responses") == 4 * 8
    assert script.asked("evaluate_grounded_qa_pair") == 4 * 8
    kept = [row["id"] for row in run.samples()]
    assert kept == [f"s{s}/c{c}/q{q}/r2" for s in (1, 2) for c in (1, 2) for q in (1, 2)]
    drops = {drop["id"]: drop["reason"] for drop in run.drops()}
    assert drops["s1/c1/q1/r1"] == drops["s1/c1/q1/r4"] == "not_best"
    assert drops["s1/c1/q1/r3"] == "score"
    assert run.funnel[-1].name == "best_response"
    assert run.funnel[-1].dropped == {"not_best": 16}
    assert_adds_up(run)


def test_one_response_a_question_is_as_before(script: ScriptedTeacher) -> None:
    plain = list(run_of(script, None).samples())
    one = run_of(script, 1)
    assert list(one.samples()) == plain
    assert plain[0]["id"] == "s1/c1/q1"
    assert one.funnel[-1].name == "combine_question_and_context"


def test_several_responses_are_asked_for_warmly_unless_you_say_otherwise(
    script: ScriptedTeacher,
) -> None:
    run_of(script, 2)
    asks = [ask for ask in script.asks if ask.stage == "gen_grounded_responses"]
    assert {ask.body["temperature"] for ask in asks} == {0.7}
    script.forget()
    run_of(script, 2, sampling={"gen_grounded_responses": {"temperature": 0.4}})
    asks = [ask for ask in script.asks if ask.stage == "gen_grounded_responses"]
    assert {ask.body["temperature"] for ask in asks} == {0.4}


def test_a_freeform_skill_has_several_responses_too(script: ScriptedTeacher) -> None:
    run = sk.generate(
        seeds(1, grounded=False),
        teacher=script.connect(),
        prompts=FREEFORM_PROMPTS,
        profile=False,
        num_questions=3,
        responses=2,
    )
    assert [row["id"] for row in run.samples()] == ["s1/q1/r2", "s1/q2/r2", "s1/q3/r2"]


def test_the_folder_does_the_same_again_and_asks_nothing(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    first = list(run_of(script, 3, out=tmp_path).samples())
    script.forget()
    again = sk.generate(tmp_path, teacher=script.connect())
    assert list(again.samples()) == first
    assert again.funnel[-1].dropped == {"not_best": 8}
    assert script.asked() == 0


def test_responses_with_different_scores_are_preference_pairs(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = run_of(script, 4, num_contexts=1, num_questions=1)
    pairs = pairs_of(run, tmp_path / "pairs.jsonl")
    first = [pair for pair in pairs if pair["id"].startswith("s1/")]
    assert [pair["id"] for pair in first] == ["s1/c1/q1/r2-r1", "s1/c1/q1/r2-r3"]
    question = next(run.samples())["question"]
    for pair, rejected in zip(first, (1, 3), strict=True):
        assert pair["prompt"] == [{"role": "user", "content": question}]
        assert pair["chosen"][0]["content"].startswith("Response 2 ")
        assert pair["rejected"][0]["content"].startswith(f"Response {rejected} ")


def test_pairs_of_the_review_stand_beside_those_of_the_judge(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = run_of(script, 2, num_contexts=1, num_questions=1, out=tmp_path / "run")
    review = Review(run)
    review.edit("s1/c1/q1/r2", response="Better still.")
    pairs = {pair["id"]: pair for pair in pairs_of(run, tmp_path / "pairs.jsonl")}
    assert set(pairs) == {"s1/c1/q1/r2", "s1/c1/q1/r2-r1", "s2/c1/q1/r2-r1"}
    assert pairs["s1/c1/q1/r2"]["rejected"][0]["content"].startswith("Response 2 ")
    assert pairs["s1/c1/q1/r2-r1"]["chosen"][0]["content"] == "Better still."


def test_a_sample_that_the_review_rejects_is_the_better_one_of_no_pair(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = run_of(script, 2, num_contexts=1, num_questions=1, out=tmp_path / "run")
    Review(run).reject("s1/c1/q1/r2")
    assert [pair["id"] for pair in pairs_of(run, tmp_path / "pairs.jsonl")] == ["s2/c1/q1/r2-r1"]


def test_an_estimate_counts_the_requests_of_all_responses_and_the_samples_of_the_best(
    script: ScriptedTeacher,
) -> None:
    plan = sk.plan(
        seeds(4),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        num_contexts=2,
        num_questions=2,
        responses=4,
    )
    found = sk.estimate(plan)
    contexts = 8
    questions = 16
    assert found.requests == contexts + contexts + questions + 2 * 4 * questions
    assert found.samples == questions


@pytest.mark.parametrize("responses", [0, -1, 1.5, True])
def test_a_number_of_responses_that_is_none_is_refused(responses: Any) -> None:
    with pytest.raises(sk.SettingsError, match="responses"):
        sk.plan(seeds(1), prompts=PROMPTS, profile=False, responses=responses)


# With a target ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [1, 3, 5, 11])
def test_a_target_counts_questions_and_not_their_responses(
    script: ScriptedTeacher, target: int
) -> None:
    run = run_of(script, 4, target=target)
    kept = [row["id"] for row in run.samples()]
    assert len(kept) == target
    assert len({id_.rpartition("/")[0] for id_ in kept}) == target
    assert_adds_up(run)


def test_a_target_with_several_responses_does_not_depend_on_timing(
    script: ScriptedTeacher,
) -> None:
    def result(run: sk.Run) -> tuple[Any, ...]:
        return list(run.samples()), list(run.drops()), list(run.funnel)

    calm = result(run_of(script, 3, target=5))
    delays = random.Random(3)
    script.delay = lambda ask: delays.random() * 0.02
    assert result(run_of(script, 3, target=5)) == calm


def test_a_target_without_surplus_says_nothing_about_the_other_responses(
    script: ScriptedTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(script, 4, target=4)
    assert "Raise the target" not in capsys.readouterr().out


def test_a_question_beyond_the_target_leaves_with_all_its_responses(
    script: ScriptedTeacher,
) -> None:
    run = run_of(script, 4, target=3)
    beyond = {drop["id"] for drop in run.drops() if drop["reason"] == "target"}
    [question] = {id_.rpartition("/")[0] for id_ in beyond}
    assert beyond == {f"{question}/r{ordinal}" for ordinal in (1, 2, 4)}
