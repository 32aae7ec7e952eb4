"""The same run on a real Ray cluster: equal rows, nothing lost, nothing asked twice."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.conftest import SMALL, Start
from cluster.nodes import Nodes, wait_for
from scripted import PROMPTS, Ask, ScriptedTeacher, assert_adds_up, seeds

import sdgkit as sk

Ended = Callable[["subprocess.Popen[str]"], dict[str, Any]]

FILES = ("dataset.jsonl", "dropped.jsonl", "seeds.jsonl")
SEEDS = 9
SLOTS = 8


def alone(script: ScriptedTeacher, out: Path, **settings: Any) -> sk.Run:
    """The same run on one machine."""
    given = {"prompts": PROMPTS, "profile": False, **SMALL, **settings}
    teacher = script.connect(SLOTS)
    return sk.generate(seeds(SEEDS), teacher=teacher, out=out, **given)


def on_cluster(nodes: Nodes, **options: Any) -> dict[str, Any]:
    """The settings of a run on a cluster."""
    cluster = {"address": nodes.address, **options}
    return {"seeds": seeds(SEEDS), "concurrency": SLOTS, "cluster": cluster}


def assert_same(one: Path, many: Path) -> None:
    for name in FILES:
        assert (many / name).read_text() == (one / name).read_text(), name
    assert sk.open_run(many).funnel == sk.open_run(one).funnel
    assert not (many / "cluster").exists()


def slowly(ask: Ask) -> float:
    return 0.15


# Equal --------------------------------------------------------------------------------------------


def test_a_run_on_a_cluster_is_the_run_on_one_machine(
    nodes: Nodes, script: ScriptedTeacher, start: Start, ended: Ended, tmp_path: Path
) -> None:
    at_the_end = {"near_duplicates": 0.97, "twins": "drop", "responses": 2}
    alone(script, tmp_path / "one", **at_the_end)
    asked = sorted(ask.name for ask in script.asks)
    script.forget()
    said = ended(start(tmp_path / "many", **on_cluster(nodes), **at_the_end))
    assert said.get("state") == "done", said
    assert sorted(ask.name for ask in script.asks) == asked
    assert_same(tmp_path / "one", tmp_path / "many")
    one, many = sk.open_run(tmp_path / "one"), sk.open_run(tmp_path / "many")
    assert_adds_up(many)
    for sample in one.samples():
        texts = [exchange.text for exchange in one.trace(sample["id"]).exchanges]
        assert [exchange.text for exchange in many.trace(sample["id"]).exchanges] == texts
    assert many.summary.requests == one.summary.requests
    assert many.summary.completion_tokens == one.summary.completion_tokens


# Killed -------------------------------------------------------------------------------------------


def test_a_machine_that_dies_costs_no_more_than_the_requests_in_flight(
    nodes: Nodes, script: ScriptedTeacher, start: Start, ended: Ended, tmp_path: Path
) -> None:
    alone(script, tmp_path / "one")
    script.forget()
    script.delay = slowly
    with nodes.one_more() as doomed:
        process = start(tmp_path / "many", **on_cluster(nodes))
        wait_for(lambda: len(script.asks) > 60 and doomed.workers(), "work on that machine")
        doomed.kill()
        assert ended(process)["state"] == "done"
    assert_same(tmp_path / "one", tmp_path / "many")
    assert script.repeated() <= SLOTS


def test_a_run_whose_process_is_killed_continues_on_one_machine(
    nodes: Nodes, script: ScriptedTeacher, start: Start, tmp_path: Path
) -> None:
    alone(script, tmp_path / "one")
    script.forget()
    script.delay = slowly
    process = start(tmp_path / "many", **on_cluster(nodes))
    wait_for(lambda: len(script.asks) > 60, "requests")
    process.send_signal(signal.SIGKILL)
    process.wait()
    script.delay = None
    assert alone(script, tmp_path / "many").state == "done"
    assert_same(tmp_path / "one", tmp_path / "many")
    assert script.repeated() <= SLOTS


# Machines that cannot -----------------------------------------------------------------------------


def test_a_machine_without_sdgkit_stops_the_run_in_a_sentence_that_names_it(
    nodes: Nodes, script: ScriptedTeacher, start: Start, ended: Ended, tmp_path: Path
) -> None:
    package = Path(sk.__path__[0])
    with nodes.one_more(before=f"mount -t tmpfs tmpfs {package}"):
        said = ended(start(tmp_path / "run", **on_cluster(nodes)))
    assert said["kind"] == "CannotEnter"
    assert "cannot import sdgkit" in said["error"]
    assert "Install sdgkit[cluster]" in said["error"]
