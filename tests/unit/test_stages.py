"""The kinds of stage: the method's eight against recorded rows, and those that users add."""

import asyncio
import datetime
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import (
    ATTEMPTS,
    FREEFORM_PROMPTS,
    PROMPTS,
    Answer,
    Ask,
    ScriptedTeacher,
    assert_adds_up,
    completion,
    ignore_note,
    prompt,
    seeds,
    tagged,
)

import sdgkit as sk
from sdgkit.errors import RunStopped, SettingsError
from sdgkit.prompts import Prompt
from sdgkit.samples import Row
from sdgkit.stages import Drop, Step, draw
from sdgkit.teachers.teacher import Reply

RECORDED = Path(__file__).parent.parent / "recorded"
# Which variable of a stage's prompt tells what a recorded reply is about.
ABOUT = {
    "gen_contexts": "seed_question",
    "gen_grounded_questions": "context",
    "eval_grounded_questions": "question",
    "gen_grounded_responses": "question",
    "evaluate_grounded_qa_pair": "response",
}
SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}
STAGES = [stage.name for stage in sk.GROUNDED.stages]


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(
    script: ScriptedTeacher, rows: list[dict[str, Any]] | None = None, **settings: Any
) -> sk.Run:
    return sk.generate(
        rows or seeds(),
        teacher=script.connect(),
        **{"prompts": PROMPTS, "profile": False, **SMALL, **settings},
    )


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDED / name).read_text("utf-8").splitlines()]


# Against recorded rows ----------------------------------------------------------------------------


class RecordedTeacher(ScriptedTeacher):
    """Answers each request with the reply that was recorded for it, once."""

    def __init__(self) -> None:
        super().__init__()
        self.replies = {
            (one["stage"], one["about"], one["ordinal"], one["attempt"]): one
            for one in recorded("replies.jsonl")
        }
        self.answer = self.recorded

    def recorded(self, ask: Ask) -> Answer:
        reply = self.replies[ask.stage, ask.given[ABOUT[ask.stage]], ask.ordinal, ask.attempt]
        return completion(reply["text"], reply["finish_reason"])


def slim(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in seeds(1)[0]}


@pytest.fixture(scope="module")
def stage_runs() -> dict[str, sk.Run]:
    """The eight stages, one after the other, each on the rows that the one before let through."""
    runs, rows = {}, recorded("seeds.jsonl")
    settings: dict[str, Any] = {
        "gen_contexts": {"num_contexts": 3},
        "gen_grounded_questions": {"num_questions": 2},
    }
    with RecordedTeacher() as teacher:
        for name in STAGES:
            asks = (
                {"teacher": teacher.connect(), "prompt": PROMPTS[name]} if name in PROMPTS else {}
            )
            runs[name] = getattr(sk, name).run(rows, **asks, **settings.get(name, {}))
            rows = runs[name].dataset
        assert teacher.asked() == len(teacher.replies)
    return runs


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_turns_the_recorded_rows_into_the_recorded_rows(
    stage_runs: dict[str, sk.Run], name: str
) -> None:
    expected = [row for row in recorded("rows.jsonl") if row.pop("after") == name]
    rows, drops = list(stage_runs[name].samples()), list(stage_runs[name].drops())
    assert [slim(row) for row in rows] == [row for row in expected if "reason" not in row]
    told = [
        {"id": drop["id"], "reason": drop["reason"], "message": drop["message"]} for drop in drops
    ]
    assert told == [row for row in expected if "reason" in row]
    assert_adds_up(stage_runs[name])


def test_the_recorded_replies_streamed_give_the_same(stage_runs: dict[str, sk.Run]) -> None:
    with RecordedTeacher() as teacher:
        run = sk.generate(
            recorded("seeds.jsonl"),
            teacher=teacher.connect(),
            prompts=PROMPTS,
            profile=False,
            **SMALL,
        )
    assert list(run.samples()) == list(stage_runs[STAGES[-1]].samples())
    dropped = [drop for name in STAGES for drop in stage_runs[name].drops()]
    assert sorted(drop["id"] for drop in run.drops()) == sorted(drop["id"] for drop in dropped)


