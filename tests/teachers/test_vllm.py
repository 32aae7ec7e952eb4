"""The real vLLM: what connect, requests, limits and errors are like there."""

import asyncio
import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from teachers.real_servers import CONTEXT_TOKENS, KEY, SEEN, RealServer
from teachers.samples import SAMPLED_JUDGES, SEEDS, assert_adds_up, assert_well_formed
from teachers.waiting import wait_until

import sdgkit as sk
from sdgkit.errors import RequestRefused, TeacherRefused
from sdgkit.teachers import Reply, Request, Teacher, background

KEEP_ALIVE_SECONDS = 5  # uvicorn's default, with which vLLM runs
ENDLESS = {"ignore_eos": True}  # vLLM: go on until max_tokens


def chat(text: str, ordinal: int = 1, **sampling: object) -> Request:
    return Request(
        ({"role": "user", "content": text},),
        {"max_tokens": 20, "temperature": 0.9, **sampling},
        ordinal,
    )


def ask_all(teacher: sk.Teacher, requests: list[Request]) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        return await asyncio.gather(*(teacher.reply(request) for request in requests))

    return background.wait(all_of_them())


def test_connect_finds_the_only_model(teacher: Teacher, vllm: RealServer) -> None:
    assert (teacher.kind, teacher.model, teacher.base_url) == ("vllm", "tiny", vllm.url)
    assert teacher.models() == ["tiny"]
    assert teacher.notes == []


def test_the_address_may_be_given_without_its_path(vllm: RealServer) -> None:
    with_root = sk.connect(base_url=vllm.url.removesuffix("/v1"), api_key=KEY)
    assert with_root.base_url == vllm.url
    with_root.close()


def test_a_wrong_model_is_told_with_those_that_there_are(vllm: RealServer) -> None:
    with pytest.raises(
        TeacherRefused, match=r"has no model 'llama'; it has tiny\. Choose one with --model"
    ):
        sk.connect("vllm", base_url=vllm.url, api_key=KEY, model="llama")


@pytest.mark.parametrize(
    ("key", "words"), [("wrong", "does not accept the key"), (None, "requires a key")]
)
def test_a_wrong_or_missing_key_is_told(vllm: RealServer, key: Any, words: str) -> None:
    with pytest.raises(TeacherRefused, match=rf"{words}.*SDGKIT_API_KEY"):
        sk.connect("vllm", base_url=vllm.url, api_key=key)


def test_a_prompt_that_is_too_long_drops_its_row_with_the_servers_own_words(
    teacher: Teacher,
) -> None:
    seeds = [dict(SEEDS[0], seed_context="far too long " * CONTEXT_TOKENS), SEEDS[1]]
    run = sk.gen_contexts.run(seeds, teacher=teacher, num_contexts=1)
    [drop] = [drop for drop in run.drops() if drop["reason"] != "malformed"]
    assert (drop["id"], drop["reason"]) == ("s1/c1", "teacher_error")
    assert f"maximum context length is {CONTEXT_TOKENS} tokens" in drop["message"]


def test_a_refused_request_leaves_the_teacher_as_it_was(teacher: Teacher) -> None:
    with pytest.raises(RequestRefused, match=str(CONTEXT_TOKENS)):
        teacher.ask("Name a colour.", max_tokens=CONTEXT_TOKENS + 1)
    assert teacher.ask("Name a colour.", max_tokens=5, extra_body=ENDLESS).completion_tokens == 5
    assert teacher.notes == [], "a value too large is no reason to leave max_tokens out"


