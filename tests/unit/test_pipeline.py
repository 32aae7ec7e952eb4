"""The stream: rows move on as soon as they can, and what comes out does not depend on when."""

import asyncio
import gc
import itertools
import random
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripted import (
    PROMPTS,
    Answer,
    Ask,
    ScriptedTeacher,
    assert_adds_up,
    completion,
    ignore_note,
    seeds,
    tagged,
)
from servers import status

import sdgkit as sk
from sdgkit.errors import RunEmptied, RunStopped, SettingsError
from sdgkit.funnel import StageLine
from sdgkit.stream.row import StreamStep

SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}
STAGES = [stage.name for stage in sk.GROUNDED.stages]


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(
    script: ScriptedTeacher,
    rows: list[dict[str, Any]] | None = None,
    *,
    concurrency: int = 16,
    **settings: Any,
) -> sk.Run:
    given: dict[str, Any] = {"prompts": PROMPTS, "profile": False, **SMALL, **settings}
    return sk.generate(rows or seeds(), teacher=script.connect(concurrency), **given)


def emptied(
    script: ScriptedTeacher, rows: list[dict[str, Any]] | None = None, **settings: Any
) -> sk.Run:
    """A run in which technical failures leave nothing."""
    given: dict[str, Any] = {"prompts": PROMPTS, "profile": False, **SMALL, **settings}
    plan = sk.plan(rows or seeds(), teacher=script.connect(), **given)
    run = sk.Run(plan, on_note=ignore_note).start()
    with pytest.raises(RunEmptied):
        run.wait(60)
    assert run.state == "failed"
    return run


def drops(run: sk.Run, **wanted: str) -> list[dict[str, Any]]:
    return [
        drop for drop in run.drops() if all(drop[name] == value for name, value in wanted.items())
    ]


def result(run: sk.Run) -> tuple[Any, ...]:
    return list(run.samples()), list(run.drops()), list(run.funnel)


def faulty(ask: Ask) -> Answer:
    """Some of everything that can happen to a row, decided by the request alone."""
    usual = ScriptedTeacher.usual(ask)
    match zlib.crc32(ask.name.encode()) % 8:
        case _ if zlib.crc32(str(ask.given).encode()) % 8 == 0 or ask.ordinal == 3:
            return "nothing between tags"
        case 0:
            return "nothing between tags, this time"
        case 1 | 2 | 3 if ask.stage == "gen_contexts":
            return tagged(context="the very same")
        case 2 if ask.stage == "gen_grounded_questions":
            return tagged(question="only one, and always it")
        case 3 if ask.stage.startswith("eval"):
            return tagged(evaluation="Off the scale.", score=7)
        case 4:
            return completion(usual[:-20], "length")
    return usual


def by_chance(number: int) -> Callable[[Ask], float]:
    """Delays that let later requests overtake earlier ones, in another order for each number."""
    chance = random.Random(number)
    return lambda ask: chance.choice((0, 0.001, 0.004, 0.02))


# Equality -----------------------------------------------------------------------------------------


def test_rows_drops_and_funnel_are_equal_at_concurrency_1_and_64_whoever_answers_first(
    script: ScriptedTeacher,
) -> None:
    script.answer = faulty
    one = result(generate(script, seeds(6), concurrency=1))
    for number in range(4):
        script.delay = by_chance(number)
        assert result(generate(script, seeds(6), concurrency=64)) == one
    assert {reason for line in one[2] for reason in line.dropped} >= {
        "duplicate",
        "malformed",
        "truncated",
    }


