"""Several servers of one model: who gets a request, and what becomes of those that die."""

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import PROMPTS, ScriptedTeacher, seeds
from servers import FaultServer, Reset, completion, free_port, is_probe, status

import sdgkit as sk
from sdgkit.errors import RequestRefused, SettingsError, TeacherRefused, TeacherUnreachable
from sdgkit.teachers import Reply, Request, Teacher, background, connect, replicas, retry_policy
from sdgkit.teachers.exchange import Origin

WAIT = 30.0

Failure = Callable[[], web.StreamResponse]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same rules with shorter waits, and no `sdgkit.toml` of somebody else's."""
    monkeypatch.chdir(tmp_path)
    for name, seconds in (
        ("FIRST_WAIT", 0.02),
        ("QUIET_SECONDS", 0.1),
        ("LONGEST_PROBE_WAIT", 0.1),
    ):
        monkeypatch.setattr(retry_policy, name, seconds)
    monkeypatch.setattr(replicas, "RECHECK_SECONDS", 0.1)


@pytest.fixture
def a() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.behave = echo
        yield server


@pytest.fixture
def b() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.behave = echo
        yield server


def text_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def echo(body: dict[str, Any], n: int) -> web.StreamResponse:
    return completion(text_of(body))


async def slowly(body: dict[str, Any], n: int = 0) -> web.StreamResponse:
    await asyncio.sleep(0.05)
    return completion(text_of(body))


def together(*servers: FaultServer, **options: Any) -> Teacher:
    return connect(base_url=[server.base_url for server in servers], **options)


def send(teacher: Teacher, *texts: str) -> list[concurrent.futures.Future[Reply]]:
    requests = [Request(({"role": "user", "content": text},), {}) for text in texts]
    return [background.submit(teacher.reply(request)) for request in requests]


def texts(futures: list[concurrent.futures.Future[Reply]]) -> list[str]:
    return [future.result(WAIT).text for future in futures]


