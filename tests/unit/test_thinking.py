"""What a model thought is never a sample, in whatever form a server leaves it in the reply."""

from collections.abc import Callable

import pytest
import scripted
from aiohttp import web
from scripted import PROMPTS, Ask, ScriptedTeacher, completion, tagged

import sdgkit as sk
from sdgkit.prompts import Prompt
from sdgkit.prompts.thinking import FORMS, final_answer

PROMPT = Prompt(
    "gen_titles",
    generation="Write a title.",
    start_tags=("[Start of Title]",),
    end_tags=("[End of Title]",),
)
DRAFT = tagged(title="a DRAFT")
ANSWER = tagged(title="The title")

CLOSED = {
    "think": f"<think>\n{DRAFT}\n</think>\n\n{ANSWER}",
    "think, begun by the template": f"Hmm. {DRAFT}\n</think>\n\n{ANSWER}",
    "think, twice": f"<think>{DRAFT}</think>\n<think>{DRAFT}</think>{ANSWER}",
    "think in think": f"<think>a <think>{DRAFT}</think> {DRAFT}</think>{ANSWER}",
    "think after the answer": f"{ANSWER}\n<think>{DRAFT}</think>",
    "capitals": f"<THINKING>{DRAFT}</THINKING>{ANSWER}",
    "attributes": f'<thinking budget="low">{DRAFT}</thinking>{ANSWER}',
    "name space": f"<seed:think>{DRAFT}</seed:think>{ANSWER}",
    "longcat": f"<longcat_think>{DRAFT}</longcat_think>{ANSWER}",
    "thought": f"<thought>{DRAFT}</thought>{ANSWER}",
    "reasoning": f"<reasoning>{DRAFT}</reasoning><answer>{ANSWER}</answer>",
    "scratchpad": f"<scratchpad>{DRAFT}</scratchpad>{ANSWER}",
    "brackets": f"[THINK]{DRAFT}[/THINK]{ANSWER}",
    "pipes": f"<|begin_of_thought|>{DRAFT}<|end_of_thought|>\n<|begin_of_solution|>{ANSWER}",
    "command": f"<|START_THINKING|>{DRAFT}<|END_THINKING|><|START_RESPONSE|>{ANSWER}",
    "triangles": f"◁think▷{DRAFT}◁/think▷{ANSWER}",
    "unused": f"<unused94>thought\n{DRAFT}<unused95>{ANSWER}",
    "gemma": f"<|channel>thought\n{DRAFT}<channel|>{ANSWER}",
    "granite": f"Here is my thought process: {DRAFT} Here is my response: {ANSWER}",
    "fence": f"```thinking\n{DRAFT}\n```\n{ANSWER}",
    "open webui": f'<details type="reasoning" done="true">{DRAFT}</details>{ANSWER}',
    "a compound name": f"<thought_process>{DRAFT}</thought_process>{ANSWER}",
    "a name with hyphens": f"<inner-monologue>{DRAFT}</inner-monologue>{ANSWER}",
    "a numbered name": f"<reasoning_step_2>{DRAFT}</reasoning_step_2>{ANSWER}",
    "a name space and a long name": (
        f"<seed:cot_budget_reflect>{DRAFT}</seed:cot_budget_reflect>{ANSWER}"
    ),
    "an everyday name": f"<plan>{DRAFT}</plan>\n{ANSWER}",
    "Chinese": f"<思考过程>{DRAFT}</思考过程>{ANSWER}",
    "Chinese brackets": f"【思考】{DRAFT}【/思考】{ANSWER}",
    "escaped": f"&lt;think&gt;{DRAFT}&lt;/think&gt;{ANSWER}",
    "full width": f"\uff1cthink\uff1e{DRAFT}\uff1c/think\uff1e{ANSWER}",
    "other words in brackets": f"[SCRATCHPAD]{DRAFT}[/SCRATCHPAD]{ANSWER}",
    "brackets that begin and end": f"[BEGIN REASONING]{DRAFT}[END REASONING]{ANSWER}",
    "curly brackets": f"{{{{think}}}}{DRAFT}{{{{/think}}}}{ANSWER}",
    "pipes with start and end": f"<|reasoning_start|>{DRAFT}<|reasoning_end|>{ANSWER}",
    "pipes with a stroke": f"<|thought|>{DRAFT}<|/thought|>{ANSWER}",
    "pipes without gaps": f"<|startofthink|>{DRAFT}<|endofthink|>{ANSWER}",
    "DeepSeek's pipes": (
        f"<\uff5cbegin▁of▁thought\uff5c>{DRAFT}<\uff5cend▁of▁thought\uff5c>{ANSWER}"
    ),
    "a turn of its own": f"<|im_start|>think\n{DRAFT}<|im_end|>\n<|im_start|>answer\n{ANSWER}",
    "a folded summary": f"<details>\n<summary>Thought for 3 s</summary>{DRAFT}</details>{ANSWER}",
    "tildes": f"~~~reasoning\n{DRAFT}\n~~~\n{ANSWER}",
    "a comment": f"<!-- thinking: {DRAFT} -->{ANSWER}",
    "comments as marks": f"<!-- think -->{DRAFT}<!-- /think -->{ANSWER}",
    "harmony": (
        f"<|channel|>analysis<|message|>{DRAFT}<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>"
    ),
    "harmony with a preamble": (
        f"<|start|>assistant<|channel|>analysis<|message|>{DRAFT}<|end|>"
        f"<|start|>assistant<|channel|>commentary<|message|>{DRAFT}<|end|>"
        f"<|start|>assistant<|channel|>final <|constrain|>text<|message|>{ANSWER}"
    ),
    "harmony, begun by the template": (
        f"{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}<|end|>"
    ),
    "harmony without its tokens": f"analysisWe draft {DRAFT}assistantfinal{ANSWER}",
}

