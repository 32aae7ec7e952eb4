"""The logger "sdgkit": what a run reports to the application that it is part of."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds
from servers import status

import sdgkit as sk

CHECKOUT = str(Path(sk.__file__).parent.parent)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(script: ScriptedTeacher, **settings: Any) -> sk.Run:
    given = {"num_contexts": 2, "num_questions": 1, "prompts": PROMPTS, "profile": False}
    return sk.generate(seeds(2), teacher=script.connect(), **{**given, **settings})


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    return vars(record)


def by_event(records: list[logging.LogRecord]) -> dict[str, dict[str, Any]]:
    return {fields_of(record)["event"]: fields_of(record) for record in records}


def test_start_and_end_are_logged_with_their_counts_as_fields(
    script: ScriptedTeacher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sdgkit"):
        run = generate(script, out=tmp_path / "run", target=4)
    events = by_event(caplog.records)
    assert events["run_started"]["seeds"] == 2
    assert events["run_started"]["target"] == 4
    ended = events["run_ended"]
    assert (ended["state"], ended["samples"]) == ("done", 4)
    assert ended["requests"] == run.snapshot().requests
    assert ended["folder"] == "run"
    assert {record.name for record in caplog.records} == {"sdgkit"}


def test_a_retry_and_a_failed_run_are_logged(
    script: ScriptedTeacher, caplog: pytest.LogCaptureFixture
) -> None:
    seen: set[str] = set()

    def first_time_busy(ask: Any) -> Any:
        if ask.name in seen or ask.stage != "gen_contexts":
            return ScriptedTeacher.usual(ask)
        seen.add(ask.name)
        return status(503, "loading")

    script.answer = first_time_busy
    with caplog.at_level(logging.INFO, "sdgkit"):
        generate(script)
    retries = [record for record in caplog.records if fields_of(record)["event"] == "retry"]
    assert retries and fields_of(retries[0])["status"] == 503
    caplog.clear()
    script.answer = lambda ask: "no tags"
    with caplog.at_level(logging.INFO, "sdgkit"), pytest.raises(sk.RunError):
        generate(script)
    ended = [record for record in caplog.records if fields_of(record)["event"] == "run_ended"][-1]
    assert ended.levelno == logging.ERROR
    assert fields_of(ended)["error"]


def test_a_script_that_configures_nothing_prints_nothing(tmp_path: Path) -> None:
    code = """
import sdgkit as sk
from sdgkit.run import progress
progress.FIRST_S = 600  # a line of progress is for what takes long, on a busy machine too
seeds = [{"task_description": "Add.", "seed_question": "1 + 1?", "seed_response": "2"}]
with sk.connect("rehearsal") as teacher:
    sk.generate(seeds, teacher=teacher, num_questions=3, out="run")
    sk.generate(seeds, teacher=teacher, num_questions=4, out="run")
    sk.filter_qa_pair([{"evaluation": "x", "score": 1.0}])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": CHECKOUT, "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")


def test_the_http_libraries_are_quiet_for_an_application_that_logs_everything(
    script: ScriptedTeacher, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        generate(script)
    names = {record.name for record in caplog.records}
    names.discard("aiohttp.access")  # of the test's own server
    assert names == {"sdgkit"}