def test_tokens_are_counted_as_the_server_counts_them(teacher: Teacher, vllm: RealServer) -> None:
    reply = teacher.ask("Name a colour.", max_tokens=7, temperature=1, extra_body=ENDLESS)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Name a colour."}]}
    request = urllib.request.Request(
        vllm.url.removesuffix("/v1") + "/tokenize",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert reply.prompt_tokens == json.loads(answer.read())["count"]
    assert reply.completion_tokens == 7


def test_the_same_request_gives_the_same_reply_and_another_ordinal_another(
    teacher: Teacher,
) -> None:
    first, again, other = (
        ask_all(teacher, [chat("Name a colour.", ordinal, extra_body=ENDLESS)])[0]
        for ordinal in (1, 1, 2)
    )
    assert first.text == again.text
    assert first.text != other.text


def test_a_reply_that_is_cut_off_is_truncated_and_not_asked_again(teacher: Teacher) -> None:
    sampling = {"max_tokens": 12, "extra_body": ENDLESS}
    run = sk.gen_contexts.run(
        SEEDS, teacher=teacher, num_contexts=2, sampling=sampling, structure="never"
    )
    assert run.funnel[0].dropped == {"truncated": 4}
    assert run.summary.requests == 4
    assert run.summary.completion_tokens == 4 * 12
    assert "cut off after 12 tokens" in next(run.drops())["message"]


def test_64_requests_are_with_it_at_once(vllm: RealServer) -> None:
    teacher = sk.connect("vllm", base_url=vllm.url, api_key=KEY, concurrency=64)
    requests = [chat(f"Say {n}.", max_tokens=400, extra_body=ENDLESS) for n in range(64)]
    replies: list[Reply] = []
    asking = threading.Thread(target=lambda: replies.extend(ask_all(teacher, requests)))
    asking.start()
    most = 0
    while asking.is_alive():
        load = teacher.load()
        most = max(most, load.running + load.waiting if load else 0)
        time.sleep(0.02)
    teacher.close()
    assert [reply.completion_tokens for reply in replies] == [400] * 64
    assert len({reply.text for reply in replies}) == 64
    assert most > 32


def test_how_busy_it_is_and_what_its_prefix_cache_saves_is_told(teacher: Teacher) -> None:
    for _ in range(2):
        teacher.ask("The same long beginning, many times over. " * 40, max_tokens=2)
    load = teacher.load()
    assert load is not None
    assert load.running == 0
    assert 0 < load.prefix_cache_hits < load.prefix_cache_queries


def test_connections_that_the_server_closed_while_idle_cost_nothing(teacher: Teacher) -> None:
    requests = [chat(f"Say {n}.") for n in range(16)]
    ask_all(teacher, requests)
    time.sleep(KEEP_ALIVE_SECONDS + 1)
    assert len(ask_all(teacher, requests)) == 16


def test_chat_template_settings_reach_the_server(teacher: Teacher) -> None:
    plain = teacher.ask("Hello", max_tokens=3)
    with_aside = teacher.ask(
        "Hello", max_tokens=3, extra_body={"chat_template_kwargs": {"aside": "zzzzz"}}
    )
    assert with_aside.prompt_tokens == plain.prompt_tokens + 5


@pytest.mark.last
def test_a_run_survives_the_kill_of_the_server(
    teacher: Teacher, vllm: RealServer, llama_stack: RealServer, tmp_path: Path
) -> None:
    """Directly and through Llama Stack: it pauses, resumes, loses nothing, asks nothing twice."""
    stack = sk.connect("llama-stack", base_url=llama_stack.url)
    runs = {}
    for name, one in {"direct": teacher, "stack": stack}.items():
        plan = sk.plan(
            SEEDS,
            teacher=one,
            num_contexts=8,
            num_questions=2,
            profile=False,
            structure="always",
            sampling=SAMPLED_JUDGES,
        )
        runs[name] = sk.Run(plan, tmp_path / name, on_note=lambda _: None).start()
    wait_until(lambda: all(run.snapshot().requests >= 8 for run in runs.values()))
    vllm.kill()
    wait_until(lambda: all(run.state == "paused" for run in runs.values()))
    done_before = {name: run.snapshot().requests for name, run in runs.items()}
    vllm.start()
    for name, run in runs.items():
        run.wait()
        assert run.state == "done"
        assert run.summary.retries > 0
        assert any(note.startswith("Paused") for note in run.notes)
        assert run.snapshot().requests > done_before[name]
        # A reply is recorded under its request's key: had one been asked twice, there would be
        # fewer.
        assert run.snapshot().requests == run.summary.requests
        assert not [drop for drop in run.drops() if drop["reason"] == "teacher_error"]
        assert_adds_up(run)
        assert_well_formed(run)
        assert len(list(run.samples())) > 0
        again = sk.Run(run.plan, tmp_path / name, on_note=lambda _: None).start().wait()
        assert again.summary.requests == run.summary.requests
        SEEN.append(
            f"a run survived the kill of {vllm.name} {vllm.version} ({name}): "
            f"{done_before[name]} replies before it, {run.summary.requests} in the end, "
            f"none asked twice, {len(list(run.samples()))} samples"
        )
    stack.close()
