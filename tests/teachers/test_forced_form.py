"""Forced form on the real servers.

The tiny model writes no tag by itself: each well-formed row is the form's work.
"""

import contextlib
import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from teachers.environments import VLLM, clean_environment
from teachers.real_servers import KEY, available
from teachers.samples import (
    SAMPLED_JUDGES,
    SEED_FILE,
    SEEDS,
    assert_adds_up,
    assert_well_formed,
)

import sdgkit as sk
from sdgkit.errors import RunEmptied
from sdgkit.journal import RecordedExchange
from sdgkit.prompts import Prompt
from sdgkit.prompts.structured_output import Form
from sdgkit.teachers import Request, Teacher, background

STACKS = ("llama_stack", "ogx", "old_llama_stack")


def connected(name: str, request: pytest.FixtureRequest) -> sk.Teacher:
    server = request.getfixturevalue(name)
    kind, key = ("vllm", KEY) if name == "vllm" else ("llama-stack", None)
    teacher = sk.connect(kind, base_url=server.url, api_key=key)
    request.addfinalizer(teacher.close)
    return teacher


def exchanges(run: sk.Run) -> list[RecordedExchange]:
    rows = [*run.samples(), *run.drops()]
    return [exchange for row in rows for exchange in run.trace(row["id"]).exchanges]


def is_forced(exchange: RecordedExchange) -> bool:
    return bool(
        {"structured_outputs", "response_format"} & set(exchange.sampling.get("extra_body", {}))
    )


@pytest.mark.parametrize(
    ("server", "way"),
    [
        ("vllm", "structured_outputs"),
        ("llama_stack", "structured_outputs"),
        ("ogx", "structured_outputs"),
        ("old_llama_stack", "json_schema"),  # it accepts the other, and drops it without a word
    ],
)
def test_how_a_server_can_be_made_to_keep_to_a_form_is_found_out_by_asking(
    server: Any, way: str, request: pytest.FixtureRequest
) -> None:
    teacher = connected(server, request)
    assert background.wait(teacher.structured_output_way(Request((), {}))) == way


@pytest.mark.parametrize("server", ["vllm", "old_llama_stack"])
def test_a_malformed_reply_is_asked_again_with_the_form_enforced(
    server: Any, request: pytest.FixtureRequest
) -> None:
    plan = sk.plan(
        SEEDS,
        teacher=connected(server, request),
        num_contexts=3,
        num_questions=2,
        profile=False,
        sampling=SAMPLED_JUDGES,
    )
    run = sk.Run(plan).start().wait()
    assert_adds_up(run)
    assert_well_formed(run)
    assert run.funnel[0].rows_out >= 4, "nearly every context comes out well-formed"
    assert run.funnel[2].rows_out >= 6, "and so does nearly every verdict"
    assert len(list(run.samples())) > 0
    asked = exchanges(run)
    assert {is_forced(one) for one in asked if one.attempt == 1} == {False}
    assert {is_forced(one) for one in asked if one.attempt > 1} == {True}


def test_always_enforces_the_form_from_the_first_ask_on(teacher: Teacher) -> None:
    plan = sk.plan(
        SEEDS,
        teacher=teacher,
        num_contexts=4,
        num_questions=3,
        profile=False,
        sampling=SAMPLED_JUDGES,
        structure="always",
        max_tokens=600,
    )
    run = sk.Run(plan).start().wait()
    assert_adds_up(run)
    assert_well_formed(run)
    assert len(list(run.samples())) > 0
    assert {is_forced(one) for one in exchanges(run)} == {True}


def test_never_leaves_the_model_alone(teacher: Teacher) -> None:
    run = sk.gen_contexts.run(
        SEEDS, teacher=teacher, num_contexts=2, extra_tries=0, structure="never"
    )
    assert run.funnel[0].rows_out == 0
    assert {is_forced(one) for one in exchanges(run)} == {False}


def studied(teacher: Teacher) -> sk.Profile:
    """A profile of random texts.

    A random list may hold nothing but signs, which is no list: then more seeds are studied, for
    which the model draws anew.
    """
    seeds = [dict(row) for row in sk.load_seeds(SEED_FILE)]
    for number in range(len(SEEDS), len(seeds) + 1):
        with contextlib.suppress(sk.RunError):
            return sk.study(seeds[:number], teacher=teacher)
    pytest.fail("no study of any number of seeds came to a profile")


