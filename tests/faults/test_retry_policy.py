"""What becomes of failures: the moment's, the request's and the teacher's, on a real server that
misbehaves.
"""

import asyncio
import concurrent.futures
import email.utils
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from servers import Cut, FaultServer, Reset, completion, is_probe, page, status

import sdgkit as sk
from sdgkit.errors import RequestRefused, RequestWithheld, TeacherRefused, TeacherUnreachable
from sdgkit.teachers import Reply, Request, Teacher, background, connect, retry_policy

WAIT = 120.0


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter waits."""
    monkeypatch.setattr(retry_policy, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(retry_policy, "LONGEST_WAIT", 0.2)
    monkeypatch.setattr(retry_policy, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(retry_policy, "LONGEST_PROBE_WAIT", 0.1)


def send(teacher: Teacher, *texts: str) -> list[concurrent.futures.Future[Reply]]:
    """Ask all of these at once."""
    requests = [Request(({"role": "user", "content": text},), {}) for text in texts]
    return [background.submit(teacher.reply(request)) for request in requests]


def text_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def until(condition: Callable[[], object]) -> None:
    """Wait for it; a test that waits in vain fails."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


def texts(futures: list[concurrent.futures.Future[Reply]]) -> list[str]:
    return [future.result(WAIT).text for future in futures]


def is_idle(teacher: Teacher) -> bool:
    return teacher.slots.in_use == 0


async def hang() -> web.StreamResponse:
    await asyncio.sleep(1000)
    return completion("")


Failure = Callable[[], web.StreamResponse]


# ---- the moment


@pytest.mark.parametrize(
    "trouble",
    [
        Reset,
        Cut,
        lambda: status(500, "stumbled"),
        lambda: status(503, "restarting"),
        lambda: status(429, "slow down"),
        lambda: page("Bad Gateway", 502),
        lambda: web.Response(text='{"choices": [{"mess', content_type="application/json"),
    ],
    ids=["reset", "cut off", "500", "503", "429", "a proxy's 502", "half a reply"],
)
def test_a_transient_failure_is_retried_until_it_has_passed(
    server: FaultServer, trouble: Failure
) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        number = len(server.asked)
        return (
            trouble() if number in (2, 3) and not is_probe(body) else completion(f"reply {number}")
        )

    server.behave = behave
    teacher = connect(base_url=server.base_url)
    assert teacher.ask("first").retries == 0
    reply = teacher.ask("second")
    assert (reply.text, reply.retries, teacher.retries) == ("reply 4", 2, 2)
    assert is_idle(teacher) and teacher.state == "present"


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(server: FaultServer, form: str) -> None:
    arrived: list[float] = []

    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        if is_probe(body):
            return completion("!")
        arrived.append(time.time())
        date = email.utils.formatdate(arrived[0] + 2, usegmt=True)
        return (
            completion("hello")
            if len(arrived) > 1
            else status(429, "later", Retry_After="1" if form == "seconds" else date)
        )

    server.behave = behave
    connect(base_url=server.base_url, patience=60).ask("Hello")
    assert arrived[1] - arrived[0] >= 1.0


def test_a_429_with_a_nonsensical_retry_after_is_a_429(server: FaultServer) -> None:
    answers = [
        status(429, "later", Retry_After=words)
        for words in ("1e999", "Wed, 21 Oct 99999 07:28:00 GMT", "soon")
    ]
    server.behave = lambda body, n: answers.pop() if answers else completion("hello")
    assert connect(base_url=server.base_url).ask("Hello").text == "hello"


def test_an_error_in_the_body_of_a_200_counts_as_what_it_says(server: FaultServer) -> None:
    answers = [web.json_response({"error": {"message": "slow down", "code": 429}})]
    server.behave = lambda body, n: answers.pop() if answers else completion("hello")
    assert connect(base_url=server.base_url).ask("Hello").text == "hello"