def test_streamed_and_stage_by_stage_give_equal_rows(script: ScriptedTeacher) -> None:
    teacher = script.connect()
    streamed = generate(script)
    rows = sk.load_seeds(seeds())
    settings: dict[str, Any] = {
        "gen_contexts": {"num_contexts": 3},
        "gen_grounded_questions": {"num_questions": 2},
    }
    for name in STAGES:
        asks: dict[str, Any] = (
            {"teacher": teacher, "prompt": PROMPTS[name]} if name in PROMPTS else {}
        )
        rows = getattr(sk, name)(rows, **asks, **settings.get(name, {}))
    assert rows.to_list() == streamed.dataset.to_list()
    assert rows.column_names == streamed.dataset.column_names
    assert script.repeated() == len(script.asks) / 2


def test_rows_are_equal_inside_a_running_event_loop_and_outside_one(
    script: ScriptedTeacher,
) -> None:
    async def cell() -> sk.Run:
        return generate(script)

    assert result(asyncio.run(cell())) == result(generate(script))


def test_rows_come_in_lineage_order_and_samples_hold_the_columns_of_the_method(
    script: ScriptedTeacher,
) -> None:
    script.delay = by_chance(5)
    run = generate(script, seeds(11), num_contexts=11)
    ids = [row["id"] for row in run.samples()]
    assert ids == sorted(ids, key=lambda id_: [int(part[1:]) for part in id_.split("/")])
    assert {"s2/c11/q1", "s11/c2/q2"} <= set(ids) | {drop["id"] for drop in run.drops()}
    first = next(run.samples())
    assert list(first) == [
        "id",
        *seeds(1)[0],
        "context",
        "question",
        "response",
        "evaluation",
        "score",
    ]
    assert first["question"].startswith(first["context"] + "\n\n")
    assert isinstance(first["score"], float)
    assert_adds_up(run)


def test_each_context_is_a_request_of_its_own_with_its_own_sampling_seed(
    script: ScriptedTeacher,
) -> None:
    generate(script, seeds(1), num_contexts=10)
    asked = [ask.body for ask in script.asks if ask.stage == "gen_contexts"]
    assert len(asked) == 10
    assert len({body["seed"] for body in asked}) == 10
    assert all("n" not in body for body in asked)
    assert sum(ask.stage == "gen_grounded_questions" for ask in script.asks) == 10  # one a context


def test_the_sampling_seed_depends_on_neither_row_nor_position_nor_address(
    script: ScriptedTeacher,
) -> None:
    generate(script, seeds(2))
    with ScriptedTeacher() as moved:
        generate(moved, seeds(3)[::-1])
        assert {ask.name for ask in script.asks} < {ask.name for ask in moved.asks}


# Duplicates ---------------------------------------------------------------------------------------


def same_for(*ordinals: int) -> Callable[[Ask], str]:
    """Contexts that are equal for these ordinals, but for their white space."""

    def answer(ask: Ask) -> str:
        if ask.stage == "gen_contexts" and ask.ordinal in ordinals:
            return tagged(
                context="the  same\n\nthing " if ask.ordinal == ordinals[0] else "the same thing"
            )
        return ScriptedTeacher.usual(ask)

    return answer


@pytest.mark.parametrize("late", [1, 2, 4])
def test_of_equal_contexts_the_lowest_ordinal_stays_whichever_arrives_first(
    script: ScriptedTeacher, late: int
) -> None:
    script.answer = same_for(1, 2, 4)
    script.delay = lambda ask: 0.3 if ask.stage == "gen_contexts" and ask.ordinal == late else 0.0
    run = generate(script, seeds(1), num_contexts=4)
    assert [drop["id"] for drop in drops(run, reason="duplicate")] == ["s1/c2", "s1/c4"]
    assert "s1/c1/q1" in {row["id"] for row in [*run.samples(), *run.drops()]}
    assert_adds_up(run)


