"""The rehearsal teacher's server, asked over HTTP like any other."""

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

import pytest

from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.rehearsal import RehearsalProcess, start
from sdgkit.rehearsal.server import reply_time
from sdgkit.teachers.load import ServerLoad, read_load

HELLO_WITH = b'{"model": "rehearsal", "messages": [{"role": "user", "content": "x"}], %s}'
FORM = "Write one question. Start it with [Start of Question] and end it with [End of Question]."


@pytest.fixture(scope="module")
def teacher() -> Iterator[RehearsalProcess]:
    with start() as process:
        yield process


def connect(process: RehearsalProcess, timeout: float = 30) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", process.port, timeout=timeout)


def send(
    process: RehearsalProcess, path: str, data: bytes | None = None, **headers: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, parsed JSON and headers of one request, over a connection of its own."""
    with closing(connect(process)) as connection:
        connection.request("GET" if data is None else "POST", path, data, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), dict(answer.headers)


def post_and_give_up(process: RehearsalProcess) -> None:
    """Send a chat request and hang up after half a second without an answer."""
    body = json.dumps({"model": "rehearsal", "messages": [{"role": "user", "content": FORM}]})
    with closing(connect(process, timeout=0.5)) as connection:
        connection.request("POST", "/v1/chat/completions", body)
        with pytest.raises(TimeoutError):
            connection.getresponse()


def chat(
    process: RehearsalProcess, message: object, **fields: object
) -> tuple[int, dict[str, Any]]:
    messages = [{"role": "user", "content": message}] if not isinstance(message, list) else message
    body = {"model": "rehearsal", "messages": messages, **fields}
    status, reply, _ = send(process, "/v1/chat/completions", json.dumps(body).encode())
    return status, reply


def text(process: RehearsalProcess, message: object, **fields: object) -> str:
    status, reply = chat(process, message, **fields)
    assert status == 200, reply
    return str(reply["choices"][0]["message"]["content"])


def test_it_serves_one_model_called_rehearsal(teacher: RehearsalProcess) -> None:
    status, models, _ = send(teacher, "/v1/models")
    assert status == 200
    assert [model["id"] for model in models["data"]] == ["rehearsal"]


def test_the_same_request_gets_the_same_reply(teacher: RehearsalProcess) -> None:
    assert text(teacher, FORM, seed=5) == text(teacher, FORM, seed=5)


def test_another_sampling_seed_gets_another_reply_unless_it_is_greedy(
    teacher: RehearsalProcess,
) -> None:
    prompt = (
        "Example:\n[Start of Context]\nWe sold 40 bikes on Monday.\n[End of Context]\n"
        "Write a new context."
    )
    assert len({text(teacher, prompt, seed=seed, temperature=0.7) for seed in range(10)}) >= 9
    assert len({text(teacher, prompt, seed=seed, temperature=0) for seed in range(10)}) == 1


def test_the_tokens_of_prompt_and_reply_are_counted(teacher: RehearsalProcess) -> None:
    _, reply = chat(teacher, FORM, seed=1, temperature=1)
    usage = reply["usage"]
    assert usage["completion_tokens"] == -(-len(reply["choices"][0]["message"]["content"]) // 4)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens"] >= len(FORM) // 4


def test_a_reply_stops_before_a_stop_string(teacher: RehearsalProcess) -> None:
    whole = text(teacher, FORM, seed=1)
    _, reply = chat(teacher, FORM, seed=1, stop=["[End of Question]"])
    assert reply["choices"][0]["message"]["content"] == whole.split("[End of Question]")[0]
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_a_reply_cut_off_at_max_tokens_says_so(teacher: RehearsalProcess) -> None:
    _, reply = chat(teacher, FORM, max_tokens=3)
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == 3
    assert len(reply["choices"][0]["message"]["content"]) == 12


def test_the_openai_client_works_with_it(teacher: RehearsalProcess) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=teacher.base_url, api_key="none") as client:
        reply = client.chat.completions.create(
            model="rehearsal",
            messages=[{"role": "user", "content": "write a haiku about language models"}],
        )
        with pytest.raises(openai.NotFoundError, match="gpt-9"):
            client.chat.completions.create(
                model="gpt-9", messages=[{"role": "user", "content": "Hello"}]
            )
    assert len(reply.choices[0].message.content.splitlines()) == 3


def page_of(process: RehearsalProcess) -> ServerLoad:
    with closing(connect(process)) as connection:
        connection.request("GET", "/metrics")
        load = read_load(connection.getresponse().read().decode())
    assert load is not None
    return load


def test_its_metrics_say_how_many_requests_run_and_wait() -> None:
    with start(mean_latency_ms=2_000, sigma=0, slots=2) as process, ThreadPoolExecutor(5) as pool:
        assert page_of(process) == ServerLoad()
        answers = [pool.submit(chat, process, FORM, seed=number) for number in range(5)]
        end = time.monotonic() + 60
        while page_of(process) != ServerLoad(running=2, waiting=3, cache_use=1.0):
            assert time.monotonic() < end and not answers[-1].done()
        for answer in answers:
            answer.result()
        assert page_of(process) == ServerLoad()


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{not json", 400, "JSON"),
        (b"\xff\xfe", 400, "JSON"),
        (b"[]", 400, "object"),
        (b"[" * 100_000, 400, "JSON"),
        (b'{"model": "rehearsal"}', 400, "messages"),
        (b'{"model": "rehearsal", "messages": []}', 400, "messages"),
        (b'{"model": "rehearsal", "messages": ["hello"]}', 400, "messages"),
        (b'{"model": "rehearsal", "messages": [{"role": "user", "content": 5}]}', 400, "messages"),
        (
            b'{"model": "rehearsal", "messages": '
            b'[{"role": "user", "content": [{"type": "text"}]}]}',
            400,
            "messages",
        ),
        (b'{"messages": [{"role": "user", "content": "x"}]}', 404, "model"),
        (b'{"model": "other", "messages": [{"role": "user", "content": "x"}]}', 404, "other"),
        (HELLO_WITH % b'"n": 2', 400, "n cannot be 2"),
        (HELLO_WITH % b'"temperature": NaN', 400, "temp"),
        (HELLO_WITH % b'"max_tokens": "9"', 400, "max"),
        (HELLO_WITH % b'"stop": 7', 400, "stop"),
        (HELLO_WITH % b'"stream": true', 400, "stream"),
    ],
)
def test_a_wrong_request_gets_an_error_in_openais_shape(
    teacher: RehearsalProcess, body: bytes, status: int, word: str
) -> None:
    answered, reply, _ = send(teacher, "/v1/chat/completions", body)
    assert answered == status
    assert set(reply["error"]) == {"message", "type", "param", "code"}
    assert word in reply["error"]["message"]


def test_a_wrong_path_and_a_wrong_method_are_errors_too(teacher: RehearsalProcess) -> None:
    for path, status in (("/v2/models", 404), ("/v1/chat/completions", 405)):
        answered, reply, _ = send(teacher, path)
        assert (answered, reply["error"]["code"]) == (status, status)


def test_a_prompt_longer_than_the_context_is_refused() -> None:
    with start(context_length=500) as process:
        assert chat(process, "word " * 300, max_tokens=50)[0] == 200
        status, reply = chat(process, "word " * 500, max_tokens=50)
        assert status == 400
        assert "maximum context length is 500 tokens" in reply["error"]["message"]
        assert chat(process, "word " * 300, max_tokens=400)[0] == 400


@pytest.mark.parametrize(
    "message",
    [
        "",
        " \n\t ",
        "\x00\x01\x1b[31m\u202e\ufeff\ud800",
        "[Start of Question]" * 2000,
        "[End of Question]" * 2000,
        "[Start of A][Start of B][End of A][End of B]" * 500,
        "<a><b></a></b>[Start of Score][End of Score]",
        "[Start of Context]\n[Start of Context]\nx\n[End of Context]\n[End of Context] "
        "[Start of Score][End of Score]",
        "99999 questions [Start of Question][End of Question]",
        "|" * 20_000 + "[Start of Response][End of Response]",
        "[Start of Context]\n"
        + "1,2.3." * 5000
        + "\n[End of Context]\n[Start of Response][End of Response]",
        "[Start of Context]\n" + "a " * 30_000 + "\n[End of Context] score 1-" + "9" * 5000,
    ],
)
def test_hostile_messages_get_an_ordinary_answer(teacher: RehearsalProcess, message: str) -> None:
    status, reply = chat(teacher, message, seed=1)
    assert status == 200, reply
    assert isinstance(reply["choices"][0]["message"]["content"], str)


def test_megabytes_are_answered_in_json_and_the_server_keeps_running(
    teacher: RehearsalProcess,
) -> None:
    status, reply = chat(teacher, "[Start of X] " * 400_000)
    assert (status, reply["error"]["code"]) == (400, "context_length_exceeded")
    with start(context_length=10_000_000) as process:
        for message in (
            "[Start of X] " * 400_000,
            "word. " * 900_000,
            "1" * 5_000_000,
            "| a " * 900_000,
        ):
            assert (
                chat(process, f"{message}[Start of Response][End of Response]", max_tokens=10)[0]
                == 200
            )
    assert send(teacher, "/v1/models")[0] == 200


# --- faults -------------------------------------------------------------


def outcomes(process: RehearsalProcess, count: int, **fields: object) -> Counter[object]:
    """The outcomes of so many requests: a status, or "lost" for a connection that broke."""

    def one(number: int) -> object:
        try:
            return chat(process, f"{FORM} {number}", **fields)[0]
        except (HTTPException, ConnectionError):
            return "lost"

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(one, range(count)))


# 400 draws at a share of 0.2: the bounds lie five standard deviations away
@pytest.mark.parametrize(
    ("option", "outcome"),
    [("error_rate", 500), ("rate_limit", 429), ("drop_rate", "lost")],
    ids=str,
)
def test_the_share_of_requests_asked_for_meets_a_connection_fault(
    option: str, outcome: object
) -> None:
    with start(**{option: 0.2}) as process:
        found = outcomes(process, 400)
    assert 40 <= found[outcome] <= 120
    assert found[outcome] + found[200] == 400


def test_a_retry_gets_through(teacher: RehearsalProcess) -> None:
    with start(error_rate=0.5) as process:
        statuses = {chat(process, FORM)[0] for _ in range(40)}
    assert statuses == {200, 500}


def test_a_429_can_say_when_to_come_back() -> None:
    body = json.dumps(
        {"model": "rehearsal", "messages": [{"role": "user", "content": FORM}]}
    ).encode()
    with start(rate_limit=1.0, retry_after=2) as process:
        status, _, headers = send(process, "/v1/chat/completions", body)
    assert (status, headers["Retry-After"]) == (429, "2")


def test_a_hanging_request_is_never_answered_and_blocks_no_other() -> None:
    with start(hang_rate=1.0, slots=1) as process:
        post_and_give_up(process)
        assert send(process, "/v1/models")[0] == 200


def test_malformed_replies_are_the_same_ones_each_time_and_break_the_form_in_several_ways() -> None:
    with start(malformed_rate=0.3) as process:
        replies = [text(process, f"{FORM} {number}", seed=number) for number in range(200)]
        again = [text(process, f"{FORM} {number}", seed=number) for number in range(200)]
    broken = [
        reply
        for reply in replies
        if not ("[Start of Question]" in reply and "[End of Question]" in reply)
    ]
    assert replies == again
    assert 28 <= len(broken) <= 92
    assert "" in broken and "[Start of Question]" in broken
    assert len(set(broken)) >= 4


def test_without_the_option_no_reply_is_malformed(teacher: RehearsalProcess) -> None:
    replies = [text(teacher, f"{FORM} {number}", seed=number) for number in range(200)]
    assert all(
        r.startswith("[Start of Question]\n") and r.endswith("\n[End of Question]") for r in replies
    )


def test_truncated_replies_say_so_and_others_do_not() -> None:
    with start(truncate_rate=0.3) as process:
        choices = [chat(process, f"{FORM} {number}")[1]["choices"][0] for number in range(200)]
    cut_off = [choice for choice in choices if choice["finish_reason"] == "length"]
    assert 28 <= len(cut_off) <= 92
    for choice in choices:
        assert ("[End of Question]" in choice["message"]["content"]) == (
            choice["finish_reason"] == "stop"
        )


def test_no_more_requests_are_processed_at_once_than_there_are_slots() -> None:
    with start(mean_latency_ms=400, sigma=0, slots=2) as process:
        began = time.monotonic()
        assert outcomes(process, 8) == {200: 8}
        # four rounds of two: less time would mean that three were worked on at once
        assert time.monotonic() - began >= 1.5


def test_a_client_that_hangs_up_gives_its_slot_back() -> None:
    with start(mean_latency_ms=3_000, sigma=0, slots=1) as process:
        with ThreadPoolExecutor(40) as pool:
            for given_up in [pool.submit(post_and_give_up, process) for _ in range(40)]:
                given_up.result()
        # Those that were given up would have kept the only slot for two minutes; the connection
        # waits for half a minute.
        assert chat(process, FORM)[0] == 200


# --- options ------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"error_rate": 1.5}, "error_rate"),
        ({"error_rate": 0.6, "drop_rate": 0.6}, "must not exceed 1"),
        ({"slots": 0}, "slots"),
        ({"eror_rate": 0.5}, "eror_rate"),
        ({"hang_rate": "often"}, "hang_rate"),
        ({"slots": 2.5}, "slots"),
        ({"port": 65536}, "port"),
        ({"mean_latency_ms": float("nan")}, "mean_latency_ms"),
        ({"retry_after": -1}, "retry_after"),
        ({"error_rate": None}, "error_rate"),
    ],
)
def test_an_unusable_option_is_named(options: dict[str, Any], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        start(**options)


def test_a_taken_port_is_named_as_the_reason(teacher: RehearsalProcess) -> None:
    with pytest.raises(TeacherUnreachable, match=str(teacher.port)):
        _ = start(port=teacher.port).base_url


def test_a_reply_takes_as_long_whoever_asks_first() -> None:
    times = [reply_time(str(number).encode(), 0.8) for number in range(2_000)]
    assert times == [reply_time(str(number).encode(), 0.8) for number in range(2_000)]
    assert statistics.fmean(times) == pytest.approx(1, abs=0.08)
    assert reply_time(b"any", 0) == 1
