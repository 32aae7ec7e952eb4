"""The command line's options for teachers in company networks, several of them, another judge."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from servers import FaultServer, completion, free_port

from sdgkit.cli.notebook import teacher_parameters
from sdgkit.teachers import connect

SEED = {"task_description": "Name one.", "seed_question": "Name a colour.", "seed_response": "Red."}
SMALL = ("--no-profile", "--num-questions", "1")
WRITTEN = (
    "[Start of Question]\nName a fish.\n[End of Question]\n"
    "[Start of Response]\nCarp.\n[End of Response]"
)
JUDGED = (
    "[Start of Evaluation]\nIt names one.\n[End of Evaluation]\n"
    "[Start of Score]\n{score}\n[End of Score]"
)
BEST_QUESTION, BEST_PAIR = 1, 3


def reply(body: dict[str, Any], n: int) -> web.Response:
    """Questions, responses and judgements at once; each stage reads its own part."""
    asks_about_a_pair = "(1, 2 or 3)" in body["messages"][-1]["content"]
    score = BEST_PAIR if asks_about_a_pair else BEST_QUESTION
    return completion(f"{WRITTEN}\n{JUDGED.format(score=score)}")


@pytest.fixture
def typed(
    typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Type a command in a folder that has `seeds.jsonl`."""
    (tmp_path / "seeds.jsonl").write_text(json.dumps(SEED) + "\n", "utf-8")
    return typed


@pytest.fixture
def servers() -> Iterator[Any]:
    with FaultServer() as one, FaultServer() as other:
        one.behave = other.behave = reply
        yield one, other


