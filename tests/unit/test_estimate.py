"""Estimate before paying: a few rows tell what the whole run would take; none is paid for twice."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import FREEFORM_PROMPTS, PROMPTS, Ask, ScriptedTeacher, prompt, seeds, tagged

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.errors import PromptError, SettingsError
from sdgkit.run.plan import Plan

SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        script.answer = lambda ask: judged(script, ask)
        yield script


def judged(script: ScriptedTeacher, ask: Ask, good: bool = True) -> str:
    """Judges that are content, or not."""
    if "eval" not in ask.stage:
        return script.usual(ask)
    return tagged(
        evaluation="Read.", score=(1 if ask.stage.startswith("eval_") else 3) if good else 0
    )


STUDY_PROMPTS = {
    "write_profile": prompt(
        "write_profile",
        ("task_description",),
        *("criteria", "kinds", "cases", "settings", "sizes", "steering"),
        temperature=0,
    ),
    "test_criteria": prompt("test_criteria", ("seed_response",), "findings", temperature=0),
}


def studying(script: ScriptedTeacher, ask: Ask) -> str:
    """Notes with one entry in each list, and all that is written is good."""
    if ask.stage == "test_criteria":
        return tagged(findings="1: looked: yes")
    if ask.stage == "gen_grounded_responses":
        return tagged(response="Response of seed")
    if ask.stage != "write_profile":
        return judged(script, ask)
    lists = ("criteria", "kinds", "cases", "settings", "sizes")
    return tagged(**dict.fromkeys(lists, "The only one."), steering="yes")


def planned(script: ScriptedTeacher, number: int = 5, **settings: Any) -> Plan:
    options: dict[str, Any] = {"num_contexts": 4, "prompts": PROMPTS, "profile": False, **settings}
    return sk.plan(seeds(number), teacher=script.connect(), **options)


def test_it_says_what_the_run_then_takes_and_brings(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    found = sk.estimate(planned(script), tmp_path / "run", price_prompt=2.0, price_completion=10.0)
    assert script.asked() == found.asked == 3 * (1 + 1 + 3 + 3 + 3)
    run = sk.generate(
        seeds(5),
        teacher=script.connect(),
        num_contexts=4,
        prompts=PROMPTS,
        profile=False,
        out=tmp_path / "run",
    )
    assert found.requests == run.summary.requests
    assert (found.prompt_tokens, found.completion_tokens) == (
        7 * found.requests,
        5 * found.requests,
    )
    assert found.samples == found.high == len(list(run.samples())) == 60
    assert 0 < found.low < 60 and (found.tried, found.kept) == (9, 9)
    assert found.cost == pytest.approx(found.requests * (7 * 2.0 + 5 * 10.0) / 1e6)


def test_nothing_is_paid_twice(script: ScriptedTeacher, tmp_path: Path) -> None:
    for _ in range(2):
        sk.estimate(planned(script), tmp_path / "run")
    assert script.asked() == 33
    assert not (tmp_path / "run" / "dataset.jsonl").exists()
    sk.generate(
        seeds(5),
        teacher=script.connect(),
        num_contexts=4,
        prompts=PROMPTS,
        profile=False,
        out=tmp_path / "run",
    )
    assert script.repeated() == 0
    assert sk.estimate(planned(script), tmp_path / "run").asked == 0


def test_the_requests_of_the_study_are_part_of_the_whole(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    script.answer = lambda ask: studying(script, ask)
    given: dict[str, Any] = {
        "num_contexts": 4,
        "prompts": {**PROMPTS, **STUDY_PROMPTS},
        "out": tmp_path / "run",
    }
    plan = planned(script, prompts=given["prompts"], profile=None)
    found = sk.estimate(plan, given["out"])
    assert found.asked == script.asked() == 1 + 5 + 33
    run = sk.generate(seeds(5), teacher=script.connect(), **given)
    assert found.requests == run.summary.requests
    script.forget()
    (tmp_path / "run" / "profile.yaml").unlink()
    again = sk.estimate(plan, given["out"])
    assert again.asked == script.asked() == 0
    assert again.requests == found.requests
    toward_target = sk.estimate(planned(script, prompts=given["prompts"], profile=None, target=600))
    assert toward_target.requests == 1 + 5 + 2200


def test_without_a_folder_it_leaves_nothing(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sk.estimate(planned(script), rows=1).asked == 11
    assert list(tmp_path.iterdir()) == []


def test_a_freeform_skill_s_many_questions_are_not_all_answered(script: ScriptedTeacher) -> None:
    plan = sk.plan(
        seeds(4, grounded=False),
        teacher=script.connect(),
        num_questions=20,
        prompts=FREEFORM_PROMPTS,
        profile=False,
    )
    found = sk.estimate(plan)
    assert found.asked == 3 * (1 + 3 + 3 + 3)
    assert (found.samples, found.requests) == (80, 4 * 4 + 3 * 80)


def test_own_contexts_are_counted_as_they_are(script: ScriptedTeacher) -> None:
    contexts = [{"context": f"Mine, number {n}."} for n in range(12)]
    prompts = {name: one for name, one in PROMPTS.items() if name != "gen_contexts"}
    found = sk.estimate(planned(script, num_contexts=None, contexts=contexts, prompts=prompts))
    assert found.samples == 36 and found.requests == 12 + 3 * 36
    assert script.asked("gen_contexts") == 0


def test_a_target_is_estimated_from_what_is_kept(script: ScriptedTeacher) -> None:
    found = sk.estimate(planned(script, target=600))
    assert found.samples == 600
    assert (
        found.requests == 2200
    )  # 600 samples: 200 contexts and their questions, and three requests for each question


def test_with_a_target_the_uncertainty_is_in_requests_time_and_cost(
    script: ScriptedTeacher,
) -> None:
    script.answer = lambda ask: judged(
        script,
        ask,
        good=not ask.stage.startswith("eval_") or not ask.given["question"].startswith("Q1"),
    )
    plan = planned(script, target=600, max_requests=1000)
    found = sk.estimate(plan, price_prompt=1.0, price_completion=1.0)
    assert (found.samples, found.low, found.high) == (600, 600, 600)
    assert found.request_range and found.second_range and found.cost_range
    assert found.request_range.low < found.requests < found.request_range.high
    assert found.second_range.low < found.seconds < found.second_range.high
    assert found.cost is not None
    assert found.cost_range.low < found.cost < found.cost_range.high
    shown = str(found)
    assert "600, the target" in shown
    assert f"({found.request_range.low:,} to {found.request_range.high:,}" in shown
    assert "out of reach with --max-requests 1,000" in shown


def test_an_estimate_comes_with_two_samples_of_different_seeds(script: ScriptedTeacher) -> None:
    found = sk.estimate(planned(script))
    first, second = found.examples
    assert str(first["id"])[:3] != str(second["id"])[:3]
    assert first["response"] and first["seed_response"]


def test_drops_lower_what_to_expect_and_widen_the_range(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: judged(
        script,
        ask,
        good=not ask.stage.startswith("eval_") or not ask.given["question"].startswith("Q1"),
    )
    found = sk.estimate(planned(script))
    assert (found.kept, found.tried, found.samples) == (6, 9, 40)
    assert 15 < found.low < 30 and 50 < found.high < 60
    assert found.requests == 20 + 20 + 60 + 40 + 40
    assert "kept 6 of 9 rows tried" in str(found)


def test_where_nothing_is_kept_it_says_what_cannot_be_estimated(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: judged(script, ask, good=False)
    found = sk.estimate(planned(script, target=100))
    assert (found.kept, found.samples, found.low) == (0, 0, 0)
    assert "No row reached gen_grounded_responses" in str(found)
    assert "the cost of reaching the target cannot be estimated" in str(found)


def test_where_no_row_passes_the_first_stage_nothing_is_certain(
    script: ScriptedTeacher,
) -> None:
    script.answer = lambda ask: "no tags here"
    found = sk.estimate(planned(script))
    assert (found.tried, found.kept, found.samples, found.low) == (3, 0, 0, 0)
    assert found.high > 0


def test_an_estimate_without_a_row_is_refused(script: ScriptedTeacher) -> None:
    with pytest.raises(sk.SettingsError, match="at least 1"):
        sk.estimate(planned(script), rows=0)


@pytest.mark.parametrize(
    ("holds", "fits", "words"),
    [(105, False, "DOES NOT FIT"), (200, True, "this fits"), (None, None, "does not report")],
)
def test_the_longest_prompt_and_reply_against_what_the_server_holds(
    script: ScriptedTeacher, holds: int | None, fits: bool | None, words: str
) -> None:
    script.rows = [{"id": "tiny", **({"max_model_len": holds} if holds else {})}]
    found = sk.estimate(planned(script))
    assert found.max_tokens == 100 and found.longest >= 7
    assert found.fits is fits and words in str(found)


def test_the_longest_seed_counts_though_it_is_not_tried(script: ScriptedTeacher) -> None:
    plan = planned(script)
    usual = sk.estimate(plan, rows=1).longest
    rows = [*plan.rows[:4], {**plan.rows[4], "seed_context": "long " * 500}]
    longer = sk.plan(rows, teacher=plan.teacher, num_contexts=4, prompts=PROMPTS, profile=False)
    assert sk.estimate(longer, rows=1).longest > 5 * usual


def test_a_prompt_that_cannot_be_rendered_is_reported_before_anything_is_asked(
    script: ScriptedTeacher,
) -> None:
    wrong = {**PROMPTS, "gen_contexts": prompt("gen_contexts", ("seed_contxt",), "context")}
    with pytest.raises(PromptError, match="seed_contxt"):
        sk.estimate(planned(script, prompts=wrong))
    assert script.asked() == 0


def test_prices_can_stand_in_sdgkit_toml(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = sk.estimate(planned(script), price_prompt=2.0, price_completion=10.0)
    Path("sdgkit.toml").write_text("price_prompt = 2\nprice_completion = 10.0\n", "utf-8")
    from_file = sk.estimate(planned(script))
    assert from_file.cost == pytest.approx(given.cost, rel=0.05)
    Path("sdgkit.toml").write_text("price_prompt = 2\n", "utf-8")
    with pytest.raises(SettingsError, match="both price_prompt"):
        sk.estimate(planned(script))


def test_half_a_price_is_refused(script: ScriptedTeacher) -> None:
    with pytest.raises(SettingsError, match="both price_prompt"):
        sk.estimate(planned(script), price_prompt=1.0)


def test_the_command_says_it_and_keeps_the_replies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["generate", str(SEEDS), "--num-contexts", "2", "--out", "run"]
    assert main([*words, "--dry-run", "--price-in", "1", "--price-out", "4"]) == 0
    output = capsys.readouterr().out
    for line in (
        "requests ",
        "tokens ",
        "time ",
        "cost ",
        "samples ",
        "longest ",
        "kept in run",
        "rehearsal teacher",
    ):
        assert line in output
    requests = re.search(r"This took (\d+) requests", output)
    assert requests is not None
    assert main([*words, "--price-in", "1"]) == 2
    assert main(words) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["reused"] == int(requests[1])
