"""Company networks: proxies, own authorities, headers, key files, keys that expire during a run."""

import concurrent.futures
import contextlib
import json
import logging
import os
import pty
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from servers import FaultServer, completion, free_port, is_probe, status

import sdgkit as sk
from sdgkit.errors import SettingsError, TeacherRefused, TeacherUnreachable
from sdgkit.teachers import Reply, Request, Teacher, background, connect, retry_policy

TESTS = Path(__file__).parent.parent
AUTHORITY = str(TESTS / "company_ca.pem")
ADDRESS = "https://teacher.example/v1"


@pytest.fixture(autouse=True)
def outside_any_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter waits."""
    for name, seconds in (
        ("FIRST_WAIT", 0.02),
        ("QUIET_SECONDS", 0.1),
        ("LONGEST_PROBE_WAIT", 0.1),
    ):
        monkeypatch.setattr(retry_policy, name, seconds)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def company() -> Iterator[FaultServer]:
    """The server of teacher.example, with a certificate that the company's own authority signed."""
    server = FaultServer()
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(TESTS / "teacher_example.pem")
    with server:
        yield server


class Proxy:
    """A forward proxy on loopback. Whatever it is asked to CONNECT to is the server at `port`."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self.target = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept()
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head.decode())
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server)
            back.join()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(company: FaultServer) -> Iterator[Proxy]:
    with Proxy(company.port) as proxy:
        yield proxy


def until(condition: Callable[[], object]) -> None:
    """Wait for it; a test that waits in vain fails."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


