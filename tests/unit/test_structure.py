"""Structured output: when it is asked for, which servers are trusted, what is recorded."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import scripted
from aiohttp import web
from scripted import ScriptedTeacher, assert_adds_up, tagged
from servers import is_probe, status

import sdgkit as sk
from sdgkit.errors import SettingsError
from sdgkit.prompts import Prompt, structured_output
from sdgkit.prompts.reply_regex import any_text_but, any_text_but_as_before
from sdgkit.prompts.structured_output import PROBE, PROBE_TEXT, WAYS, Form, Way, has_own_form

FORM_FIELDS = {"structured_outputs", "response_format"}
CONTEXTS = {"gen_contexts": scripted.PROMPTS["gen_contexts"]}


class FormTeacher(ScriptedTeacher):
    """Writes no tag by itself.

    can: the ways in which it can be held to a form. refuses: those that it answers with an error.
    """

    def __init__(self, *can: str, refuses: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.can = can
        self.refuses = refuses
        self.probes: list[str] = []
        self.behave = self._with_form
        self.answer = self.in_the_form

    async def _with_form(self, body: dict[str, Any], number: int) -> web.StreamResponse:
        way = way_of(body)
        if way in self.refuses:
            return status(400, f"Unknown parameter: '{way}'.")
        if way and is_probe(body):
            self.probes.append(way)
            forced = json.dumps({"word": PROBE_TEXT}) if way == "json_schema" else PROBE_TEXT
            return scripted.completion(forced if way in self.can else "It is mild, and it rains.")
        return await self._answer(body, number)

    def in_the_form(self, ask: scripted.Ask) -> str:
        way = way_of(ask.body)
        if way not in self.can:
            return "I would rather talk about spring."
        text = f"Context {ask.name}"
        return json.dumps({"context": text}) if way == "json_schema" else tagged(context=text)


def way_of(body: Mapping[str, Any]) -> str:
    [name] = (FORM_FIELDS & set(body)) or {""}
    return "json_schema" if name == "response_format" else name


MakeTeacher = Callable[..., FormTeacher]


@pytest.fixture
def form_teacher() -> Iterator[MakeTeacher]:
    with ExitStack() as running:

        def make(*can: str, refuses: tuple[str, ...] = ()) -> FormTeacher:
            return running.enter_context(FormTeacher(*can, refuses=refuses))

        yield make


def contexts(
    server: FormTeacher,
    out: Path | None = None,
    teacher: sk.Teacher | None = None,
    **options: Any,
) -> sk.Run:
    settings = {"num_contexts": 2, "extra_tries": 0, "prompt": CONTEXTS["gen_contexts"]}
    return sk.gen_contexts.run(
        scripted.seeds(2), teacher=teacher or server.connect(), out=out, **{**settings, **options}
    )


def ways_by_attempt(server: FormTeacher) -> dict[int, set[str]]:
    ways: dict[int, set[str]] = {}
    for ask in server.asks:
        ways.setdefault(ask.attempt, set()).add(way_of(ask.body))
    return ways


@pytest.mark.parametrize("way", WAYS)
def test_a_malformed_reply_is_asked_again_with_the_form_enforced_in_the_way_that_works(
    form_teacher: MakeTeacher, way: Way
) -> None:
    server = form_teacher(way)
    run = contexts(server)
    assert run.funnel[0].rows_out == 4
    assert ways_by_attempt(server) == {1: {""}, 2: {way}}
    assert all(row["context"].startswith("Context ") for row in run.samples())


def test_how_a_server_can_be_asked_is_probed_once_for_a_teacher(form_teacher: MakeTeacher) -> None:
    server = form_teacher("json_schema")
    teacher = server.connect()
    contexts(server, teacher=teacher)
    contexts(server, teacher=teacher)
    assert server.probes == list(WAYS)


def test_a_server_that_refuses_a_way_is_asked_for_the_next(form_teacher: MakeTeacher) -> None:
    server = form_teacher("json_schema", refuses=("structured_outputs",))
    assert contexts(server).funnel[0].rows_out == 4


def test_a_server_that_ignores_the_form_is_not_trusted_and_not_asked_for_it(
    form_teacher: MakeTeacher,
) -> None:
    server = form_teacher()
    run = contexts(server)
    assert run.funnel[0].dropped == {"malformed": 4}
    assert ways_by_attempt(server) == {attempt: {""} for attempt in (1, 2, 3, 4)}


def test_a_reply_that_breaks_an_enforced_form_is_malformed(form_teacher: MakeTeacher) -> None:
    server = form_teacher("structured_outputs")
    server.answer = lambda ask: "No tag, whatever the form says."
    run = contexts(server)
    assert run.funnel[0].dropped == {"malformed": 4}
    assert ways_by_attempt(server)[4] == {"structured_outputs"}


def test_a_teacher_whose_replies_are_well_formed_is_never_probed() -> None:
    with ScriptedTeacher() as server:
        run = sk.Run(
            sk.plan(
                scripted.seeds(2),
                teacher=server.connect(),
                prompts=scripted.PROMPTS,
                profile=False,
                num_contexts=2,
            )
        )
        assert_adds_up(run.start().wait())
        assert not [body for body in server.requests if FORM_FIELDS & set(body)]


def test_always_enforces_the_form_from_the_first_request(form_teacher: MakeTeacher) -> None:
    server = form_teacher("structured_outputs")
    assert contexts(server, structure="always").funnel[0].rows_out == 4
    assert ways_by_attempt(server) == {1: {"structured_outputs"}}


def test_always_is_an_error_if_the_server_cannot_enforce_a_form(form_teacher: MakeTeacher) -> None:
    with pytest.raises(SettingsError, match=r'did not enforce the form.*structure to "auto"'):
        contexts(form_teacher(), structure="always")


def test_never_sends_no_form_and_no_probe(form_teacher: MakeTeacher) -> None:
    server = form_teacher("structured_outputs")
    assert contexts(server, structure="never").funnel[0].dropped == {"malformed": 4}
    assert server.probes == []


@pytest.mark.parametrize("structure", ["Auto", "", "regex"])
def test_an_unknown_setting_of_structure_is_an_error(structure: str) -> None:
    with pytest.raises(SettingsError, match="auto, always, never"):
        sk.plan(
            scripted.seeds(2), prompts=scripted.PROMPTS, profile=False, structure=structure or "off"
        )


def test_recorded_replies_are_reused_without_a_probe(
    form_teacher: MakeTeacher, tmp_path: Path
) -> None:
    server = form_teacher("json_schema")
    contexts(server, tmp_path)
    server.forget()
    server.probes.clear()
    again = contexts(
        server, tmp_path, extra_tries=1
    )  # another edition: every row comes again from its replies
    assert again.funnel[0].rows_out == 4
    assert (server.asked(), server.probes) == (0, [])


def test_replies_that_an_earlier_version_recorded_are_reused(
    form_teacher: MakeTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It spelt the same form in another way, which servers were slow to enforce."""
    server = form_teacher("structured_outputs")
    with monkeypatch.context() as earlier:
        earlier.setattr(structured_output, "any_text_but", any_text_but_as_before)
        first = list(contexts(server, tmp_path / "run").samples())
    asked = server.asked()
    assert list(contexts(server, tmp_path / "run").samples()) == first
    assert server.asked() == asked