def test_an_overtaken_context_takes_its_place_at_no_cost(script: ScriptedTeacher) -> None:
    """The later one has been through all stages when the earlier, equal to it, arrives."""
    script.answer = lambda ask: (
        tagged(context="same") if ask.stage == "gen_contexts" else ScriptedTeacher.usual(ask)
    )
    script.delay = lambda ask: 0.0
    generate(script, seeds(1), num_contexts=1)
    alone = script.by_stage()
    script.forget()
    script.delay = lambda ask: 0.5 if ask.stage == "gen_contexts" and ask.ordinal == 1 else 0.0
    run = generate(script, seeds(1), num_contexts=2, extra_tries=0)
    assert script.by_stage() == {**alone, "gen_contexts": 2}
    assert {row["id"].rsplit("/", 1)[0] for row in run.samples()} == {"s1/c1"}
    assert [drop["id"] for drop in drops(run, reason="duplicate")] == ["s1/c2"]
    assert_adds_up(run)


def test_a_duplicate_is_dropped_with_its_own_reply_and_history(script: ScriptedTeacher) -> None:
    script.answer = same_for(1, 3)
    script.delay = lambda ask: 0.3 if ask.stage == "gen_contexts" and ask.ordinal == 1 else 0.0
    run = generate(script, seeds(1), extra_tries=0)
    [drop] = drops(run, reason="duplicate")
    assert drop["stage"] == "gen_contexts"
    assert "the same thing" in drop["reply"]
    [exchange] = run.trace(drop["id"]).exchanges
    assert exchange.ordinal == 3


def test_each_duplicate_causes_exactly_one_further_request(script: ScriptedTeacher) -> None:
    script.answer = same_for(1, 2, 4)
    for number in range(3):
        script.forget()
        script.delay = by_chance(number)
        run = generate(script, seeds(1), num_contexts=4)
        assert script.asked("gen_contexts") == 6
        assert sorted(ask.ordinal for ask in script.asks if ask.stage == "gen_contexts") == [
            1,
            2,
            3,
            4,
            5,
            6,
        ]
        assert run.funnel[0] == StageLine("gen_contexts", 1, 6, 4, {"duplicate": 2})


def test_further_requests_end_at_extra_tries(script: ScriptedTeacher) -> None:
    script.answer = same_for(*range(1, 100))
    run = generate(script, seeds(1), num_contexts=4)
    assert script.asked("gen_contexts") == 14
    assert run.funnel[0].dropped == {"duplicate": 13}
    script.forget()
    generate(script, seeds(1), num_contexts=4, extra_tries=2)
    assert script.asked("gen_contexts") == 6


def test_equal_contexts_of_two_seeds_both_stay(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        tagged(context=f"number {ask.ordinal}")
        if ask.stage == "gen_contexts"
        else script.usual(ask)
    )
    run = generate(script, seeds(2))
    assert run.funnel[0].dropped == {}


def test_of_equal_questions_of_one_context_the_first_stays_and_no_more_are_asked_for(
    script: ScriptedTeacher,
) -> None:
    def answer(ask: Ask) -> str:
        if ask.stage == "gen_grounded_questions":
            return tagged(question="Why?") + tagged(question=" Why? ") + tagged(question="When?")
        return script.usual(ask)

    script.answer = answer
    run = generate(script, seeds(1), num_contexts=1, num_questions=3)
    assert [drop["id"] for drop in drops(run, stage="gen_grounded_questions")] == ["s1/c1/q2"]
    assert script.asked("gen_grounded_questions") == 1
    assert_adds_up(run)


@pytest.mark.parametrize("concurrency", [2, 64])
def test_a_duplicate_that_is_overtaken_at_the_last_moment_is_never_a_sample(
    script: ScriptedTeacher, concurrency: int
) -> None:
    """In the last stage nothing lies between a new row and the sample that it becomes."""
    script.answer = lambda ask: tagged(context=f"number {ask.ordinal % 3}")
    for number in range(6):
        script.delay = by_chance(number)
        teacher = script.connect(concurrency)
        options: dict[str, Any] = {"teacher": teacher, "prompt": PROMPTS["gen_contexts"]}
        run = sk.gen_contexts.run(seeds(8), num_contexts=9, extra_tries=0, **options)
        assert Counter(row["context"] for row in run.samples()) == dict.fromkeys(
            ("number 0", "number 1", "number 2"), 8
        )
        assert {row["id"].split("/")[1] for row in run.samples()} == {"c1", "c2", "c3"}
        assert_adds_up(run)


