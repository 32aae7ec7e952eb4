"""Loops: replies in which a model repeats itself until it is cut off."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import (
    PROMPTS,
    Ask,
    ScriptedTeacher,
    assert_adds_up,
    completion,
    seeds,
    tagged,
)
from servers import status

import sdgkit as sk
from sdgkit.stages import ends_in_loop

REPO = Path(__file__).parents[2]
LOOP = "[Start of Context]\n" + "The customer sends us here.\n" * 40

# The ends of replies that SmolLM2-135M-Instruct did not end by itself (vLLM 0.32.0).
REAL_LOOPS = {
    "one line": "Cheri is it a question?\nZe answer is a question?\n"
    + "Cheri is it a question?\n" * 9,
    "numbered": "".join(f"[{n}] The example's context is hard to explain.\n" for n in range(1, 16)),
    "only numbers": "[Start of Evaluation]\n" + "".join(f"[{n}]\n" for n in range(1, 43)) * 2,
    "not word by word": (
        "The customer sends us here, the example.\nThe customer sends us here.\n"
        "The example sends us here.\nThe customer sends us here.\n"
        + "The example sends us here.\n" * 6
        + "The example sends our example here.\n" * 9
    ),
    "a paragraph": (
        "The task is:\n\n"
        + "Use the example to answer the question of the task, and say in one word what the "
        "message of a customer is: praise, a complaint or a question about the shop.\n\n" * 4
    ),
    "blanks": '{"context": "Hello"' + " \n" * 60,
    "one sign": "| Feature | Feedback |\n|" + "-" * 300,
    "without spaces": "海はとても広いです。" + "青くてきれいな海を見ていました。" * 12,
    "short": "Yes, no, " + "no, " * 30,
}


@pytest.mark.parametrize("kind", REAL_LOOPS)
def test_a_text_whose_end_repeats_itself_is_a_loop_wherever_it_is_cut(kind: str) -> None:
    text = REAL_LOOPS[kind]
    for cut in range(len(text) - 20, len(text) + 1):
        assert ends_in_loop(text[:cut]), text[:cut]


def real_texts() -> list[str]:
    texts = []
    for file in sorted((REPO / "notebooks" / "seeds").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            seed = json.loads(line)
            texts += ["\n\n".join(seed.values()), seed["seed_response"] * 2]
    texts += [page.read_text(encoding="utf-8") for page in (REPO / "prompts").rglob("*.yaml")]
    texts.append((REPO / "notebooks" / "guide" / "runs.md").read_text(encoding="utf-8"))
    numbers = [(row * 37 % 101, row * 53 % 89) for row in range(60)]
    texts.append(
        "\n".join(f"| row {a} | {b}.{a} mm | {'up' if b % 3 else 'down'} |" for a, b in numbers)
    )
    texts.append("\n".join(f"| {'item ' + str(a):<40} | {b:<40} |" for a, b in numbers))
    texts.append(
        ",\n".join(json.dumps({"name": f"n{a}", "value": b, "note": None}) for a, b in numbers)
    )
    texts.append("\n".join(f"2026-12-01 10:{a:02} INFO served {b} requests" for a, b in numbers))
    return texts


def test_prose_tables_json_and_forms_are_no_loops_wherever_they_are_cut() -> None:
    for text in real_texts():
        for cut in range(100, min(len(text), 6_000), 131):
            assert not ends_in_loop(text[:cut]), text[max(0, cut - 300) : cut]


def test_what_was_said_twice_is_no_loop_yet() -> None:
    draft = (
        "Dear colleagues, revenue rose by 4 percent to 12.3 million euros in the third quarter. "
    )
    assert not ends_in_loop(draft + draft)
    assert ends_in_loop(draft * 4)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(script: ScriptedTeacher, out: Path | None = None) -> sk.Run:
    plan = sk.plan(
        seeds(1),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        num_contexts=2,
        num_questions=1,
        extra_tries=0,
    )
    return sk.Run(plan, out, on_note=lambda _: None).start()


def looping(
    script: ScriptedTeacher, stage: str, attempts: int
) -> Callable[[Ask], web.Response | str]:
    """Loops in the first attempts of a stage's first ask; all others are answered as usual."""

    def answer(ask: Ask) -> web.Response | str:
        if ask.stage == stage and ask.ordinal == 1 and ask.attempt <= attempts:
            return completion(LOOP, "length")
        return pleased(script, ask)

    return answer


