"""A target on a cluster: the samples that one machine keeps, and no request twice."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_threads import ThreadCluster
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

SLOTS = 8
FILES = ("dataset.jsonl", "dropped.jsonl", "seeds.jsonl")


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(script: ScriptedTeacher, out: Path, **settings: Any) -> sk.Run:
    given: dict[str, Any] = {
        "seeds": seeds(5),
        "prompts": PROMPTS,
        "profile": False,
        "num_questions": 2,
        **settings,
    }
    return sk.generate(given.pop("seeds"), teacher=script.connect(SLOTS), out=out, **given)


def assert_same(script: ScriptedTeacher, folder: Path, **settings: Any) -> sk.Run:
    """The run on a cluster is that on one machine; the run on the cluster."""
    one = generate(script, folder / "one", **settings)
    script.forget()
    cluster = ThreadCluster()
    many = generate(script, folder / "many", cluster=cluster, **settings)
    for name in FILES:
        assert (folder / "many" / name).read_text() == (folder / "one" / name).read_text(), name
    assert list(many.funnel) == list(one.funnel)
    assert many.summary.notes == one.summary.notes
    assert many.summary.requests == len(script.asks)
    assert not many.summary.reused
    assert not script.repeated()
    assert_adds_up(many)
    return many


def often_the_same(ask: Ask) -> str:
    """Two of three contexts repeat an earlier one of their seed."""
    if ask.stage == "gen_contexts":
        return tagged(context=f"number {ask.ordinal % 5} of {ask.seed}")
    return ScriptedTeacher.usual(ask)


def test_a_target_on_a_cluster_keeps_the_samples_of_one_machine(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = assert_same(script, tmp_path, target=7)
    assert len(list(run.samples())) == 7


def test_contexts_are_compared_with_those_of_all_earlier_rounds(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    script.answer = often_the_same
    chance = random.Random(4)
    script.delay = lambda ask: chance.choice((0, 0.001, 0.02))
    assert_same(script, tmp_path, target=40, twins="drop", responses=2)


def test_a_target_that_cannot_be_reached_ends_with_the_same_sentence(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    script.answer = lambda ask: (
        tagged(context="always the same") if ask.stage == "gen_contexts" else script.usual(ask)
    )
    run = assert_same(script, tmp_path, target=40, seeds=seeds(2))
    assert any("the last 10 rounds produced no new sample" in note for note in run.summary.notes)


def test_a_limit_of_requests_ends_a_target_where_it_ends_on_one_machine(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = assert_same(script, tmp_path, target=60, max_requests=70)
    assert len(script.asks) <= 70
    assert any("the limit of 70 requests is reached" in note for note in run.summary.notes)


def test_own_contexts_and_freeform_skills_have_rounds_on_a_cluster_too(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    contexts = [{"context": f"context {number}"} for number in range(12)]
    prompts = {name: prompt for name, prompt in PROMPTS.items() if name != "gen_contexts"}
    own = {"contexts": contexts, "prompts": prompts}
    run = assert_same(script, tmp_path / "own", target=100, **own)
    assert any("your own contexts are used up" in note for note in run.summary.notes)
    assert_same(
        script,
        tmp_path / "freeform",
        target=20,
        seeds=seeds(3, grounded=False),
        prompts=FREEFORM_PROMPTS,
    )


def test_a_refused_row_is_replaced_by_another(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.answer = lambda ask: (
        status(400, "too long")
        if ask.seed == 2 and ask.stage == "gen_contexts"
        else script.usual(ask)
    )
    one = generate(script, tmp_path / "one", target=30)
    many = generate(script, tmp_path / "many", target=30, cluster=ThreadCluster())
    assert list(many.samples()) == list(one.samples())
    assert_adds_up(many)


def test_shards_that_have_to_wait_for_each_other_reach_the_target(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    """A cluster may have fewer free cores than workers were asked for."""
    one = generate(script, tmp_path / "one", target=30)
    cluster = ThreadCluster(workers=4, threads=1)
    many = generate(script, tmp_path / "many", target=30, cluster=cluster)
    assert list(many.samples()) == list(one.samples())
    assert 1 < cluster.waves < 10


def test_a_larger_target_later_asks_only_for_the_difference_here_or_there(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, tmp_path, target=10, cluster=ThreadCluster())
    generate(script, tmp_path, target=25)
    last = generate(script, tmp_path, target=40, cluster=ThreadCluster())
    assert len(list(last.samples())) == 40
    assert script.repeated() <= SLOTS  # what was on its way when the second target was reached


def test_a_target_that_was_stopped_on_a_cluster_is_reached_on_one_machine(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    one = generate(script, tmp_path / "one", target=40)
    script.forget()
    asked_before = len(script.requests)
    gate = Gate()

    async def hold(body: dict[str, Any], number: int) -> Any:
        if number > asked_before + 70:
            await gate.passed()
        return await script._answer(body, number)

    script.behave = hold
    with ThreadCluster().join() as joined:
        planned = sk.plan(
            seeds(5),
            teacher=script.connect(SLOTS),
            prompts=PROMPTS,
            profile=False,
            num_questions=2,
            target=40,
        )
        run = sk.Run(planned, tmp_path / "many", on_note=ignore_note, elsewhere=joined).start()
        gate.await_arrivals(1)
        run.cancel()
        assert run.wait(60).state == "cancelled"
        assert_adds_up(sk.open_run(tmp_path / "many"))
    gate.open()
    many = generate(script, tmp_path / "many", target=40)
    assert list(many.samples()) == list(one.samples())
    assert script.repeated() <= SLOTS
