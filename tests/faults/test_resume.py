"""Killed, interrupted, changed: nothing recorded is asked again, and the result is the same."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import (
    PROMPTS,
    Ask,
    ScriptedTeacher,
    assert_adds_up,
    ignore_note,
    prompt,
    seeds,
    tagged,
)
from servers import status

import sdgkit as sk
from sdgkit.errors import FolderInUse, RunEmptied, RunError
from sdgkit.samples import Row

TESTS = Path(__file__).parent.parent
SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}
STAGES = list(PROMPTS)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(
    script: ScriptedTeacher,
    out: Path | None,
    rows: list[dict[str, Any]] | None = None,
    **settings: Any,
) -> sk.Run:
    given: dict[str, Any] = {"prompts": PROMPTS, "profile": False, **SMALL, **settings}
    return sk.generate(
        seeds() if rows is None else rows, teacher=script.connect(8), out=out, **given
    )


def start_process(script: ScriptedTeacher, out: Path, **settings: Any) -> subprocess.Popen[str]:
    given: dict[str, Any] = {"base_url": script.base_url, "out": str(out), **SMALL, **settings}
    command = [sys.executable, str(TESTS / "one_run.py"), json.dumps(given)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), os.environ["PYTHONPATH"]]),
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def rows_of(run: sk.Run) -> tuple[Any, ...]:
    return list(run.samples()), list(run.drops()), list(run.funnel)


def stop(process: subprocess.Popen[str] | None, signal_: signal.Signals) -> None:
    assert process is not None
    os.kill(process.pid, signal_)


def at_request(script: ScriptedTeacher, number: int, act: Any) -> None:
    """Do something at the n-th request; those in flight then get no answer for a while."""

    def delay(ask: Ask) -> float:
        if len(script.asks) == number:
            act()
        return 0.002 if len(script.asks) < number else 30.0

    script.delay = delay


# Killed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [1, 7, 20, 45, 70])
def test_a_killed_run_resumes_and_repeats_at_most_what_was_in_flight(
    script: ScriptedTeacher, tmp_path: Path, moment: Any
) -> None:
    untouched = rows_of(generate(script, None))
    total = script.asked()
    script.forget()
    out = tmp_path / "run"
    process: subprocess.Popen[str] | None = None
    at_request(script, moment, lambda: stop(process, signal.SIGKILL))
    process = start_process(script, out)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    script.delay = None

    run = generate(script, out)
    assert rows_of(run) == untouched
    assert script.repeated() <= 8  # what the slots held
    assert script.asked() - script.repeated() == total
    assert run.summary.sessions == 2
    assert run.summary.requests == total
    assert_adds_up(run)


def test_a_run_that_is_killed_again_and_again_finishes(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    processes: list[subprocess.Popen[str]] = []
    for moment in (12, 40):
        at_request(script, moment, lambda: stop(processes[-1], signal.SIGKILL))
        processes.append(start_process(script, tmp_path))
        processes[-1].communicate(timeout=60)
    script.delay = None
    run = generate(script, tmp_path)
    assert script.repeated() <= 2 * 8
    assert (tmp_path / "dataset.jsonl").exists()
    assert run.summary.sessions == 3
    assert rows_of(run) == rows_of(generate(script, None))


def test_what_a_killed_run_recorded_can_be_read_at_once(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    process: subprocess.Popen[str] | None = None
    at_request(script, 70, lambda: stop(process, signal.SIGKILL))
    process = start_process(script, tmp_path)
    process.communicate(timeout=60)
    run = sk.open_run(tmp_path)
    assert run.state == "interrupted"
    assert all(row["id"] for row in run.samples())


def test_a_run_killed_while_it_writes_its_files_leaves_the_old_ones_whole(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, tmp_path, seeds(2))
    before = files_of(tmp_path)
    code = f"""