def test_a_header_and_a_key_file_are_sent_and_a_fresh_key_lets_the_same_command_go_on(
    servers: Any,
    typed: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    server, _ = servers
    (tmp_path / "key.txt").write_text("sk-secret\n", "utf-8")
    monkeypatch.setenv("TEAM_KEY", "t-secret")
    way = ("--header", "X-Team=TEAM_KEY", "--header", "X-Too=TEAM_KEY", "--key-file", "key.txt")
    status, output, errors = typed("ask", "Hello", "--base-url", server.base_url, *way)
    assert (status, errors) == (0, "") and "secret" not in output
    sent = server.headers[-1]
    assert (sent["x-team"], sent["x-too"], sent["Authorization"]) == (
        "t-secret",
        "t-secret",
        "Bearer sk-secret",
    )

    def expire(body: dict[str, Any], n: int) -> web.Response:
        server.key = "sk-fresh"
        return reply(body, n)

    server.behave = expire
    job = (
        "generate",
        "seeds.jsonl",
        "--no-profile",
        "--num-questions",
        "2",
        "--base-url",
        server.base_url,
        *way,
        "--patience",
        "0.5",
    )
    status, output, errors = typed(*job)
    assert (
        status == 1
        and "no longer accepts the key (401: Invalid key). Put a new one into the key file"
        in errors
    )
    (tmp_path / "key.txt").write_text("sk-fresh\n", "utf-8")
    server.behave = reply
    assert typed(*job)[0] == 0
    files = [path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert files and not any(b"secret" in text or b"sk-fresh" in text for text in files)


@pytest.mark.parametrize("header", ["X-Team", "X-Team=NO_SUCH_VARIABLE", "X Team=TEAM_KEY"])
def test_a_header_without_a_value_is_a_bad_argument(
    typed: Callable[..., tuple[int, str, str]], header: str
) -> None:
    status, _, errors = typed(
        "ask", "Hello", "--base-url", "http://127.0.0.1:1/v1", "--header", header
    )
    assert status == 2 and "header" in errors and "variable" in errors


def test_several_addresses_share_a_run_and_one_may_be_down(
    servers: Any, typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    one, other = servers
    down = f"http://127.0.0.1:{free_port()}/v1"
    addresses = [
        word for url in (one.base_url, down, other.base_url) for word in ("--base-url", url)
    ]
    # The requests of one seed prefer one server: enough seeds for both.
    rows = [json.dumps({**SEED, "seed_question": f"Question {n}"}) for n in range(24)]
    (tmp_path / "seeds.jsonl").write_text("\n".join(rows), "utf-8")
    status, output, _ = typed("generate", "seeds.jsonl", *SMALL, *addresses)
    assert status == 0 and f"Nothing is listening at {down}" in output
    assert one.asked and other.asked
    config = (tmp_path / "runs" / "seeds" / "config.json").read_text("utf-8")
    assert "127.0.0.1" not in config


def test_another_server_judges_with_a_key_of_its_own(
    servers: Any,
    typed: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    teacher, judge = servers
    teacher.key, judge.key, judge.models = "sk-teacher", "sk-judge", ["large"]
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-teacher")
    monkeypatch.setenv("SDGKIT_JUDGE_API_KEY", "sk-judge")
    addresses = ("--base-url", teacher.base_url, "--judge-base-url", judge.base_url)
    status, output, _ = typed("generate", "seeds.jsonl", *SMALL, *addresses)
    assert status == 0 and f"judged by large at {judge.base_url}" in output
    assert {body["model"] for body in teacher.asked} == {"tiny"} and {
        body["model"] for body in judge.asked
    } == {"large"}
    assert "Bearer sk-teacher" not in {sent["Authorization"] for sent in judge.headers}
    folder = tmp_path / "runs" / "seeds"
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert (summary["model"], summary["judge"]) == ("tiny", "large")
    assert "large" in (folder / "README.md").read_text("utf-8")


def test_another_model_of_the_same_server_judges(
    servers: Any, typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    server, _ = servers
    server.models = ["tiny", "large"]
    models = ("--model", "tiny", "--judge-model", "large")
    status, _, _ = typed("generate", "seeds.jsonl", *SMALL, "--base-url", server.base_url, *models)
    assert status == 0 and {body["model"] for body in server.asked} == {"tiny", "large"}
    assert (
        json.loads((tmp_path / "runs" / "seeds" / "summary.json").read_text("utf-8"))["judge"]
        == "large"
    )


@pytest.mark.parametrize("kind", [None, "openai"])
def test_the_kernel_of_a_notebook_gets_headers_and_key_file_through_its_environment(
    servers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    server, _ = servers
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setenv("TEAM_KEY", "t-secret")
    (tmp_path / "key.txt").write_text("sk-secret\n", "utf-8")
    way = {"base_url": server.base_url, "key_file": "key.txt", "headers": "X-Team=TEAM_KEY"}
    parameters = teacher_parameters(way | ({"kind": kind} if kind else {}))
    assert parameters == {"base_url": server.base_url} | ({"teacher": kind} if kind else {})
    monkeypatch.chdir("/")  # kernels start where they please
    connect(parameters.pop("teacher", None), **parameters)
    assert (
        server.headers[-1]["x-team"] == "t-secret"
        and server.headers[-1]["Authorization"] == "Bearer sk-secret"
    )


# ---- ask


def test_ask_limits_its_reply_unless_you_say_otherwise(
    servers: Any, typed: Callable[..., tuple[int, str, str]]
) -> None:
    server, _ = servers
    typed("ask", "Hello", "--base-url", server.base_url)
    assert server.asked[-1]["max_tokens"] == 512 and server.asked[-1]["stream"] is True
    typed("ask", "Hello", "--max-tokens", 9, "--base-url", server.base_url)
    assert server.asked[-1]["max_tokens"] == 9


def test_ask_says_what_it_waits_for(
    servers: Any, typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = servers
    told = threading.Event()

    async def hesitate(body: dict[str, Any], n: int) -> web.StreamResponse:
        while not told.is_set():
            await asyncio.sleep(0.01)
        return completion("hello")

    def tell(text: object = "", file: Any = None, end: str = "\n") -> None:
        print(text, file=file, end=end)
        if "begin its reply" in str(text):
            told.set()

    monkeypatch.setattr("sdgkit.cli.terminal.PATIENT_SECONDS", 0.05)
    monkeypatch.setattr("sdgkit.cli.terminal.say", tell)
    server.behave = hesitate
    status, output, errors = typed("ask", "Hello", "--base-url", server.base_url)
    assert status == 0 and "hello" in output
    assert "waiting for tiny to begin its reply" in errors


def test_ask_without_an_address_finds_the_only_teacher_on_this_machine(
    servers: Any, typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = servers
    ports = {free_port(): "vLLM", server.port: "Ollama"}
    monkeypatch.setattr("sdgkit.teachers.local_servers.USUAL_PORTS", ports)
    status, output, _ = typed("ask", "Hello")
    assert status == 0 and f"Ollama at http://127.0.0.1:{server.port}/v1: tiny" in output
    assert server.asked


def test_ask_without_an_address_lists_several_teachers_and_asks_none(
    servers: Any, typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = servers
    ports = {one.port: "vLLM", other.port: "Ollama"}
    monkeypatch.setattr("sdgkit.teachers.local_servers.USUAL_PORTS", ports)
    status, output, errors = typed("ask", "Hello")
    assert status == 2 and "Choose one with --base-url" in errors
    assert f"vLLM at http://127.0.0.1:{one.port}/v1" in output
    assert f"Ollama at http://127.0.0.1:{other.port}/v1" in output
    assert not one.asked and not other.asked


def test_ask_rehearses_where_nobody_answers(
    typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdgkit.teachers.local_servers.USUAL_PORTS", {free_port(): "vLLM"})
    status, output, _ = typed("ask", "Hello")
    assert status == 0 and "No teacher answers on the usual ports" in output
    assert "rules, not a model" in output