def test_a_stray_429_delays_its_own_request_and_no_other(server: FaultServer) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        return (
            status(429, "later", Retry_After="3600")
            if text_of(body) == "stray"
            else completion(text_of(body))
        )

    server.behave = behave
    teacher = connect(base_url=server.base_url, concurrency=1)
    [stray] = send(teacher, "stray")
    until(lambda: teacher.retries)
    others = [f"other {n}" for n in range(30)]
    assert texts(send(teacher, *others)) == others
    assert teacher.state == "present" and not stray.done() and is_idle(teacher)
    stray.cancel()


def test_many_errors_among_answers_lose_no_request(server: FaultServer) -> None:
    server.behave = lambda body, n: (
        status(500, "stumbled") if n % 10 == 0 else completion(text_of(body))
    )
    teacher = connect(base_url=server.base_url, concurrency=8)
    names = [f"request {n}" for n in range(100)]
    assert texts(send(teacher, *names)) == names
    assert teacher.retries > 0


# ---- the request


def test_a_refused_request_is_not_tried_again_and_keeps_the_servers_words(
    server: FaultServer,
) -> None:
    server.behave = lambda body, n: status(
        400, "This model's context is 4096 tokens, you asked for 5000."
    )
    with pytest.raises(
        RequestRefused, match=r"\(400: This model's context is 4096 tokens, you asked for 5000\.\)"
    ):
        connect(base_url=server.base_url).ask("Hello")
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [413, 422])
def test_other_refusals_of_one_request_are_final_too(server: FaultServer, code: int) -> None:
    server.behave = lambda body, n: status(code, "no")
    with pytest.raises(RequestRefused):
        connect(base_url=server.base_url).ask("Hello")


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_request_that_always_makes_the_server_stumble_fails_and_the_others_are_answered(
    server: FaultServer, concurrency: int
) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        return (
            status(500, "out of memory") if text_of(body) == "poison" else completion(text_of(body))
        )

    server.behave = behave
    teacher = connect(base_url=server.base_url, concurrency=concurrency)
    [poison] = send(teacher, "poison")
    others = [f"other {n}" for n in range(20)] if concurrency > 1 else []
    assert texts(send(teacher, *others)) == others
    with pytest.raises(
        RequestRefused, match=r"failed 7 times on this request.*\(500: out of memory\)"
    ):
        poison.result(WAIT)
    assert is_idle(teacher)
    assert texts(send(teacher, "and on")) == ["and on"]


def test_a_request_that_never_ends_is_given_up_after_its_second_timeout(
    server: FaultServer,
) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        return hang() if text_of(body) == "endless" else completion(text_of(body))

    server.behave = behave
    teacher = connect(base_url=server.base_url, timeout=0.5)
    [endless] = send(teacher, "endless")
    with pytest.raises(RequestRefused, match="timed out"):
        endless.result(WAIT)
    assert [text_of(body) for body in server.asked].count("endless") >= 2
    assert is_idle(teacher)


def _answer_of(body: object) -> web.Response:
    return web.json_response(body)


NO_REPLIES = {
    "no choices": {"choices": []},
    "null choices": {"choices": None},
    "a null message": {"choices": [{"message": None, "finish_reason": "stop"}]},
    "an error in words": {"error": "The backend went away"},
    "an error with a text as its code": {"error": {"message": "slow down", "code": "429"}},
    "an error object": {"object": "error", "message": "HIGH TRAFFIC", "code": 50001},
    "an error's own end": {
        "choices": [{"message": {"content": "Half a"}, "finish_reason": "error"}],
    },
    "an error in the choice": {
        "choices": [
            {"message": {"content": "Half"}, "finish_reason": "stop", "error": {"code": 502}}
        ],
    },
    "a word that nobody knows": {
        "choices": [{"message": {"content": "Half a"}, "finish_reason": "watchdog"}],
    },
}


@pytest.mark.parametrize("body", NO_REPLIES.values(), ids=NO_REPLIES.keys())
def test_an_answer_without_a_whole_reply_is_asked_for_again(
    server: FaultServer, body: object
) -> None:
    server.behave = lambda request, n: _answer_of(body) if n == 1 else completion("whole")
    with connect(base_url=server.base_url) as teacher:
        reply = teacher.ask("Hello")
    assert reply.text == "whole"
    assert reply.retries == 1