import os, signal, sys
import scripted, sdgkit as sk, sdgkit.run.folder
sdgkit.run.folder.write_report = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
teacher = sk.connect("openai", base_url={script.base_url!r}, api_key="key")
out = {str(tmp_path)!r}
options = dict(prompts=scripted.PROMPTS, profile=False, **{SMALL})
sk.generate(scripted.seeds(3), teacher=teacher, out=out, **options)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    killed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert files_of(tmp_path)["report.html"] == before["report.html"]
    assert files_of(tmp_path)["summary.json"] == before["summary.json"]
    script.forget()
    run = generate(script, tmp_path)
    assert script.asked() == 0
    assert json.loads((tmp_path / "summary.json").read_text())["stages"] == [
        line.as_json() for line in run.funnel
    ]
    assert not [name for name in files_of(tmp_path) if name.endswith(".part")]


# Interrupted --------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_folder_with_the_finished_samples_and_the_same_command_resumes(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    """While requests hang: they are not waited for."""
    process: subprocess.Popen[str] | None = None
    at_request(
        script, 66, lambda: stop(process, signal.SIGINT)
    )  # of 70: some samples are there by then
    process = start_process(script, tmp_path)
    _, errors = process.communicate(timeout=25)
    assert process.returncode in (-signal.SIGINT, 130, 1)
    assert "KeyboardInterrupt" in errors
    assert "never awaited" not in errors
    assert "never retrieved" not in errors
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["state"] == "cancelled"
    lines = (tmp_path / "dataset.jsonl").read_text().splitlines()
    assert len(lines) == summary["stages"][-1]["rows_out"] > 0
    assert (tmp_path / "report.html").exists()
    script.delay = None
    run = generate(script, tmp_path)
    assert script.repeated() <= 8
    assert rows_of(run) == rows_of(generate(script, None))


@pytest.mark.parametrize("after", [0, 1, 10, 40])
def test_start_resumes_a_cancelled_run(script: ScriptedTeacher, tmp_path: Path, after: int) -> None:
    gate = script.hold_after(after)
    run = sk.Run(
        sk.plan(seeds(), teacher=script.connect(8), prompts=PROMPTS, profile=False, **SMALL),
        tmp_path,
        on_note=ignore_note,
    )
    run.start()
    gate.await_arrivals(1)
    run.cancel()
    assert run.wait(60).state == "cancelled"
    assert_adds_up_so_far(run)
    gate.open()
    run.start().wait(60)
    assert run.state == "done"
    assert rows_of(run) == rows_of(generate(script, None))
    assert run.summary.sessions == 2
    assert_adds_up(run)


def assert_adds_up_so_far(run: sk.Run) -> None:
    rows = None
    for line in run.funnel:
        assert line.tried == line.rows_out + sum(line.dropped.values())
        assert rows is None or line.rows_in == rows
        rows = line.rows_out
    assert rows == len(list(run.samples()))


