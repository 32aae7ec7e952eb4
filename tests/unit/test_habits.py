"""Habits of real models and servers: separate reasoning, parameters that are refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted
from aiohttp import web
from scripted import ScriptedTeacher, tagged
from servers import FaultServer, completion, is_probe, status

import sdgkit as sk
from sdgkit.errors import RequestRefused

PROMPT = scripted.PROMPTS["gen_contexts"]
THINKING = "First I wonder, then I wonder more"


def reply(text: str | None, finish_reason: str = "stop", **message: str) -> web.Response:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish_reason,
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 100, "total_tokens": 107}
    return web.json_response(
        {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}
    )


def contexts(script: ScriptedTeacher, **more: Any) -> sk.Run:
    settings = {"num_contexts": 1, "extra_tries": 0, "prompt": PROMPT, **more}
    return sk.gen_contexts.run(scripted.seeds(2), teacher=script.connect(), **settings)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as server:
        yield server


# Reasoning ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cut_off",
    [
        lambda: reply(None, "length", reasoning_content=THINKING),
        lambda: reply("", "length", reasoning=THINKING),
        lambda: reply(f"<think>\n{THINKING}", "length"),
    ],
    ids=["reasoning_content", "reasoning", "think"],
)
def test_a_model_cut_off_while_thinking_is_truncated(
    script: ScriptedTeacher, cut_off: Callable[[], web.Response]
) -> None:
    script.answer = lambda ask: cut_off()
    run = contexts(script)
    assert run.funnel[0].dropped == {"truncated": 2}
    assert script.asked() == 2, "asking again would give the same at the same price"
    message = next(run.drops())["message"]
    assert "after 100 tokens" in message and "less thinking" in message


def test_a_reply_cut_off_after_its_thinking_is_truncated_like_any_other(
    script: ScriptedTeacher,
) -> None:
    script.answer = lambda ask: reply(
        "[Start of Context]\nHalf a", "length", reasoning_content=THINKING
    )
    [first, _] = contexts(script).drops()
    assert first["reason"] == "truncated"


def test_thinking_without_a_text_is_malformed_and_asked_again(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        reply(None, reasoning_content=THINKING)
        if ask.attempt == 1
        else tagged(context=f"C {ask.name}")
    )
    assert contexts(script).funnel[0].rows_out == 2


def test_reasoning_is_kept_in_the_journal_and_exported_nowhere(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        script.answer = lambda ask: reply(script.usual(ask), reasoning_content=THINKING)
        plan = sk.plan(
            scripted.seeds(2),
            teacher=script.connect(),
            prompts=scripted.PROMPTS,
            profile=False,
            num_contexts=2,
        )
        run = sk.Run(plan, tmp_path).start().wait()
        sample = next(run.samples())
        assert [exchange.reasoning for exchange in run.trace(sample["id"]).exchanges] == [
            THINKING
        ] * 5
        run.export("messages", tmp_path / "more.jsonl")
    for file in tmp_path.iterdir():
        if file.is_file() and not file.name.startswith(("journal.sqlite", ".")):
            assert THINKING.encode() not in file.read_bytes(), file.name


def test_extra_body_brings_the_chat_templates_settings_to_the_server(
    script: ScriptedTeacher,
) -> None:
    settings = {"chat_template_kwargs": {"enable_thinking": False}}
    contexts(script, sampling={"extra_body": settings})
    assert {ask.body["chat_template_kwargs"]["enable_thinking"] for ask in script.asks} == {False}
    assert "extra_body" not in script.asks[0].body


# Parameters that a server refuses -----------------------------------------------------------------


def refusal(
    message: str, param: str | None = None, code: str | None = None, http: int = 400
) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return web.json_response({"error": error}, status=http)


REFUSALS: dict[str, tuple[str, Callable[[], web.Response]]] = {
    "OpenAI's reasoning models, temperature": (
        "temperature",
        lambda: refusal(
            "Unsupported value: 'temperature' does not support 0.3 with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        ),
    ),
    "an unknown seed, without saying which parameter": (
        "seed",
        lambda: refusal("Unrecognized request argument supplied: seed"),
    ),
    "pydantic's extra_forbidden": (
        "seed",
        lambda: web.json_response(
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "seed"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
            status=422,
        ),
    ),
    "max_tokens, with no other name for it": (
        "max_tokens",
        lambda: refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model.", "max_tokens"
        ),
    ),
}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as made:
        yield made


def connected(server: FaultServer) -> sk.Teacher:
    return sk.connect("openai", base_url=server.base_url, api_key="key")


@pytest.mark.parametrize("case", REFUSALS)
def test_a_parameter_that_a_server_refuses_is_learned_once_and_left_out(
    server: FaultServer, case: str
) -> None:
    name, refuse = REFUSALS[case]
    server.behave = lambda body, n: refuse() if name in body else completion("hello")
    teacher = connected(server)
    for _ in range(3):
        assert teacher.ask("Hello", temperature=0.3, max_tokens=20).text == "hello"
    assert sum(name in body for body in server.requests) == 1
    assert len(server.requests) == 4
    [note] = teacher.notes
    assert name in note
    teacher.close()


def test_max_tokens_is_sent_under_its_other_name_where_the_server_wants_it(
    server: FaultServer,
) -> None:
    words = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead."
    )
    server.behave = lambda body, n: (
        refusal(words, "max_tokens", "unsupported_parameter")
        if "max_tokens" in body
        else completion("hello")
    )
    teacher = connected(server)
    teacher.ask("Hello", max_tokens=20)
    assert server.requests[-1]["max_completion_tokens"] == 20
    assert "max_completion_tokens" in teacher.notes[0]
    teacher.close()


def test_a_model_that_refuses_all_optional_parameters_is_still_asked(server: FaultServer) -> None:
    def picky(body: dict[str, Any], n: int) -> web.StreamResponse:
        for name in ("max_tokens", "temperature", "seed", "top_p"):
            if name in body:
                other = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                return refusal(
                    f"Unsupported parameter: '{name}'.{other}", name, "unsupported_parameter"
                )
        return completion("hello")

    server.behave = picky
    teacher = connected(server)
    assert teacher.ask("Hello", max_tokens=20, temperature=0, top_p=0.5).text == "hello"
    assert set(server.requests[-1]) == {"model", "messages", "max_completion_tokens"}
    assert len(teacher.notes) == 4
    teacher.close()


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, your prompt contains "
        "5000 input tokens.",
        "max_tokens=20000 cannot be greater than max_model_len=16384. Please request fewer "
        "output tokens.",
        "temperature must be between 0 and 2, got 3",
        "The seed example in your prompt was filtered.",
    ],
)
def test_a_refusal_of_the_request_itself_leaves_no_parameter_out(
    server: FaultServer, words: str
) -> None:
    server.behave = lambda body, n: status(400, words)
    teacher = connected(server)
    with pytest.raises(RequestRefused, match=words.split(",")[0].split("(")[0][:40]):
        teacher.ask("Hello", max_tokens=20, temperature=0)
    assert len(server.requests) == 1
    assert teacher.notes == []
    teacher.close()


def test_a_parameter_left_out_changes_no_key_so_replies_can_be_reused_elsewhere(
    tmp_path: Path,
) -> None:
    """The key covers what the plan asks for, so another server can continue the run."""
    with ScriptedTeacher() as script:
        usual = script.behave

        def picky(body: dict[str, Any], n: int) -> web.StreamResponse:
            if "temperature" in body and not is_probe(body):
                return refusal(
                    "Unsupported value: 'temperature' does not support 0.7.", "temperature"
                )
            context = tagged(context=f"Context {n}")
            return scripted.completion(context)

        script.behave = picky
        first = contexts(script, out=tmp_path)
        assert first.funnel[0].rows_out == 2
        script.behave = usual
        script.forget()
        again = contexts(script, out=tmp_path, num_contexts=2)
        assert again.funnel[0].rows_out == 4
        assert script.asked() == 2
