"""A target on a cluster: the samples that one machine keeps, and no request twice."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.conftest import Start
from cluster.nodes import Nodes, interrupt, wait_for
from cluster.test_cluster import SLOTS, Ended, alone, assert_same, on_cluster, slowly
from scripted import Ask, ScriptedTeacher, assert_adds_up, tagged

import sdgkit as sk


def often_the_same(ask: Ask) -> str:
    """Two of three contexts repeat an earlier one of their seed."""
    if ask.stage == "gen_contexts":
        return tagged(context=f"number {ask.ordinal % 5} of {ask.seed}")
    return ScriptedTeacher.usual(ask)


def test_a_target_on_a_cluster_keeps_the_samples_of_one_machine(
    nodes: Nodes, script: ScriptedTeacher, start: Start, ended: Ended, tmp_path: Path
) -> None:
    """In several waves, between which each seed's contexts are compared with all earlier ones."""
    script.answer = often_the_same
    wanted = {"target": 61, "twins": "drop", "responses": 2}
    one = alone(script, tmp_path / "one", **wanted)
    script.forget()
    said = ended(start(tmp_path / "many", **on_cluster(nodes), **wanted))
    assert said.get("state") == "done", said
    assert not script.repeated()
    assert_same(tmp_path / "one", tmp_path / "many")
    many = sk.open_run(tmp_path / "many")
    assert_adds_up(many)
    assert many.summary.requests == len(script.asks)
    assert many.summary.reused == 0
    for sample in one.samples():
        texts = [exchange.text for exchange in one.trace(sample["id"]).exchanges]
        assert [exchange.text for exchange in many.trace(sample["id"]).exchanges] == texts


def test_a_limit_of_requests_ends_a_target_on_a_cluster_as_on_one_machine(
    nodes: Nodes, script: ScriptedTeacher, start: Start, ended: Ended, tmp_path: Path
) -> None:
    wanted = {"target": 60, "max_requests": 70}
    alone(script, tmp_path / "one", **wanted)
    script.forget()
    assert ended(start(tmp_path / "many", **on_cluster(nodes), **wanted))["state"] == "done"
    assert len(script.asks) <= 70
    assert_same(tmp_path / "one", tmp_path / "many")
    notes = sk.open_run(tmp_path / "many").summary.notes
    assert any("the limit of 70 requests is reached" in note for note in notes)


def test_a_target_that_was_stopped_on_a_cluster_is_pursued_further_on_one_machine(
    nodes: Nodes, script: ScriptedTeacher, start: Start, tmp_path: Path
) -> None:
    alone(script, tmp_path / "one", target=40)
    script.forget()
    script.delay = slowly
    process = start(tmp_path / "many", **on_cluster(nodes), target=40)
    wait_for(lambda: len(script.asks) > 60, "requests")
    interrupt(process)
    process.communicate(timeout=60)
    many = sk.open_run(tmp_path / "many")
    assert many.state == "cancelled"
    assert_adds_up(many)
    script.delay = None
    assert alone(script, tmp_path / "many", target=40).state == "done"
    assert_same(tmp_path / "one", tmp_path / "many")
    assert script.repeated() <= SLOTS