def test_a_request_in_flight_serves_all_rows_that_make_it(script: ScriptedTeacher) -> None:
    """Two seeds that differ only in a column that the prompt does not use."""
    rows = [{**seeds(1)[0], "note": note} for note in ("one", "two")]
    script.delay = lambda ask: 0.05
    run = generate(script, rows)
    assert script.repeated() == 0
    assert script.asked("gen_contexts") == 3
    assert run.funnel[0].tried == 6
    assert_adds_up(run)


# Replies that do not hold what was asked for ------------------------------------------------------


def test_a_malformed_reply_is_asked_again_three_times_with_a_new_sampling_seed_and_some_temperature(
    script: ScriptedTeacher,
) -> None:
    script.answer = lambda ask: (
        "no tags" if ask.stage == "gen_grounded_responses" else script.usual(ask)
    )
    run = emptied(script, seeds(1), num_contexts=1, num_questions=1)
    asked = [ask.body for ask in script.asks if ask.stage == "gen_grounded_responses"]
    assert [body["temperature"] for body in asked] == [0, 0.3, 0.3, 0.3]
    assert len({body["seed"] for body in asked}) == 4
    assert len({str(body["messages"]) for body in asked}) == 1
    [drop] = run.drops()
    assert (drop["stage"], drop["reason"], drop["reply"]) == (
        "gen_grounded_responses",
        "malformed",
        "no tags",
    )
    assert "[Start of Response]" in drop["message"]
    assert len(run.trace(drop["id"]).exchanges) == 7  # context, questions, judge, four tries
    assert_adds_up(run)