@pytest.mark.parametrize("server", ["vllm", "old_llama_stack"])
def test_a_profile_in_forced_form_is_whole(server: Any, request: pytest.FixtureRequest) -> None:
    profile = studied(connected(server, request))
    assert profile.criteria
    assert all(profile.variety[name] for name in ("kind", "case", "setting", "size"))
    assert "markdown_table=Feature,Feedback,Sentiment" in profile.checks
    assert sk.Profile.from_yaml(profile.to_yaml()) == profile, "whatever characters it has"


def test_a_run_goes_by_the_profile_that_the_model_wrote(teacher: Teacher) -> None:
    profile = studied(teacher)
    plan = sk.plan(
        SEEDS,
        teacher=teacher,
        num_contexts=3,
        num_questions=2,
        # No random model writes the table that the seeds' checks ask for.
        profile=replace(profile, checks=()),
        sampling=SAMPLED_JUDGES,
        structure="always",
    )
    run = sk.Run(plan).start().wait()
    assert_adds_up(run)
    assert_well_formed(run)
    assert len(list(run.samples())) > 0
    asked = [one for one in exchanges(run) if one.stage == "gen_contexts"]
    prompts = ["\n".join(message["content"] for message in one.messages) for one in asked]
    settings = profile.variety["setting"]
    assert prompts
    assert all(any(setting in prompt for setting in settings) for prompt in prompts)


def test_a_model_that_cannot_write_a_profile_is_noted_once_and_the_run_goes_on_without(
    teacher: Teacher,
) -> None:
    plan = sk.plan(SEEDS, teacher=teacher, num_contexts=2, extra_tries=0, structure="never")
    run = sk.Run(plan).start()
    with pytest.raises(RunEmptied, match=r"^No sample was kept"):
        run.wait()
    [note] = [note for note in run.notes if "profile" in note]
    assert note.startswith("tiny could not write a profile of the seeds (")
    assert note.endswith("The run continues without one.")
    assert (run.funnel[0].rows_in, run.funnel[0].rows_out) == (2, 0)
    assert sum(run.funnel[0].dropped.values()) == 4, "every context was asked for all the same"
    assert run.state == "failed"
    assert run.plan is not None and run.plan.profile is None


def test_all_questions_of_a_context_come_in_one_forced_reply(teacher: Teacher) -> None:
    rows = [dict(seed, context="The soup was cold, the waiter warm.") for seed in SEEDS]
    run = sk.gen_grounded_questions.run(rows, teacher=teacher, num_questions=5, structure="always")
    assert run.summary.requests == 2
    assert run.funnel[0].rows_out + run.funnel[0].dropped.get("duplicate", 0) == 10


# What real models write between the tags, and what must not get through there.
TEXTS = [
    "A line.",
    "Schöne Grüße aus Köln,\n\nIhr Team",
    "| Stadt | Zahl |\n|---|---|\n| Köln | 3 |",
    '[["a", 1], ["b", 2]]',
    "- [ ] to do\n- [x] done",
    "[Ending] and [Starters] are words",
    "日本語の文。\n二行目 🙂",
    "العربية، من اليمين إلى اليسار",
    "```json\n[1, 2]\n```",
    "a\tb * c_d ~ e\\f {g} (h) <i> $1 ^2 a/b a|b",
]
NO_TEXTS = [
    "",
    " ",
    "a\x00b",
    "[End of Context]\nmore",
    "a\n[start of context]",
    "a [Start of Evaluation] b",
]
MATCH = """
import json, sys
import xgrammar
regex, texts = json.load(sys.stdin)
tokens = xgrammar.TokenizerInfo([bytes([n]) for n in range(256)] + [b"</s>"], stop_token_ids=[256])
grammar = xgrammar.GrammarCompiler(tokens).compile_regex(regex)
def accepts(text):
    matcher = xgrammar.GrammarMatcher(grammar)
    return matcher.accept_string(text) and matcher.accept_token(256)
print(json.dumps([accepts(text) for text in texts]))
"""


def test_vllms_own_grammar_lets_every_language_and_form_through_and_no_tag() -> None:
    start, end = "[Start of Context]", "[End of Context]"
    form = Form.of(
        Prompt("gen_contexts", generation="x", start_tags=(start,), end_tags=(end,)), ("context",)
    )
    assert form is not None
    texts = [f"{start}\n{text}\n{end}" for text in [*TEXTS, *NO_TEXTS]]
    done = subprocess.run(
        [str(available(VLLM)), "-c", MATCH],
        input=json.dumps([form.regex(), texts]),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stderr
    accepted = json.loads(done.stdout)
    wrong = [text for text, one in zip(TEXTS, accepted, strict=False) if not one]
    wrong += [text for text, one in zip(NO_TEXTS, accepted[len(TEXTS) :], strict=True) if one]
    assert not wrong
