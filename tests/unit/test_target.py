"""A target: so many samples and no more, by a choice that does not depend on timing."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import (
    FREEFORM_PROMPTS,
    PROMPTS,
    Ask,
    Gate,
    ScriptedTeacher,
    assert_adds_up,
    ignore_note,
    seeds,
    tagged,
)
from servers import status

import sdgkit as sk
from sdgkit.errors import SettingsError


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(
    script: ScriptedTeacher,
    target: int,
    rows: list[dict[str, Any]] | None = None,
    *,
    concurrency: int = 16,
    **settings: Any,
) -> sk.Run:
    given: dict[str, Any] = {
        "prompts": PROMPTS,
        "profile": False,
        "num_contexts": 3,
        "num_questions": 2,
        **settings,
    }
    return sk.generate(rows or seeds(), teacher=script.connect(concurrency), target=target, **given)


def result(run: sk.Run) -> tuple[Any, ...]:
    return list(run.samples()), list(run.drops()), list(run.funnel)


@pytest.mark.parametrize("target", [1, 2, 7, 20, 41])
def test_exactly_the_target_number_of_samples_is_kept(script: ScriptedTeacher, target: Any) -> None:
    run = generate(script, target)
    assert len(list(run.samples())) == target == run.funnel[-1].rows_out
    assert run.state == "done"
    assert_adds_up(run)


def test_the_choice_depends_neither_on_concurrency_nor_on_who_answers_first(
    script: ScriptedTeacher,
) -> None:
    script.answer = often_the_same
    one = result(generate(script, 17, concurrency=1))
    for number in range(4):
        chance = random.Random(number)
        script.delay = lambda ask, chance=chance: chance.choice((0, 0.001, 0.004, 0.02))
        assert result(generate(script, 17, concurrency=64)) == one


def often_the_same(ask: Ask) -> str:
    """Two of three contexts repeat an earlier one of their seed."""
    if ask.stage == "gen_contexts":
        return tagged(context=f"number {ask.ordinal % 5} of {ask.seed}")
    return ScriptedTeacher.usual(ask)


def test_rounds_go_through_the_seeds_in_turn(script: ScriptedTeacher) -> None:
    run = generate(script, 12)
    per_seed = Counter(row["id"].split("/")[0] for row in run.samples())
    assert set(per_seed) == {"s1", "s2", "s3"}
    assert max(per_seed.values()) - min(per_seed.values()) <= 2


def test_samples_beyond_the_target_are_drops_that_a_larger_target_keeps(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = generate(script, 7, out=tmp_path, num_questions=4)
    surplus = [drop for drop in run.drops() if drop["reason"] == "target"]
    assert surplus
    assert run.funnel[-1].name == "target"
    assert "larger target" in surplus[0]["message"]
    more = generate(script, 7 + len(surplus), out=tmp_path, num_questions=4)
    assert {drop["id"] for drop in surplus} <= {row["id"] for row in more.samples()}
    assert_adds_up(more)


def test_a_larger_target_later_asks_only_for_the_difference(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    first = generate(script, 10, out=tmp_path)
    asked = script.asked()
    second = generate(script, 30, out=tmp_path)
    assert script.repeated() <= 16  # what was on its way when the first target was reached
    assert script.asked() > asked
    ids = [row["id"] for row in second.samples()]
    assert {row["id"] for row in first.samples()} <= set(ids)
    assert len(ids) == 30
    script.forget()
    assert result(generate(script, 30)) == result(second)
    script.forget()
    smaller = generate(script, 10, out=tmp_path)
    assert script.asked() == 0
    assert list(smaller.samples()) == list(first.samples())


def test_without_a_target_the_same_contexts_are_not_asked_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, 10, out=tmp_path)
    targeted = {ask.name for ask in script.asks if ask.stage == "gen_contexts"}
    sk.generate(
        seeds(),
        teacher=script.connect(),
        out=tmp_path,
        prompts=PROMPTS,
        profile=False,
        num_contexts=3,
        num_questions=2,
    )
    assert script.repeated() <= 16
    assert len(targeted) > 3


def test_a_target_continues_far_beyond_the_contexts_asked_for_as_long_as_samples_come(
    script: ScriptedTeacher,
) -> None:
    script.answer = one_of_seven
    run = generate(script, 30, seeds(2), num_contexts=1, num_questions=1)
    assert len(list(run.samples())) == 30
    assert script.asked("gen_contexts") > 100
    assert run.summary.target_reached
    assert_adds_up(run)


def one_of_seven(ask: Ask) -> str:
    """The judge keeps the questions of every seventh context."""
    if ask.stage != "eval_grounded_questions":
        return ScriptedTeacher.usual(ask)
    ordinal = int(str(ask.given["context"]).split(".")[1].split()[0])
    return tagged(evaluation="As it is.", score=int(ordinal % 7 == 0))


@pytest.mark.parametrize("limit", [11, 60, 137])
def test_a_target_ends_at_the_limit_of_requests_with_what_to_type(
    script: ScriptedTeacher, limit: int
) -> None:
    run = generate(script, 1000, max_requests=limit)
    assert run.state == "done"
    assert script.asked() <= limit
    assert script.asked() > limit - 11  # what one more round of one seed would take
    [note] = [note for note in run.notes if "of 1000 samples" in note]
    assert f"limit of {limit} requests" in note
    assert "--max-requests" in note
    assert run.shortfall.startswith("Finished short")
    assert run.summary.target_reached is False
    assert_adds_up(run)


def test_what_a_limit_of_requests_keeps_depends_on_no_timing(script: ScriptedTeacher) -> None:
    script.answer = often_the_same
    one = result(generate(script, 1000, concurrency=1, max_requests=120))
    for number in range(3):
        chance = random.Random(number)
        script.delay = lambda ask, chance=chance: chance.choice((0, 0.001, 0.004, 0.02))
        assert result(generate(script, 1000, concurrency=64, max_requests=120)) == one


def test_a_raised_limit_continues_and_asks_nothing_twice(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    short = generate(script, 40, out=tmp_path, max_requests=60)
    assert script.asked() <= 60
    whole = generate(script, 40, out=tmp_path, max_requests=600)
    assert len(list(whole.samples())) == 40
    assert {row["id"] for row in short.samples()} <= {row["id"] for row in whole.samples()}
    assert script.repeated() == 0
    again = sk.plan(tmp_path)
    assert (again.target, again.max_requests) == (40, 600)


@pytest.mark.parametrize("limit", [0, -1, 2.5, "many", 3])
def test_a_limit_of_requests_must_be_enough_for_one_round(
    script: ScriptedTeacher, limit: Any
) -> None:
    with pytest.raises(SettingsError, match="max_requests"):
        generate(script, 10, max_requests=limit)
    assert script.asked() == 0


def test_a_limit_of_requests_needs_a_target() -> None:
    with pytest.raises(SettingsError, match="give target"):
        sk.plan(seeds(), max_requests=500)


def test_rounds_without_a_new_sample_end_the_run_with_a_note(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        tagged(context="always this") if ask.stage == "gen_contexts" else script.usual(ask)
    )
    run = generate(script, 500, seeds(2), concurrency=1)
    assert run.state == "done"
    assert any("10 rounds produced no new sample" in note for note in run.notes)
    assert 22 <= script.asked("gen_contexts") <= 30
    assert_adds_up(run)


def test_an_equal_context_of_a_later_round_that_arrives_first_gives_way(
    script: ScriptedTeacher,
) -> None:
    """The earlier round's request is the slowest of all; by then the later ones are counted."""
    script.answer = often_the_same
    calm = result(generate(script, 12, seeds(2)))
    script.delay = lambda ask: 0.4 if ask.stage == "gen_contexts" and ask.ordinal <= 2 else 0.0
    run = generate(script, 12, seeds(2))
    assert result(run) == calm
    assert_adds_up(run)


