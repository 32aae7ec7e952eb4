"""The same run on a real Ray cluster: equal rows, nothing lost, nothing asked twice."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_weather import can_mount
from cluster.conftest import SMALL, Start
from cluster.nodes import Nodes, driver_environment, interrupt, wait_for
from scripted import PROMPTS, Ask, ScriptedTeacher, assert_adds_up, seeds

import sdgkit as sk
from sdgkit.errors import RunError

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
    script.delay = lambda ask: 0.03
    said = ended(start(tmp_path / "many", **on_cluster(nodes), **at_the_end))
    assert said.get("state") == "done", said
    assert 1 < script.most_in_flight <= SLOTS, "all workers together may have as many as the run"
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
    with nodes.one_more() as doomed:
        alone(script, tmp_path / "one")
        script.forget()
        script.delay = slowly
        doomed.wait()
        process = start(tmp_path / "many", **on_cluster(nodes))
        wait_for(lambda: len(script.asks) > 60 and doomed.workers(), "work on that machine")
        doomed.kill()
        assert ended(process)["state"] == "done"
    assert_same(tmp_path / "one", tmp_path / "many")
    assert script.repeated() <= SLOTS


# Cancel and resume --------------------------------------------------------------------------------


def test_a_run_begun_on_one_machine_continues_on_the_cluster_and_after_a_kill_there_on_one_machine(
    nodes: Nodes, script: ScriptedTeacher, start: Start, tmp_path: Path
) -> None:
    alone(script, tmp_path / "one")
    everything = len(script.asks)
    script.forget()
    script.delay = slowly
    first = start(tmp_path / "many", seeds=seeds(SEEDS), concurrency=SLOTS)
    wait_for(lambda: len(script.asks) > 30, "requests")
    interrupt(first)
    first.communicate(timeout=60)
    second = start(tmp_path / "many", **on_cluster(nodes))
    wait_for(lambda: len(script.asks) > 80, "requests")
    second.send_signal(signal.SIGKILL)
    second.wait()
    script.delay = None
    assert alone(script, tmp_path / "many").state == "done"
    assert_same(tmp_path / "one", tmp_path / "many")
    assert len(script.asks) <= everything + 2 * SLOTS


def test_ctrl_c_ends_the_command_with_130_and_keeps_what_is_finished(
    nodes: Nodes, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["generate", str(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")]
    words += ["--no-profile", "--mean-latency-ms", "300", "--ray", nodes.address, "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sdgkit", *words, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=driver_environment(),
        cwd=tmp_path,
    )
    wait_for(lambda: _requests(out) > 20, "requests")
    interrupt(process)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    run = sk.open_run(out)
    assert run.state == "cancelled"
    assert run.summary.requests >= 20
    assert_adds_up(run)


def _requests(out: Path) -> int:
    """How many requests a run has been answered so far."""
    try:
        return sk.open_run(out).snapshot().requests
    except RunError:
        return 0  # it has just begun


# Machines that cannot -----------------------------------------------------------------------------


def test_a_machine_without_sdgkit_stops_the_run_in_a_sentence_that_names_it(
    nodes: Nodes, script: ScriptedTeacher, start: Start, ended: Ended, tmp_path: Path
) -> None:
    absent = tmp_path / "absent" / "sdgkit"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ModuleNotFoundError('No module named sdgkit')\n")
    with nodes.one_more(first_path=absent.parent) as machine:
        machine.wait()
        said = ended(start(tmp_path / "run", **on_cluster(nodes)))
    assert said["kind"] == "CannotEnter"
    assert "cannot import sdgkit" in said["error"]
    assert "Install sdgkit[cluster]" in said["error"]


def test_a_machine_with_a_disk_of_its_own_that_is_full_loses_nothing_and_later_finishes(
    nodes: Nodes, script: ScriptedTeacher, start: Start, ended: Ended, tmp_path: Path
) -> None:
    """It does not see the run's folder, gets the recorded replies, and sends its own home."""
    if not can_mount():
        pytest.skip("this system lets no process mount a file system of its own")
    out, disk = tmp_path / "many", tmp_path / "disk"
    out.mkdir()
    disk.mkdir()
    mounts = f"mount -t tmpfs none {out} && mount -t tmpfs -o size=8m none {disk}"
    mounts += f" && head -c 7980000 /dev/zero > {disk}/ballast"
    with nodes.one_more(mounts=mounts, TMPDIR=str(disk)) as machine:
        alone(script, tmp_path / "one")
        script.forget()
        machine.wait()
        said = ended(start(out, **on_cluster(nodes)))
        assert "Free some disk space" in said["error"], said
        assert "run the same command again" in said["error"]
        machine.file(disk / "ballast").unlink()
        assert ended(start(out, **on_cluster(nodes)))["state"] == "done"
        assert not list(machine.file(disk).glob("sdgkit-*"))
    assert_same(tmp_path / "one", out)
    assert script.repeated() <= SLOTS
