"""`seed_samples`: the other seeds in a prompt, the row's own last."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds

import sdgkit as sk
from sdgkit.evaluation.trial_rows import seed_rows
from sdgkit.prompts import Prompt
from sdgkit.run.plan import Plan
from sdgkit.run.seed_samples import SeedSamples, token_budget
from sdgkit.seeds import read_seeds

WRITER = "gen_grounded_responses"
JUDGE = "evaluate_grounded_qa_pair"


def showing_seeds(prompt: Prompt) -> Prompt:
    """The prompt with the questions of all seeds that it may show before everything else."""
    shown = "{% for sample in seed_samples %}{{ sample.seed_question }} / {% endfor %}"
    return replace(prompt, system=shown)


def run_of(script: ScriptedTeacher, rows: Sequence[Mapping[str, Any]], **options: Any) -> sk.Run:
    prompts = {name: showing_seeds(PROMPTS[name]) for name in (WRITER, JUDGE)}
    return sk.generate(
        rows,
        teacher=script.connect(),
        prompts={**PROMPTS, **prompts},
        profile=False,
        num_contexts=2,
        num_questions=1,
        **options,
    )


def system_of(run: sk.Run, id: str, stage: str = WRITER) -> str:
    """The system message of a stage's request for a sample."""
    [exchange] = [entry for entry in run.trace(id).exchanges if entry.stage == stage]
    return str(exchange.messages[0]["content"])


def first_ids(run: sk.Run) -> dict[str, str]:
    """The id of the first sample of each seed."""
    ids: dict[str, str] = {}
    for row in run.samples():
        ids.setdefault(row["id"].partition("/")[0], row["id"])
    return ids


def test_a_prompt_shows_the_other_seeds_in_order_and_its_own_last() -> None:
    with ScriptedTeacher() as script:
        run = run_of(script, seeds(4))
        ids = first_ids(run)
        for number in (1, 2, 3, 4):
            others = [other for other in (1, 2, 3, 4) if other != number]
            shown = [f"Question of seed {seed}" for seed in [*others, number]]
            for stage in (WRITER, JUDGE):
                assert system_of(run, ids[f"s{number}"], stage) == f"{' / '.join(shown)} /"


def test_requests_for_later_seeds_begin_alike() -> None:
    with ScriptedTeacher() as script:
        run = run_of(script, seeds(6))
        ids = first_ids(run)
        fifth = system_of(run, ids["s5"])
        sixth = system_of(run, ids["s6"])
    beginning = "".join(f"Question of seed {number} / " for number in (1, 2, 3, 4))
    assert fifth.startswith(beginning)
    assert sixth.startswith(beginning)


def test_a_prompt_that_shows_no_other_seeds_is_sent_as_before() -> None:
    with ScriptedTeacher() as script:
        run = sk.generate(
            seeds(2), teacher=script.connect(), prompts=PROMPTS, profile=False, num_contexts=1
        )
        assert run.plan is not None
        for row in run.samples():
            for exchange in run.trace(row["id"]).exchanges:
                told = json.loads(exchange.messages[0]["content"])
                assert "seed_samples" not in json.dumps(told)
        assert run.plan.edition().seed_samples == 0
        assert "seed_samples" not in run.plan.edition().as_json()


def test_a_single_seed_is_its_own_only_example() -> None:
    with ScriptedTeacher() as script:
        run = run_of(script, seeds(1))
        assert system_of(run, first_ids(run)["s1"]) == "Question of seed 1 /"


def test_stage_by_stage_shows_the_same_seeds_as_a_run() -> None:
    with ScriptedTeacher() as script:
        streamed = run_of(script, seeds(3))
        rows: Any = seeds(3)
        script.forget()
        prompts = {**PROMPTS, WRITER: showing_seeds(PROMPTS[WRITER])}
        prompts[JUDGE] = showing_seeds(PROMPTS[JUDGE])
        options: dict[str, dict[str, Any]] = {
            "gen_contexts": {"num_contexts": 2},
            "gen_grounded_questions": {"num_questions": 1},
        }
        for stage in sk.GROUNDED.stages:
            given = dict(options.get(stage.name, {}))
            if stage.role:
                given |= {"prompt": prompts[stage.name], "teacher": script.connect()}
            rows = getattr(sk, stage.name)(rows, **given)
        assert [dict(row) for row in rows] == [dict(row) for row in streamed.dataset]