UNCLOSED = {
    "think": f"<think>\n{DRAFT}",
    "thoughts": f"<thoughts>{DRAFT}",
    "think, ended and nothing more": f"{DRAFT}</think>",
    "brackets": f"[THINK]{DRAFT}",
    "pipes": f"<|begin_of_thought|>{DRAFT}",
    "triangles": f"◁think▷{DRAFT}",
    "harmony": f"<|channel|>analysis<|message|>{DRAFT}",
    "harmony, ended": f"<|channel|>analysis<|message|>{DRAFT}<|end|>",
    "harmony without its tokens": f"analysisWe draft {DRAFT}",
    "granite": f"Here is my thought process: {DRAFT}",
    "a compound name": f"<internal_reasoning>{DRAFT}",
    "an everyday name": f"<draft>{DRAFT}",
    "pipes with start": f"<|thinking_start|>{DRAFT}",
    "ended by another mark": f"<think>{DRAFT}[/THINK]{ANSWER}",
}

# Blocks of names that no table holds, known by their place.
SET_APART = {
    "a tag": f"<brief>Short? {DRAFT}</brief>\n{ANSWER}",
    "a tag in another language": f"<denken>{DRAFT}</denken>{ANSWER}",
    "a tag that the template began": f"Short? {DRAFT}</brief>{ANSWER}",
    "brackets": f"[Sketch]{DRAFT}[/Sketch]{ANSWER}",
    "headings": f"### Thinking\nShort? {DRAFT}\n\n### Answer\n{ANSWER}",
    "bold headings": f"**Reasoning:**\n{DRAFT}\n**Final answer:** {ANSWER}",
    "words with colons": f"Thought: {DRAFT}\nFinal Answer: {ANSWER}",
}

NOT_SET_APART = {
    "one tag around each record": f"<item>{ANSWER}</item>\n<item>{ANSWER}</item>",
    "a tag around all": f"<titles>{ANSWER}{ANSWER}</titles>",
    "an answer after a heading": f"Reasoning: all is well.\n{ANSWER}{ANSWER}",
}


def titles(reply: str, keep_thoughts: bool = False) -> list[str]:
    parsed = PROMPT.parse(reply, ["title"], keep_thoughts=keep_thoughts)
    return [row["title"] for row in parsed.rows]


@pytest.mark.parametrize("reply", CLOSED.values(), ids=CLOSED.keys())
def test_only_the_final_answer_is_read(reply: str) -> None:
    assert titles(reply) == ["The title"]


@pytest.mark.parametrize("reply", UNCLOSED.values(), ids=UNCLOSED.keys())
def test_a_thought_that_never_ended_holds_no_answer(reply: str) -> None:
    parsed = PROMPT.parse(reply, ["title"])
    assert parsed.rows == []
    assert parsed.is_thought_only


@pytest.mark.parametrize("reply", CLOSED.values(), ids=CLOSED.keys())
def test_a_prompt_without_tags_reads_only_the_final_answer_too(reply: str) -> None:
    whole = Prompt("gen_titles", generation="Write a title.")
    [row] = whole.parse(reply, ["title"]).rows
    assert row["title"] == ANSWER