def test_a_target_that_only_seems_reached_while_equal_rows_are_in_flight_is_reached_in_the_end(
    script: ScriptedTeacher,
) -> None:
    """All rounds but one give the same context: what was counted is taken back, and replaced."""
    script.answer = lambda ask: (
        tagged(context="same" if ask.ordinal < 5 else f"number {ask.ordinal}")
        if ask.stage == "gen_contexts"
        else script.usual(ask)
    )
    script.delay = lambda ask: 0.3 / ask.ordinal if ask.stage == "gen_contexts" else 0.0
    run = generate(script, 4, seeds(1), num_questions=1, concurrency=8)
    assert len(list(run.samples())) == 4
    assert_adds_up(run)


def test_a_cancelled_run_with_a_target_resumes(script: ScriptedTeacher, tmp_path: Path) -> None:
    whole = result(generate(script, 25))
    gate = Gate()

    async def hold(body: dict[str, Any], number: int) -> web.StreamResponse:
        if number > 40:
            await gate.passed()
        return await script._answer(body, number)

    script.forget()
    script.requests.clear()
    script.behave = hold
    plan = sk.plan(
        seeds(),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        num_contexts=3,
        num_questions=2,
        target=25,
    )
    run = sk.Run(plan, tmp_path, on_note=ignore_note).start()
    gate.await_arrivals(1)
    run.cancel()
    assert run.wait(60).state == "cancelled"
    gate.open()
    assert result(run.start().wait(60)) == whole
    assert script.repeated() <= 16


