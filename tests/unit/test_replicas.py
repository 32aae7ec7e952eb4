"""Several servers of one model: who gets a request, and what becomes of those that die."""

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from servers import FaultServer, Reset, completion, free_port, is_probe, status

import sdgkit as sk
from sdgkit.errors import RequestRefused, SettingsError, TeacherRefused, TeacherUnreachable
from sdgkit.teachers import Reply, Request, Teacher, background, connect, replicas, retry_policy

WAIT = 30.0


@pytest.fixture(autouse=True)
def hurry(monkeypatch, tmp_path):
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


def text_of(body: dict) -> str:
    return str(body["messages"][-1]["content"])


def echo(body: dict, n: int) -> web.StreamResponse:
    return completion(text_of(body))


async def slowly(body: dict, n: int = 0) -> web.StreamResponse:
    await asyncio.sleep(0.05)
    return completion(text_of(body))


def together(*servers: FaultServer, **options) -> Teacher:
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


def test_addresses_may_stand_in_a_list_in_a_text_in_the_environment_and_in_the_file(
    a, b, monkeypatch
):
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


def test_one_address_given_twice_is_one_server(a):
    assert together(a, a).base_url == a.base_url


def test_all_must_serve_the_same_model(a, b):
    b.models = ["large"]
    with pytest.raises(TeacherRefused, match=rf"{b.base_url} has no model 'tiny'; it has large"):
        together(a, b)
    b.models = ["tiny", "large"]
    assert together(a, b).model == "tiny"
    a.models = ["tiny", "large"]
    assert together(a, b, model="large").ask("Hello").text == "Hello"


def test_one_that_is_down_from_the_start_is_named_left_out_and_taken_in_later(a, b):
    b.down()
    teacher = together(a, b)
    [note] = teacher.notes
    assert f"Nothing is listening at {b.base_url}" in note and "the other servers only" in note
    assert "connection refused" in teacher.left_out[b.base_url]
    assert teacher.ask("Hello").retries == 0
    b.up()
    until(lambda: teacher.ask("Hello") and b.asked)
    assert teacher.left_out == {}


def test_none_there_or_a_wrong_path_is_an_error_as_with_one(a):
    with pytest.raises(TeacherUnreachable, match="Nothing is listening"):
        connect(
            base_url=[f"http://127.0.0.1:{free_port()}/v1", f"http://127.0.0.1:{free_port()}/v1"]
        )
    with pytest.raises(TeacherUnreachable, match="no OpenAI-compatible API"):
        connect(base_url=[a.base_url, a.base_url.replace("/v1", "/api/v1")])


# ---- who gets what


def test_requests_go_to_the_least_busy_and_the_slots_are_those_of_all_together(a, b):
    a.behave = b.behave = slowly
    teacher = together(a, b, concurrency=6)
    names = [f"request {n}" for n in range(60)]
    assert texts(send(teacher, *names)) == names
    assert a.most_in_flight == b.most_in_flight == 3
    assert len(a.asked) + len(b.asked) == 60


def test_a_slow_one_gets_less(a, b):
    async def dawdle(body: dict) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return completion(text_of(body))

    a.behave = lambda body, n: dawdle(body)
    b.behave = slowly
    names = [f"request {n}" for n in range(40)]
    assert texts(send(together(a, b, concurrency=4), *names)) == names
    assert len(b.asked) > 2 * len(a.asked)


# ---- those that die


def test_one_that_dies_in_the_middle_costs_no_retries_and_comes_back(a, b):
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
def test_while_one_is_left_a_run_goes_on_whatever_ails_the_other(a, b, trouble):
    a.behave = lambda body, n: trouble()
    teacher = together(a, b, concurrency=4)
    names = [f"request {n}" for n in range(20)]
    assert texts(send(teacher, *names)) == names
    assert teacher.retries == 0 and list(teacher.left_out) == [a.base_url]


def test_the_absent_are_asked_for_one_token_only(a, b):
    a.behave = lambda body, n: status(503, "loading")
    teacher = together(a, b, concurrency=1)
    until(lambda: teacher.ask("Hello") and len(a.requests) > 5)
    assert len(a.asked) == 1 and all(is_probe(body) for body in a.requests[1:])


def test_one_that_hangs_is_left_out_after_its_first_timeout(a, b):
    async def hang() -> web.StreamResponse:
        await asyncio.sleep(1000)
        return completion("")

    a.behave = lambda body, n: hang()
    teacher = together(a, b, concurrency=4, timeout=0.5)
    names = [f"request {n}" for n in range(12)]
    assert texts(send(teacher, *names)) == names
    assert list(teacher.left_out) == [a.base_url] and len(a.asked) <= 4


def test_a_request_over_which_all_stumble_is_lost_alone(a, b):
    def stumble(body: dict, n: int) -> web.StreamResponse:
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


def test_what_one_refuses_the_other_is_not_asked(a, b):
    a.behave = b.behave = lambda body, n: status(400, "too long")
    with pytest.raises(RequestRefused, match="too long"):
        together(a, b).ask("Hello")
    assert len(a.requests + b.requests) == 1


def test_when_the_last_one_is_gone_the_teacher_is_away_until_any_answers(a, b):
    teacher = together(a, b)
    teacher.ask("Hello")
    a.down()
    b.down()
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    assert "connection refused" in teacher.away_reason
    b.up()
    assert texts(futures) == list("abc") and teacher.state == "present"


def test_an_expired_key_is_the_teachers_matter_and_not_one_servers(a, b, tmp_path):
    (tmp_path / "key.txt").write_text("sk-old", "utf-8")
    teacher = together(a, b, key_file=tmp_path / "key.txt")
    teacher.ask("Hello")
    a.key = b.key = "sk-new"
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    assert "no longer accepted" in teacher.away_reason
    (tmp_path / "key.txt").write_text("sk-new", "utf-8")
    assert texts(futures) == list("abc") and teacher.left_out == {}


def test_all_pages_of_metrics_are_summed_up(a, b):
    page = "vllm:num_requests_running 2\nvllm:num_requests_waiting 1\n"
    for server in (a, b):
        server.pages["/metrics"] = lambda: web.Response(text=page)
    load = together(a, b).load()
    assert load is not None and (load.running, load.waiting) == (4, 2)


def test_a_run_goes_on_when_one_dies_and_says_so_and_again_when_it_is_back(a, b):
    async def answer(body: dict) -> web.StreamResponse:
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
