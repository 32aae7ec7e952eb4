"""What a teacher may do wrong without losing a row or hanging a run."""

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import PROMPTS, Ask, ScriptedTeacher, seeds
from servers import FaultServer, completion, is_probe, status

import sdgkit as sk
from sdgkit.errors import RequestRefused, RunError, TeacherRefused
from sdgkit.teachers import retry_policy
from sdgkit.teachers.body import LARGEST_BODY

KEY = "sk-Test-0123456789abcdef"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def connect(server: FaultServer, **settings: Any) -> sk.Teacher:
    return sk.connect(base_url=server.base_url, **settings)


# Replies ------------------------------------------------------------------------------------------


def encoded(encoding: str, body: bytes) -> web.Response:
    return web.Response(
        body=body, content_type="application/json", headers={"Content-Encoding": encoding}
    )


BOMB = gzip.compress(b" " * (4 * LARGEST_BODY), 9)
BODIES = {
    "a large body": lambda: web.Response(body=b" " * (LARGEST_BODY + 1)),
    "a gzip bomb": lambda: encoded("gzip", BOMB),
    "a gzip bomb in a gzip bomb": lambda: encoded("gzip, gzip", gzip.compress(BOMB)),
    "a deflate bomb": lambda: encoded("deflate", zlib.compress(b" " * (4 * LARGEST_BODY), 9)),
    "an encoding that nobody asked for": lambda: encoded("br", b"x" * 100),
    "broken gzip": lambda: encoded("gzip", b"\x1f\x8b" + b"x" * 100),
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_too_much_is_refused_and_takes_no_memory(
    server: FaultServer, body: str
) -> None:
    server.behave = lambda ask, n: BODIES[body]()
    with connect(server) as teacher:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(RequestRefused):
            teacher.ask("Hello")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 5 * LARGEST_BODY // 1024  # kB; the server's own copies are among them


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_reply_is_read(server: FaultServer, encoding: str) -> None:
    text = json.dumps({"choices": [{"message": {"content": "hé" * 9999}}]}).encode()
    body = gzip.compress(text) if encoding == "gzip" else zlib.compress(text)
    server.behave = lambda ask, n: encoded(encoding, body)
    with connect(server) as teacher:
        assert teacher.ask("Hello").text == "hé" * 9999


@pytest.mark.parametrize(
    "count",
    ["NaN", "Infinity", "-Infinity", "-5", "9" * 30, "1e300", '"many"', "[]", "null", "true", "{}"],
)
def test_token_counts_that_cannot_be_are_unknown(server: FaultServer, count: str) -> None:
    usage = f'{{"prompt_tokens": {count}, "completion_tokens": {count}}}'
    body = f'{{"choices": [{{"message": {{"content": "hello"}}}}], "usage": {usage}}}'
    server.behave = lambda ask, n: web.Response(text=body, content_type="application/json")
    with connect(server) as teacher:
        reply = teacher.ask("Hello")
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("hello", 0, 0)


def test_a_usage_that_is_no_object_drops_no_reply(server: FaultServer) -> None:
    body = '{"choices": [{"message": {"content": "hello"}}], "usage": [5]}'
    server.behave = lambda ask, n: web.Response(text=body, content_type="application/json")
    with connect(server) as teacher:
        assert teacher.ask("Hello").text == "hello"


@pytest.mark.parametrize("value", ["999999", "1e300", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_server_that_wants_to_be_left_alone_for_days_is_asked_again_and_told_of(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr("sdgkit.teachers.diagnosis.LONGEST_RETRY_AFTER", 0.5)
    server.behave = lambda ask, n: (
        status(429, "slow down", Retry_After=value) if n == 1 else completion("hello")
    )
    with connect(server) as teacher:
        assert teacher.ask("Hello").text == "hello"  # not in days: the test would not end
        assert any("Retry-After" in note for note in teacher.notes)


def test_a_pause_that_the_patience_cuts_short_is_told_as_long_as_it_is(server: FaultServer) -> None:
    asked_at: list[float] = []

    def behave(ask: dict[str, Any], n: int) -> web.Response:
        asked_at.append(time.monotonic())
        return status(429, "slow down", Retry_After="90") if n == 1 else completion("hello")

    server.behave = behave
    with connect(server, patience=2) as teacher:
        assert teacher.ask("Hello").text == "hello"
        told = [note for note in teacher.notes if "Retry-After" in note]
    assert told == [
        f"{server.base_url} asked for a pause of 1 min 30 s (Retry-After). "
        "The next request is sent after 2.0 s (--patience)."
    ]
    assert asked_at[-1] - asked_at[0] >= 2


# Refusals -----------------------------------------------------------------------------------------


def run_with(script: ScriptedTeacher, out: Path, **settings: Any) -> sk.Run:
    teacher = script.connect(4)
    run = sk.Run(
        sk.plan(
            seeds(4), teacher=teacher, prompts=PROMPTS, profile=False, num_contexts=5, **settings
        ),
        out,
    )
    return run.start()


def test_one_403_is_the_drop_of_its_row(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.answer = lambda ask: (
        status(403, "input was flagged")
        if (ask.stage, ask.seed, ask.ordinal) == ("gen_contexts", 2, 3)
        else script.usual(ask)
    )
    run = run_with(script, tmp_path).wait(60)
    assert run.state == "done"
    drops = [drop for drop in run.drops() if "flagged" in drop["message"]]
    assert [drop["id"] for drop in drops] == ["s2/c3"]


def test_a_403_that_everybody_gets_is_the_key(server: FaultServer) -> None:
    server.behave = lambda ask, n: completion("hello") if n == 1 else status(403, "no access")
    with connect(server, api_key=KEY) as teacher:
        teacher.ask("Hello")
        with pytest.raises(TeacherRefused, match="no longer accepts the key"):
            teacher.ask("Hello")


@pytest.mark.parametrize("words", ["tokens of this month: 5 of 5", "blocked by request {n}"])
def test_refusals_that_are_all_alike_stop_the_run(
    script: ScriptedTeacher, tmp_path: Path, words: str
) -> None:
    asked = 0

    def answer(ask: Any) -> Any:
        nonlocal asked
        asked += 1
        return script.usual(ask) if asked <= 30 else status(400, words.replace("{n}", str(asked)))

    script.answer = answer
    run = run_with(script, tmp_path)
    with pytest.raises(TeacherRefused, match="refused the last 20 requests the same way"):
        run.wait(60)
    assert sk.open_run(tmp_path).state == "failed"
    assert asked < 60
    script.answer = script.usual
    again = run_with(script, tmp_path).wait(60)
    assert again.state == "done"
    assert not [drop for drop in again.drops() if drop["reason"] == "refused"]


@pytest.mark.parametrize(
    "refusal",
    [
        lambda: status(402, "Payment required"),
        lambda: web.json_response(
            {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}},
            status=429,
        ),
    ],
)
def test_an_empty_account_pauses_the_run_until_it_is_filled(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Any
) -> None:
    monkeypatch.setattr(retry_policy, "REFUSED_KEY_SECONDS", 0.3)
    is_empty = False
    asked = 0
    behave = script.behave

    def answer(ask: Any) -> Any:
        nonlocal asked, is_empty
        asked += 1
        is_empty = is_empty or asked == 30
        return refusal() if is_empty else script.usual(ask)

    def probed(body: dict[str, Any], n: int) -> Any:
        return refusal() if is_empty and is_probe(body) else behave(body, n)

    script.answer = answer
    script.behave = probed
    run = run_with(script, tmp_path)
    deadline = time.monotonic() + 30
    while run.state != "paused" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "the account is empty" in run.snapshot().message
    asked, is_empty = 1000, False
    assert run.wait(60).state == "done"
    assert not list(run.drops()) or all(drop["reason"] != "refused" for drop in run.drops())


def test_an_account_that_is_empty_from_the_start_is_one_sentence(server: FaultServer) -> None:
    server.behave = lambda ask, n: status(402, "Payment required")
    with connect(server) as teacher, pytest.raises(TeacherRefused, match="is empty"):
        teacher.ask("Hello")


def test_an_account_that_stays_empty_stops_the_run_after_the_patience(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_policy, "REFUSED_KEY_SECONDS", 0.2)
    server.behave = lambda ask, n: completion("hello") if n == 1 else status(402, "Pay")
    with connect(server, patience=1) as teacher:
        teacher.ask("Hello")
        with pytest.raises(TeacherRefused, match="Add credit"):
            teacher.ask("Hello")


# The folder ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["journal", "folder", "replaced"])
def test_a_journal_that_is_gone_is_noticed_at_the_next_beat(
    script: ScriptedTeacher, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "run"
    asked = 0

    def answer(ask: Any) -> Any:
        nonlocal asked
        asked += 1
        time.sleep(0.02)
        if asked == 10 and how == "folder":
            shutil.rmtree(out)
        elif asked == 10:
            (out / "journal.sqlite").unlink()
            if how == "replaced":
                (out / "journal.sqlite").write_bytes(b"")
        return script.usual(ask)

    script.answer = answer
    plan = sk.plan(
        seeds(40), teacher=script.connect(4), prompts=PROMPTS, profile=False, num_contexts=20
    )
    with pytest.raises(RunError, match="removed or replaced"):
        sk.Run(plan, out).start().wait(60)
    assert asked < 2000


# The model ----------------------------------------------------------------------------------------


def named(reply: web.Response, model: object) -> web.Response:
    """A reply that says which model wrote it."""
    body = json.loads(reply.text or "")
    return web.json_response({**body, "model": model})


def swap_notes(run: sk.Run) -> list[str]:
    return [note for note in run.summary.notes if "answered as" in note]


def test_a_model_that_is_swapped_during_a_run_is_said_once_and_drops_nothing(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    def answer(ask: Ask) -> web.Response:
        is_late = ask.stage not in ("gen_contexts", "gen_grounded_questions")
        return named(completion(script.usual(ask)), "big-v2" if is_late else "small-v1")

    def run_into(folder: Path) -> sk.Run:
        teacher = script.connect()
        run = sk.generate(
            seeds(3), teacher=teacher, prompts=PROMPTS, num_contexts=2, profile=False, out=folder
        )
        assert run.state == "done"
        return run

    calm = run_into(tmp_path / "calm")
    script.answer = answer
    swapped = run_into(tmp_path / "swapped")
    assert swap_notes(calm) == []
    [note] = swap_notes(swapped)
    assert "answered as small-v1 at first and now as big-v2" in note
    assert note in (tmp_path / "swapped" / "summary.json").read_text("utf-8")
    assert list(swapped.samples()) == list(calm.samples())


@pytest.mark.parametrize("model", ["models/tiny-2026-01-01.gguf", "", None, 7, ["tiny"]])
def test_a_server_that_names_its_model_in_its_own_way_is_believed(
    server: FaultServer, model: object
) -> None:
    server.behave = lambda ask, n: named(completion("hello"), model)
    with connect(server) as teacher:
        for _ in range(3):
            teacher.ask("Hello")
        assert teacher.notes == []


def test_a_server_that_makes_up_names_fills_no_notes(server: FaultServer) -> None:
    server.behave = lambda ask, n: named(completion("hello"), f"model-{n}\x1b[2J" + "x" * 9_000)
    with connect(server) as teacher:
        for _ in range(20):
            teacher.ask("Hello")
        assert 1 <= len(teacher.notes) <= 3
        assert all(len(note) < 1_000 and note.isprintable() for note in teacher.notes)


def test_a_swap_is_noticed_in_replies_that_come_piece_by_piece(server: FaultServer) -> None:
    def streamed(ask: dict[str, Any], n: int) -> web.Response:
        choice = {"index": 0, "delta": {"content": "hello"}, "finish_reason": "stop"}
        event = json.dumps({"model": "small-v1" if n < 3 else "big-v2", "choices": [choice]})
        return web.Response(
            text=f"data: {event}\n\ndata: [DONE]\n\n", content_type="text/event-stream"
        )

    with connect(server) as teacher:
        server.behave = streamed
        for _ in range(5):
            teacher.ask("Hello", show=lambda piece: None)
        [note] = teacher.notes
    assert "small-v1 at first and now as big-v2" in note


# Limits of the system -----------------------------------------------------------------------------


def generate_within(
    folder: Path, script: ScriptedTeacher, limit: int | None = None, value: int = 0
) -> "subprocess.CompletedProcess[str]":
    """Run a job in a process of its own, under one limit of the system's if any."""
    tests = Path(__file__).resolve().parent.parent
    job = (
        "import sys, resource\n"
        "from scripted import PROMPTS, seeds\n"
        "import sdgkit as sk\n"
        f"teacher = sk.connect('openai', base_url={script.base_url!r}, concurrency=64)\n"
        f"if {limit!r} is not None: resource.setrlimit({limit!r}, ({value}, {value}))\n"
        "try:\n"
        "    job = dict(prompts=PROMPTS, profile=False, num_contexts=20)\n"
        f"    run = sk.generate(seeds(8), teacher=teacher, out={str(folder)!r}, **job)\n"
        "except sk.SdgkitError as error:\n"
        "    sys.exit(str(error))\n"
        "print(run.state)\n"
    )
    paths = os.pathsep.join([str(tests.parent), str(tests)])
    return subprocess.run(
        [sys.executable, "-c", job],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "SDGKIT_API_KEY": "key"},
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        (resource.RLIMIT_NOFILE, 40, "Raise the limit of 40 on open files (ulimit -n)"),
        (resource.RLIMIT_FSIZE, 300_000, "Raise the limit of 300,000 bytes on the size of a file"),
    ],
    ids=["open files", "file size"],
)
def test_a_limit_of_the_system_ends_a_run_in_one_sentence_and_it_resumes(
    script: ScriptedTeacher, tmp_path: Path, limit: int, value: int, words: str
) -> None:
    script.delay = lambda ask: 0.2
    stopped = generate_within(tmp_path / "run", script, limit, value)
    assert stopped.returncode == 1, stopped.stdout
    assert "Traceback" not in stopped.stderr
    [sentence] = [line for line in stopped.stderr.splitlines() if "ulimit" in line]
    assert words in sentence and "run the same command again to resume" in sentence
    script.delay = None
    resumed = generate_within(tmp_path / "run", script)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.splitlines()[-1] == "done"
    calm = generate_within(tmp_path / "calm", script)
    assert calm.returncode == 0, calm.stderr
    rows = (tmp_path / "run" / "dataset.jsonl").read_bytes()
    assert rows == (tmp_path / "calm" / "dataset.jsonl").read_bytes()
