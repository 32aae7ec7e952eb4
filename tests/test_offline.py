"""No connection but the teacher's: with proxies set, with telemetry invited, in a process of its
own.

A proxy that answers everything stands ready and must not be asked; whatever leaves this machine is
refused and noticed by the rules in conftest.py, in every process.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from connections import Connections
from scripted import ScriptedTeacher

TESTS = Path(__file__).parent


class Proxy(BaseHTTPRequestHandler):
    """Notes whatever it is asked for."""

    asked: list[str] = []  # noqa: RUF012

    def answer(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(502)
        self.end_headers()

    do_GET = do_POST = do_CONNECT = do_HEAD = answer

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def proxy() -> Iterator[str]:
    Proxy.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def environment(proxy: str, folder: Path) -> dict[str, str]:
    """As on a company's machine: proxies in both spellings, no exceptions, a HOME with nothing in
    it.
    """
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    proxies = {spelling: proxy for name in names for spelling in (name, name.lower())}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "DO_NOT_TRACK"))
    }
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ["PYTHONPATH"]])
    return {**kept, **proxies, "HOME": str(folder), "PYTHONPATH": paths}


def run(code: str, folder: Path, proxy: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(proxy, folder),
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


EVERYTHING = """
import json, sys
import scripted
import sdgkit as sk

teacher = sk.connect({kind!r}, {address})
prompts = scripted.PROMPTS if {kind!r} == "openai" else None
run = sk.generate(
    scripted.seeds(),
    teacher=teacher,
    out="run",
    prompts=prompts,
    profile=None if prompts is None else False,
    num_contexts=2,
    num_questions=1,
)
run.dataset.to_pandas(), run.dropped, run.funnel._repr_html_()
run.export("messages", "train.jsonl")
opened = sk.open_run("run")
opened.dataset, opened.trace(opened.dataset[0]["id"])
teacher.models(), teacher.ask('{{"stage": "gen_contexts"}}', max_tokens=5)
again = sk.generate("run", teacher=teacher)
teacher.close()
print(json.dumps([run.state, again.state]))
"""


def test_a_whole_run_reaches_the_teacher_and_nobody_else(
    proxy: Any, tmp_path: Path, connections: Connections
) -> None:
    with ScriptedTeacher() as script:
        code = EVERYTHING.format(
            kind="openai", address=f"base_url={script.base_url!r}, api_key='key'"
        )
        assert json.loads(run(code, tmp_path, proxy).splitlines()[-1]) == ["done", "done"]
        assert script.asked() > 0
    assert connections.attempts() == []
    assert Proxy.asked == []


def test_a_teacher_named_localhost_is_reached_without_the_proxy(
    proxy: Any, tmp_path: Path, connections: Connections
) -> None:
    with ScriptedTeacher() as script:
        address = script.base_url.replace("127.0.0.1", "localhost")
        code = EVERYTHING.format(kind="openai", address=f"base_url={address!r}, api_key='key'")
        assert json.loads(run(code, tmp_path, proxy).splitlines()[-1]) == ["done", "done"]
    assert connections.attempts() == []
    assert Proxy.asked == []


def test_a_rehearsal_with_its_own_server_stays_on_this_machine(
    proxy: Any, tmp_path: Path, connections: Connections
) -> None:
    code = EVERYTHING.format(kind="rehearsal", address="concurrency=4")
    assert json.loads(run(code, tmp_path, proxy).splitlines()[-1]) == ["done", "done"]
    assert connections.attempts() == []
    assert Proxy.asked == []


def test_a_teacher_elsewhere_is_asked_through_the_proxy_and_nobody_is_asked_directly(
    proxy: Any, tmp_path: Path, connections: Connections
) -> None:
    code = """
import sdgkit as sk
try:
    sk.connect("openai", base_url="http://teacher.example/v1", model="m", api_key="key")
except sk.TeacherError as error:
    print(type(error).__name__)
"""
    run(code, tmp_path, proxy)
    assert connections.attempts() == []
    assert any("teacher.example" in asked for asked in Proxy.asked)
    assert all("teacher.example" in asked for asked in Proxy.asked)


def test_importing_connects_to_nothing(
    proxy: Any, tmp_path: Path, connections: Connections
) -> None:
    code = (
        "import sdgkit as sk; "
        "[getattr(sk, name) for name in sk.__all__]; "
        "print(sk.load_seeds and 1)"
    )
    assert run(code, tmp_path, proxy) == "1\n"
    assert connections.attempts() == []
    assert Proxy.asked == []
