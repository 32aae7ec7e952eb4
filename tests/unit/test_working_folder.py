"""A run stays in its folder when the working folder changes meanwhile (`%cd` in a notebook)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, Gate, ScriptedTeacher, ignore_note, seeds

import sdgkit as sk
from sdgkit.errors import FolderInUse

SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}
OUT = Path("runs/mine")


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


@pytest.fixture
def gate(script: ScriptedTeacher) -> Gate:
    """Holds back every reply after the tenth."""
    gate = script.hold_after(10)
    return gate


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder at first."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The working folder later, which stays empty."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    return elsewhere


def begin(script: ScriptedTeacher, rows: int = 3) -> sk.Run:
    plan = sk.plan(seeds(rows), teacher=script.connect(4), prompts=PROMPTS, profile=False, **SMALL)
    return sk.Run(plan, OUT, on_note=ignore_note).start()


def assert_holds_no_absolute_path(folder: Path) -> None:
    with sqlite3.connect(folder / "journal.sqlite") as sql:
        texts = ["\n".join(sql.iterdump())]
    sql.close()
    for path in folder.iterdir():
        texts.append(path.read_bytes().decode("utf-8", "replace"))
    for text in texts:
        assert str(folder.parent.parent) not in text


def test_a_run_ends_in_the_folder_in_which_it_began(
    script: ScriptedTeacher,
    gate: Gate,
    home: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = begin(script)
    gate.await_arrivals(1)
    monkeypatch.chdir(elsewhere)
    with pytest.raises(FolderInUse, match=str(home / OUT)):
        sk.Run(run.plan, home / OUT, on_note=ignore_note).start()
    gate.open()
    run.wait(120)
    assert run.state == "done"
    assert run.out == OUT
    assert run.dataset.num_rows == len(sk.open_run(home / OUT).dataset)
    assert run.summary.samples_kept == run.dataset.num_rows
    assert run.trace(run.dataset[0]["id"]).exchanges
    assert "report.html" in run._repr_html_()
    assert (home / OUT / "train_messages.jsonl").is_file()
    assert not list(elsewhere.iterdir())
    assert_holds_no_absolute_path(home / OUT)


def test_a_run_that_is_stopped_elsewhere_is_resumed_at_home(
    script: ScriptedTeacher,
    gate: Gate,
    home: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = begin(script)
    gate.await_arrivals(1)
    monkeypatch.chdir(elsewhere)
    first.cancel()
    first.wait(120)
    gate.open()
    assert first.state == "cancelled"
    assert f"Stopped. Finished samples are kept in {OUT}." in "\n".join(first.notes)
    monkeypatch.chdir(home)
    second = begin(script)
    monkeypatch.chdir(elsewhere)
    second.wait(120)
    assert second.state == "done"
    assert any(note.startswith(f"{OUT}: resuming") for note in second.notes)
    assert second.start().state == "done"  # it is found finished
    assert not list(elsewhere.iterdir())
    assert_holds_no_absolute_path(home / OUT)


def test_what_cannot_be_written_is_told_without_the_absolute_path_in_any_file(
    script: ScriptedTeacher,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("sdgkit.run.folder.write_report", full)
    run = begin(script, 1)
    with pytest.raises(sk.RunError, match="No space left"):
        run.wait(120)
    assert run.snapshot().message.startswith(f"Writing {OUT} failed")
    monkeypatch.undo()
    assert_holds_no_absolute_path(home / OUT)


def test_a_run_that_was_opened_is_read_and_reviewed_from_anywhere(
    script: ScriptedTeacher, home: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(script, 1).wait(120)
    run = sk.open_run(OUT)
    monkeypatch.chdir(elsewhere)
    review = sk.Review(run)
    review.reject(review.samples[0]["id"], "not our style")
    assert sk.open_run(home / OUT).decisions.progress(run.samples()).rejected == 1
    training_file = home / OUT / "train_messages.jsonl"
    assert len(training_file.read_text("utf-8").splitlines()) == run.dataset.num_rows - 1
    assert not list(elsewhere.iterdir())