def test_a_run_cancelled_at_once_stops(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.delay = lambda ask: 30.0
    run = sk.Run(
        sk.plan(seeds(), teacher=script.connect(8), prompts=PROMPTS, profile=False, **SMALL),
        tmp_path,
        on_note=ignore_note,
    )
    run.start()
    run.cancel()
    assert run.wait(20).state == "cancelled"
    assert json.loads((tmp_path / "summary.json").read_text())["state"] == "cancelled"


def test_a_resumed_run_can_be_cancelled_at_once(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.delay = lambda ask: 30.0
    run = sk.Run(
        sk.plan(seeds(), teacher=script.connect(8), prompts=PROMPTS, profile=False, **SMALL),
        tmp_path,
        on_note=ignore_note,
    )
    for _ in range(3):
        run.start()
        run.cancel()
        assert run.wait(20).state == "cancelled"


# Going on -----------------------------------------------------------------------------------------


def test_a_finished_run_asks_nothing_when_repeated_and_replays_no_finished_seed(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    first = rows_of(generate(script, tmp_path))
    script.forget()
    again = generate(script, tmp_path)
    assert script.asked() == 0
    assert rows_of(again) == first
    assert again.snapshot().reused == 0  # not even read
    assert_adds_up(again)


def test_the_runs_folder_is_enough_to_repeat_it(script: ScriptedTeacher, tmp_path: Path) -> None:
    first = generate(script, tmp_path, system="You are kind.", vary={"mood": ["glad", "sad"]})
    before = files_of(tmp_path)
    script.forget()
    again = sk.generate(tmp_path, teacher=script.connect())
    assert script.asked() == 0
    assert rows_of(again) == rows_of(first)
    for name in (
        "dataset.jsonl",
        "dropped.jsonl",
        "train_messages.jsonl",
        "seeds.jsonl",
        "config.json",
    ):
        assert files_of(tmp_path)[name] == before[name], name


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_requests_that_the_teacher_refused_are_made_again_by_the_next_run(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    script.answer = lambda ask: (
        status(400, "out of order")
        if ask.seed == 2 and ask.stage == "gen_contexts"
        else script.usual(ask)
    )
    first = generate(script, tmp_path)
    assert first.funnel[0].dropped == {"teacher_error": 3}
    script.answer = script.usual
    script.forget()
    second = generate(script, tmp_path)
    assert second.funnel[0].dropped == {}
    assert script.asked("gen_contexts") == 3
    assert script.repeated() == 0
    assert rows_of(second) == rows_of(generate(script, None))
    assert_adds_up(second)


def test_malformed_replies_are_final_until_something_changes(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    script.answer = lambda ask: (
        "no tags" if ask.stage == "gen_grounded_responses" else script.usual(ask)
    )
    with pytest.raises(RunEmptied) as first:
        generate(script, tmp_path, seeds(1))
    script.answer = script.usual
    script.forget()
    with pytest.raises(RunEmptied) as second:
        generate(script, tmp_path, seeds(1))
    assert str(second.value) == str(first.value)
    assert script.asked() == 0


def test_a_failed_run_resumes_where_it_stopped(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.answer = lambda ask: (
        status(401, "wrong key") if len(script.asks) > 40 else script.usual(ask)
    )
    with pytest.raises(sk.TeacherError):
        generate(script, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["state"] == "failed"
    asked = script.asked()
    script.answer = script.usual
    run = generate(script, tmp_path)
    assert script.asked() - asked < script.asked("gen_contexts") + 70
    assert rows_of(run) == rows_of(generate(script, None))


# Changed ------------------------------------------------------------------------------------------


@pytest.fixture
def finished(
    script: ScriptedTeacher, tmp_path: Path
) -> tuple[ScriptedTeacher, Path, tuple[Any, ...]]:
    """A finished run; its requests are forgotten by the script."""
    out = tmp_path / "run"
    first = rows_of(generate(script, out))
    script.forget()
    return script, out, first


def changed(stage: str) -> dict[str, sk.Prompt]:
    """The prompt of one stage, with other words before it."""
    old = PROMPTS[stage]
    return {
        **PROMPTS,
        stage: sk.Prompt(**{**vars_of(old), "sampling": {**old.sampling, "max_tokens": 99}}),
    }


def vars_of(prompt: sk.Prompt) -> dict[str, Any]:
    names = (
        "name",
        "system",
        "introduction",
        "principles",
        "examples",
        "generation",
        "start_tags",
        "end_tags",
    )
    return {name: getattr(prompt, name) for name in (*names, "sampling")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_changed_prompt_asks_only_what_follows_from_it(finished: Any, stage: str) -> None:
    script, out, _ = finished
    run = generate(script, out, prompts=changed(stage))
    assert list(script.by_stage()) == STAGES[STAGES.index(stage) :]
    alone = rows_of(generate(script, None, prompts=changed(stage)))
    assert rows_of(run) == alone
    [told, _] = run.notes
    assert f"prompt {stage}" in told
    assert "recorded replies" in told
    assert_adds_up(run)


def test_going_back_to_the_earlier_prompt_uses_the_old_replies_and_shows_the_old_rows(
    finished: Any,
) -> None:
    script, out, first = finished
    generate(script, out, prompts=changed("gen_grounded_responses"))
    script.forget()
    back = generate(script, out)
    assert script.asked() == 0
    assert rows_of(back) == first
    assert json.loads((out / "summary.json").read_text())["stages"] == [
        line.as_json() for line in first[2]
    ]


def test_an_added_seed_asks_for_itself_alone(finished: Any) -> None:
    script, out, first = finished
    run = generate(script, out, seeds(4))
    assert {ask.seed for ask in script.asks if ask.stage == "gen_contexts"} == {4}
    assert script.asked("gen_contexts") == 3
    assert script.asked("gen_grounded_questions") == 3
    assert list(run.samples())[: len(first[0])] == first[0]
    assert "1 seed added" in run.notes[0]


def test_an_edited_seed_asks_for_itself_alone(finished: Any) -> None:
    script, out, _ = finished
    rows = seeds()
    rows[1]["seed_response"] += ", and more. Question of seed 2"
    run = generate(script, out, rows)
    assert {ask.seed for ask in script.asks if ask.stage == "gen_contexts"} == {2}
    assert script.asked("gen_contexts") == 3
    assert "1 seed edited;" in run.notes[0]
    assert_adds_up(run)


def test_a_removed_seed_asks_nothing(finished: Any) -> None:
    script, out, first = finished
    run = generate(script, out, seeds(2))
    assert script.asked() == 0
    assert list(run.samples()) == [row for row in first[0] if not row["id"].startswith("s3")]
    assert "1 seed removed" in run.notes[0]


def test_reordered_seeds_ask_nothing(finished: Any) -> None:
    script, out, first = finished
    run = generate(script, out, seeds()[::-1])
    assert script.asked() == 0
    assert {row["response"] for row in run.samples()} == {row["response"] for row in first[0]}
    assert next(run.samples())["seed_question"] == "Question of seed 3"
    assert "seeds reordered" in run.notes[0]
    assert_adds_up(run)


def test_more_contexts_ask_only_for_the_further_ones(finished: Any) -> None:
    script, out, first = finished
    run = generate(script, out, num_contexts=5)
    assert sorted(ask.ordinal for ask in script.asks if ask.stage == "gen_contexts") == [
        4,
        4,
        4,
        5,
        5,
        5,
    ]
    assert {row["id"] for row in first[0]} <= {row["id"] for row in run.samples()}
    script.forget()
    fewer = generate(script, out, num_contexts=2)
    assert script.asked() == 0
    assert fewer.funnel[0].tried == 6


def test_another_address_and_concurrency_lose_nothing(finished: Any) -> None:
    _, out, first = finished
    with ScriptedTeacher() as moved:
        run = sk.generate(
            seeds(), teacher=moved.connect(2), out=out, prompts=PROMPTS, profile=False, **SMALL
        )
        assert moved.asked() == 0
        assert rows_of(run) == first


def test_a_changed_sampling_setting_asks_only_what_follows_from_it(finished: Any) -> None:
    script, out, _ = finished
    generate(script, out, sampling={"evaluate_grounded_qa_pair": {"temperature": 0.2}})
    assert list(script.by_stage()) == ["evaluate_grounded_qa_pair"]


# Refused ------------------------------------------------------------------------------------------


def test_another_model_is_refused_without_reuse(finished: Any) -> None:
    _, out, _ = finished
    with ScriptedTeacher("other") as other:
        given: dict[str, Any] = {
            "teacher": other.connect(),
            "out": out,
            "prompts": PROMPTS,
            "profile": False,
            **SMALL,
        }
        with pytest.raises(RunError, match=r"model tiny → other.*reuse"):
            sk.generate(seeds(), **given)
        assert other.asked() == 0
        run = sk.generate(seeds(), reuse=True, **given)
        assert other.asked() > 0
        assert run.summary.model == "other"
        assert "model tiny → other" in run.notes[0]


def test_another_list_of_stages_is_refused_without_reuse(finished: Any) -> None:
    script, out, _ = finished
    shorter = sk.GROUNDED.without("combine_question_and_context")
    with pytest.raises(RunError, match=r"stage combine_question_and_context removed.*reuse"):
        generate(script, out, pipeline=shorter)
    run = generate(script, out, pipeline=shorter, reuse=True)
    assert script.asked() == 0
    assert (
        "changed since the last session: stage combine_question_and_context removed;"
        in run.notes[0]
    )


def test_entirely_different_seeds_are_refused_without_reuse(
    finished: Any,
) -> None:
    script, out, _ = finished
    with pytest.raises(RunError, match=r"2 seeds added, 3 seeds removed.*reuse"):
        generate(script, out, seeds(2, first=7))
    assert script.asked() == 0
    assert generate(script, out, seeds(2, first=7), reuse=True).state == "done"


def test_a_refused_run_leaves_the_folder_unchanged_and_unlocked(finished: Any) -> None:
    script, out, first = finished
    before = files_of(out)
    with pytest.raises(RunError):
        generate(script, out, seeds(2, first=7))
    now = files_of(out)
    assert {n: d for n, d in now.items() if "journal" not in n} == {
        n: d for n, d in before.items() if "journal" not in n
    }
    assert rows_of(generate(script, out)) == first


# One writer, many readers -------------------------------------------------------------------------


def test_one_process_writes_and_readers_are_welcome(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    gate = script.hold_after(60)
    process = start_process(script, tmp_path)
    gate.await_arrivals(1)
    with pytest.raises(FolderInUse, match=rf"written by another process .*{process.pid}.*--out"):
        generate(script, tmp_path)

    reader = sk.open_run(tmp_path)
    assert reader.state in ("new", "running")  # new until its first note of itself
    assert (
        reader.trace("s1/c1/q1").exchanges
        if any(row["id"] == "s1/c1/q1" for row in reader.samples())
        else True
    )
    gate.open()
    output, errors = process.communicate(timeout=60)
    assert json.loads(output.splitlines()[-1])["state"] == "done", errors
    assert reader.state == "done"
    assert list(reader.samples()) == list(generate(script, None).samples())
    assert list(reader.funnel) == reader.summary.stages


def test_a_second_run_of_one_process_is_refused_too(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    gate = script.hold_after()
    run = sk.Run(
        sk.plan(seeds(), teacher=script.connect(), prompts=PROMPTS, profile=False, **SMALL),
        tmp_path,
        on_note=ignore_note,
    ).start()
    with pytest.raises(FolderInUse):
        generate(script, tmp_path)
    gate.open()
    assert run.wait(60).state == "done"
    assert generate(script, tmp_path).state == "done"


def test_another_kernel_can_follow_a_run_in_progress(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    gate = script.hold_after(60)
    run = sk.Run(
        sk.plan(seeds(), teacher=script.connect(2), prompts=PROMPTS, profile=False, **SMALL),
        tmp_path,
        on_note=ignore_note,
    ).start()
    gate.await_arrivals(1)
    reader = sk.open_run(tmp_path)
    while not list(reader.samples()):  # what is finished is committed with the next beat
        run.wait(0.05)
    assert reader.state == "running"
    sample = next(reader.samples())
    assert [exchange.stage for exchange in reader.trace(sample["id"]).exchanges] == STAGES
    assert len(reader.dataset) == len(list(reader.samples()))
    with pytest.raises(RunError, match="still"):
        _ = reader.summary
    gate.open()
    run.wait(60)
    assert reader.summary.state == "done"


def test_a_file_that_is_not_a_journal_is_refused_in_one_sentence(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    (tmp_path / "journal.sqlite").write_bytes(
        b"this is no database, and long enough to be read as one" * 30
    )
    with pytest.raises(RunError, match="journal"):
        generate(script, tmp_path)
    with pytest.raises(RunError, match="journal"):
        list(sk.open_run(tmp_path).samples())


def test_a_journal_of_another_format_is_refused(finished: Any) -> None:
    script, out, _ = finished
    with sqlite3.connect(out / "journal.sqlite") as sql:
        sql.execute("PRAGMA user_version=99")
    sql.close()
    with pytest.raises(RunError, match="another version"):
        generate(script, out)


def test_the_newest_edition_is_the_one_begun_last_whatever_the_clock_says(finished: Any) -> None:
    """A laptop's clock is set back now and then."""
    script, out, _ = finished
    with sqlite3.connect(out / "journal.sqlite") as sql:
        sql.execute("UPDATE sessions SET begun = begun + 86400")
    sql.close()
    generate(script, out, seeds(1))
    assert list(sk.open_run(out).samples()) == list(generate(script, None, seeds(1)).samples())


# Stage by stage -----------------------------------------------------------------------------------


def test_a_single_stage_resumes_in_its_folder(script: ScriptedTeacher, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "teacher": script.connect(),
        "prompt": PROMPTS["gen_contexts"],
        "out": tmp_path,
        "num_contexts": 3,
    }
    first = sk.gen_contexts(seeds(), **given)
    script.forget()
    assert sk.gen_contexts(seeds(), **given).to_list() == first.to_list()
    assert script.asked() == 0


def test_rows_with_other_ids_are_another_edition(script: ScriptedTeacher, tmp_path: Path) -> None:
    """The texts are equal, but what came of them must carry the new ids."""
    rows = [
        {"id": id_, **row, "context": "C", "question": "Q"}
        for id_, row in zip("ab", seeds(2), strict=True)
    ]
    given: dict[str, Any] = {
        "teacher": script.connect(),
        "prompt": PROMPTS["gen_grounded_responses"],
        "out": tmp_path,
    }
    sk.gen_grounded_responses(rows, **given)
    renamed = [{**row, "id": id_} for id_, row in zip("xy", rows, strict=True)]
    assert sk.gen_grounded_responses(renamed, **given)["id"] == ["x", "y"]


def longer_than(limit: int) -> Callable[[Row], bool]:
    return lambda row: len(row["context"]) > limit


def test_a_check_whose_rule_changed_is_applied_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    """Also where only a number changed that the function refers to."""
    ids = []
    for limit in (0, 10_000):
        check = sk.Check(name="long", function=longer_than(limit))
        run = generate(script, tmp_path, pipeline=sk.GROUNDED.after("gen_contexts", check))
        ids.append(len(list(run.samples())))
    assert ids[0] > ids[1] == 0


def test_a_check_that_refers_to_a_changed_value_is_applied_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    def check_of(limit: int) -> sk.Check:
        return sk.Check(name="long", function=lambda row: len(row["context"]) > limit)

    counts = []
    for limit in (0, 10_000):
        pipeline = sk.GROUNDED.after("gen_contexts", check_of(limit))
        counts.append(len(list(generate(script, tmp_path, pipeline=pipeline).samples())))
    assert counts[0] > counts[1] == 0


def test_a_users_stage_whose_code_changed_is_applied_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    def stage_of(words: str) -> sk.Stage:
        namespace: dict[str, Any] = {"Stage": sk.Stage, "__name__": "notebook"}
        code = "class Shout(Stage):\n    async def change(self, step):\n"
        exec(code + f"        return {{**step.row, 'response': {words!r}}}\n", namespace)
        stage: sk.Stage = namespace["Shout"](name="shout")
        return stage

    for words in ("one", "two"):
        pipeline = sk.GROUNDED.after("combine_question_and_context", stage_of(words))
        run = generate(script, tmp_path, pipeline=pipeline)
        assert {row["response"] for row in run.samples()} == {words}


def test_the_prompt_helper_makes_what_the_script_reads() -> None:
    text = prompt("x", ("a",), "b").render({"a": '"quoted"'})[0]["content"]
    assert json.loads(text) == {"stage": "x", "a": '"quoted"'}
    assert tagged(b=1) == "[Start of B]\n1\n[End of B]"
