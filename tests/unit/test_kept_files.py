"""A session that is stopped early never leaves less to train on than there was."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import PROMPTS, Gate, ScriptedTeacher, assert_adds_up, ignore_note, seeds

import sdgkit as sk
from sdgkit.files import refuse_way_out

SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}
FILES = ("dataset.jsonl", "dropped.jsonl", "train_messages.jsonl", "report.html", "README.md")


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def begin(script: ScriptedTeacher, out: Path, **settings: Any) -> sk.Run:
    options: dict[str, Any] = {"prompts": PROMPTS, "profile": False, **SMALL, **settings}
    plan = sk.plan(seeds(), teacher=script.connect(8), **options)
    return sk.Run(plan, out, on_note=ignore_note).start()


def hold_after(script: ScriptedTeacher, number: int) -> Gate:
    """Let so many further requests be answered, then none until the gate is opened."""
    gate = Gate()
    asked_before = len(script.asks)

    async def hold(body: dict[str, Any], count: int) -> web.StreamResponse:
        if len(script.asks) - asked_before >= number:
            await gate.passed()
        return await script._answer(body, count)

    script.behave = hold
    return gate


def cancel_after(
    number: int, script: ScriptedTeacher, out: Path, *, samples: int = 0, **settings: Any
) -> sk.Run:
    """Begin a run and cancel it after so many requests of this session, and so many samples.

    The gate is there before the run: nothing is answered meanwhile.
    """
    gate = hold_after(script, number)
    run = begin(script, out, **settings)
    gate.await_arrivals(1)
    deadline = time.monotonic() + 60
    while run.snapshot().samples < samples:  # the last replies before the gate are on their way
        assert time.monotonic() < deadline, f"{samples} samples never came"
        time.sleep(0.01)
    run.cancel()
    assert run.wait(60).state == "cancelled"
    gate.open()
    return run


def other_prompts(word: str) -> dict[str, Any]:
    """Prompts of which the responses' one differs: all responses are asked again."""
    responses = PROMPTS["gen_grounded_responses"]
    return {**PROMPTS, responses.name: replace(responses, system=f"Be {word}.")}


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def assert_shows_its_files(run: sk.Run, folder: Path) -> None:
    """Whoever looks, in this process or another, sees what the files hold."""
    samples = lines(folder / "dataset.jsonl")
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert summary["stages"][-1]["rows_out"] == len(samples)
    for one in (run, sk.open_run(folder)):
        assert list(one.samples()) == samples
        assert one.snapshot().samples == len(samples)
        assert one.trace(samples[-1]["id"]).row == samples[-1]
        assert one.export("messages", folder.parent / "elsewhere.jsonl") == len(samples)


@pytest.mark.parametrize("answered", [0, 20])
def test_cancelling_a_changed_run_keeps_the_files_of_the_finished_one(
    script: ScriptedTeacher, tmp_path: Path, answered: int
) -> None:
    out = tmp_path / "run"
    begin(script, out).wait(30)
    before = files_of(out)
    run = cancel_after(answered, script, out, prompts=other_prompts("brief"))
    assert files_of(out) == before
    assert_shows_its_files(run, out)
    assert json.loads((out / "summary.json").read_text("utf-8"))["state"] == "cancelled"
    assert any("The files keep the" in note for note in run.notes)


def test_a_run_that_goes_on_after_that_replaces_them(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    begin(script, out).wait(30)
    before = files_of(out)
    cancel_after(5, script, out, prompts=other_prompts("kind"))
    run = begin(script, out, prompts=other_prompts("kind")).wait(30)
    assert run.state == "done"
    assert files_of(out) != before
    assert_adds_up(run)
    assert_shows_its_files(run, out)


def test_cancelling_right_after_resuming_keeps_the_files_of_the_cancelled_session(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    """Its rows come again from the recorded replies, which takes a moment."""
    out = tmp_path / "run"
    cancel_after(66, script, out)
    before = files_of(out)
    assert before["dataset.jsonl"]
    run = begin(script, out)
    run.cancel()
    assert run.wait(30).state == "cancelled"
    assert len(lines(out / "dataset.jsonl")) >= len(before["dataset.jsonl"].splitlines())
    assert_shows_its_files(run, out)
    run = begin(script, out).wait(30)
    assert run.state == "done"
    assert_adds_up(run)
    assert_shows_its_files(run, out)


def test_a_target_that_is_cancelled_right_after_resuming_keeps_its_files(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    begin(script, out, target=20).wait(30)
    before = files_of(out)
    assert len(before["dataset.jsonl"].splitlines()) == 20
    run = begin(script, out, target=60)
    run.cancel()
    assert run.wait(30).state == "cancelled"
    assert files_of(out) == before
    run = begin(script, out, target=20)
    run.cancel()
    run.wait(30)
    assert len(lines(out / "dataset.jsonl")) == 20
    assert_shows_its_files(run, out)


def test_a_review_after_the_cancelled_session_goes_on_with_the_kept_samples(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    begin(script, out).wait(30)
    number = len(lines(out / "train_messages.jsonl"))
    cancel_after(0, script, out, prompts=other_prompts("curt"))
    review = sk.Review(out)
    review.reject(review.samples[0]["id"], "too long")
    assert len(lines(out / "train_messages.jsonl")) == number - 1


def test_a_stopped_session_with_more_samples_replaces_the_files(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    begin(script, out, num_contexts=1).wait(30)
    number = len(lines(out / "dataset.jsonl"))
    run = cancel_after(40, script, out, samples=number + 1)
    assert len(lines(out / "dataset.jsonl")) > number
    assert_shows_its_files(run, out)


def test_a_file_that_sqlite_removes_meanwhile_is_not_taken_for_a_device(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").touch()
    log = tmp_path / "journal.sqlite-wal"
    is_over = threading.Event()

    def come_and_go() -> None:
        while not is_over.is_set():
            log.touch()
            log.unlink()

    sqlite = threading.Thread(target=come_and_go)
    sqlite.start()
    try:
        for _ in range(5_000):
            refuse_way_out(log)
    finally:
        is_over.set()
        sqlite.join()