def test_the_settings_of_the_form_are_shown_by_the_trace(form_teacher: MakeTeacher) -> None:
    run = contexts(form_teacher("structured_outputs"))
    first, second = run.trace("s1/c1").exchanges
    assert "extra_body" not in first.sampling
    assert re.fullmatch(second.sampling["extra_body"]["structured_outputs"]["regex"], second.text)


def test_a_form_of_the_users_own_is_left_alone(form_teacher: MakeTeacher) -> None:
    server = form_teacher("structured_outputs")
    own = {"extra_body": {"response_format": {"type": "text"}}}
    contexts(server, sampling=own)
    assert ways_by_attempt(server)[2] == {"json_schema"}
    assert server.probes == []
    assert has_own_form({"extra_body": {"guided_json": {}}}) and not has_own_form(
        {"temperature": 0}
    )


# The form itself ----------------------------------------------------------------------------------


def prompt(*tags: tuple[str, str]) -> Prompt:
    starts, ends = zip(*tags, strict=True)
    return Prompt("p", generation="x", start_tags=starts, end_tags=ends)


def form_of(prompt: Prompt, columns: tuple[str, ...], **options: Any) -> Form:
    form = Form.of(prompt, columns, **options)
    assert form is not None
    return form


JUDGING = prompt(
    ("[Start of Evaluation]", "[End of Evaluation]"), ("[Start of Score]", "[End of Score]")
)
QUESTIONS = prompt(("[Start of Question]", "[End of Question]"))