def test_an_answer_that_never_holds_a_reply_loses_its_row_only(server: FaultServer) -> None:
    server.behave = lambda body, n: _answer_of({"choices": []})
    with (
        connect(base_url=server.base_url) as teacher,
        pytest.raises(RequestRefused, match=r'failed 7 times.*no reply: \{"choices": \[\]\}'),
    ):
        teacher.ask("Hello")


def test_the_servers_word_for_how_a_reply_broke_off_is_in_the_refusal(server: FaultServer) -> None:
    body = {"choices": [{"message": {"content": "Half"}, "finish_reason": "cluster_drain"}]}
    server.behave = lambda request, n: _answer_of(body)
    with (
        connect(base_url=server.base_url) as teacher,
        pytest.raises(RequestRefused, match="'cluster_drain'"),
    ):
        teacher.ask("Hello")


@pytest.mark.parametrize(
    "error",
    [
        {"message": "The prompt triggered a filter.", "code": "content_filter"},
        {"message": "No.", "code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}},
        {"message": "Input data may contain…", "code": "data_inspection_failed"},
    ],
)
def test_a_request_that_a_filter_stops_is_asked_once(
    server: FaultServer, error: dict[str, object]
) -> None:
    server.behave = lambda body, n: web.json_response({"error": error}, status=400)
    with (
        connect(base_url=server.base_url) as teacher,
        pytest.raises(RequestWithheld, match=str(error["message"])),
    ):
        teacher.ask("Hello")
    assert len(server.asked) == 1


# ---- the teacher


def test_a_teacher_that_fails_all_requests_is_away_until_it_answers_again(
    server: FaultServer,
) -> None:
    server.behave = lambda body, n: status(503, "restarting")
    teacher = connect(base_url=server.base_url, concurrency=4)
    futures = send(teacher, *"abcdefghij")
    until(lambda: teacher.state == "away" and teacher.slots.in_use == 0)
    assert teacher.away_reason == "503: restarting"
    sent, probes = len(server.asked), len(server.requests) - len(server.asked)
    until(lambda: len(server.requests) - len(server.asked) >= probes + 3)
    assert len(server.asked) == sent, "only probes are sent while the teacher is away"
    server.behave = lambda body, n: completion(text_of(body))
    assert texts(futures) == list("abcdefghij")
    assert (teacher.state, teacher.away_reason) == ("present", "")
    assert server.most_in_flight <= 4 + 1 and is_idle(teacher)


def test_a_teacher_that_goes_down_and_comes_back_loses_nothing(server: FaultServer) -> None:
    server.behave = lambda body, n: completion(text_of(body))
    teacher = connect(base_url=server.base_url)
    assert texts(send(teacher, "before")) == ["before"]
    server.down()
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    assert "connection refused" in teacher.away_reason
    server.up()
    assert texts(futures) == list("abc")


@pytest.mark.parametrize("code", [200, 404])
def test_a_proxys_page_in_place_of_a_teacher_that_has_answered_is_waited_out(
    server: FaultServer, code: int
) -> None:
    server.behave = lambda body, n: completion(text_of(body))
    teacher = connect(base_url=server.base_url)
    assert texts(send(teacher, "before")) == ["before"]
    server.behave = lambda body, n: page("Back in a minute", code)
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    assert teacher.away_reason == f"{code}: Back in a minute"
    server.behave = lambda body, n: completion(text_of(body))
    assert texts(futures) == list("abc")


def test_a_server_that_lists_models_but_has_no_chat_is_reported_at_once(
    server: FaultServer,
) -> None:
    server.behave = lambda body, n: page("Not Found", 404)
    with pytest.raises(TeacherUnreachable, match="no OpenAI-compatible API at this path"):
        connect(base_url=server.base_url).ask("Hello")


def test_being_away_uses_up_no_retries_however_often(server: FaultServer) -> None:
    times_away = 0
    failed_probes = 0

    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        nonlocal times_away, failed_probes
        if times_away == 12:
            return completion(text_of(body))
        if is_probe(body):
            failed_probes += 1
            if failed_probes % 3 == 0:
                times_away += 1
                return completion("!")
        return status(503, "overrun")

    server.behave = behave
    assert texts(send(connect(base_url=server.base_url), *"abc")) == list("abc")
    assert times_away == 12


def test_when_patience_is_over_all_requests_fail_and_the_next_one_starts_afresh(
    server: FaultServer,
) -> None:
    teacher = connect(base_url=server.base_url, patience=0.5, concurrency=2)
    server.down()
    futures = send(teacher, *"abcdef")
    for future in futures:
        with pytest.raises(
            TeacherUnreachable,
            match=r"has not answered for as long .* \(connection refused.*again to resume",
        ):
            future.result(WAIT)
    assert is_idle(teacher) and teacher.state == "present"
    server.up()
    assert texts(send(teacher, "again")) == ["hello"]


def test_a_stream_that_asks_meanwhile_fails_as_well(server: FaultServer) -> None:
    teacher = connect(base_url=server.base_url, patience=0.5, concurrency=1)
    server.down()
    send(teacher, "a")
    until(lambda: teacher.state == "away")

    async def stream() -> Reply:
        await teacher.slots.acquire()
        return await teacher.reply(Request(({"role": "user", "content": "b"},), {}), slot_held=True)

    with pytest.raises(TeacherUnreachable, match="not answered for"):
        background.submit(stream()).result(WAIT)
    assert is_idle(teacher)


def test_a_teacher_that_is_no_longer_asked_is_not_away(server: FaultServer) -> None:
    server.behave = lambda body, n: status(503, "restarting")
    teacher = connect(base_url=server.base_url)
    futures = send(teacher, *"abc")
    until(lambda: teacher.state == "away")
    for future in futures:
        future.cancel()
    until(lambda: teacher.state == "present" and is_idle(teacher))


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (lambda: status(401, "expired"), r"requires a key.*\(401: expired\)"),
        (lambda: status(403, "not for you"), r"\(403: not for you\)"),
        (lambda: status(404, "The model `tiny` does not exist."), "has no model 'tiny'"),
    ],
)
def test_a_final_refusal_stops_a_run_at_once(
    server: FaultServer, refusal: Failure, words: str
) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        return refusal() if len(server.asked) == 5 else status(429, "later", Retry_After="3600")

    server.behave = behave
    rows = [
        {"task_description": "d", "seed_question": f"q{n}", "seed_response": "r"} for n in range(5)
    ]
    with pytest.raises(TeacherRefused, match=words):
        sk.gen_questions(rows, teacher=connect(base_url=server.base_url), num_questions=1)


