"""A run: its folder, its numbers, its traces; and what happens where it cannot write."""

import json
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from scripted import PROMPTS, Ask, ScriptedTeacher, assert_adds_up, ignore_note, seeds, tagged

import sdgkit as sk
from sdgkit.cli.runs import print_ending
from sdgkit.errors import RunError, SdgkitError
from sdgkit.evaluation.comparison import Comparison
from sdgkit.files import write_atomically
from sdgkit.recorded import read_values
from sdgkit.run.pace import Measurement, Pace
from sdgkit.run.workload import Workload
from sdgkit.stages import Step

SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}
STAGES = [stage.name for stage in sk.GROUNDED.stages]
KEY = "sk-a-very-secret-key"
REPO = Path(__file__).parent.parent.parent


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(
    script: ScriptedTeacher,
    out: Path | None = None,
    rows: Sequence[Mapping[str, Any]] | None = None,
    **settings: Any,
) -> sk.Run:
    return sk.generate(
        rows or seeds(),
        teacher=script.connect(),
        out=out,
        **{"prompts": PROMPTS, "profile": False, **SMALL, **settings},
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# The folder ---------------------------------------------------------------------------------------


def test_the_folder_holds_every_file_and_they_agree(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = generate(script, tmp_path, system="You are kind.")
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert names == {
        *(
            "dataset.jsonl",
            "dataset.parquet",
            "train_messages.jsonl",
            "dropped.jsonl",
            "summary.json",
        ),
        *("seeds.jsonl", "config.json", "report.html", "README.md", "journal.sqlite"),
    }
    samples = lines(tmp_path / "dataset.jsonl")
    assert samples == list(run.samples()) == run.dataset.to_list()
    assert pyarrow.parquet.read_table(tmp_path / "dataset.parquet").to_pylist() == samples
    assert lines(tmp_path / "dropped.jsonl") == list(run.drops())
    assert lines(tmp_path / "seeds.jsonl") == seeds()
    train = lines(tmp_path / "train_messages.jsonl")
    assert [row["id"] for row in train] == [row["id"] for row in samples]
    assert [message["role"] for message in train[0]["messages"]] == ["system", "user", "assistant"]
    assert train[0]["messages"][0]["content"] == "You are kind."
    assert json.loads((tmp_path / "summary.json").read_text("utf-8")) == run.summary.as_json()


def test_a_drop_says_all_that_is_known_of_it(script: ScriptedTeacher, tmp_path: Path) -> None:
    generate(script, tmp_path)
    drops = lines(tmp_path / "dropped.jsonl")
    assert drops
    for drop in drops:
        assert list(drop)[:5] == ["id", "stage", "reason", "message", "reply"]
        assert drop["seed_question"]
    judged = [drop for drop in drops if drop["stage"] == "filter_grounded_qa_pair"]
    assert all(
        {"context", "question", "response", "evaluation", "score"} <= set(drop) for drop in judged
    )


def test_the_summary_has_the_numbers_of_all_sessions(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, tmp_path, seeds(2))
    asked = script.asked()
    run = generate(script, tmp_path, seeds(3))
    summary = run.summary
    assert {
        *("state", "samples", "yield", "dropped", "target_reached", "started", "ended", "error"),
        *("sessions", "stages", "requests", "retries", "reused", "prompt_tokens"),
        *("completion_tokens", "wall_s", "teacher"),
    } <= set(summary.as_json())
    assert (summary.state, summary.sessions, summary.requests) == (
        "done",
        2,
        script.asked(),
    )
    assert summary.prompt_tokens == 7 * script.asked()
    assert summary.completion_tokens == 5 * script.asked()
    assert summary.reused == asked
    assert (summary.teacher, summary.model, summary.judge) == ("openai", "tiny", "tiny")
    assert summary.sdgkit_version == sk.__version__
    assert summary.wall_s > 0


def test_no_key_and_no_absolute_path_is_in_any_file_and_the_address_in_the_record_only(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "a folder of mine" / "run"
    with sk.connect("openai", base_url=script.base_url, api_key=KEY) as teacher:
        for rows in (seeds(2), seeds(3)):  # the second session has something to say about the first
            sk.generate(rows, teacher=teacher, out=out, prompts=PROMPTS, profile=False, **SMALL)
    with sqlite3.connect(out / "journal.sqlite") as sql:
        (out / "dump").write_text("\n".join(sql.iterdump()))
    sql.close()
    for path in out.iterdir():
        content = path.read_bytes()
        for secret in (KEY, str(tmp_path), str(Path.home())):
            assert secret.encode() not in content, f"{secret} is in {path.name}"
        # `sdgkit generate RUN` says which address to give, from the record; it is shown, not asked.
        if path.name not in ("journal.sqlite", "dump"):
            assert f":{script.port}".encode() not in content, path.name


def test_no_folder_of_the_servers_machine_is_published(tmp_path: Path) -> None:
    with ScriptedTeacher("/data/models/Llama-3.3-70B") as script:
        generate(script, tmp_path).export("datasets", tmp_path / "datasets")
    for path in [*tmp_path.glob("*.*"), tmp_path / "datasets" / "README.md"]:
        if path.name != "journal.sqlite":
            assert b"/data" not in path.read_bytes(), path.name
    for path in (
        tmp_path / "report.html",
        tmp_path / "README.md",
        tmp_path / "datasets" / "README.md",
    ):
        assert "Llama-3.3-70B" in path.read_text("utf-8")


def test_a_failed_runs_journal_holds_no_absolute_path_either(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "report.html"))

    monkeypatch.setattr("sdgkit.run.folder.write_report", full)
    with pytest.raises(RunError, match="No space left"):
        generate(script, tmp_path)
    monkeypatch.undo()
    generate(script, tmp_path)
    for path in tmp_path.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path.name


def test_files_appear_whole_or_not_at_all(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = generate(script, tmp_path, seeds(1))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def break_off(path: Path) -> None:
        with write_atomically(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sdgkit.run.folder.write_report", lambda path, *_, **__: break_off(path))
    with pytest.raises(RunError, match=r"No space left on device.*Free some space"):
        generate(script, tmp_path, seeds(2))
    now = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert now["report.html"] == before["report.html"]
    assert now["summary.json"] == before["summary.json"]
    assert set(now) == set(before)  # and nothing half-written lies about
    monkeypatch.undo()
    script.forget()
    assert generate(script, tmp_path, seeds(2)).state == "done"
    assert script.asked() == 0
    assert first.state == "done"


def test_when_one_side_of_a_comparison_fails_the_other_stops(script: ScriptedTeacher) -> None:
    slow = PROMPTS["gen_contexts"]
    fails = replace(slow, generation="{% for word in task_description %}{{ word }}{% endfor %}")
    script.delay = lambda ask: 3.0
    comparing = Comparison(fails, slow, seeds(2), script.connect()).start()
    with pytest.raises(SdgkitError, match="a loop needs a list"):
        comparing.wait()
    assert comparing.runs[1].wait(20).state == "cancelled"


def test_without_a_folder_nothing_is_written(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = generate(script)
    assert run.out is None
    assert len(run.dataset) > 0
    assert list(tmp_path.iterdir()) == []


def test_seeds_from_a_file_go_to_a_folder_of_its_name(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sk.save_seeds(seeds(), "mine.jsonl")
    run = sk.generate(
        "mine.jsonl", teacher=script.connect(), prompts=PROMPTS, profile=False, **SMALL
    )
    assert run.out == Path("runs/mine")
    loaded = sk.generate(
        sk.load_seeds("mine.jsonl"),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        **SMALL,
    )
    assert loaded.out is None
    assert list(loaded.samples()) == list(run.samples())


def test_the_card_of_unjudged_rows_speaks_of_no_judge(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    sk.gen_contexts(seeds(), teacher=script.connect(), prompt=PROMPTS["gen_contexts"], out=tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "in the style of the seeds.\n" in card and "A part of the method of [LAB]" in card
    generate(script, out=tmp_path / "whole")
    card = (tmp_path / "whole" / "README.md").read_text(encoding="utf-8")
    assert "a judge scored them" in card and "The grounded-skills method of [LAB]" in card


def test_the_card_keeps_the_seeds_name_when_the_run_is_done_again_from_its_folder(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    sk.save_seeds(seeds(), tmp_path / "my_own_skill.jsonl")
    out = tmp_path / "run"
    sk.generate(
        tmp_path / "my_own_skill.jsonl",
        teacher=script.connect(),
        out=out,
        prompts=PROMPTS,
        profile=False,
        **SMALL,
    )
    card = (out / "README.md").read_text("utf-8")
    sk.generate(out, teacher=script.connect())
    again = (out / "README.md").read_text("utf-8")
    titles = [
        next(line for line in text.splitlines() if line.startswith("# ")) for text in (card, again)
    ]
    assert titles[0] == titles[1]
    assert "my_own_skill" in card


def test_an_empty_result_has_its_files_too(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.answer = lambda ask: (
        tagged(evaluation="No.", score=0)
        if ask.stage == "eval_grounded_questions"
        else script.usual(ask)
    )
    run = generate(script, tmp_path)
    assert (run.state, len(run.dataset)) == ("done", 0)
    assert (tmp_path / "dataset.jsonl").read_text() == ""
    assert pyarrow.parquet.read_table(tmp_path / "dataset.parquet").num_rows == 0
    assert (tmp_path / "report.html").exists()
    assert_adds_up(run)


# Looking at it ------------------------------------------------------------------------------------


def test_the_trace_of_a_sample_tells_every_message_and_reply(script: ScriptedTeacher) -> None:
    run = generate(script)
    sample = next(run.samples())
    trace = run.trace(sample["id"])
    assert [exchange.stage for exchange in trace.exchanges] == list(PROMPTS)
    assert trace.row == sample
    assert trace.stage == ""
    sent = {json.dumps(ask.body["messages"]) for ask in script.asks}
    assert all(json.dumps(exchange.messages) in sent for exchange in trace.exchanges)
    assert sample["response"] in trace.exchanges[3].text
    text = str(trace)
    assert all(stage in text for stage in PROMPTS)
    assert sample["evaluation"] in text


def test_the_trace_of_a_drop_tells_the_judges_words_and_the_reason(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        tagged(evaluation="<b>Too long.</b>", score=1)
        if ask.stage == "evaluate_grounded_qa_pair"
        else script.usual(ask)
    )
    run = generate(script, rows=seeds(1))
    drop = next(drop for drop in run.drops() if drop["stage"] == "filter_grounded_qa_pair")
    trace = run.trace(drop["id"])
    assert (trace.stage, trace.reason) == ("filter_grounded_qa_pair", "score")
    assert "Too long." in trace.reply
    assert "dropped by filter_grounded_qa_pair (score)" in str(trace)
    assert "<b>Too long" not in trace._repr_html_()


def test_the_trace_of_a_row_that_never_came_to_be_shows_all_attempts(
    script: ScriptedTeacher,
) -> None:
    script.answer = lambda ask: (
        f"no tags {ask.attempt}"
        if ask.stage == "gen_contexts" and ask.ordinal == 1
        else script.usual(ask)
    )
    run = generate(script, rows=seeds(1), num_contexts=4, extra_tries=0)
    trace = run.trace("s1/c1")
    assert [exchange.text for exchange in trace.exchanges] == [f"no tags {n}" for n in (1, 2, 3, 4)]
    assert "attempt 4" in str(trace)


def test_an_unknown_id_is_told_with_what_ids_are_like(script: ScriptedTeacher) -> None:
    run = generate(script, rows=seeds(1))
    with pytest.raises(RunError, match=r"has the id 's9/c1'.*like s3/c7/q2"):
        run.trace("s9/c1")


def test_while_it_goes_on_a_run_tells_how_far_it_is(script: ScriptedTeacher) -> None:
    gate = script.hold_after(40)
    plan = sk.plan(seeds(), teacher=script.connect(4), prompts=PROMPTS, profile=False, **SMALL)
    run = sk.Run(plan, on_note=ignore_note)
    assert run.snapshot().state == "new"
    run.start()
    gate.await_arrivals(4)
    snapshot = run.snapshot()
    assert snapshot.state == "running"
    assert 30 < snapshot.requests <= 40
    assert (snapshot.in_flight, snapshot.slots, snapshot.seeds) == (4, 4, 3)
    assert [stage.name for stage in snapshot.stages] == STAGES
    assert not run.finished
    assert run.wait(0.01) is run
    gate.open()
    ended = run.wait(60)
    done = ended.snapshot()
    assert (done.state, done.in_flight, done.fraction) == ("done", 0, 1.0)
    assert done.requests == script.asked()
    assert ended.finished
    assert read_values(type(done), done.as_json(), "journal").requests == done.requests
    assert math.isfinite(done.wall_s)


def test_the_newest_samples_are_samples(script: ScriptedTeacher) -> None:
    """Also those that an earlier, equal context has taken the place of are none."""
    script.answer = lambda ask: (
        tagged(context=f"n {ask.ordinal % 2}") if ask.stage == "gen_contexts" else script.usual(ask)
    )
    script.delay = lambda ask: 0.2 / ask.ordinal if ask.stage == "gen_contexts" else 0.0
    run = generate(script, rows=seeds(1), num_contexts=4, extra_tries=0)
    assert {row["id"] for row in run.snapshot().newest} <= {row["id"] for row in run.samples()}


def test_the_funnel_prints_as_a_table_and_shows_itself_in_a_notebook(
    script: ScriptedTeacher,
) -> None:
    run = generate(script, rows=seeds(1))
    text = repr(run.funnel)
    assert all(stage in text for stage in STAGES)
    assert "<svg" in run.funnel._repr_html_()


@dataclass(frozen=True, kw_only=True)
class Halved(sk.Stage):
    """Leaves half of a surrogate pair in a text, which no file can hold."""

    async def change(self, step: Step) -> Mapping[str, Any]:
        return {**step.row, "response": "Half a pair \ud83d"}


def test_half_a_pair_that_a_stage_wrote_is_replaced_in_dataset_and_files_alike(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = generate(
        script,
        tmp_path,
        pipeline=sk.GROUNDED.after("gen_grounded_responses", Halved(name="halved")),
    )
    assert run.dataset.to_list() == lines(tmp_path / "dataset.jsonl")
    assert run.dataset[0]["response"] == "Half a pair \ufffd"


def test_names_and_texts_that_are_html_are_shown_as_text(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    evil = "<script>alert(1)</script>"
    script.answer = lambda ask: (
        tagged(context=f"{evil} {ask.ordinal}")
        if ask.stage == "gen_contexts"
        else script.usual(ask)
    )
    check = sk.Check(
        name=evil, function=lambda row: f"{evil} is why" if row["context"].endswith("1") else True
    )
    run = generate(script, tmp_path, pipeline=sk.GROUNDED.after("gen_contexts", check))
    shown = [(tmp_path / "report.html").read_text("utf-8"), run.funnel._repr_html_()]
    shown += [
        run.trace(row["id"])._repr_html_() for row in (next(run.samples()), next(run.drops()))
    ]
    assert all(evil not in page and "alert(1)" in page for page in shown)


def test_an_opened_run_shows_everything_and_does_not_go_on(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = generate(script, tmp_path)
    opened = sk.open_run(tmp_path)
    assert opened.state == "done"
    assert opened.finished
    assert list(opened.samples()) == list(run.samples())
    assert opened.dropped.to_list() == run.dropped.to_list()
    assert list(opened.funnel) == list(run.funnel)
    assert opened.summary == run.summary
    assert str(opened.trace("s1/c1/q1")) == str(run.trace("s1/c1/q1"))
    opened.export("messages", tmp_path / "again.jsonl")
    assert lines(tmp_path / "again.jsonl") == lines(tmp_path / "train_messages.jsonl")
    with pytest.raises(RunError, match=r"opened read-only.*generate"):
        opened.start()


def test_a_folder_without_a_run_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run in"):
        sk.open_run(tmp_path)


def test_a_folder_whose_run_never_wrote_its_files_is_told_in_a_sentence(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    generate(script, folder, seeds(1), num_contexts=1)
    (folder / "config.json").unlink()
    with pytest.raises(RunError, match="has no readable config"):
        sk.open_run(folder).export("messages", tmp_path / "train.jsonl")
    with pytest.raises(RunError, match="has no readable config"):
        sk.plan(folder)


def test_a_single_stage_run_of_other_columns_has_a_folder_too(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = sk.gen_contexts.run(
        seeds(), teacher=script.connect(), prompt=PROMPTS["gen_contexts"], out=tmp_path
    )
    assert run.state == "done"
    assert len(lines(tmp_path / "dataset.jsonl")) == 30
    assert not (tmp_path / "train_messages.jsonl").exists()


def test_notes_are_kept_and_printed_in_a_notebook_by_the_thread_that_waits(
    script: ScriptedTeacher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generate(script, tmp_path)
    run = generate(script, tmp_path, seeds(4))
    assert any("1 seed added" in note for note in run.notes)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sdgkit.run.run.is_interactive", lambda: True)
    run = generate(script, tmp_path, seeds(5))
    assert capsys.readouterr().out.splitlines() == run.notes


def test_a_changed_count_is_told_with_its_stage(script: ScriptedTeacher, tmp_path: Path) -> None:
    generate(script, tmp_path, num_contexts=2)
    run = generate(script, tmp_path, num_contexts=3)
    assert any("last session: stage gen_contexts: per_row 2 → 3;" in note for note in run.notes)


def test_a_stage_by_itself_is_told_without_a_training_file_that_it_has_not(
    script: ScriptedTeacher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_ending(
        sk.gen_contexts.run(
            seeds(), teacher=script.connect(), prompt=PROMPTS["gen_contexts"], out=tmp_path
        ).wait()
    )
    told = capsys.readouterr().out
    assert "report.html" in told and "train_messages" not in told


# Where it cannot write ----------------------------------------------------------------------------


def test_a_full_disk_stops_the_run_in_a_sentence_and_it_goes_on_when_there_is_room(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    plan = sk.plan(seeds(8), teacher=script.connect(), prompts=PROMPTS, profile=False, **SMALL)
    run = sk.Run(plan, tmp_path, on_note=ignore_note)

    def fill_up(ask: Ask) -> str:
        if len(script.asks) == 60:
            assert run._execution is not None
            sql = run._execution._journal.file.connection
            sql.execute(f"PRAGMA max_page_count={sql.execute('PRAGMA page_count').fetchone()[0]}")
        return script.usual(ask)

    script.answer = fill_up
    with pytest.raises(RunError, match=r"full.*[Ff]ree some disk space"):
        run.start().wait(60)
    assert run.state == "failed"
    script.answer = script.usual
    assert generate(script, tmp_path, seeds(8)).state == "done"
    assert script.repeated() <= 2 * 16


AS_SOMEBODY = """
import ctypes, os, sys
if os.getuid() == 0:  # become a user whom the machine does not know, who may read what root may
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([]); os.setgid(54321); os.setuid(54321)
    read = 1 << 2  # CAP_DAC_READ_SEARCH
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(read, read, 0, 0, 0, 0)
    libc.capset(header, data)
sys.path[:0] = [{repo!r}, {tests!r}]
import scripted
import sdgkit as sk
{code}
"""


def as_somebody(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a user whom the machine does not know, with a HOME that cannot be written."""
    source = AS_SOMEBODY.format(
        repo=str(REPO), tests=str(REPO / "tests"), code=textwrap.dedent(code)
    )
    given = {**os.environ, "HOME": "/proc/nowhere", **environment}
    for name in ("XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR"):
        given.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        timeout=120,
    )


def can_become_somebody() -> bool:
    """Whether this process, if it is root's, may read everything as another user, too.

    Docker's root may not.
    """
    if os.getuid() != 0:
        return True
    found = re.search(r"CapPrm:\s*(\w+)", Path("/proc/self/status").read_text())
    return (
        found is not None and int(found[1], 16) & 0b11000100 == 0b11000100
    )  # setuid, setgid, read and search


somebody = pytest.mark.skipif(
    not can_become_somebody(), reason="root, who may not read as another user here"
)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a stranger can reach (pytest's own are its user's alone)."""
    folder = Path(tempfile.mkdtemp(prefix="sdgkit-test-"))
    folder.chmod(0o777)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777)
    shutil.rmtree(folder)


@somebody
def test_an_arbitrary_user_with_an_unwritable_home_runs_everything(
    script: ScriptedTeacher, open_folder: Path
) -> None:
    code = f"""
        teacher = sk.connect("openai", base_url={script.base_url!r}, api_key="key")
        run = sk.generate(
            scripted.seeds(),
            teacher=teacher,
            out="run",
            prompts=scripted.PROMPTS,
            profile=False,
            num_contexts=2,
        )
        trace = run.trace(run.dataset[0]["id"])
        print(run.state, len(run.dataset), trace.id, sk.open_run("run").state)
    """
    done = as_somebody(code, open_folder)
    assert done.returncode == 0, done.stderr
    assert re.match(r"done \d+ s1/c1/q1 done", done.stdout)
    assert {path.name for path in open_folder.iterdir()} == {"run"}


@somebody
def test_a_run_in_a_read_only_folder_can_be_opened_and_is_not_written(
    script: ScriptedTeacher, open_folder: Path
) -> None:
    out = open_folder / "run"
    generate(script, out)
    for path in out.iterdir():
        path.chmod(0o444)
    out.chmod(0o555)
    code = f"""
        run = sk.open_run({str(out)!r})
        trace = run.trace(run.dataset[0]["id"])
        print(run.state, len(run.dataset), len(trace.exchanges), run.summary.requests)
        teacher = sk.connect("openai", base_url={script.base_url!r}, api_key="key")
        try:
            sk.generate({str(out)!r}, teacher=teacher, num_contexts=9)
        except sk.RunError as error:
            print(error)
    """
    done = as_somebody(code, open_folder)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.match(r"done \d+ 5 \d+", first)
    assert second.startswith("Cannot write the folder")


def test_a_run_of_days_says_how_long_it_will_take() -> None:
    minute = Pace.of([Measurement(0.0, 0, 0, 0.5), Measurement(60.0, 60, 600, 0.5 + 60 / 172_800)])
    assert minute.seconds_left == pytest.approx(86_340)
    assert (
        Pace.of([Measurement(0.0, 0, 0, 0.0), Measurement(1.0, 9, 90, 0.00001)]).seconds_left
        is None
    )


def test_an_estimate_of_the_time_left_does_not_jump() -> None:
    shown = Pace.of([Measurement(0.0, 0, 0, 0.0), Measurement(10.0, 10, 100, 10 / 430)])
    assert shown.seconds_left == pytest.approx(420)
    for _ in range(20):
        before = shown.seconds_left or 0.0
        shown = Pace(seconds_left=60.0, fraction=0.1).after(shown, 0.5)
        assert 0 < before - (shown.seconds_left or 0.0) < 20


def test_a_workload_knows_rows_and_requests_before_the_first_request() -> None:
    plan = sk.plan(seeds(2), teacher=None, num_contexts=5, profile=False)
    workload = Workload.of(plan)
    assert [stage.rows for stage in workload.stages] == [10, 30, 30, 30, 30, 30, 30, 30]
    assert (workload.samples, workload.requests) == (30, 10 + 10 + 30 + 30 + 30)
    assert str(workload) == "up to 110 requests for at most 30 samples"