def until(condition: Callable[[], object]) -> None:
    """Wait for it; a test that waits in vain fails."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


# ---- connecting


def test_several_addresses_may_be_a_list_a_text_a_variable_or_in_the_file(
    a: FaultServer, b: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = f"{a.base_url}, {b.base_url}"
    assert together(a, b).base_url == both
    assert connect(base_url=f"{a.base_url},{b.base_url.removesuffix('/v1')}").base_url == both
    monkeypatch.setenv("SDGKIT_BASE_URL", both)
    assert connect().base_url == both and connect().kind == "vllm"
    monkeypatch.delenv("SDGKIT_BASE_URL")
    Path("sdgkit.toml").write_text(
        f'base_url = ["{a.base_url}", "{b.base_url}"]\n', encoding="utf-8"
    )
    assert connect().base_url == both
    Path("sdgkit.toml").write_text("base_url = [8000]\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="text in quotes"):
        connect()


def test_one_address_given_twice_is_one_server(a: FaultServer) -> None:
    assert together(a, a).base_url == a.base_url


def test_all_must_serve_the_same_model(a: FaultServer, b: FaultServer) -> None:
    b.models = ["large"]
    with pytest.raises(TeacherRefused, match=rf"{b.base_url} has no model 'tiny'; it has large"):
        together(a, b)
    b.models = ["tiny", "large"]
    assert together(a, b).model == "tiny"
    a.models = ["tiny", "large"]
    assert together(a, b, model="large").ask("Hello").text == "Hello"


def test_a_server_that_is_down_from_the_start_is_named_left_out_and_used_later(
    a: FaultServer, b: FaultServer
) -> None:
    b.down()
    teacher = together(a, b)
    [note] = teacher.notes
    assert f"Nothing is listening at {b.base_url}" in note and "the other servers only" in note
    assert "connection refused" in teacher.left_out[b.base_url]
    assert teacher.ask("Hello").retries == 0
    b.up()
    until(lambda: teacher.ask("Hello") and b.asked)
    assert teacher.left_out == {}


def test_no_server_at_all_or_a_wrong_path_is_an_error(a: FaultServer) -> None:
    with pytest.raises(TeacherUnreachable, match="Nothing is listening"):
        connect(
            base_url=[f"http://127.0.0.1:{free_port()}/v1", f"http://127.0.0.1:{free_port()}/v1"]
        )
    with pytest.raises(TeacherUnreachable, match="no OpenAI-compatible API"):
        connect(base_url=[a.base_url, a.base_url.replace("/v1", "/api/v1")])


# ---- who gets what


def test_requests_go_to_the_least_busy_server_and_slots_are_shared(
    a: FaultServer, b: FaultServer
) -> None:
    a.behave = b.behave = slowly
    teacher = together(a, b, concurrency=6)
    names = [f"request {n}" for n in range(60)]
    assert texts(send(teacher, *names)) == names
    assert a.most_in_flight == b.most_in_flight == 3
    assert len(a.asked) + len(b.asked) == 60


def test_a_slow_server_gets_fewer_requests(a: FaultServer, b: FaultServer) -> None:
    async def dawdle(body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return completion(text_of(body))

    a.behave = lambda body, n: dawdle(body)
    b.behave = slowly
    names = [f"request {n}" for n in range(40)]
    assert texts(send(together(a, b, concurrency=4), *names)) == names
    assert len(b.asked) > 2 * len(a.asked)


def send_of(teacher: Teacher, seed: str, count: int) -> list[concurrent.futures.Future[Reply]]:
    """Requests that belong to a seed."""
    futures = []
    for number in range(count):
        request = Request(({"role": "user", "content": f"{seed} {number}"},), {})
        futures.append(background.submit(teacher.reply(request, origin=Origin(seed=seed))))
    return futures


def seeds_at(server: FaultServer) -> set[str]:
    return {text_of(body).partition(" ")[0] for body in server.asked}


def test_the_requests_of_one_seed_go_to_one_server_while_it_has_room(
    a: FaultServer, b: FaultServer
) -> None:
    teacher = together(a, b, concurrency=1)
    for seed in range(1, 21):
        texts(send_of(teacher, f"s{seed}", 4))
    assert seeds_at(a).isdisjoint(seeds_at(b))
    assert seeds_at(a) and seeds_at(b)


def test_no_server_is_idle_because_all_seeds_prefer_another(a: FaultServer, b: FaultServer) -> None:
    a.behave = b.behave = slowly
    texts(send_of(together(a, b, concurrency=16), "s1", 160))
    busier = max(a.most_in_flight, b.most_in_flight)
    assert busier <= 11 and min(len(a.asked), len(b.asked)) >= 40


def test_a_seed_whose_server_is_gone_goes_to_another_and_comes_back(
    a: FaultServer, b: FaultServer
) -> None:
    teacher = together(a, b, concurrency=1)
    texts(send_of(teacher, "s1", 1))
    home, other = (a, b) if a.asked else (b, a)
    home.down()
    texts(send_of(teacher, "s1", 3))
    assert len(other.asked) == 3
    home.up()
    until(lambda: texts(send_of(teacher, "s2", 1)) and not teacher.left_out)
    before = len(other.asked)
    texts(send_of(teacher, "s1", 3))
    assert len(other.asked) == before


def test_in_a_run_each_seed_is_one_servers() -> None:
    rows = seeds(6)
    with ScriptedTeacher() as one, ScriptedTeacher() as two:
        teacher = connect("openai", base_url=[one.base_url, two.base_url], concurrency=1)
        sk.generate(rows, teacher=teacher, prompts=PROMPTS, profile=False, num_contexts=2)
        asked = [{ask.seed for ask in script.asks if ask.seed} for script in (one, two)]
    assert asked[0].isdisjoint(asked[1])
    assert asked[0] | asked[1] == {1, 2, 3, 4, 5, 6}


# ---- those that die


def test_a_server_that_dies_in_the_middle_costs_no_retries_and_comes_back(
    a: FaultServer, b: FaultServer
) -> None:
    a.behave = b.behave = slowly
    teacher = together(a, b, concurrency=8)
    futures = send(teacher, *(f"request {n}" for n in range(80)))
    until(lambda: len(a.asked) > 8)
    a.down()
    assert texts(futures) == [f"request {n}" for n in range(80)]
    assert (
        teacher.retries == 0
        and teacher.state == "present"
        and list(teacher.left_out) == [a.base_url]
    )
    before = len(a.asked)
    a.up()
    until(lambda: teacher.ask("Hello") and not teacher.left_out)
    assert texts(send(teacher, *"abcdefgh")) == list("abcdefgh") and len(a.asked) > before


@pytest.mark.parametrize(
    "trouble",
    [
        lambda: status(500, "CUDA error"),
        lambda: status(503, "loading"),
        lambda: status(429, "later", Retry_After="3600"),
        lambda: status(404, "The model `tiny` does not exist."),
        lambda: Reset(),
    ],
    ids=["500", "503", "429", "another model now", "reset"],
)
def test_while_one_server_is_left_a_run_continues_whatever_is_wrong_with_the_other(
    a: FaultServer, b: FaultServer, trouble: Failure
) -> None:
    a.behave = lambda body, n: trouble()
    teacher = together(a, b, concurrency=4)
    names = [f"request {n}" for n in range(20)]
    assert texts(send(teacher, *names)) == names
    assert teacher.retries == 0 and list(teacher.left_out) == [a.base_url]


def test_servers_left_out_are_asked_for_one_token_only(a: FaultServer, b: FaultServer) -> None:
    a.behave = lambda body, n: status(503, "loading")
    teacher = together(a, b, concurrency=1)
    until(lambda: teacher.ask("Hello") and len(a.requests) > 5)
    assert len(a.asked) == 1 and all(is_probe(body) for body in a.requests[1:])


def test_a_server_that_hangs_is_left_out_after_its_first_timeout(
    a: FaultServer, b: FaultServer
) -> None:
    async def hang() -> web.StreamResponse:
        await asyncio.sleep(1000)
        return completion("")

    a.behave = lambda body, n: hang()
    teacher = together(a, b, concurrency=4, timeout=0.5)
    names = [f"request {n}" for n in range(12)]
    assert texts(send(teacher, *names)) == names
    assert list(teacher.left_out) == [a.base_url] and len(a.asked) <= 4


def test_only_the_request_that_makes_all_servers_stumble_is_lost(
    a: FaultServer, b: FaultServer
) -> None:
    def stumble(body: dict[str, Any], n: int) -> web.StreamResponse:
        return (
            status(500, "out of memory") if text_of(body) == "poison" else completion(text_of(body))
        )

    a.behave = b.behave = stumble
    teacher = together(a, b)
    [poison] = send(teacher, "poison")
    names = [f"request {n}" for n in range(30)]
    assert texts(send(teacher, *names)) == names
    with pytest.raises(RequestRefused, match="500: out of memory"):
        poison.result(WAIT)


def test_a_request_that_one_server_refuses_is_not_sent_to_another(
    a: FaultServer, b: FaultServer
) -> None:
    a.behave = b.behave = lambda body, n: status(400, "too long")
    with pytest.raises(RequestRefused, match="too long"):
        together(a, b).ask("Hello")
    assert len(a.requests + b.requests) == 1


def test_when_the_last_server_is_gone_the_teacher_is_away_until_any_answers(
    a: FaultServer, b: FaultServer
) -> None:
    teacher = together(a, b)
    teacher.ask("Hello")
    a.down()
    b.down()
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    assert "connection refused" in teacher.away_reason
    b.up()
    assert texts(futures) == list("abc") and teacher.state == "present"


def test_an_expired_key_concerns_the_teacher_and_not_one_server(
    a: FaultServer, b: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "key.txt").write_text("sk-old", "utf-8")
    teacher = together(a, b, key_file=tmp_path / "key.txt")
    teacher.ask("Hello")
    a.key = b.key = "sk-new"
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    assert "no longer accepted" in teacher.away_reason
    (tmp_path / "key.txt").write_text("sk-new", "utf-8")
    assert texts(futures) == list("abc") and teacher.left_out == {}


def test_the_metrics_of_all_servers_are_summed_up(a: FaultServer, b: FaultServer) -> None:
    page = "vllm:num_requests_running 2\nvllm:num_requests_waiting 1\n"
    for server in (a, b):
        server.pages["/metrics"] = lambda: web.Response(text=page)
    load = together(a, b).load()
    assert load is not None and (load.running, load.waiting) == (4, 2)


def test_a_run_continues_when_a_server_dies_and_says_so_and_also_when_it_is_back(
    a: FaultServer, b: FaultServer
) -> None:
    async def answer(body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return completion("[Start of Response]\nan answer\n[End of Response]")

    a.behave = b.behave = lambda body, n: answer(body)
    seed = {"task_description": "d", "seed_question": "q", "seed_response": "r"}
    rows = [{**seed, "question": f"question {n}"} for n in range(300)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        going = pool.submit(sk.gen_responses.run, rows, teacher=together(a, b, concurrency=4))
        until(lambda: len(a.asked) > 8)
        a.down()
        until(lambda: len(b.asked) > 100)
        died_after = len(a.asked)
        a.up()
        run = going.result(WAIT)
    assert (run.state, len(list(run.samples())), run.summary.retries) == ("done", 300, 0)
    assert len(a.asked) > died_after + 20
    [left, back] = [note for note in run.notes if a.base_url in note]
    assert (
        left.startswith(f"Continuing without {a.base_url} (connection")
        and "until it answers again" in left
    )
    assert "again" in back and back != left