def test_a_single_stage_prints_one_line_in_a_notebook_if_rows_were_dropped(
    stage_runs: dict[str, sk.Run],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = stage_runs["eval_grounded_questions"].dataset
    sk.filter_grounded_questions(rows)
    assert capsys.readouterr().out == ""  # outside of notebooks the log has it
    monkeypatch.setattr("sdgkit.method.stage_functions.is_interactive", lambda: True)
    kept = sk.filter_grounded_questions(rows)
    out = capsys.readouterr().out.splitlines()
    assert out == ["filter_grounded_questions: kept 7 of 9 rows, dropped 2 (score 2)."]
    sk.combine_question_and_context(kept)
    assert capsys.readouterr().out == ""


def test_the_judges_two_columns_are_removed_once_the_questions_are_filtered(
    stage_runs: dict[str, sk.Run],
) -> None:
    assert {"evaluation", "score"} <= set(
        stage_runs["eval_grounded_questions"].dataset.column_names
    )
    assert not {"evaluation", "score"} & set(
        stage_runs["filter_grounded_questions"].dataset.column_names
    )


# Stages as functions ------------------------------------------------------------------------------


def test_a_stage_that_asks_needs_a_teacher_and_leaves_no_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gen_contexts asks a teacher.*teacher="):
        sk.gen_contexts(seeds(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_setting_that_a_stage_does_not_have_is_refused(script: ScriptedTeacher) -> None:
    with pytest.raises(SettingsError, match=r"gen_contexts has no argument .num_question."):
        sk.gen_contexts(seeds(), teacher=script.connect(), num_question=3)  # type: ignore[call-arg]


def test_a_filter_before_its_judge_names_the_missing_column() -> None:
    with pytest.raises(
        SettingsError,
        match="filter_grounded_qa_pair needs the column 'score'; there are task_descr",
    ):
        sk.filter_grounded_qa_pair(seeds())


def test_a_column_that_a_prompt_needs_but_no_row_has_is_named(script: ScriptedTeacher) -> None:
    with pytest.raises(sk.PromptError, match="'context' is undefined"):
        sk.gen_grounded_questions(
            seeds(), teacher=script.connect(), prompt=PROMPTS["gen_grounded_questions"]
        )


def test_an_empty_dataset_goes_through() -> None:
    assert len(sk.combine_question_and_context([])) == 0


def test_two_rows_with_the_same_id_are_refused(script: ScriptedTeacher) -> None:
    rows = [{"id": "s1", **row, "context": "C", "question": "Q"} for row in seeds(2)]
    with pytest.raises(SettingsError, match="the same id"):
        sk.combine_question_and_context(rows)


def test_a_value_that_json_cannot_hold_is_refused_with_its_row_and_column(
    script: ScriptedTeacher,
) -> None:
    rows = [{"context": "C", "question": "Q", "when": when} for when in ("today", {1, 2})]
    with pytest.raises(SettingsError, match=r"row 2.*'when'.*set"):
        sk.combine_question_and_context(rows)


def test_half_a_surrogate_pair_in_a_row_stops_nothing(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    rows = [{**seeds(1)[0], "context": "broken \ud800 text"}]
    given: dict[str, Any] = {
        "teacher": script.connect(),
        "prompt": PROMPTS["gen_grounded_questions"],
        "num_questions": 1,
    }
    run = sk.gen_grounded_questions.run(rows, out=tmp_path, **given)
    assert run.state == "done"
    assert len(list(run.samples())) == 1
    assert (tmp_path / "dataset.jsonl").read_text("utf-8")


def test_a_stage_also_takes_the_path_of_a_seed_file(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    sk.save_seeds(seeds(2), tmp_path / "seeds.jsonl")
    options: dict[str, Any] = {
        "teacher": script.connect(),
        "prompt": PROMPTS["gen_contexts"],
        "num_contexts": 2,
    }
    rows = sk.gen_contexts(tmp_path / "seeds.jsonl", **options)
    assert rows.to_list() == sk.gen_contexts(seeds(2), **options).to_list()


# Stages of one's own ------------------------------------------------------------------------------


@pytest.mark.parametrize("after", STAGES)
def test_a_users_check_can_stand_between_any_two_stages(
    script: ScriptedTeacher, after: str
) -> None:
    check = sk.Check(
        name="mine",
        function=lambda row: "it is the first" if row["seed_question"].endswith("1") else None,
    )
    run = generate(script, pipeline=sk.GROUNDED.after(after, check))
    dropped = [drop for drop in run.drops() if drop["stage"] == "mine"]
    assert {drop["message"] for drop in dropped} == {"it is the first"}
    assert {drop["reason"] for drop in dropped} == {"mine"}
    assert {drop["id"].split("/")[0] for drop in dropped} == {"s1"}
    assert {row["id"].split("/")[0] for row in run.samples()} == {"s2", "s3"}
    assert_adds_up(run)


def test_a_check_before_all_stages_keeps_seeds_out(script: ScriptedTeacher) -> None:
    check = sk.Check(name="mine", function=lambda row: "2" not in row["seed_question"])
    run = generate(script, pipeline=sk.GROUNDED.before("gen_contexts", check))
    assert [(drop["id"], drop["message"]) for drop in run.drops() if drop["stage"] == "mine"] == [
        ("s2", "Rejected by the check mine.")
    ]
    assert {ask.seed for ask in script.asks if ask.stage == "gen_contexts"} == {1, 3}
    assert_adds_up(run)


class Truth:
    """As numpy's booleans are: true, and not the constant True."""

    def __bool__(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [
        (True, True),
        (None, True),
        (Truth(), True),
        (7, True),
        (False, False),
        ("", False),
        (0, False),
    ],
)
def test_a_check_keeps_a_row_if_its_function_returns_something_true_or_none(
    verdict: object, kept: bool
) -> None:
    check = sk.Check(name="mine", function=lambda row: verdict)
    run = (
        sk.Run(sk.plan(seeds(1), pipeline=sk.Pipeline("grounded", (check,))), on_note=ignore_note)
        .start()
        .wait()
    )
    assert len(list(run.samples())) == kept


def test_a_check_of_any_name_is_counted_correctly(script: ScriptedTeacher) -> None:
    for name in ("out", ">", "score", "a:b"):
        check = sk.Check(name=name, function=lambda row: "Context 1" not in row["context"])
        run = generate(script, pipeline=sk.GROUNDED.after("gen_contexts", check))
        assert run.funnel[1].dropped == {name: 3}
        assert_adds_up(run)


@pytest.mark.parametrize("kept", [True, False])
def test_the_function_of_a_check_may_be_async(kept: bool) -> None:
    async def check(row: Row) -> bool:
        return kept

    plan = sk.plan(
        seeds(1), pipeline=sk.Pipeline("grounded", (sk.Check(name="mine", function=check),))
    )
    assert len(list(sk.Run(plan, on_note=ignore_note).start().wait().samples())) == kept


class Shout(sk.Stage):
    async def change(self, step: Step) -> Mapping[str, Any]:
        return {**step.row, "response": step.row["response"].upper(), "loud": True}


class Ask2(sk.Stage):
    """Asks twice, with the same prompt and further values."""

    role = "teacher"
    columns = ("title",)

    async def change(self, step: Step) -> Mapping[str, Any]:
        replies = [await step.ask({"style": style}) for style in ("short", "long")]
        if not all(replies):
            raise Drop("silent", "The teacher had nothing to say.")
        return {
            **step.row,
            "titles": [step.prompt.parse(r.text, self.columns).rows[0]["title"] for r in replies],
        }


@pytest.mark.parametrize("after", STAGES[4:])
def test_a_stage_of_ones_own_is_a_small_class(script: ScriptedTeacher, after: str) -> None:
    run = generate(script, pipeline=sk.GROUNDED.after(after, Shout(name="shout")))
    rows = list(run.samples())
    assert rows
    assert all(row["response"].startswith("RESPONSE ") and row["loud"] is True for row in rows)
    assert_adds_up(run)


def test_a_stage_of_ones_own_may_ask_the_teacher(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        tagged(title=f"A {ask.given['style']} title")
        if ask.stage == "titles"
        else script.usual(ask)
    )
    prompts = {
        **PROMPTS,
        "titles": prompt("titles", ("response", "style"), "title", temperature=0.1),
    }
    run = generate(
        script, pipeline=sk.GROUNDED.after(STAGES[-1], Ask2(name="titles")), prompts=prompts
    )
    row = next(run.samples())
    assert row["titles"] == ["A short title", "A long title"]
    assert [exchange.stage for exchange in run.trace(row["id"]).exchanges][-2:] == [
        "titles",
        "titles",
    ]


class Sentences(sk.Stage):
    """Makes a row of each sentence of the response."""

    fans_out = True
    letter = "p"

    def spread(self, step: Step, round_: int | None = None) -> None:
        for number, sentence in enumerate(step.row["response"].split(". "), 1):
            step.offer(number, {"response": sentence}, ["response"])


def test_a_stage_of_ones_own_may_make_several_rows_of_one(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        tagged(response="One. Two. One. Three")
        if ask.stage == "gen_grounded_responses"
        else script.usual(ask)
    )
    pipeline = sk.GROUNDED.after("gen_grounded_responses", Sentences(name="sentences"))
    run = generate(script, seeds(1), num_contexts=1, num_questions=1, pipeline=pipeline)
    rows = {row["id"]: row["response"] for row in [*run.samples(), *run.drops()]}
    assert {"s1/c1/q1/p1", "s1/c1/q1/p2", "s1/c1/q1/p3", "s1/c1/q1/p4"} == set(rows)
    assert [
        (drop["id"], drop["reason"]) for drop in run.drops() if drop["stage"] == "sentences"
    ] == [("s1/c1/q1/p3", "duplicate")]
    assert_adds_up(run)


class OneRow:
    """One row without a stream: what a test of one's own stage works with, if it asks nobody."""

    id = "s1"
    prompt = PROMPTS["gen_contexts"]

    def __init__(self, **row: Any) -> None:
        self.row = row

    async def ask(self, values: Row | None = None, **more: Any) -> Reply:
        raise NotImplementedError

    def last_reply(self) -> str:
        return ""

    def branch(self, work: Callable[[Step], Awaitable[None]]) -> None:
        raise NotImplementedError

    def offer(self, ordinal: int, columns: Row, names: Sequence[str]) -> bool:
        raise NotImplementedError

    def drop(self, ordinal: int, drop: Drop) -> None:
        raise NotImplementedError


def test_a_stage_works_without_a_stream() -> None:
    loud = asyncio.run(Shout(name="shout").change(OneRow(response="yes")))
    assert loud == {"response": "YES", "loud": True}
    kept = asyncio.run(
        sk.Keep(name="good", at_least=2.0, remove=["score"]).change(OneRow(score=2.0))
    )
    assert kept == {}
    with pytest.raises(Drop, match="1; 2 or more") as dropped:
        asyncio.run(sk.Keep(name="good", at_least=2.0).change(OneRow(score=1.0)))
    assert dropped.value.reason == "score"


def test_a_stage_that_asks_but_has_no_prompt_is_refused(script: ScriptedTeacher) -> None:
    with pytest.raises(sk.SdgkitError, match=r"The stage titles has no prompt"):
        generate(script, pipeline=sk.GROUNDED.after(STAGES[-1], Ask2(name="titles")))


def broken_in(how: str) -> sk.Stage:
    class Broken(sk.Stage):
        async def change(self, step: Step) -> Mapping[str, Any]:
            match how:
                case "raises":
                    raise KeyError("price")
                case "nothing":
                    return None  # type: ignore[return-value]
                case _:
                    return {**step.row, "when": {1, 2}}

    return Broken(name="mine")


@pytest.mark.parametrize(
    ("how", "stage", "words"),
    [
        ("raises", "mine", "The stage mine failed at s1/c1.*KeyError: 'price'"),
        ("nothing", "mine", "The stage mine failed at s1/c1.*TypeError"),
        ("no json", None, r"Recording the sample failed at s1/c1/q1.*set is not JSON serializable"),
    ],
)
@pytest.mark.parametrize("after", ["gen_contexts", STAGES[-1]])
def test_an_error_in_a_users_own_code_stops_the_run_with_a_sentence(
    script: ScriptedTeacher, tmp_path: Path, how: str, stage: str, words: str, after: str
) -> None:
    with pytest.raises(RunStopped, match=words) as stopped:
        generate(
            script,
            seeds(1),
            num_contexts=1,
            num_questions=1,
            out=tmp_path,
            pipeline=sk.GROUNDED.after(after, broken_in(how)),
        )
    assert "\n" not in str(stopped.value)
    assert stopped.value.stage == stage
    assert str(stopped.value.row) in str(stopped.value)
    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert summary["state"] == "failed"


def test_a_stage_class_without_a_change_method_is_refused() -> None:
    stage = type("Lazy", (sk.Stage,), {})(name="lazy")
    with pytest.raises(RunStopped, match="Lazy needs a `change` method"):
        sk.Run(
            sk.plan(seeds(1), pipeline=sk.Pipeline("grounded", (stage,))), on_note=ignore_note
        ).start().wait()


class Style:
    """A plain object, of the kind that a stage may hold; its default text is an address."""

    def __init__(self, word: str) -> None:
        self.word, self.self = word, self

    def applied(self, text: str) -> str:
        return f"{text} {self.word}"


class Signed(sk.Stage):
    sign = "."
    style: "Style"

    def __init__(self, name: str, style: Style) -> None:
        super().__init__(name=name)
        object.__setattr__(self, "style", style)

    async def change(self, step: Step) -> Mapping[str, Any]:
        return {**step.row, "response": self.style.applied(step.row["response"]) + self.sign}


def test_a_stage_that_holds_a_plain_object_is_described_by_what_the_object_holds_and_does() -> None:
    one = Signed("sign", Style("a")).describe()
    assert one == Signed("sign", Style("a")).describe()
    others = [Signed("sign", Style("b")).describe()]
    for kind, changed in ((Signed, {"sign": "!"}), (Style, {"applied": lambda self, text: text})):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in changed.items():
                patch.setattr(kind, name, value)
            others.append(Signed("sign", Style("a")).describe())
    assert one not in others
    code = "import json, sys; sys.path[:0] = sys.argv[1:]; import test_stages as t;"
    code += "print(json.dumps(t.Signed('sign', t.Style('a')).describe()))"
    here = Path(__file__).parent
    command = [sys.executable, "-c", code, str(here), str(here.parent)]
    told = {
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
    }
    assert len(told) == 1


def test_a_column_named_id_does_not_become_the_lineage(script: ScriptedTeacher) -> None:
    class Renames(sk.Stage):
        async def change(self, step: Step) -> Mapping[str, Any]:
            return {**step.row, "id": "my own"}

    run = generate(
        script, seeds(1), pipeline=sk.GROUNDED.after("gen_contexts", Renames(name="renames"))
    )
    assert all(row["id"].startswith("s1/c") for row in run.samples())
    assert run.trace(next(run.samples())["id"])


# Another judge ------------------------------------------------------------------------------------


def test_another_teacher_can_judge(script: ScriptedTeacher, tmp_path: Path) -> None:
    with ScriptedTeacher("stern") as stern:
        run = generate(script, judge=stern.connect(2), out=tmp_path)
        assert set(stern.by_stage()) == {"eval_grounded_questions", "evaluate_grounded_qa_pair"}
        assert set(script.by_stage()) == {
            "gen_contexts",
            "gen_grounded_questions",
            "gen_grounded_responses",
        }
        assert (run.summary.model, run.summary.judge) == ("tiny", "stern")
        models = {e.stage: e.model for e in run.trace(next(run.samples())["id"]).exchanges}
        assert models["gen_contexts"] == "tiny"
        assert models["evaluate_grounded_qa_pair"] == "stern"
        assert_adds_up(run)
        script.forget()
        stern.forget()
        generate(script, judge=stern.connect(), out=tmp_path)
        assert script.asked() == stern.asked() == 0
        with pytest.raises(sk.RunError, match="judge stern → tiny"):
            generate(script, out=tmp_path)
        generate(script, out=tmp_path, reuse=True)
        assert {"eval_grounded_questions", "evaluate_grounded_qa_pair"} <= set(script.by_stage())
        assert not script.asked("gen_contexts") + script.asked("gen_grounded_questions")


def test_a_slow_judge_delays_the_admission_of_seeds(script: ScriptedTeacher) -> None:
    """Or all contexts would pile up before it."""
    with ScriptedTeacher("slow") as slow:
        slow.delay = lambda ask: 0.02
        most = 0

        def answer(ask: Ask) -> str:
            nonlocal most
            if ask.stage == "gen_contexts":
                most = max(
                    most, script.asked("gen_contexts") - slow.asked("eval_grounded_questions")
                )
            return script.usual(ask)

        script.answer = answer
        teachers: dict[str, Any] = {"teacher": script.connect(4), "judge": slow.connect(1)}
        sk.generate(
            seeds(60), prompts=PROMPTS, profile=False, num_contexts=1, num_questions=1, **teachers
        )
        assert most <= 4 * 4 + 3 * 4  # what may wait for the judge, and what is on its way there


# Vary ---------------------------------------------------------------------------------------------

VARY = {"audience": ["children", "experts", "lawyers"], "mood": ["glad", "sad"]}


def test_vary_is_drawn_for_each_context_given_to_its_prompt_and_recorded_in_the_row(
    script: ScriptedTeacher,
) -> None:
    run = generate(script, vary=VARY, num_contexts=6)
    asked = {
        (ask.seed, ask.ordinal): ask.given["vary"]
        for ask in script.asks
        if ask.stage == "gen_contexts"
    }
    rows = [*run.samples(), *run.drops()]
    for row in rows:
        seed, context = (int(part[1:]) for part in row["id"].split("/")[:2])
        assert row["vary"] == asked[seed, context]
    assert all(set(vary) == set(VARY) for vary in asked.values())


def test_vary_is_balanced_and_two_lists_of_one_length_do_not_go_in_step() -> None:
    lists = {"one": list(range(4)), "two": list(range(4))}
    drawn = [draw(lists, seeds(1)[0], ordinal) for ordinal in range(1, 41)]
    assert Counter(row["one"] for row in drawn) == dict.fromkeys(range(4), 10)
    for block in range(10):
        assert len({row["two"] for row in drawn[4 * block : 4 * block + 4]}) == 4
    assert any(row["one"] != row["two"] for row in drawn)
    assert len({(row["one"], row["two"]) for row in drawn}) > 8


def test_vary_is_drawn_anew_for_each_seed_and_the_same_for_the_same(
    script: ScriptedTeacher,
) -> None:
    first = [draw(VARY, row, 1) for row in seeds(20)]
    assert first == [draw(VARY, row, 1) for row in seeds(20)]
    assert len({str(row) for row in first}) > 2


def test_a_changed_vary_list_asks_again_only_what_it_changes(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, vary={"mood": ["glad", "sad"]}, out=tmp_path, num_contexts=2)
    script.forget()
    run = generate(
        script, vary={"mood": ["glad", "sad"], "length": ["short"]}, out=tmp_path, num_contexts=2
    )
    assert script.asked("gen_contexts") == 6
    assert "vary" in run.notes[0]


@pytest.mark.parametrize("vary", [{}, {"a": []}, {"a": "text"}, ["a"], {"a": None}, "text"])
def test_vary_must_be_named_lists(script: ScriptedTeacher, vary: Any) -> None:
    with pytest.raises(SettingsError, match="vary must be named lists"):
        generate(script, vary=vary)


@pytest.mark.parametrize("value", [datetime.date(2024, 1, 1), {1}, float("nan"), "\ud800"])
def test_vary_refuses_a_value_that_no_row_can_hold(script: ScriptedTeacher, value: Any) -> None:
    with pytest.raises(SettingsError, match=r"vary, list day: cannot be stored "):
        generate(script, vary={"day": ["Monday", value]})


# Freeform -----------------------------------------------------------------------------------------


def test_a_freeform_skill_asks_for_thirty_questions_a_seed(script: ScriptedTeacher) -> None:
    run = sk.generate(
        seeds(2, grounded=False), teacher=script.connect(), prompts=FREEFORM_PROMPTS, profile=False
    )
    assert [line.name for line in run.funnel] == [stage.name for stage in sk.FREEFORM.stages]
    assert run.funnel[0].tried == 60
    assert script.asked("gen_questions") == 2 * 5
    row = next(run.samples())
    assert row["id"] == "s1/q1" or row["id"].startswith("s1/q")
    assert "context" not in row
    assert "seed_context" not in row
    assert_adds_up(run)


def questions_asked(script: ScriptedTeacher) -> list[int]:
    """How many questions each request asked for, in the order of the requests' ordinals."""
    asks = [ask for ask in script.asks if ask.stage == "gen_questions"]
    return [ask.given["num_samples"] for ask in sorted(asks, key=lambda ask: ask.ordinal)]


@pytest.mark.parametrize(
    ("number", "parts"), [(30, [6] * 5), (6, [6]), (7, [4, 3]), (13, [5, 5, 3]), (1, [1])]
)
def test_freeform_questions_are_asked_for_in_parts_of_up_to_six(
    script: ScriptedTeacher, number: int, parts: list[int]
) -> None:
    run = sk.generate(
        seeds(1, grounded=False),
        teacher=script.connect(),
        prompts=FREEFORM_PROMPTS,
        profile=False,
        num_questions=number,
    )
    assert questions_asked(script) == parts
    assert run.funnel[0].rows_out == number
    ids = {row["id"] for row in [*run.samples(), *run.drops()]}
    assert ids == {f"s1/q{ordinal}" for ordinal in range(1, number + 1)}


def test_each_part_has_a_draw_of_its_own(script: ScriptedTeacher) -> None:
    moods = ["glad", "sad", "calm", "cross", "proud"]
    run = sk.generate(
        seeds(1, grounded=False),
        teacher=script.connect(),
        prompts=FREEFORM_PROMPTS,
        profile=False,
        vary={"mood": moods},
    )
    drawn = Counter(row["vary"]["mood"] for row in [*run.samples(), *run.drops()])
    assert drawn == dict.fromkeys(moods, 6)


def test_a_question_that_another_part_has_is_asked_for_once_more(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> str:
        if ask.stage == "gen_questions" and ask.ordinal <= 2:
            return "\n".join(tagged(question=f"Q{number}") for number in range(6))
        return script.usual(ask)

    kept = []
    for concurrency, slow in ((1, 0.0), (8, 0.05)):
        script.answer = answer
        script.delay = lambda ask, slow=slow: slow if ask.ordinal == 1 else 0.0
        script.forget()
        run = sk.generate(
            seeds(1, grounded=False),
            teacher=script.connect(concurrency),
            prompts=FREEFORM_PROMPTS,
            profile=False,
            num_questions=12,
        )
        assert sorted(questions_asked(script)) == [1] * 6 + [6, 6]
        assert run.funnel[0].dropped == {"duplicate": 6}
        assert run.funnel[0].rows_out == 12
        kept.append([row["id"] for row in run.samples()])
    assert kept[0] == kept[1]


def cut_off(*questions: str) -> web.Response:
    """A list of questions whose last one is cut off."""
    text = "\n".join(tagged(question=question) for question in questions)
    return completion(text.removesuffix("[End of Question]"), "length")


def with_what_is_written(stage: str) -> Prompt:
    """The scripted prompt of a stage, telling the script what was written already."""
    prompt = {**PROMPTS, **FREEFORM_PROMPTS}[stage]
    told = '{% if already_written is defined %}, "written": {{ already_written|tojson }}{% endif %}'
    return replace(
        prompt, generation=prompt.generation.replace("{% if num", f"{told}{{% if num", 1)
    )


def test_a_list_that_is_cut_off_is_asked_for_its_rest(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> Answer:
        if ask.stage != "gen_questions":
            return script.usual(ask)
        written = len(ask.given.get("written", ()))
        return cut_off(f"Q{ask.ordinal} {written}", f"Q{ask.ordinal} {written + 1}", "Q")

    script.answer = answer
    prompt = with_what_is_written("gen_questions")
    run = sk.generate(
        seeds(1, grounded=False),
        teacher=script.connect(),
        prompts={**FREEFORM_PROMPTS, "gen_questions": prompt},
        profile=False,
        num_questions=12,
    )
    assert run.funnel[0].rows_out == 12
    assert not run.funnel[0].dropped
    assert sorted(questions_asked(script)) == [2, 2, 4, 4, 6, 6]
    last = next(ask.given for ask in script.asks if ask.given.get("num_samples") == 2)
    assert [question[-1] for question in last["written"]] == ["0", "1", "2", "3"]


def test_a_list_that_is_cut_off_again_and_again_is_asked_for_until_it_is_complete(
    script: ScriptedTeacher,
) -> None:
    def answer(ask: Ask) -> Answer:
        if ask.stage != "gen_grounded_questions":
            return script.usual(ask)
        return cut_off(f"Q{ask.given['num_samples']} {ask.given['context']}", "Q")

    script.answer = answer
    run = generate(script, num_contexts=1, num_questions=ATTEMPTS + 2)
    assert not run.funnel[1].dropped
    assert run.funnel[1].rows_out == 3 * (ATTEMPTS + 2)


def test_the_rest_of_a_list_that_is_cut_off_may_be_malformed_as_often_as_any_reply(
    script: ScriptedTeacher,
) -> None:
    asked: Counter[str] = Counter()

    def answer(ask: Ask) -> Answer:
        if ask.stage != "gen_grounded_questions":
            return script.usual(ask)
        context = ask.given["context"]
        asked[context] += 1
        if asked[context] == ATTEMPTS:
            return cut_off(f"Q1 {context}", "Q")
        if asked[context] == 2 * ATTEMPTS:
            return tagged(question=f"Q2 {context}")
        return "I would rather talk about the weather."

    script.answer = answer
    run = generate(script, num_contexts=1, num_questions=2)
    assert not run.funnel[1].dropped
    assert set(asked.values()) == {2 * ATTEMPTS}


def test_a_list_whose_rest_is_cut_off_too_before_anything_new_loses_no_more_than_it(
    script: ScriptedTeacher,
) -> None:
    def answer(ask: Ask) -> Answer:
        if ask.stage == "gen_grounded_questions":
            return cut_off(f"Q {ask.given['context']}", "Q")
        return script.usual(ask)

    script.answer = answer
    run = generate(script, num_contexts=1, num_questions=3)
    assert run.funnel[1].dropped == {"truncated": 6}
    assert run.funnel[1].rows_out == 3


def test_freeform_streamed_and_stage_by_stage_give_equal_rows(script: ScriptedTeacher) -> None:
    teacher = script.connect()
    streamed = sk.generate(
        seeds(2, grounded=False),
        teacher=teacher,
        prompts=FREEFORM_PROMPTS,
        profile=False,
        num_questions=4,
    )
    rows: Any = seeds(2, grounded=False)
    for stage in sk.FREEFORM.stages:
        asks: dict[str, Any] = (
            {"teacher": teacher, "prompt": FREEFORM_PROMPTS[stage.name]} if stage.role else {}
        )
        more: dict[str, Any] = {"num_questions": 4} if stage.name == "gen_questions" else {}
        rows = getattr(sk, stage.name)(rows, **asks, **more)
    assert rows.to_list() == streamed.dataset.to_list()


def test_a_folder_whose_questions_were_asked_for_in_one_request_asks_nothing_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    one_request = sk.FREEFORM.change("gen_questions", most_together=None, extra_tries=0)
    rows = seeds(2, grounded=False)
    options: dict[str, Any] = {"prompts": FREEFORM_PROMPTS, "profile": False, "out": tmp_path}
    run = sk.generate(rows, teacher=script.connect(), pipeline=one_request, **options)
    first = list(run.samples())
    script.forget()
    assert list(sk.generate(tmp_path, teacher=script.connect()).samples()) == first
    assert script.asked() == 0
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert "questions_together" not in config["settings"]