# ---- slots


def test_cancelled_requests_release_their_slots_wherever_they_are(server: FaultServer) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        if is_probe(body):
            return completion("!")
        return hang() if text_of(body) == "hangs" else status(429, "later", Retry_After="3600")

    server.behave = behave
    teacher = connect(base_url=server.base_url, concurrency=2)
    waiting_to_retry = send(teacher, "fails")
    until(lambda: teacher.retries)
    on_their_way = send(teacher, "hangs", "hangs")
    until(lambda: server.in_flight == 2)
    in_the_queue = send(teacher, "hangs")
    for future in [*in_the_queue, *on_their_way, *waiting_to_retry]:
        future.cancel()
    until(lambda: is_idle(teacher))
    until(lambda: server.in_flight == 0)


@pytest.mark.parametrize("answer", [lambda: completion("hello"), lambda: status(400, "no")])
def test_a_slot_held_by_the_caller_is_released(server: FaultServer, answer: Failure) -> None:
    server.behave = lambda body, n: answer()
    teacher = connect(base_url=server.base_url, concurrency=1)

    async def scene() -> None:
        await teacher.slots.acquire()
        request = Request(({"role": "user", "content": "Hello"},), {})
        await asyncio.gather(teacher.reply(request, slot_held=True), return_exceptions=True)

    background.wait(scene())
    assert is_idle(teacher) and len(server.requests) == 1


def test_never_more_requests_are_in_flight_than_there_are_slots(server: FaultServer) -> None:
    async def slowly(text: str) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return completion(text)

    server.behave = lambda body, n: slowly(text_of(body))
    teacher = connect(base_url=server.base_url, concurrency=3)
    names = [f"request {n}" for n in range(30)]
    assert texts(send(teacher, *names)) == names
    assert server.most_in_flight == 3