def test_a_refused_row_is_replaced_by_another(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        status(400, "too long")
        if ask.seed == 2 and ask.stage == "gen_contexts"
        else script.usual(ask)
    )
    run = generate(script, 15)
    assert len(list(run.samples())) == 15
    assert_adds_up(run)


def test_a_freeform_skill_has_rounds_of_questions(script: ScriptedTeacher) -> None:
    run = sk.generate(
        seeds(grounded=False),
        teacher=script.connect(),
        prompts=FREEFORM_PROMPTS,
        profile=False,
        num_questions=4,
        target=30,
    )
    assert len(list(run.samples())) == 30
    assert {ask.given["num_samples"] for ask in script.asks if ask.stage == "gen_questions"} == {4}
    assert "s1/q5" in {row["id"] for row in [*run.samples(), *run.drops()]}
    assert_adds_up(run)


def test_a_question_that_a_second_ask_repeats_from_an_earlier_round_is_a_duplicate(
    script: ScriptedTeacher,
) -> None:
    """Also when all that came of the first ask is through before the second is answered."""

    script.answer = lambda ask: tagged(
        question=f"round {ask.ordinal}" if ask.attempt == 1 else "always the same"
    )
    script.delay = lambda ask: 0.1 if ask.attempt == 2 else 0.0
    pipeline = sk.Pipeline("questions", sk.FREEFORM.stages[:1])
    prompts = {"gen_questions": FREEFORM_PROMPTS["gen_questions"]}
    run = sk.generate(
        seeds(1, grounded=False),
        teacher=script.connect(),
        prompts=prompts,
        pipeline=pipeline,
        num_questions=2,
        target=5,
    )
    assert Counter(row["question"] for row in run.samples())["always the same"] == 1
    assert_adds_up(run)


def test_own_contexts_are_used_until_the_target_is_reached_or_none_is_left(
    script: ScriptedTeacher,
) -> None:
    prompts = {name: prompt for name, prompt in PROMPTS.items() if name != "gen_contexts"}
    own: dict[str, Any] = {
        "contexts": [{"context": f"Context {number}"} for number in range(12)],
        "num_contexts": None,
    }
    run = generate(script, 6, prompts=prompts, num_questions=1, **own)
    assert len(list(run.samples())) == 6
    assert_adds_up(run)
    run = generate(script, 50, prompts=prompts, num_questions=1, **own)
    assert any("own contexts are used up" in note for note in run.notes)
    assert run.funnel[0].tried == 12
    assert_adds_up(run)


def test_the_target_is_in_the_summary_and_pursued_again_from_the_folder(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = generate(script, 9, out=tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["target"] == 9
    script.forget()
    assert result(sk.generate(tmp_path, teacher=script.connect())) == result(run)
    assert script.asked() == 0


@pytest.mark.parametrize("target", [0, -3, 2.5, "many", True])
def test_a_target_must_be_a_number_of_samples(script: ScriptedTeacher, target: Any) -> None:
    with pytest.raises(SettingsError, match="target"):
        generate(script, target)


def test_a_target_needs_a_first_stage_that_makes_rows(script: ScriptedTeacher) -> None:
    pipeline = sk.GROUNDED.before("gen_contexts", sk.Check(name="any", function=lambda row: True))
    with pytest.raises(SettingsError, match="first stage that makes new rows"):
        generate(script, 5, pipeline=pipeline)