@pytest.mark.parametrize("reply", SET_APART.values(), ids=SET_APART.keys())
def test_a_draft_that_was_set_apart_under_any_name_is_not_read(reply: str) -> None:
    assert titles(reply) == ["The title"]


@pytest.mark.parametrize("reply", NOT_SET_APART.values(), ids=NOT_SET_APART.keys())
def test_what_stands_around_answers_is_no_draft(reply: str) -> None:
    assert titles(reply) == ["The title", "The title"]


def test_a_judge_that_sets_its_columns_in_tags_of_its_own_is_read() -> None:
    judge = Prompt(
        "judge",
        generation="Judge.",
        start_tags=("[Start of Evaluation]", "[Start of Score]"),
        end_tags=("[End of Evaluation]", "[End of Score]"),
    )
    verdict = f"<verdict>{tagged(evaluation='Well.')}</verdict>{tagged(score='1')}"
    assert judge.parse(verdict, ["evaluation", "score"]).rows == [
        {"evaluation": "Well.", "score": "1"}
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Dear {name}, for this {reason} we wait.",
        "Because of [reason], see [analysis].",
        "The report has <notes>three</notes> parts.",
        "a & b, `think`, ~thought~, x --> y",
        "I think <b>so</b>; analysis follows.",
        "analysis of the report",
        "[Thinking of you] [1]",
        "a < b, thought > c",
    ],
)
def test_ordinary_text_is_no_thought(text: str) -> None:
    assert final_answer(text).text == text


def test_marks_of_thinking_that_the_prompt_asks_for_are_tags() -> None:
    judge = Prompt(
        "judge",
        generation="Judge.",
        start_tags=("<reasoning>", "[Score]"),
        end_tags=("</reasoning>", ""),
    )
    reply = "<reasoning>All is well.</reasoning>\n[Score] 1"
    assert judge.parse(reply, ["evaluation", "score"]).rows == [
        {"evaluation": "All is well.", "score": "1"}
    ]


def test_marks_in_the_answer_belong_to_it_where_the_seeds_have_them() -> None:
    value = "<think>2 + 2</think>4"
    assert titles(tagged(title=value), keep_thoughts=True) == [value]
    thought_first = f"<think>Like <think>this</think>: {DRAFT}</think>{tagged(title=value)}"
    assert titles(thought_first, keep_thoughts=True) == [value]
    assert titles(tagged(title=value)) == ["4"]


def test_every_form_says_whose_it_is() -> None:
    assert all(form.models for form in FORMS)


def parts_reply(content: object, **message: object) -> web.Response:
    choice = {"message": {"content": content, **message}, "finish_reason": "stop"}
    return web.json_response({"choices": [choice]})


def one_context(answer: Callable[[Ask], str | web.StreamResponse], **seed: str) -> sk.Run:
    with ScriptedTeacher() as script:
        script.answer = answer
        rows = [{**row, **seed} for row in scripted.seeds(1)]
        return sk.gen_contexts.run(
            rows,
            teacher=script.connect(),
            prompt=PROMPTS["gen_contexts"],
            num_contexts=1,
            extra_tries=0,
        )


def test_parts_of_a_message_that_are_thoughts_are_not_text() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": tagged(context="DRAFT")}]}
    said = {"type": "text", "text": tagged(context="C")}
    run = one_context(lambda ask: parts_reply([thought, said]))
    [sample] = run.samples()
    assert sample["context"] == "C"
    [exchange] = run.trace(sample["id"]).exchanges
    assert "DRAFT" in exchange.reasoning


def test_an_answer_that_stands_in_the_reasoning_is_no_sample_and_the_drop_says_where_it_is() -> (
    None
):
    answer = tagged(context="C")
    run = one_context(lambda ask: parts_reply(None, reasoning_content=answer))
    [drop] = run.drops()
    assert drop["reason"] == "no_answer"
    assert f"{len(answer)} characters into reasoning_content" in drop["message"]
    assert drop["reply"] == answer


def test_a_model_that_only_thought_is_asked_again_and_then_dropped_as_such() -> None:
    asks = []

    def answer(ask: Ask) -> web.Response:
        asks.append(ask)
        return completion(f"<think>{tagged(context='DRAFT')}")

    [drop] = one_context(answer).drops()
    assert drop["reason"] == "no_answer"
    assert "only thought" in drop["message"]
    assert len(asks) == 4


def test_a_skill_whose_seeds_think_aloud_keeps_its_thoughts() -> None:
    value = "<think>2 + 2</think>4"
    run = one_context(lambda ask: tagged(context=value), seed_response="<think>1 + 1</think>2")
    [sample] = run.samples()
    assert sample["context"] == value