def test_a_warm_temperature_stays_as_it_is_when_asked_again(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: "no tags" if ask.stage == "gen_contexts" else script.usual(ask)
    emptied(script, seeds(1), num_contexts=1, extra_tries=0)
    assert [ask.body["temperature"] for ask in script.asks] == [0.7] * 4


@pytest.mark.parametrize("attempt", [2, 3, 4])
def test_a_good_reply_at_a_later_attempt_counts(script: ScriptedTeacher, attempt: int) -> None:
    script.answer = lambda ask: "no tags" if ask.attempt < attempt else script.usual(ask)
    run = generate(script, seeds(1), num_contexts=1, num_questions=1)
    assert run.funnel[2].rows_out == 1
    assert_adds_up(run)


def test_each_malformed_context_causes_exactly_one_further_request(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> str:
        return (
            "no tags"
            if ask.stage == "gen_contexts" and ask.ordinal in (2, 4)
            else script.usual(ask)
        )

    script.answer = answer
    run = generate(script, seeds(1))
    ordinals = Counter(ask.ordinal for ask in script.asks if ask.stage == "gen_contexts")
    assert ordinals == {1: 1, 2: 4, 3: 1, 4: 4, 5: 1}
    assert run.funnel[0].dropped == {"malformed": 2}
    assert_adds_up(run)


def test_missing_questions_are_requested_again_and_surplus_ones_ignored(
    script: ScriptedTeacher,
) -> None:
    def answer(ask: Ask) -> str:
        if ask.stage != "gen_grounded_questions":
            return script.usual(ask)
        numbers = {1: [1, 2], 2: [2, 3], 3: [1, 2, 3, 4, 5, 6]}[ask.attempt]
        return "\n".join(tagged(question=f"Question {number}") for number in numbers)

    script.answer = answer
    run = generate(script, seeds(1), num_contexts=1, num_questions=5)
    asked = [ask for ask in script.asks if ask.stage == "gen_grounded_questions"]
    assert [ask.given["num_samples"] for ask in asked] == [5, 3, 2]
    rows = {row["id"]: row["question"] for row in [*run.samples(), *run.drops()]}
    assert len(rows) == 5
    assert all(f"Question {id_[-1]}" in question for id_, question in rows.items())
    assert_adds_up(run)


def test_questions_that_stay_missing_are_dropped_each_with_an_id(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        tagged(question="The only one.")
        if ask.stage == "gen_grounded_questions"
        else script.usual(ask)
    )
    run = generate(script, seeds(1), num_contexts=1, num_questions=3)
    missing = drops(run, stage="gen_grounded_questions")
    assert [(drop["id"], drop["reason"]) for drop in missing] == [
        ("s1/c1/q2", "malformed"),
        ("s1/c1/q3", "malformed"),
    ]
    assert script.asked("gen_grounded_questions") == 4
    assert_adds_up(run)


@pytest.mark.parametrize("stage", PROMPTS)
def test_a_truncated_reply_is_not_asked_again(script: ScriptedTeacher, stage: str) -> None:
    script.answer = lambda ask: (
        completion("cut o", "length") if ask.stage == stage else script.usual(ask)
    )
    run = emptied(script, seeds(1), num_contexts=2, num_questions=1)
    assert script.asked(stage) == 2
    assert [drop["reply"] for drop in drops(run, stage=stage, reason="truncated")] == ["cut o"] * 2
    assert "max_tokens" in drops(run, reason="truncated")[0]["message"]
    assert_adds_up(run)


def test_a_score_off_the_scale_is_malformed(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> str:
        off = {"eval_grounded_questions": 2, "evaluate_grounded_qa_pair": 0}.get(ask.stage)
        if off is None or ask.given["question"].startswith("Q0"):
            return script.usual(ask)
        return tagged(evaluation="Hm.", score=off)

    script.answer = answer
    run = generate(script, seeds(1), num_contexts=1, num_questions=2)
    [drop] = drops(run, reason="malformed")
    assert (drop["id"], drop["stage"]) == ("s1/c1/q2", "eval_grounded_questions")
    assert "0, 1" in drop["message"]


def test_a_sample_that_the_judge_rejects_is_dropped_with_the_judges_words(
    script: ScriptedTeacher,
) -> None:
    script.answer = lambda ask: (
        tagged(evaluation="Too long.", score=1)
        if ask.stage == "evaluate_grounded_qa_pair"
        else script.usual(ask)
    )
    run = generate(script, seeds(1), num_contexts=1, num_questions=1)
    [drop] = run.drops()
    assert (drop["stage"], drop["reason"], drop["score"]) == (
        "filter_grounded_qa_pair",
        "score",
        1.0,
    )
    assert "Too long." in drop["reply"]
    assert "2 or more" in drop["message"]


def test_a_refused_request_drops_its_row_with_the_servers_words(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        status(400, "This prompt is too long")
        if ask.seed == 2 and ask.stage == "gen_contexts"
        else script.usual(ask)
    )
    run = generate(script)
    refused = drops(run, reason="teacher_error")
    assert [drop["id"] for drop in refused] == ["s2/c1", "s2/c2", "s2/c3"]
    assert all("This prompt is too long" in drop["message"] for drop in refused)
    assert_adds_up(run)


@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        ("malformed", lambda: "no"),
        ("truncated", lambda: completion("cut", "length")),
        ("loop", lambda: completion("again " * 40, "length")),
        # In words of its own each time: equal ones in a row are the teacher's refusal of all.
        ("teacher_error", lambda: status(400, f"no: {random.choices('abcdefgh', k=12)}")),
    ],
)
def test_if_the_first_20_rows_of_a_stage_fail_alike_the_run_stops_with_the_reason(
    script: ScriptedTeacher, reason: str, reply: Callable[[], Answer]
) -> None:
    def answer(ask: Ask) -> Answer:
        if ask.stage != "gen_grounded_responses":
            return script.usual(ask)
        return reply()

    script.answer = answer
    with pytest.raises(
        RunStopped,
        match=rf"first 20 rows of gen_grounded_responses all failed the same way \({reason}\)",
    ) as stopped:
        generate(script, seeds(30))
    assert stopped.value.stage == "gen_grounded_responses"
    assert script.asked("gen_grounded_responses") < 4 * 40


def test_one_failed_reply_does_not_stop_the_run_however_many_rows_it_should_have_held(
    script: ScriptedTeacher,
) -> None:
    def answer(ask: Ask) -> Answer:
        if ask.stage == "gen_grounded_questions" and ask.given["context"].startswith(
            "Context 1.1 "
        ):
            return status(400, "too long")
        return script.usual(ask)

    script.answer = answer
    script.delay = lambda ask: 0.0 if "Context 1.1 " in str(ask.given.get("context")) else 0.05
    run = generate(script, seeds(1), num_questions=25)
    assert run.state == "done"
    assert run.funnel[1].dropped == {"teacher_error": 25}


# The order of work --------------------------------------------------------------------------------


def test_a_seed_is_admitted_only_when_a_slot_would_stay_empty(script: ScriptedTeacher) -> None:
    """400 seeds: what is begun and not finished is bounded by the concurrency, not by the input."""
    rows, most = itertools.count(), 0
    gc.collect()  # what other tests left is not counted

    def answer(ask: Ask) -> str:
        nonlocal most
        if next(rows) % 100 == 0:
            most = max(most, sum(type(thing) is StreamStep for thing in gc.get_objects()))
        return script.usual(ask)

    script.answer = answer
    run = generate(script, seeds(400), concurrency=8, num_contexts=1, num_questions=1)
    assert script.asked("gen_contexts") == 400
    assert (
        0 < most <= 8 * 3 * 8
    )  # a seed has three rows here, itself, its context, its question; 1,200 in all
    assert_adds_up(run)


def test_while_seeds_remain_the_row_nearest_to_its_end_goes_first(script: ScriptedTeacher) -> None:
    generate(script, seeds(12), concurrency=1, num_contexts=10, num_questions=1)
    order = [ask.stage for ask in script.asks]
    first_pair = order.index("evaluate_grounded_qa_pair")
    assert order[:first_pair].count("gen_contexts") <= 5  # of ten that wait since the beginning
    begun = [ask.seed for ask in script.asks if ask.stage == "gen_contexts"]
    assert begun == sorted(begun)


def test_after_the_last_seed_the_row_with_most_stages_ahead_goes_first_except_every_eighth_time(
    script: ScriptedTeacher,
) -> None:
    generate(script, seeds(1), concurrency=1, num_contexts=40, num_questions=1)
    order = [ask.stage for ask in script.asks]
    assert 30 <= order[:40].count("gen_contexts") < 40
    assert order.index("evaluate_grounded_qa_pair") < 60


def test_the_first_samples_come_long_before_the_end(script: ScriptedTeacher) -> None:
    generate(script, seeds(20), concurrency=4)
    order = [ask.stage for ask in script.asks]
    assert order.index("evaluate_grounded_qa_pair") < len(order) / 4
    half = sum(stage == "evaluate_grounded_qa_pair" for stage in order[: len(order) // 2])
    assert half > script.asked("evaluate_grounded_qa_pair") / 4


def test_never_more_requests_at_once_than_the_teacher_has_slots(script: ScriptedTeacher) -> None:
    script.delay = lambda ask: 0.002
    generate(script, seeds(4), concurrency=3)
    assert script.most_in_flight == 3


def test_a_run_begins_even_if_another_caller_holds_all_slots_of_the_teacher(
    script: ScriptedTeacher,
) -> None:
    teacher = script.connect(1)
    held = threading.Event()

    def delay(ask: Ask) -> float:
        if ask.stage != "somebody":
            return 0.0
        held.set()
        return 0.3

    script.delay = delay
    script.answer = lambda ask: "hello" if ask.stage == "somebody" else script.usual(ask)
    other = threading.Thread(target=lambda: teacher.ask('{"stage": "somebody"}', max_tokens=5))
    other.start()
    assert held.wait(30)
    run = sk.Run(
        sk.plan(
            seeds(40),
            teacher=teacher,
            prompts=PROMPTS,
            profile=False,
            num_contexts=1,
            num_questions=1,
        ),
        on_note=ignore_note,
    )
    run.start().wait(60)
    other.join()
    assert run.state == "done"


def test_two_runs_share_one_teachers_slots(script: ScriptedTeacher) -> None:
    teacher = script.connect(4)
    script.delay = lambda ask: 0.001
    plans = [
        sk.plan(seeds(20, first=n), teacher=teacher, prompts=PROMPTS, profile=False, **SMALL)
        for n in (1, 50)
    ]
    runs = [sk.Run(plan, on_note=ignore_note).start() for plan in plans]
    for run in runs:
        assert run.wait(60).state == "done"
        assert_adds_up(run)
    assert script.most_in_flight == 4
    assert teacher.slots.in_use == 0


class Arrivals:
    """The requests that arrive at a scripted teacher, to wait for."""

    def __init__(self, script: ScriptedTeacher) -> None:
        self._arrived = threading.Semaphore(0)
        script.answer = self._answer

    def _answer(self, ask: Ask) -> Answer:
        self._arrived.release()
        return ScriptedTeacher.usual(ask)

    def await_number(self, number: int) -> None:
        for _ in range(number):
            assert self._arrived.acquire(timeout=30)


def test_a_cancelled_run_releases_all_slots(script: ScriptedTeacher) -> None:
    """Whenever it is cancelled: the teacher is used by others, too."""
    teacher = script.connect(4)
    for number in range(12):
        arrived = Arrivals(script)
        run = sk.Run(
            sk.plan(seeds(9), teacher=teacher, prompts=PROMPTS, profile=False, **SMALL),
            on_note=ignore_note,
        ).start()
        arrived.await_number(7 * number)
        run.cancel()
        assert run.wait(30).state in ("cancelled", "done")
        assert teacher.slots.in_use == 0
    assert teacher.ask('{"stage": "gen_contexts"}', max_tokens=5).text


# Pipelines of one's own ---------------------------------------------------------------------------


def test_two_stages_with_the_same_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="filter_grounded_qa_pair"):
        sk.GROUNDED.after("gen_contexts", sk.GROUNDED.stages[6])


def test_a_pipeline_without_stages_is_refused() -> None:
    with pytest.raises(SettingsError, match="nothing has no stages"):
        sk.Pipeline("nothing", ())
    with pytest.raises(SettingsError, match="has no stages"):
        sk.GROUNDED.without(*STAGES)


def test_an_unknown_stage_is_named_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"no stage 'gen_context'.*gen_contexts"):
        sk.GROUNDED.without("gen_context")


def test_a_misspelt_field_of_a_stage_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(SettingsError, match=r"gen_contexts has no .*'per_rows'.*'per_row'"):
        sk.GROUNDED.change("gen_contexts", per_rows=4)


def test_pipelines_are_values_that_give_new_ones() -> None:
    shorter = sk.GROUNDED.without("combine_question_and_context")
    assert [stage.name for stage in shorter.stages] == STAGES[:-1]
    assert [stage.name for stage in sk.GROUNDED.stages] == STAGES
    check = sk.Check(name="short", function=lambda row: True)
    assert [s.name for s in shorter.before("gen_contexts", check).stages][:2] == [
        "short",
        "gen_contexts",
    ]
    assert shorter.change("gen_contexts", per_row=4).stages[0].per_row == 4