def pleased(script: ScriptedTeacher, ask: Ask) -> str:
    """The usual reply; a judge has nothing to object to."""
    scores = {"eval_grounded_questions": 1, "evaluate_grounded_qa_pair": 3}
    if ask.stage in scores:
        return tagged(evaluation="Good.", score=scores[ask.stage])
    return script.usual(ask)


@pytest.mark.parametrize("stage", PROMPTS)
def test_a_loop_is_asked_again_with_settings_that_lead_out_of_it(
    script: ScriptedTeacher, stage: str
) -> None:
    script.answer = looping(script, stage, attempts=1)
    run = generate(script).wait()
    assert_adds_up(run)
    assert len(list(run.samples())) == 2
    asked = [ask.body for ask in script.asks if ask.stage == stage]
    penalties = [body.get("repetition_penalty") for body in asked]
    again = [body for body in asked if "repetition_penalty" in body]
    assert penalties.count(None) == 2, "the first time, a request is what the prompt says"
    assert len({body["seed"] for body in asked}) == len(asked)
    assert all(body["temperature"] >= 0.7 and body["repetition_penalty"] > 1 for body in again)
    assert again


def test_a_model_that_stays_in_its_loop_is_told_as_such_and_not_as_cut_short(
    script: ScriptedTeacher,
) -> None:
    script.answer = looping(script, "gen_contexts", attempts=4)
    run = generate(script).wait()
    assert_adds_up(run)
    [drop] = run.drops()
    assert (drop["stage"], drop["reason"]) == ("gen_contexts", "loop")
    assert drop["message"].startswith("The model repeated itself")
    assert "The customer sends us here." in drop["message"]
    assert drop["reply"] == LOOP
    [cause] = run.explain().causes
    assert cause.reason == "loop"
    assert "repeated itself" in cause.sentence
    assert "Raise max_tokens" not in f"{cause.sentence} {cause.advice} {drop['message']}"
    assert "loop 1" in repr(run.funnel)


def test_what_came_out_of_a_loop_is_recorded_and_asked_no_second_time(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    script.answer = looping(script, "gen_grounded_responses", attempts=2)
    first = generate(script, tmp_path / "run").wait()
    rows = list(first.samples())
    asked = script.asked()
    again = generate(script, tmp_path / "run").wait()
    assert list(again.samples()) == rows
    assert script.asked() == asked


def test_a_loop_in_what_a_model_thinks_is_one_too(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> web.Response | str:
        if ask.stage != "gen_contexts" or "repetition_penalty" in ask.body:
            return pleased(script, ask)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "", "reasoning_content": "Wait. " * 90},
            "finish_reason": "length",
        }
        return web.json_response({"id": "1", "object": "chat.completion", "choices": [choice]})

    script.answer = answer
    run = generate(script).wait()
    assert len(list(run.samples())) == 2


def test_a_penalty_of_your_own_stays_as_it_is(script: ScriptedTeacher) -> None:
    script.answer = looping(script, "gen_contexts", attempts=1)
    own = {"extra_body": {"frequency_penalty": 0.2}}
    plan = sk.plan(
        seeds(1),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        num_contexts=1,
        num_questions=1,
        sampling={"gen_contexts": own},
    )
    sk.Run(plan, on_note=lambda _: None).start().wait()
    contexts = [ask.body for ask in script.asks if ask.stage == "gen_contexts"]
    assert [body["frequency_penalty"] for body in contexts] == [0.2, 0.2]
    assert not any("repetition_penalty" in body for body in contexts)


def test_a_server_without_the_penalty_is_asked_without_it(script: ScriptedTeacher) -> None:
    refused = 0

    async def behave(body: dict[str, Any], number: int) -> web.StreamResponse:
        nonlocal refused
        if "repetition_penalty" in body:
            refused += 1
            return status(400, "Unrecognized request argument supplied: repetition_penalty")
        if "gen_contexts" not in body["messages"][-1]["content"]:
            return await script._answer(body, number)
        if not refused:
            return completion(LOOP, "length")
        return completion(tagged(context=f"Context {body['seed']}"))

    script.answer = lambda ask: pleased(script, ask)
    script.behave = behave
    run = generate(script).wait()
    assert len(list(run.samples())) == 2
    assert refused
    assert sum("does not accept repetition_penalty" in note for note in run.notes) == 1


def test_a_reply_that_is_cut_off_without_a_loop_is_still_too_short(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        completion(tagged(context="A long story, in which much happens.")[:-20], "length")
        if ask.stage == "gen_contexts" and ask.ordinal == 1
        else pleased(script, ask)
    )
    run = generate(script).wait()
    [drop] = run.drops()
    assert drop["reason"] == "truncated"
    assert script.asked("gen_contexts") == 2
