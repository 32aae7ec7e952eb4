"""A shelf of skills on a cluster: the files of one machine, and no request twice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_threads import ThreadCluster
from scripted import PROMPTS, ScriptedTeacher, ignore_note, seeds

import sdgkit as sk
from sdgkit.shelf.generate import plan_shelf

FILES = ("dataset.jsonl", "dropped.jsonl", "seeds.jsonl", "train_messages.jsonl")
SKILLS = ("letters/formal", "letters/short", "poems")


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three skills at two depths."""
    for number, name in enumerate(SKILLS):
        folder = tmp_path / "tree" / name
        folder.mkdir(parents=True)
        rows = seeds(4, first=10 * number + 1)
        lines = [json.dumps(row) for row in rows]
        (folder / "seeds.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path / "tree"


OPTIONS: dict[str, Any] = {
    "prompts": PROMPTS,
    "profile": False,
    "num_contexts": 2,
    "num_questions": 2,
}


def generate(script: ScriptedTeacher, tree: Path, out: Path, **options: Any) -> sk.Shelf:
    return sk.generate_shelf(tree, teacher=script.connect(8), out=out, **OPTIONS, **options)


def assert_same(one: sk.Shelf, many: sk.Shelf) -> None:
    for name in SKILLS:
        for file in FILES:
            own = (many.out / name / file).read_text()
            assert own == (one.out / name / file).read_text(), (name, file)
    assert many.snapshot().whole.samples == one.snapshot().whole.samples
    assert many.snapshot().whole.stages == one.snapshot().whole.stages


def test_a_shelf_on_a_cluster_is_the_shelf_on_one_machine(
    script: ScriptedTeacher, tree: Path, tmp_path: Path
) -> None:
    one = generate(script, tree, tmp_path / "one")
    script.forget()
    many = generate(script, tree, tmp_path / "many", cluster=ThreadCluster())
    assert_same(one, many)
    assert not script.repeated()


def test_skills_done_on_one_machine_are_not_asked_again_on_the_cluster_and_the_other_way_round(
    script: ScriptedTeacher, tree: Path, tmp_path: Path
) -> None:
    one = generate(script, tree, tmp_path / "one")
    script.forget()
    generate(script, tree, tmp_path / "many", only="poems")
    generate(script, tree, tmp_path / "many", only="letters/short", cluster=ThreadCluster())
    assert not (tmp_path / "many" / "letters" / "formal").exists()
    many = generate(script, tree, tmp_path / "many", cluster=ThreadCluster())
    generate(script, tree, tmp_path / "many")
    assert_same(one, many)
    assert not script.repeated()


def test_a_shelf_that_is_stopped_on_a_cluster_resumes_there(
    script: ScriptedTeacher, tree: Path, tmp_path: Path
) -> None:
    one = generate(script, tree, tmp_path / "one")
    script.forget()
    gate = script.hold_after(len(script.requests) + 30)
    with ThreadCluster().join() as joined:
        shelf = plan_shelf(
            tree, tmp_path / "many", teacher=script.connect(8), on_note=ignore_note, **OPTIONS
        )
        shelf.work_on(joined)
        shelf.start()
        gate.await_arrivals(1)
        shelf.cancel()
        assert shelf.wait(60).snapshot().whole.state == "cancelled"
    gate.open()
    many = generate(script, tree, tmp_path / "many", cluster=ThreadCluster())
    assert_same(one, many)
    assert script.repeated() <= 8