# The budget ---------------------------------------------------------------------------------------


def sized(count: int, letters: int) -> list[dict[str, str]]:
    return [
        {"seed_question": f"Q{number}", "seed_response": "x" * letters} for number in range(count)
    ]


def shown_for(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], budget: int) -> list[str]:
    return [sample["question"] for sample in SeedSamples(rows, budget).of(row)]


def test_the_budget_is_part_of_what_the_smallest_server_holds() -> None:
    assert token_budget([8_192, 2_000]) == 500
    assert token_budget([1_000_000]) == 4_000
    assert token_budget([None]) == token_budget([]) == 2_048


def test_seeds_beyond_the_budget_are_left_out_for_all_and_the_own_one_stays() -> None:
    rows = sized(5, 300)  # a hundred tokens each
    assert shown_for(rows[4], rows, budget=250) == ["Q0", "Q1", "Q4"]
    assert shown_for(rows[0], rows, budget=250) == ["Q1", "Q0"]
    assert shown_for(rows[3], rows, budget=10) == ["Q3"]


def test_a_server_that_holds_more_shows_more_and_another_edition_says_so(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        run = run_of(script, seeds(3), out=tmp_path)
        assert run.plan is not None
        assert run.plan.edition().seed_samples == 2_048
    with sk.connect("rehearsal", context_length=400) as small:
        smaller = replace(run.plan, teacher=small)
    assert smaller.edition().seed_samples == 100


def test_a_row_is_never_shown_the_seed_that_it_is_itself() -> None:
    rows = seeds(3)
    judged = {
        **rows[0],
        "context": rows[1]["seed_context"],
        "question": rows[1]["seed_question"],
        "response": rows[1]["seed_response"],
    }
    shown = shown_for(judged, rows, budget=1_000)
    assert shown == ["Question of seed 3", "Question of seed 1"]


def test_seeds_of_another_task_are_not_shown() -> None:
    rows = seeds(3)
    rows[1] = {**rows[1], "task_description": "Do something else."}
    assert shown_for(rows[0], rows, budget=1_000) == ["Question of seed 3", "Question of seed 1"]


# The shipped prompts ------------------------------------------------------------------------------


def first_seeds(seed_file: str, task: str) -> list[dict[str, str]]:
    """The first five seeds of a shipped file, with another task description."""
    seeds = read_seeds(sk.shipped("notebooks") / "seeds" / seed_file)[:5]
    return [{**seed, "task_description": task} for seed in seeds]


def shown_by(plan: Plan, stage: str) -> str:
    """The user message of a stage's prompt for a row of the third seed."""
    row = {**plan.rows[2], "context": "A new context.", "question": "And now?"}
    row["response"] = "A new response."
    row["evaluation"] = "It is too new."
    values = {**plan.variables_of(row), **row, "num_samples": 6}
    return plan.prompts[stage].render(values)[-1]["content"]


SHOWING = [
    ("feedback_to_table.jsonl", "gen_grounded_responses", "seed_response"),
    ("feedback_to_table.jsonl", "revise_grounded_responses", "seed_response"),
    ("feedback_to_table.jsonl", "evaluate_grounded_qa_pair", "seed_response"),
    ("feedback_to_table.jsonl", "eval_grounded_questions", "seed_context"),
    ("commit_messages.jsonl", "gen_questions", "seed_response"),
    ("commit_messages.jsonl", "eval_questions", "seed_question"),
    ("commit_messages.jsonl", "gen_responses", "seed_response"),
    ("commit_messages.jsonl", "evaluate_qa_pair", "seed_response"),
]


@pytest.mark.parametrize(("seed_file", "stage", "column"), SHOWING)
def test_where_the_task_is_short_the_shipped_prompts_show_the_other_seeds_before_the_own_one(
    seed_file: str, stage: str, column: str
) -> None:
    plan = sk.plan(first_seeds(seed_file, "Do this."), repair=True)
    text = shown_by(plan, stage)
    places = [text.index(seed[column]) for seed in plan.rows]
    own = places.pop(2)
    assert places == sorted(places)
    assert max(places) < own < text.rindex("\nNow ")


@pytest.mark.parametrize(("seed_file", "stage", "column"), SHOWING)
def test_where_the_task_holds_the_rules_the_shipped_prompts_show_the_own_seed_alone(
    seed_file: str, stage: str, column: str
) -> None:
    plan = sk.plan(first_seeds(seed_file, "Do this, and mind every rule. " * 12), repair=True)
    text = shown_by(plan, stage)
    shown = [seed[column] in text for seed in plan.rows]
    assert shown == [False, False, True, False, False]
    assert "First, other" not in text


@pytest.mark.parametrize(
    ("task", "number"), [("x" * 302, 3), ("x" * 303, 0), ("語" * 100, 3), ("語" * 101, 0)]
)
def test_a_task_is_short_up_to_a_hundred_tokens_in_any_script(task: str, number: int) -> None:
    rows = [{**seed, "task_description": task} for seed in seeds(4)]
    assert len(SeedSamples(rows, budget=1_000).others_of(rows[0])) == number


def test_the_other_seeds_of_a_shipped_prompt_have_a_budget_of_their_own() -> None:
    rows = sized(6, 1_500)  # five hundred tokens each
    samples = SeedSamples(rows, budget=4_000)
    assert len(samples.of(rows[5])) == 6
    assert [sample["question"] for sample in samples.others_of(rows[5])] == ["Q0", "Q1", "Q2"]


def test_a_prompt_of_your_own_may_show_all_seeds_whatever_the_task() -> None:
    rows = [{**seed, "task_description": "Mind every rule. " * 30} for seed in seeds(3)]
    with ScriptedTeacher() as script:
        run = run_of(script, rows)
        shown = system_of(run, first_ids(run)["s2"])
    assert shown == "Question of seed 1 / Question of seed 3 / Question of seed 2 /"


def test_the_shipped_prompts_say_nothing_of_other_seeds_where_there_are_none() -> None:
    [seed] = seeds(1)
    plan = sk.plan([seed])
    row = {**seed, "context": "A new context.", "question": "And now?"}
    text = plan.prompts[WRITER].render({**plan.variables_of(row), **row})[-1]["content"]
    assert "other examples" not in text
    assert text.count("[Start of Response]") == 2  # the seed's, and the form


def test_the_rehearsal_teacher_goes_by_the_last_example() -> None:
    tables = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    with sk.connect("rehearsal") as teacher:
        run = sk.generate(tables, teacher=teacher, num_contexts=2)
    shown = [row["response"] for row in run.samples()]
    assert shown
    assert all(response.startswith("|") for response in shown)
    copied = {row["seed_response"] for row in run.samples()} & set(shown)
    assert not copied


GOODBYE = "With best wishes from the whole team"


def letter(number: int, *, ending: str = "") -> dict[str, str]:
    """A seed of a skill that the rehearsal teacher has no rules for."""
    name = ("Ada", "Bo", "Cem", "Dora")[number]
    animal = ("a grey parrot", "two old goats", "the lame donkey", "some wild geese")[number]
    return {
        "task_description": "Write a note to a visitor of the farm.",
        "seed_question": f"{name} asks about {animal}.",
        "seed_response": f"Dear {name},\n\nyou may gladly visit {animal}.{ending}",
    }


def test_a_judge_that_sees_other_seeds_does_not_take_one_seeds_ending_for_a_rule() -> None:
    beside = letter(3, ending=f"\n\n{GOODBYE}")
    plan = sk.plan([letter(0), letter(1), letter(2), beside])
    judged = plan.rows[1]
    row = {
        **plan.rows[3],
        "question": judged["seed_question"],
        "response": judged["seed_response"],
    }
    prompt = plan.prompts["evaluate_qa_pair"]
    with sk.connect("rehearsal") as teacher:
        [alone] = sk.try_on(prompt, [row], teacher)
        [beside_others] = sk.try_on(prompt, [{**row, **plan.variables_of(row)}], teacher)
    assert GOODBYE in alone.rows[0]["evaluation"]
    assert beside_others.rows[0]["score"] == 3


def test_a_prompt_is_tried_on_rows_that_see_the_other_seeds_and_never_their_own_answer() -> None:
    second = seed_rows(read_seeds(seeds(3)), WRITER)[1]
    questions = [sample["question"] for sample in second["seed_samples"]]
    assert questions == [f"Question of seed {number}" for number in (1, 3)]
    others = [sample["question"] for sample in second["other_seeds"]]
    assert others == ["Question of seed 1"]
    assert second["question"] == "Question of seed 2"
    assert second["seed_question"] == "Question of seed 3"