# ---- proxies and authorities


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("kind", ["vllm", "llama-stack"])
def test_a_teacher_behind_a_proxy_and_a_company_authority_answers(
    company: FaultServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str, kind: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv(variable, AUTHORITY)
    teacher = connect(kind, base_url=ADDRESS)
    assert teacher.ask("Hello").text == "hello" and teacher.notes == []
    assert company.headers[-1]["Host"] == "teacher.example"
    assert {head.splitlines()[0] for head in proxy.asked} == {
        "CONNECT teacher.example:443 HTTP/1.1"
    }


def test_without_its_authority_the_error_says_where_to_name_it(
    company: FaultServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(
        TeacherRefused, match=r"certificate of https://teacher\.example/v1 is not.*SSL_CERT_FILE"
    ):
        connect(base_url=ADDRESS)
    assert company.paths == []


def test_a_certificate_for_another_name_is_not_trusted(
    company: FaultServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    with pytest.raises(TeacherRefused, match=r"not trusted \(.*other\.example"):
        connect(base_url="https://other.example/v1")


@pytest.mark.parametrize("excepted", ["teacher.example", ".example", "*"])
def test_no_proxy_exempts_a_host(
    company: FaultServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", excepted)
    with pytest.raises(TeacherUnreachable, match=r"host 'teacher\.example'"):
        connect(base_url=ADDRESS)
    assert proxy.asked == []


def test_a_proxy_of_an_unknown_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(SettingsError, match=r"HTTPS_PROXY names gopher://127\.0\.0\.1:1"):
        connect(base_url="https://teacher.example/v1")


@pytest.mark.parametrize("kind", ["socks5", "socks5h", "socks4"])
def test_a_socks_proxy_is_refused_by_its_variable_without_its_password(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{kind}://ada:lovely@127.0.0.1:1080")
    sentence = r"SOCKS.*ALL_PROXY names .*://127\.0\.0\.1:1080"
    with pytest.raises(SettingsError, match=sentence) as caught:
        connect(base_url="http://teacher.example/v1")
    assert "lovely" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("HTTP_PROXY", "http://teacher.example/v1"),
        ("https_proxy", "https://teacher.example/v1"),
        ("ALL_PROXY", "http://teacher.example/v1"),
    ],
)
def test_a_dead_proxy_is_named_and_not_the_teacher(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv(variable, f"http://ada:lovely@127.0.0.1:{port}")
    named = rf"The proxy 127\.0\.0\.1:{port} \({variable}\)"
    sentence = rf"{named} .* does not work \(connection refused\)"
    with pytest.raises(TeacherUnreachable, match=sentence) as caught:
        connect(base_url=url)
    assert "NO_PROXY" in str(caught.value) and "lovely" not in str(caught.value)


def test_a_proxy_that_cannot_be_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy.invalid:3128")
    with pytest.raises(TeacherUnreachable, match=r"The proxy proxy\.invalid:3128 \(HTTP_PROXY\)"):
        connect(base_url="http://teacher.example/v1")


def test_the_password_for_a_proxy_reaches_it_and_is_not_shown(
    company: FaultServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:lovely@127.0.0.1:{proxy.port}")
    teacher = connect(base_url=ADDRESS)
    assert "proxy-authorization: basic" in proxy.asked[0].lower() and "lovely" not in repr(
        vars(teacher)
    )
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:lovely@127.0.0.1:{free_port()}")
    with pytest.raises(TeacherUnreachable) as caught:
        connect(base_url=ADDRESS)
    assert "lovely" not in str(caught.value)


# ---- headers


@pytest.mark.parametrize(
    "headers",
    [{"X-Team-Key": "TEAM_KEY"}, "X-Team-Key=TEAM_KEY", ["X-Team-Key = TEAM_KEY"]],
    ids=["mapping", "text", "list"],
)
def test_a_header_gets_its_value_from_the_environment(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, headers: Any
) -> None:
    monkeypatch.setenv("TEAM_KEY", "t-secret")
    connect(base_url=server.base_url, headers=headers).ask("Hello")
    assert [sent["x-team-key"] for sent in server.headers] == ["t-secret"] * 2


def test_a_header_can_be_set_for_commands_and_notebooks(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEY", "t-secret")
    monkeypatch.setenv("SDGKIT_HEADERS", "X-Team-Key=TEAM_KEY,X-Other=TEAM_KEY")
    connect(base_url=server.base_url)
    assert server.headers[-1]["x-team-key"] == server.headers[-1]["x-other"] == "t-secret"
    monkeypatch.delenv("SDGKIT_HEADERS")
    Path("sdgkit.toml").write_text(
        f'base_url = "{server.base_url}"\nheaders = {{X-Team-Key = "TEAM_KEY"}}\n', "utf-8"
    )
    monkeypatch.setenv("SDGKIT_TRUST_FOLDER", str(Path.cwd()))
    connect()
    assert server.headers[-1]["x-team-key"] == "t-secret"


def test_an_authorization_header_replaces_the_key(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "Negotiate t-secret")
    connect(base_url=server.base_url, api_key="sk-key", headers={"authorization": "TOKEN"}).ask(
        "Hello"
    )
    assert {sent["Authorization"] for sent in server.headers} == {"Negotiate t-secret"}


@pytest.mark.parametrize(
    "headers", [{"X-Team-Key": "t-secret"}, "X-Team-Key: t-secret", "t-secret"]
)
def test_a_value_in_place_of_a_variables_name_is_refused_and_not_repeated(headers: Any) -> None:
    with pytest.raises(SettingsError, match="NAME=VARIABLE") as caught:
        connect(base_url="http://127.0.0.1:1/v1", headers=headers)
    assert "t-secret" not in str(caught.value)


def test_no_secret_is_in_a_runs_folder_a_repr_an_error_or_a_log(
    server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    monkeypatch.setenv("TEAM_KEY", "t-secret")
    (tmp_path / "key.txt").write_text("sk-secret\n", "utf-8")
    server.behave = lambda body, n: status(400, f"I saw {server.headers[-1]}")
    teacher = connect(
        base_url=server.base_url, headers="X-Team-Key=TEAM_KEY", key_file=tmp_path / "key.txt"
    )
    rows = [{"task_description": "Say it.", "seed_question": "What?", "seed_response": "This."}]
    with pytest.raises(sk.errors.SdgkitError) as caught:
        teacher.ask("Hello")
    run = sk.gen_questions.run(rows, teacher=teacher, out=tmp_path / "run", num_questions=1)
    assert (server.headers[-1]["x-team-key"], server.headers[-1]["Authorization"]) == (
        "t-secret",
        "Bearer sk-secret",
    )
    teacher_text = f"{caught.value!r} {teacher!r} {vars(teacher)}"
    run_text = f"{run.notes} {list(run.drops())} {caplog.text}"
    shown = teacher_text + run_text
    files = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert "I saw" in shown and files
    for secret in (b"t-secret", b"sk-secret"):
        assert secret.decode() not in shown and not any(secret in text for text in files)


# ---- keys in files


def test_a_key_file_is_read_again_when_it_changes(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-environment")
    key = tmp_path / "key.txt"
    key.write_text("sk-one\n", "utf-8")
    teacher = connect(base_url=server.base_url, key_file=key)
    key.write_text("sk-three\n", "utf-8")
    teacher.ask("Hello")
    key.write_text("", "utf-8")  # just being written
    teacher.ask("Hello")
    key.unlink()
    teacher.ask("Hello")
    sent = [headers["Authorization"] for headers in server.headers]
    assert sent == ["Bearer sk-one"] + ["Bearer sk-three"] * 3
    assert connect(base_url=server.base_url, api_key="sk-given").ask("Hello")
    assert server.headers[-1]["Authorization"] == "Bearer sk-given"


@pytest.mark.parametrize(
    ("text", "words"), [(None, "No such file"), (" \n", "is empty"), ("sk-ö", "a key cannot have")]
)
def test_an_unusable_key_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    key = tmp_path / "key.txt"
    if text is not None:
        key.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=r"key\.txt") as caught:
        connect(base_url="http://127.0.0.1:1/v1", key_file=key)
    assert words in str(caught.value) and "sk-" not in str(caught.value)


def test_a_wrong_key_at_the_start_is_final_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("sk-wrong", "utf-8")
    with (
        FaultServer(key="sk-right") as server,
        pytest.raises(TeacherRefused, match=r"into the key file key\.txt"),
    ):
        connect(base_url=server.base_url, key_file=tmp_path / "key.txt")


# ---- a key that expires in the middle


def send(teacher: Teacher, *texts: str) -> list[concurrent.futures.Future[Reply]]:
    requests = [Request(({"role": "user", "content": text},), {}) for text in texts]
    return [background.submit(teacher.reply(request)) for request in requests]


@pytest.fixture
def expiring(server: FaultServer, tmp_path: Path) -> Iterator[tuple[FaultServer, Teacher, Path]]:
    """A teacher that has answered, and whose key has just expired."""
    server.behave = lambda body, n: completion(body["messages"][-1]["content"])
    key = tmp_path / "key.txt"
    key.write_text("sk-old", "utf-8")
    server.key = "sk-old"
    teacher = connect(base_url=server.base_url, key_file=key, concurrency=4)
    teacher.ask("Hello")
    server.key = "sk-new"
    yield server, teacher, key
    teacher.close()


def test_a_teacher_waits_for_a_new_key_and_says_where_to_put_it(
    expiring: tuple[FaultServer, Teacher, Path],
) -> None:
    server, teacher, key = expiring
    futures = send(teacher, *"abcdefgh")
    until(lambda: teacher.state == "away")
    assert teacher.away_reason == (
        "the key is no longer accepted (401: Invalid key); put a new one into the key file key.txt"
    )
    knocks = len(server.paths)
    time.sleep(6.0)  # longer than between two probes of a teacher that is only gone
    assert len(server.paths) <= knocks + 1, "a refused key is not tried again and again"
    key.write_text("sk-new", "utf-8")
    assert [future.result(30).text for future in futures] == list("abcdefgh")
    assert teacher.state == "present" and teacher.away_reason == ""


def test_a_key_written_while_the_old_one_is_tried_is_not_taken_for_the_refused_one(
    expiring: tuple[FaultServer, Teacher, Path],
) -> None:
    server, teacher, key = expiring
    tried: list[str] = []

    def refused() -> web.StreamResponse:
        tried.append(server.headers[-1]["Authorization"])
        if len(tried) == 2:
            key.write_text("sk-new", "utf-8")
            server.pages.clear()
        return status(401, "Invalid key")

    server.pages["/v1/chat/completions"] = refused
    [future] = send(teacher, "a")
    assert future.result(20).text == "a" and tried == ["Bearer sk-old"] * 2


def test_neither_the_old_key_nor_the_new_one_is_shown(
    expiring: tuple[FaultServer, Teacher, Path],
) -> None:
    server, teacher, key = expiring
    key.write_text("sk-new", "utf-8")
    server.behave = lambda body, n: status(400, "I know sk-new and sk-old")
    with pytest.raises(sk.errors.RequestRefused, match=r"I know \*\*\* and \*\*\*"):
        teacher.ask("Hello")


def test_a_server_that_accepts_the_old_key_again_is_noticed_too(
    expiring: tuple[FaultServer, Teacher, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, teacher, _ = expiring
    monkeypatch.setattr(retry_policy, "REFUSED_KEY_SECONDS", 0.3)
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    server.key = "sk-old"
    assert [future.result(30).text for future in futures] == list("abc")


def test_without_a_new_key_within_patience_all_requests_fail(
    server: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "key.txt").write_text("sk-old", "utf-8")
    teacher = connect(base_url=server.base_url, key_file=tmp_path / "key.txt", patience=0.5)
    teacher.ask("Hello")
    server.key = "sk-new"
    for future in send(teacher, *"abc"):
        with pytest.raises(
            TeacherRefused,
            match=r"no longer accepts the key .*key file key\.txt, then run the same",
        ):
            future.result(30)


def test_without_a_key_file_an_expired_key_is_final(server: FaultServer) -> None:
    teacher = connect(base_url=server.base_url, api_key="sk-old")
    teacher.ask("Hello")
    server.key = "sk-new"
    with pytest.raises(
        TeacherRefused, match=r"no longer accepts the key.* new one into SDGKIT_API_KEY, then run"
    ):
        teacher.ask("Hello")


def test_a_teacher_waits_for_a_key_that_was_offered(server: FaultServer) -> None:
    teacher = connect(base_url=server.base_url, api_key="sk-old")
    teacher.ask("Hello")
    assert teacher.offer_renewal() and not teacher.wants_key
    server.key = "sk-new"
    futures = send(teacher, "Hello again")
    until(lambda: teacher.wants_key)
    assert teacher.away_reason.endswith("enter a new one")
    with pytest.raises(SettingsError, match="empty"):
        teacher.renew(" ")
    teacher.renew("sk-new")
    assert [future.result(30).text for future in futures] == ["hello"]
    assert not teacher.wants_key


@pytest.fixture
def expires_after_five(server: FaultServer) -> dict[str, str]:
    """A server whose key changes after five answers; the environment for a teacher of it."""
    server.key = "sk-old"

    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        if len(server.asked) == 5 and server.key == "sk-old":
            server.key = "sk-new"
        asks_about_a_pair = "(1, 2 or 3)" in body["messages"][-1]["content"]
        parts = {
            "Question": f"question {n}",
            "Response": f"response {n}",
            "Evaluation": "It is as good as the seed's.",
            "Score": 3 if asks_about_a_pair else 1,
        }
        return completion(
            "\n".join(f"[Start of {name}]\n{text}\n[End of {name}]" for name, text in parts.items())
        )

    server.behave = behave
    return {
        "SDGKIT_BASE_URL": server.base_url,
        "SDGKIT_API_KEY": "sk-old",
        "TERM": "xterm",
        "COLUMNS": "100",
    }


def test_the_run_panel_asks_for_a_new_key_and_continues(
    server: FaultServer, expires_after_five: dict[str, str], tmp_path: Path
) -> None:
    teacher = connect(base_url=server.base_url, api_key="sk-old", concurrency=2)
    seeds = [
        {"task_description": "d", "seed_question": f"q{n}", "seed_response": "r"} for n in range(8)
    ]
    pipeline = sk.FREEFORM.without(*(stage.name for stage in sk.FREEFORM.stages[1:]))
    panel = sk.RunPanel(
        seeds, teacher=teacher, out=tmp_path / "run", pipeline=pipeline, num_questions=1
    )
    assert panel.view.state["wants_key"] is False
    panel.act("start")
    until(lambda: panel.view.state["wants_key"])
    panel.act("renew", key="sk-new")
    until(lambda: panel.view.state["sign"] == "done")
    assert panel.latest.dataset.num_rows == 8 and not panel.view.state["wants_key"]
    assert "sk-" not in json.dumps(panel.view.state)


def test_the_command_asks_for_a_new_key_on_a_terminal_and_continues(
    server: FaultServer, expires_after_five: dict[str, str], tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(
        "".join(
            json.dumps({"task_description": "d", "seed_question": f"q{n}", "seed_response": "r"})
            + "\n"
            for n in range(8)
        )
    )
    ours, theirs = pty.openpty()
    to_be_asked = "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    code = to_be_asked + "from sdgkit.cli import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        code,
        "generate",
        str(seeds),
        "--no-profile",
        "--num-questions",
        "1",
        "--concurrency",
        "2",
    ]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        env={**os.environ, **expires_after_five},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # what a terminal reads when the other side is gone
        while piece := os.read(ours, 4096):
            shown += piece
            if b"New key (not shown)" in shown and server.key == "sk-new":
                server.key = "sk-newer"
                os.write(ours, b"sk-newer\n")
    assert process.wait(30) == 0, shown
    assert sk.open_run(tmp_path / "run").snapshot().requests > 5
    assert b"sk-newer" not in shown and b"no longer accepts the key" in shown


def test_only_the_text_that_a_guard_forbids_is_lost(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("sk-old", "utf-8")
    teacher = connect(base_url=server.base_url, key_file=tmp_path / "key.txt")
    teacher.ask("Hello")

    def guard(body: dict[str, Any], n: int) -> web.StreamResponse:
        text = body["messages"][-1]["content"]
        return (
            status(403, "forbidden words")
            if text == "b" and not is_probe(body)
            else completion(text)
        )

    server.behave = guard
    a, b, c = send(teacher, *"abc")
    assert a.result(30).text + c.result(30).text == "ac"
    with pytest.raises(sk.errors.RequestRefused, match="403: forbidden words"):
        b.result(30)


def test_a_run_in_a_company_network_pauses_for_a_new_key_and_loses_nothing(
    company: FaultServer, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("SSL_CERT_FILE", AUTHORITY)
    monkeypatch.setenv("TEAM_KEY", "t-secret")
    server, key = company, tmp_path / "key.txt"
    key.write_text("sk-old", "utf-8")
    server.key = "sk-old"

    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        if len(server.asked) == 5:
            server.key = "sk-new"
        return completion("[Start of Response]\nan answer\n[End of Response]")

    server.behave = behave
    teacher = connect(
        base_url=ADDRESS, key_file=key, headers="X-Team=TEAM_KEY", concurrency=2, patience=60
    )
    seed = {"task_description": "d", "seed_question": "q", "seed_response": "r"}
    rows = [{**seed, "question": f"question {n}"} for n in range(12)]
    folder = tmp_path / "run"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        going = pool.submit(sk.gen_responses.run, rows, teacher=teacher, out=folder)
        until(lambda: teacher.state == "away")
        until(lambda: sk.open_run(folder).snapshot().state == "paused")
        assert "put a new one into the key file key.txt" in sk.open_run(folder).snapshot().message
        key.write_text("sk-new", "utf-8")
        run = going.result(60)
    assert run.summary.state == "done" and len(list(run.samples())) == 12 and not list(run.drops())
    assert {sent["x-team"] for sent in server.headers} == {"t-secret"} and proxy.asked
    answered = [json.dumps(body["messages"]) for body in server.asked]
    assert sorted(set(answered)) == sorted(answered)
    assert os.fsencode(tmp_path) not in b"".join(path.read_bytes() for path in folder.iterdir())
