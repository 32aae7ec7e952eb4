"""Llama Stack in front of the real vLLM: its old API, its new one, and OGX, as it is called now."""

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from teachers.environments import OLD_CLIENT, clean_environment
from teachers.real_servers import KEY, RealServer, available
from teachers.samples import SEEDS

import sdgkit as sk
from sdgkit.errors import TeacherRefused

STACKS = {"old_llama_stack": "/v1/openai/v1", "llama_stack": "/v1", "ogx": "/v1"}
HAIKU = "write a haiku about language models"
KEEP_ALIVE_SECONDS = 5


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> tuple[str, RealServer]:
    """Each of the three, by name and running."""
    return request.param, request.getfixturevalue(request.param)


def generation(version: str) -> list[str]:
    return version.split(".")[:2]


def test_the_path_and_the_model_are_found_by_asking(stack: tuple[str, RealServer]) -> None:
    name, server = stack
    teacher = sk.connect("llama-stack", base_url=server.url)
    assert teacher.base_url == server.url + STACKS[name]
    assert (teacher.kind, teacher.model, teacher.models()) == (
        "llama-stack",
        "vllm/tiny",
        ["vllm/tiny"],
    )
    reply = teacher.ask("Hello", max_tokens=6, temperature=1)
    assert reply.prompt_tokens > 0 and 0 < reply.completion_tokens <= 6
    assert teacher.load() is None
    teacher.close()


def test_a_model_may_be_named_without_its_provider(stack: tuple[str, RealServer]) -> None:
    teacher = sk.connect("llama-stack", base_url=stack[1].url, model="tiny")
    assert teacher.model == "vllm/tiny"
    assert teacher.ask("Hello", max_tokens=3).completion_tokens > 0
    teacher.close()


@pytest.mark.parametrize("model", ["vllm/wrong", "wrong"])
def test_a_wrong_model_is_told_with_those_that_there_are(
    stack: tuple[str, RealServer], model: str
) -> None:
    with pytest.raises(TeacherRefused, match=rf"has no model '{model}'; it has vllm/tiny\."):
        sk.connect("llama-stack", base_url=stack[1].url, model=model)


def test_a_client_that_does_not_match_is_told_with_the_version_to_install(
    stack: tuple[str, RealServer],
) -> None:
    name, server = stack
    teacher = sk.connect("llama-stack", base_url=server.url)
    if name == "ogx" or generation(version("llama-stack-client")) == generation(server.version):
        assert teacher.notes == []
    else:
        [note] = teacher.notes
        assert f"'llama-stack-client=={'.'.join(generation(server.version))}.*'" in note
        assert "Generation works regardless" in note
    teacher.close()


OLD = """
import json, sys
import sdgkit as sk
url, seeds = json.loads(sys.argv[1])
teacher = sk.connect("llama-stack", base_url=url)
settings = {"num_contexts": 2, "num_questions": 1, "profile": False, "structure": "always"}
plan = sk.plan(seeds, teacher=teacher, **settings)
run = sk.Run(plan).start().wait()
print(json.dumps({"notes": teacher.notes, "contexts": run.funnel[0].rows_out, "state": run.state}))
"""


def test_with_the_old_client_of_python_3_11_generation_works_on_a_new_server(
    llama_stack: RealServer, repo: Path
) -> None:
    command = [str(available(OLD_CLIENT)), "-c", OLD, json.dumps([llama_stack.url, SEEDS])]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=clean_environment(PYTHONPATH=str(repo)),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["state"] == "done"
    assert told["contexts"] >= 3
    [note] = told["notes"]
    assert "'llama-stack-client==0.7.*' (needs Python 3.12)" in note


@pytest.mark.parametrize("server", ["vllm", *STACKS])
def test_sdgkit_ask_works_against_each(
    server: Any, request: pytest.FixtureRequest, repo: Path
) -> None:
    running = request.getfixturevalue(server)
    kind = "vllm" if server == "vllm" else "llama-stack"
    command = [
        sys.executable,
        "-m",
        "sdgkit",
        "ask",
        HAIKU,
        "--teacher",
        kind,
        "--base-url",
        running.url,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=repo,
        env=clean_environment(SDGKIT_API_KEY=KEY),
    )
    assert done.returncode == 0, done.stderr
    assert "tiny" in done.stdout and "answered in" in done.stdout
    assert ("prefix cache" in done.stdout) == (server == "vllm")


def test_connections_that_it_closed_while_idle_cost_nothing(
    llama_stack: RealServer,
) -> None:
    teacher = sk.connect("llama-stack", base_url=llama_stack.url)
    for _ in range(2):
        run = sk.gen_contexts.run(
            SEEDS, teacher=teacher, num_contexts=4, extra_tries=0, structure="never"
        )
        assert {drop["reason"] for drop in run.drops()} <= {"malformed", "truncated"}
        time.sleep(KEEP_ALIVE_SECONDS + 1)
    teacher.close()


def test_another_teacher_judges_and_is_named_in_summary_and_card(
    vllm: RealServer, llama_stack: RealServer, tmp_path: Path
) -> None:
    writer = sk.connect("vllm", base_url=vllm.url, api_key=KEY)
    judge = sk.connect("llama-stack", base_url=llama_stack.url)
    plan = sk.plan(
        SEEDS, teacher=writer, judge=judge, num_contexts=1, num_questions=2, profile=False
    )
    run = sk.Run(plan, tmp_path / "run").start().wait()
    assert (run.summary.model, run.summary.judge) == ("tiny", "vllm/tiny")
    assert "| judge | `vllm/tiny` |" in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    asked = [
        exchange
        for row in [*run.samples(), *run.drops()]
        for exchange in run.trace(row["id"]).exchanges
    ]
    models = {exchange.stage.startswith("eval"): exchange.model for exchange in asked}
    assert models == {False: "tiny", True: "vllm/tiny"}
    writer.close()
    judge.close()
