"""A reply that did not end naturally is never a sample."""

from collections.abc import Mapping

import pytest
import scripted
from aiohttp import web
from scripted import PROMPTS, ScriptedTeacher, completion, tagged

import sdgkit as sk
from sdgkit.teachers.endings import Ending, ending_of

WHOLE = tagged(context="A whole context")


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        ("stop", Ending.NATURAL),
        ("STOP", Ending.NATURAL),
        ("end_turn", Ending.NATURAL),
        ("eos_token", Ending.NATURAL),
        ("COMPLETE", Ending.NATURAL),
        ("FINISH_REASON_STOP", Ending.NATURAL),
        ("length", Ending.TRUNCATED),
        ("MAX_TOKENS", Ending.TRUNCATED),
        ("max_output_tokens", Ending.TRUNCATED),
        ("maxTokens", Ending.TRUNCATED),
        ("model_context_window_exceeded", Ending.TRUNCATED),
        ("content_filter", Ending.REFUSED),
        ("SAFETY", Ending.REFUSED),
        ("PROHIBITED_CONTENT", Ending.REFUSED),
        ("ERROR_TOXIC", Ending.REFUSED),
        ("guardrail_intervened", Ending.REFUSED),
        ("ResponsibleAIPolicyViolation", Ending.REFUSED),
        ("tool_calls", Ending.ELSEWHERE),
        ("error", Ending.BROKEN_OFF),
        ("abort", Ending.BROKEN_OFF),
        ("insufficient_system_resource", Ending.BROKEN_OFF),
        ("a word of next year", Ending.BROKEN_OFF),
        ("", Ending.UNSAID),
    ],
)
def test_every_servers_word_for_an_end_has_a_meaning(word: str, ending: Ending) -> None:
    assert ending_of(word) is ending


def contexts(body: Mapping[str, object]) -> tuple[sk.Run, int]:
    """A run in which the teacher answers every request so, and how often it was asked."""
    with ScriptedTeacher() as script:
        script.answer = lambda ask: web.json_response(dict(body))
        run = sk.gen_contexts.run(
            scripted.seeds(1),
            teacher=script.connect(),
            prompt=PROMPTS["gen_contexts"],
            num_contexts=1,
            extra_tries=0,
        )
        return run, script.asked()


def ended(word: str | None, content: str | None = WHOLE, **message: object) -> dict[str, object]:
    return {"choices": [{"message": {"content": content, **message}, "finish_reason": word}]}


@pytest.mark.parametrize("word", ["content_filter", "SAFETY", "refusal"])
def test_a_withheld_reply_is_refused_at_one_ask_even_if_it_looks_whole(word: str) -> None:
    run, asked = contexts(ended(word))
    [drop] = run.drops()
    assert drop["reason"] == "refused"
    assert asked == 1


def test_the_servers_word_is_in_the_drop() -> None:
    [drop] = contexts(ended("RECITATION", None))[0].drops()
    assert "'RECITATION'" in drop["message"]


@pytest.mark.parametrize(
    "body",
    [
        ended("stop", None, refusal="I cannot help with that."),
        ended("stop", [{"type": "refusal", "refusal": "I cannot help with that."}]),  # type: ignore[arg-type]
    ],
    ids=["field", "part"],
)
def test_a_refusal_keeps_the_models_words_and_is_asked_once(body: Mapping[str, object]) -> None:
    run, asked = contexts(body)
    [drop] = run.drops()
    assert drop["reason"] == "refused"
    assert drop["reply"] == "I cannot help with that."
    assert "I cannot help with that." in drop["message"]
    assert asked == 1
    advice = str(run.explain())
    assert "structure" not in advice
    assert "refused" in advice


def test_a_tool_call_is_no_answer_and_its_word_is_in_the_drop() -> None:
    run, asked = contexts(ended("tool_calls"))
    [drop] = run.drops()
    assert drop["reason"] == "no_answer"
    assert "'tool_calls'" in drop["message"]
    assert asked == 4


def test_a_limit_of_tokens_by_another_servers_word_truncates() -> None:
    run, asked = contexts(ended("MAX_TOKENS", "[Start of Context] half a"))
    [drop] = run.drops()
    assert drop["reason"] == "truncated"
    assert "'MAX_TOKENS'" in drop["message"]
    assert asked == 1


def test_a_reply_that_broke_off_is_asked_again_and_its_half_is_no_sample() -> None:
    with ScriptedTeacher() as script:
        broken: list[scripted.Ask] = []

        def answer(ask: scripted.Ask) -> web.Response:
            if len(broken) < 2:
                broken.append(ask)
                return completion(tagged(context="half"), "error")
            return completion(WHOLE)

        script.answer = answer
        run = sk.gen_contexts.run(
            scripted.seeds(1),
            teacher=script.connect(),
            prompt=PROMPTS["gen_contexts"],
            num_contexts=1,
        )
    assert [sample["context"] for sample in run.samples()] == ["A whole context"]
    assert run.summary.retries == 2


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"},
        {"finish_reason": None, "stop_reason": "max_tokens"},
    ],
)
def test_the_word_that_a_router_passes_on_counts(choice: Mapping[str, object]) -> None:
    run, _ = contexts(
        {"choices": [{"message": {"content": "[Start of Context] half a"}, **choice}]}
    )
    [drop] = run.drops()
    assert drop["reason"] == "truncated"
    assert "max_tokens" in drop["message"].lower()


def test_a_stop_token_that_vllm_names_is_a_natural_end() -> None:
    choice = {"finish_reason": "stop", "stop_reason": "</s>", "message": {"content": WHOLE}}
    run, _ = contexts({"choices": [choice]})
    assert len(list(run.samples())) == 1


@pytest.mark.parametrize("choice", [{}, {"finish_reason": None}, {"finish_reason": ""}])
def test_a_server_that_does_not_say_how_a_reply_ended_needs_the_end_tag(
    choice: Mapping[str, object],
) -> None:
    whole, _ = contexts({"choices": [{"message": {"content": WHOLE}, **choice}]})
    assert len(list(whole.samples())) == 1
    half = {"content": "[Start of Context] A whole con"}
    cut, asked = contexts({"choices": [{"message": half, **choice}]})
    assert [drop["reason"] for drop in cut.drops()] == ["malformed"]
    assert asked == 4


def test_a_request_that_a_filter_refuses_is_a_refusal() -> None:
    error = {"message": "The prompt was filtered.", "code": "content_filter"}
    with ScriptedTeacher() as script:
        script.answer = lambda ask: web.json_response({"error": error}, status=400)
        run = sk.gen_contexts.run(
            scripted.seeds(1),
            teacher=script.connect(),
            prompt=PROMPTS["gen_contexts"],
            num_contexts=1,
        )
        [drop] = run.drops()
        assert script.asked() == 1
    assert drop["reason"] == "refused"
    assert "The prompt was filtered." in drop["reply"]
