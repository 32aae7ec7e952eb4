"""What a reasoning model thought: never in a sample, and beside it where that is wanted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import PROMPTS, Answer, Ask, ScriptedTeacher, seeds, tagged

import sdgkit as sk

WRITER = "gen_grounded_responses"


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def run_of(script: ScriptedTeacher, reply: str, **options: Any) -> sk.Run:
    """A run of one seed in which every response comes by this reply."""

    def answer(ask: Ask) -> Answer:
        if ask.stage == WRITER:
            return reply
        if "eval" in ask.stage:
            return tagged(evaluation="Seen.", score=1 if "questions" in ask.stage else 3)
        return script.usual(ask)

    script.answer = answer
    given = {"num_contexts": 1, "num_questions": 1, **options}
    return sk.generate(seeds(1), teacher=script.connect(), prompts=PROMPTS, profile=False, **given)


GOOD = tagged(response="42 euros")
FORMS = {
    "worked out before the tag": f"40 + 2 = 42\n{GOOD}",
    "between tags of its own": f"<think>\n40 + 2 = 42\n</think>\n{GOOD}",
    "begun by the chat template": f"40 + 2 = 42\n</think>\n\n{GOOD}",
}

THOUGHT = "40 + 2 = 42"
BY_MODEL = {
    "attributes": f'<thinking budget="low">{THOUGHT}</thinking>{GOOD}',
    "a name space": f"<seed:think>{THOUGHT}</seed:think>{GOOD}",
    "an answer in tags": f"<reasoning>{THOUGHT}</reasoning>\n<answer>\n{GOOD}</answer>",
    "brackets": f"[THINK]{THOUGHT}[/THINK]{GOOD}",
    "pipes": f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>\n<|begin_of_solution|>{GOOD}",
    "command": f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{GOOD}",
    "triangles": f"◁think▷{THOUGHT}◁/think▷{GOOD}",
    "unused tokens": f"<unused94>thought\n{THOUGHT}<unused95>{GOOD}",
    "gemma": f"<|channel>thought\n{THOUGHT}<channel|>{GOOD}",
    "granite": f"Here is my thought process: {THOUGHT} Here is my response: {GOOD}",
    "apriel": f"Here are my reasoning steps:\n{THOUGHT}\n[BEGIN FINAL RESPONSE]\n{GOOD}",
    "ollama": f"Thinking...\n{THOUGHT}\n...done thinking.\n\n{GOOD}",
    "a fence": f"```thinking\n{THOUGHT}\n```\n{GOOD}",
    "open webui": f'<details type="reasoning" done="true">{THOUGHT}</details>{GOOD}',
    "harmony": (
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{GOOD}<|return|>"
    ),
    "harmony with a constraint": (
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|>"
        f"<|start|>assistant<|channel|>final <|constrain|>text<|message|>{GOOD}"
    ),
    "harmony without its tokens": f"analysis'{THOUGHT}'assistantfinal{GOOD}",
}


@pytest.mark.parametrize("form", BY_MODEL)
def test_the_reasoning_of_every_model_is_kept_without_its_marks(
    script: ScriptedTeacher, form: str
) -> None:
    [sample] = run_of(script, BY_MODEL[form], keep_reasoning=True).samples()
    assert sample["response"] == "42 euros"
    assert sample["reasoning"].strip("'") == THOUGHT


def test_a_code_fence_in_what_was_worked_out_stays_there(script: ScriptedTeacher) -> None:
    worked_out = "```python\n40 + 2\n```\nThat makes 42."
    [sample] = run_of(script, f"{worked_out}\n{GOOD}", keep_reasoning=True).samples()
    assert sample["reasoning"] == worked_out


@pytest.mark.parametrize("form", FORMS)
def test_what_was_thought_stands_beside_the_response_where_it_is_kept(
    script: ScriptedTeacher, form: str
) -> None:
    [sample] = run_of(script, FORMS[form], keep_reasoning=True).samples()
    assert sample["response"] == "42 euros"
    assert sample["reasoning"] == "40 + 2 = 42"


def test_a_draft_in_the_thoughts_belongs_to_them(script: ScriptedTeacher) -> None:
    draft = tagged(response="41 euros")
    reply = f"<think>First {draft} No.</think>{GOOD}"
    [sample] = run_of(script, reply, keep_reasoning=True).samples()
    assert sample["response"] == "42 euros"
    assert sample["reasoning"] == f"First {draft} No."


def test_thoughts_that_the_server_returns_apart_are_kept_as_well() -> None:
    def completion() -> web.Response:
        message = {"role": "assistant", "content": f"So.\n{GOOD}", "reasoning_content": "40 + 2"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"id": "1", "object": "chat.completion", "choices": [choice]})

    with ScriptedTeacher() as script:

        def answer(ask: Ask) -> Answer:
            if ask.stage == WRITER:
                return completion()
            if "eval" in ask.stage:
                return tagged(evaluation="Seen.", score=1 if "questions" in ask.stage else 3)
            return script.usual(ask)

        script.answer = answer
        run = sk.generate(
            seeds(1),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            num_contexts=1,
            num_questions=1,
            keep_reasoning=True,
        )
    [sample] = run.samples()
    assert (sample["response"], sample["reasoning"]) == ("42 euros", "40 + 2\n\nSo.")


def test_nothing_is_kept_unless_you_ask_for_it(script: ScriptedTeacher) -> None:
    [sample] = run_of(script, FORMS["worked out before the tag"]).samples()
    assert "reasoning" not in sample
    assert "40 + 2" not in json.dumps(sample)


def test_keeping_the_reasoning_later_asks_nothing_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    reply = FORMS["worked out before the tag"]
    run_of(script, reply, out=tmp_path)
    script.forget()
    [sample] = run_of(script, reply, out=tmp_path, keep_reasoning=True).samples()
    assert sample["reasoning"] == "40 + 2 = 42"
    [again] = sk.generate(tmp_path, teacher=script.connect()).samples()
    assert again == sample
    assert script.asked() == 0


def test_several_responses_keep_their_reasoning(script: ScriptedTeacher) -> None:
    [sample] = run_of(script, f"40 + 2 = 42\n{GOOD}", keep_reasoning=True, responses=2).samples()
    assert sample["reasoning"] == "40 + 2 = 42"


def test_chat_messages_and_tables_hold_the_reasoning_and_other_formats_do_not(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = run_of(script, f"40 + 2 = 42\n{GOOD}", keep_reasoning=True)
    run.export("messages", tmp_path / "messages.jsonl")
    line = json.loads((tmp_path / "messages.jsonl").read_text("utf-8"))
    assert line["messages"][-1] == {
        "role": "assistant",
        "content": "42 euros",
        "reasoning_content": "40 + 2 = 42",
    }
    for format in ("instructlab", "alpaca", "sharegpt"):
        run.export(format, tmp_path / f"{format}.jsonl")
        assert "40 + 2" not in (tmp_path / f"{format}.jsonl").read_text("utf-8")


def test_a_stage_alone_keeps_it_too(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: f"40 + 2 = 42\n{GOOD}"
    [seed] = seeds(1)
    row = {**seed, "context": "Forty and two.", "question": "How much?"}
    rows = sk.gen_grounded_responses(
        [row], teacher=script.connect(), prompt=PROMPTS[WRITER], keep_reasoning=True
    )
    assert rows[0]["reasoning"] == "40 + 2 = 42"


def test_a_switch_that_is_none_is_refused() -> None:
    with pytest.raises(sk.SettingsError, match="keep_reasoning must be True or False"):
        sk.plan(seeds(1), prompts=PROMPTS, profile=False, keep_reasoning="yes")  # type: ignore[arg-type]
