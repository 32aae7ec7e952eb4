"""A target on a cluster: the samples that one machine keeps, and no request twice."""

from pathlib import Path

from cluster.conftest import Start
from cluster.nodes import Nodes
from cluster.test_cluster import Ended, alone, assert_same, on_cluster
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