@pytest.mark.parametrize("score", ["1", "2", "3", "0", "4", "12", "two"])
def test_a_verdict_can_only_have_a_score_on_the_scale(score: str) -> None:
    form = form_of(JUDGING, ("evaluation", "score"), scale=(1.0, 2.0, 3.0))
    reply = tagged(evaluation="Good, and\nshort.", score=score)
    assert bool(re.fullmatch(form.regex(), reply)) == (score in ("1", "2", "3"))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_reply_has_as_many_records_as_were_asked_for(number: int) -> None:
    form = form_of(QUESTIONS, ("question",), records=number)
    for there in range(1, 5):
        reply = "\n".join(tagged(question=f"Why {n}?") for n in range(there))
        assert bool(re.fullmatch(form.regex(), reply)) == (there == number)


VALUES = {
    "Schöne Grüße\n\naus Köln": True,
    "| a | b |\n|---|---|": True,
    '[["a"], [1]]': True,
    "- [ ] to do": True,
    "[Ending] [Starters]": True,
    "日本語 🙂": True,
    "": False,
    "  ": False,
    "a\x07b": False,
    "[End of Question]": False,
    "x [start of question] y": False,
}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_any_text_in_any_language_but_a_tag(value: str) -> None:
    form = form_of(QUESTIONS, ("question",))
    reply = f"[Start of Question]\n{value}\n[End of Question]"
    assert bool(re.fullmatch(form.regex(), reply)) == VALUES[value]


def test_plain_text_is_repeated_by_itself_since_choices_are_slow_to_enforce() -> None:
    """The two spellings are one language."""
    tags = ["[Start of Text]", "[End of Text]", "Answer:"]
    beginnings = [
        "[",
        "[[",
        "[E",
        "[e",
        "[Sta",
        "[start ",
        "[End of Te",
        "Answer",
        "A",
        "a\n",
        " ",
        "é",
    ]
    texts = [one + other for one in beginnings for other in ["", *beginnings, *tags]]
    for text in texts:
        is_allowed = re.fullmatch(any_text_but(tags), text) is not None
        assert is_allowed == bool(re.fullmatch(any_text_but_as_before(tags), text)), text
    assert re.search(r"\]\*\(\?:", any_text_but(tags))


@pytest.mark.parametrize(
    ("value", "good"), [("A quest in Quebec", True), ("One Question: what?", False)]
)
def test_tags_that_are_words_allow_words_that_begin_like_them(value: str, good: bool) -> None:
    form = form_of(prompt(("Question:", "Answer:")), ("question",))
    assert bool(re.fullmatch(form.regex(), f"Question:\n{value}\nAnswer:")) == good


def test_a_prompt_without_tags_has_no_form() -> None:
    assert Form.of(prompt(("", "")), ("response",)) is None


@pytest.mark.parametrize("records", [1, 2])
def test_a_reply_in_json_is_read_like_one_with_tags(records: int) -> None:
    form = form_of(JUDGING, ("evaluation", "score"), records=records, scale=(0.0, 1.0))
    schema = form.settings("json_schema")["response_format"]["json_schema"]["schema"]
    values = {
        name: "1" if "enum" in kind else f"words of {name}"
        for name, kind in schema["properties"].items()
    }
    assert schema["required"] == list(values) and schema["additionalProperties"] is False
    rows = JUDGING.parse(form.tagged(json.dumps(values)), ("evaluation", "score")).rows
    assert len(rows) == records
    assert all(
        row["score"] == "1" and row["evaluation"].startswith("words of evaluation") for row in rows
    )


@pytest.mark.parametrize(
    "text", ["no JSON", "[1, 2]", '{"evaluation": "x"}', '{"evaluation": "x", "sc']
)
def test_a_reply_that_is_not_that_json_is_left_as_it_is(text: str) -> None:
    assert form_of(JUDGING, ("evaluation", "score"), scale=(0.0, 1.0)).tagged(text) == text


def test_raw_line_breaks_in_json_are_accepted() -> None:
    reply = '{"question": "One\ntwo"}'
    tagged_reply = form_of(QUESTIONS, ("question",)).tagged(reply)
    assert tagged_reply == "[Start of Question]\nOne\ntwo\n[End of Question]"


def test_a_probe_is_passed_only_by_an_answer_that_no_model_writes() -> None:
    assert re.fullmatch(
        PROBE.settings("structured_outputs")["structured_outputs"]["regex"], PROBE_TEXT
    )
    assert PROBE.tagged(json.dumps({"word": PROBE_TEXT})) == PROBE_TEXT
    for other in ("Spring is mild.", "", "{}", "7", '{"word": "spring"}'):
        assert PROBE.tagged(other) != PROBE_TEXT
