"""What a run draws from the lists of `vary`: about equally often over all of its seeds."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import PROMPTS, ScriptedTeacher, seeds

import sdgkit as sk
from sdgkit.journal import Journal
from sdgkit.run.draws import with_draw_starts
from sdgkit.run.plan import Plan
from sdgkit.samples import Row
from sdgkit.stages import draw

CASES = [f"case {number}" for number in range(1, 13)]
LISTS = {"case": CASES, "size": ["few", "some", "many"], "kind": [f"kind {n}" for n in range(12)]}


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(
    script: ScriptedTeacher, rows: Sequence[Row], out: Path | None = None, **more: Any
) -> sk.Run:
    options: dict[str, Any] = {"num_contexts": 2, "num_questions": 1, "vary": LISTS, **more}
    return sk.generate(
        rows, teacher=script.connect(), out=out, prompts=PROMPTS, profile=False, **options
    )


def drawn_in(run: sk.Run) -> dict[tuple[str, str], dict[str, str]]:
    """What each context drew, by the question of its seed and its ordinal."""
    drawn = {}
    for row in [*run.samples(), *run.drops()]:
        drawn[row["seed_question"], row["id"].split("/")[1]] = dict(row["vary"])
    return drawn


def draws(plan: Plan) -> list[list[dict[str, Any]]]:
    """What each context of a plan draws, seed by seed."""
    first: Any = with_draw_starts(plan, Journal()).pipeline.stages[0]
    return [
        [first.varied(row, ordinal) for ordinal in range(1, first.per_row + 1)] for row in plan.rows
    ]


def spread(values: list[str], drawn: Counter[str]) -> int:
    """How much more often the value drawn most is drawn than the one drawn least."""
    numbers = [drawn[value] for value in values]
    return max(numbers) - min(numbers)


@given(
    number_of_seeds=st.integers(1, 40),
    contexts=st.integers(1, 15),
    lengths=st.lists(st.integers(1, 15), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_over_all_seeds_each_value_is_drawn_equally_often_give_or_take_one(
    number_of_seeds: int, contexts: int, lengths: list[int]
) -> None:
    lists = {}
    for place, length in enumerate(lengths):
        lists[f"list {place}"] = [f"value {number}" for number in range(length)]
    plan = sk.plan(seeds(number_of_seeds), vary=lists, num_contexts=contexts, profile=False)
    by_seed = draws(plan)
    for name, values in lists.items():
        drawn = Counter(row["vary"][name] for row in itertools.chain(*by_seed))
        assert spread(values, drawn) <= 1
        for of_seed in by_seed:
            assert spread(values, Counter(row["vary"][name] for row in of_seed)) <= 2


def test_five_seeds_with_two_contexts_each_draw_ten_of_twelve_cases() -> None:
    plan = sk.plan(seeds(5), vary=LISTS, num_contexts=2, profile=False)
    rows = [row["vary"] for row in itertools.chain(*draws(plan))]
    assert len({row["case"] for row in rows}) == 10
    each_for_itself = [
        draw(LISTS, seed, ordinal)["case"] for seed in seeds(5) for ordinal in (1, 2)
    ]
    assert len(set(each_for_itself)) < 10  # as it was before


def test_two_lists_of_one_length_meet_in_every_combination() -> None:
    plan = sk.plan(seeds(12), vary=LISTS, num_contexts=12, profile=False)
    rows = [row["vary"] for row in itertools.chain(*draws(plan))]
    pairs = {(row["case"], row["kind"]) for row in rows}
    assert len(pairs) >= 72  # the second of them moves on by two each time


def test_what_was_drawn_stays_when_seeds_come_and_go_and_more_contexts_are_made(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    first = drawn_in(generate(script, seeds(4), tmp_path))
    script.forget()
    # One seed is gone, one stands before all others, and each makes three contexts.
    changed = [seeds(6)[5], *seeds(4)[1:]]
    second = drawn_in(generate(script, changed, tmp_path, num_contexts=3))
    assert script.asked("gen_contexts") == 3 + 3 * 1
    stayed = second.keys() & first.keys()
    assert len(stayed) == 6
    for context in stayed:
        assert second[context] == first[context]


def test_a_run_that_drew_for_each_seed_by_itself_resumes_unchanged(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "vary": LISTS,
        "num_contexts": 2,
        "num_questions": 1,
        "prompts": PROMPTS,
        "profile": False,
    }
    plan = sk.plan(seeds(4), teacher=script.connect(), **options)
    earlier = sk.Run(plan.with_draws_from({}), tmp_path).start().wait()
    assert "draw_starts" not in (tmp_path / "config.json").read_text("utf-8")
    script.forget()
    again = sk.generate(tmp_path, teacher=script.connect(), out=tmp_path)
    assert drawn_in(again) == drawn_in(earlier)
    more = drawn_in(generate(script, seeds(5), tmp_path))
    assert script.asked("gen_contexts") == 2
    for (question, context), values in more.items():
        seed = next(row for row in seeds(5) if row["seed_question"] == question)
        assert values == draw(LISTS, seed, int(context[1:]))


def test_the_job_of_a_folder_draws_the_same_in_another_folder(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    generate(script, seeds(3), tmp_path / "one")
    changed = [seeds(4)[3], *seeds(3)]
    here = drawn_in(generate(script, changed, tmp_path / "one"))
    there = sk.generate(tmp_path / "one", teacher=script.connect(), out=tmp_path / "two")
    assert drawn_in(there) == here


def test_a_pilot_makes_requests_that_the_run_makes_too(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    plan = sk.plan(
        seeds(6),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        vary=LISTS,
        num_contexts=2,
        num_questions=1,
    )
    sk.estimate(plan, tmp_path)
    piloted = script.asked("gen_contexts")
    script.forget()
    sk.Run(replace(plan), tmp_path).start().wait()
    assert piloted > 0
    assert script.asked("gen_contexts") == 12 - piloted


def test_the_rounds_of_a_target_draw_in_turn(script: ScriptedTeacher) -> None:
    run = generate(script, seeds(6), target=8, num_contexts=None)
    first_round = [
        values["case"] for (_, context), values in drawn_in(run).items() if context == "c1"
    ]
    assert len(set(first_round)) == len(first_round) > 3
