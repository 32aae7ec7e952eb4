"""A run that is finished: its summary, its times, and what happens when it is started again."""

import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, ScriptedTeacher, completion, seeds

import sdgkit as sk
from sdgkit.errors import RunStopped
from sdgkit.journal import Journal
from sdgkit.journal.times import SessionTimes, Times


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(script: ScriptedTeacher, out: Path, **settings: Any) -> sk.Run:
    given: dict[str, Any] = {"num_contexts": 3, "num_questions": 2, **settings}
    return sk.generate(
        seeds(2), teacher=script.connect(), out=out, prompts=PROMPTS, profile=False, **given
    )


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Each file with the time of its last change and its bytes."""
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.iterdir()
        if path.is_file()
    }


def summary_of(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return values


# Started again ------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"target": 9}, {"near_duplicates": 0.9}])
def test_a_finished_run_started_again_says_so_and_rewrites_nothing(
    script: ScriptedTeacher, tmp_path: Path, settings: dict[str, Any]
) -> None:
    first = generate(script, tmp_path / "run", **settings)
    before = contents(tmp_path / "run")
    script.forget()
    again = generate(script, tmp_path / "run", **settings)
    assert script.asked() == 0
    assert contents(tmp_path / "run") == before
    assert "is already finished" in again.notes[-1]
    assert again.state == "done" and again.finished
    assert list(again.samples()) == list(first.samples())
    assert again.summary == first.summary
    assert again.funnel == first.funnel


def test_the_same_job_from_its_folder_is_finished_too(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, tmp_path / "run")
    before = contents(tmp_path / "run")
    again = sk.generate(tmp_path / "run", teacher=script.connect())
    assert "is already finished" in again.notes[-1]
    assert contents(tmp_path / "run") == before


def test_a_finished_run_with_a_file_missing_writes_it_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, tmp_path / "run")
    report = (tmp_path / "run" / "dropped.jsonl").read_bytes()
    (tmp_path / "run" / "dropped.jsonl").unlink()
    generate(script, tmp_path / "run")
    assert (tmp_path / "run" / "dropped.jsonl").read_bytes() == report


@pytest.mark.parametrize("settings", [{"num_contexts": 4}, {"system": "Be brief."}, {"target": 20}])
def test_a_finished_run_with_another_setting_is_not_finished(
    script: ScriptedTeacher, tmp_path: Path, settings: dict[str, Any]
) -> None:
    generate(script, tmp_path / "run")
    again = generate(script, tmp_path / "run", **settings)
    assert not any("is already finished" in note for note in again.notes)
    assert again.summary.sessions == 2


# The summary --------------------------------------------------------------------------------------


def test_the_summary_says_what_a_run_made_without_further_arithmetic(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = generate(script, tmp_path / "run", target=5)
    summary = summary_of(tmp_path / "run")
    drops = list(run.drops())
    assert summary["samples"] == len(list(run.samples())) == 5
    assert summary["target_reached"] is True
    assert sum(summary["dropped"].values()) == len(drops)
    others = [drop for drop in drops if drop["reason"] != "target"]
    assert summary["yield"] == pytest.approx(5 / (5 + len(others)), abs=1e-4)
    started, ended = (datetime.fromisoformat(summary[name]) for name in ("started", "ended"))
    assert started <= ended
    assert started.utcoffset() is not None
    assert summary["error"] is None


def test_the_summary_of_a_failed_run_has_its_error(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.answer = lambda ask: completion("no tags at all")
    with pytest.raises(RunStopped) as stopped:
        generate(script, tmp_path / "run")
    summary = summary_of(tmp_path / "run")
    assert summary["state"] == "failed"
    assert summary["error"] == str(stopped.value)
    assert summary["samples"] == 0


def test_a_summary_written_before_is_read(script: ScriptedTeacher, tmp_path: Path) -> None:
    run = generate(script, tmp_path / "run")
    older = summary_of(tmp_path / "run")
    for name in ("samples", "yield", "dropped", "target_reached", "started", "ended", "error"):
        del older[name]
    (tmp_path / "run" / "summary.json").write_text(json.dumps(older))
    assert sk.open_run(tmp_path / "run").summary.samples_kept == run.summary.samples_kept


# Times --------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_during_a_run_does_not_change_its_time(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, tmp_path / "run")
    worked = summary_of(tmp_path / "run")["wall_s"]
    journal = tmp_path / "run" / "journal.sqlite"
    for begun, seen in ((1_900_000_000, 1_000_000_000), (1_000_000_000, 1_900_000_000)):
        with sqlite3.connect(journal) as connection:
            connection.execute("UPDATE sessions SET begun=?, seen=?", (begun, seen))
        connection.close()
        reading = Journal(tmp_path / "run", read_only=True)
        totals = reading.totals()
        reading.close()
        assert totals.wall_s == pytest.approx(worked, abs=0.01)
        assert totals.started is not None and totals.ended is not None
        assert totals.started <= totals.ended < "2031"


def test_a_second_session_on_a_clock_years_behind_ends_after_the_first_began() -> None:
    first = SessionTimes(begun=1_900_000_000.0, seen=1_900_000_050.0, worked=50.0)
    second = SessionTimes(begun=1_000.0, seen=1_030.0, worked=30.0)
    times = Times.of([first, second])
    assert times.wall_s == 80.0
    assert times.started and times.ended and times.started < times.ended


@pytest.mark.parametrize("begun", [1e300, -1e300, float("nan"), 10.0**15])
def test_an_impossible_clock_is_unknown_and_stops_nothing(begun: float) -> None:
    times = Times.of([SessionTimes(begun=begun, seen=0.0, worked=None)])
    assert times.started is None
    assert times.wall_s >= 0


def test_a_session_that_was_killed_at_once_counts_as_no_time_on_a_clock_set_back() -> None:
    assert Times.of([SessionTimes(begun=500.0, seen=100.0)]).wall_s == 0.0


def test_the_process_of_a_run_is_not_gone_because_the_clock_jumped(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "journal.sqlite") as connection:
        connection.execute(
            "UPDATE sessions SET state='running', process=?, snapshot="
            "json_set(snapshot, '$.state', 'running'), seen=4000000000",
            (os.getpid(),),
        )
    connection.close()
    assert sk.open_run(tmp_path / "run").state == "running"
