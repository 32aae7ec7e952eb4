"""Panels: what a click does, what is shown, and that what a teacher or a file holds is text."""

import asyncio
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import scripted
from aiohttp import web
from scripted import PROMPTS, Ask, Gate, ScriptedTeacher

import sdgkit as sk
from sdgkit.errors import SeedError, SettingsError
from sdgkit.evaluation.method_stages import stand_in
from sdgkit.panels.frame import Panel
from sdgkit.panels.live import reason_for_still_picture
from sdgkit.panels.seeds import SeedsState
from sdgkit.panels.view import LOOK

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>"
    "<iframe srcdoc='<b>x'></iframe></pre></details>"
    '"><svg onload=alert(4)> {{ 7 * 7 }} [x](javascript:alert(3)) $x$ \x1b[31m \u202e &amp;'
)
KEY = "sk-very-secret-key"


@pytest.fixture(autouse=True)
def a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


@pytest.fixture
def seeds() -> list[dict[str, str]]:
    return scripted.seeds(3)


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def act(panel: Panel, name: str, /, **said: Any) -> None:
    """A click whose work is waited for, and which must not go wrong."""
    panel.act(name, **said)
    panel.wait()
    assert panel.last_error is None


def saved_prompts() -> Path:
    """A folder with the script's prompts."""
    folder = Path("prompts")
    folder.mkdir()
    for name, prompt in PROMPTS.items():
        (folder / f"{name}.yaml").write_text(prompt.to_yaml(), "utf-8")
    return folder


def run_panel(
    script: ScriptedTeacher, seeds: Sequence[Mapping[str, str]], out: str = "runs/a", **more: Any
) -> sk.RunPanel:
    return sk.RunPanel(
        seeds,
        teacher=script.connect(),
        out=out,
        num_contexts=2,
        prompts=PROMPTS,
        profile=False,
        **more,
    )


# Where it is shown --------------------------------------------------------------------------------


def test_a_panel_that_stays_still_says_in_one_line_why_and_how_to_force_it() -> None:
    reason = reason_for_still_picture() or ""
    assert "no front end here that shows live panels" in reason
    assert "%env SDGKIT_PANELS=live" in reason


def test_a_panel_is_live_in_jupyterlab_and_voila_and_as_the_user_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOILA_KERNEL_ID", "1")
    assert reason_for_still_picture() is None
    monkeypatch.setenv("SDGKIT_PANELS", "static")
    assert reason_for_still_picture() == ""
    monkeypatch.delenv("VOILA_KERNEL_ID")
    monkeypatch.setenv("SDGKIT_PANELS", "live")
    assert reason_for_still_picture() is None
    monkeypatch.setenv("SDGKIT_PANELS", "maybe")
    assert "SDGKIT_PANELS=live" in (reason_for_still_picture() or "")


def test_a_panel_that_is_not_live_builds_no_widget_and_says_why(
    capsys: pytest.CaptureFixture[str], seeds: list[dict[str, str]]
) -> None:
    panel = sk.SeedPanel(seeds)
    panel.display()
    assert panel._view is None
    shown = capsys.readouterr().out
    assert "3 seeds" in shown
    assert "SDGKIT_PANELS=live" in shown


def test_a_still_picture_says_the_same_in_plain_text(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    run = asyncio.run(run_panel(script, seeds).run())
    review = sk.ReviewPanel(run)
    act(review, "reject", reason="wrong")
    act(review, "filter", show="rejected")
    sample = review.view.state["sample"]
    for page in review.picture().values():
        for words in (
            "1 rejected",
            sample["texts"]["response"],
            sample["evaluation"],
            "1 of 1 samples",
        ):
            assert words in page
    assert "0 kept, 1 rejected." in str(review), "a drawing is told in words"
    assert "combine_question_and_context" in str(sk.RunPanel(run))


def test_what_goes_wrong_in_a_click_is_shown_in_one_sentence_and_kept(
    seeds: list[dict[str, str]],
) -> None:
    panel = sk.SeedPanel(seeds)
    panel.act("load", path="missing.jsonl")
    assert isinstance(panel.last_error, SeedError)
    assert panel.view.state["error"].startswith("missing.jsonl: there is no such file")
    assert "there is no such file" in str(panel)
    panel.act("open", place=1)
    assert panel.view.state["error"] == ""


def test_a_click_in_the_front_end_is_the_same_as_an_action(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(seeds)
    view = panel.view
    view._handle_custom_msg({"id": "a-1", "action": "duplicate", "arguments": {"place": 0}}, [])
    assert len(panel.draft.rows) == 4
    assert len(view.state["seeds"]) == 4


def test_the_scripts_write_text_only_as_text() -> None:
    for path in LOOK.glob("*.js"):
        source = path.read_text("utf-8")
        assert source.count("InnerHTML") == (1 if path.name == "panel.js" else 0), path.name
        assert "insertAdjacentHTML" not in source
        assert "http" not in source.replace("http://localhost", ""), "a panel needs no network"


# Run ----------------------------------------------------------------------------------------------


def test_a_run_is_started_watched_and_done(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = run_panel(script, seeds)
    assert panel.view.state["status"].startswith("Not started")
    assert panel.view.state["start_label"] == "Start"
    act(panel, "start")
    until(lambda: panel.view.state["sign"] == "done")
    state = panel.view.state
    facts = dict(map(tuple, state["facts"]))
    assert int(facts["samples"]) == len(panel.latest.dataset) > 0
    assert [stage["name"] for stage in state["stages"]] == [
        stage.name for stage in panel.latest.funnel
    ]
    assert state["newest"][0]["id"] in {sample["id"] for sample in panel.latest.samples()}
    assert state["start_label"] == "Run again"


def test_the_first_context_is_shown_after_one_reply_long_before_the_first_sample(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    gate = script.hold_after(1)
    panel = run_panel(script, seeds)
    panel.act("start")
    until(lambda: bool(panel.view.state["texts"]))
    [first] = panel.view.state["texts"]
    assert first["stage"] == "gen_contexts"
    assert first["texts"][0]["texts"]["context"]
    assert panel.view.state["samples"] == 0
    gate.open()
    until(lambda: panel.view.state["sign"] == "done")
    shown = {stage["stage"]: stage["texts"] for stage in panel.view.state["texts"]}
    assert "response" in shown["gen_grounded_responses"][0]["texts"]
    assert "score" in shown["evaluate_grounded_qa_pair"][0]["texts"]


def test_totals_are_planned_before_the_start_and_start_says_what_it_asks(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = run_panel(script, seeds)
    state = panel.view.state
    assert dict(map(tuple, state["facts"]))["samples"] == "0 of at most 18"
    # 3 seeds: 6 contexts, 6 replies with 18 questions, a judgement, a response and a judgement each
    said = re.match(
        "Start sends up to 66 requests for at most 18 samples: "
        r"about ([\d,]+) prompt tokens and ([\d,]+) completion tokens\.",
        state["plan"],
    )
    assert said is not None, state["plan"]
    act(panel, "start")
    until(lambda: panel.view.state["sign"] == "done")
    assert panel.latest.snapshot().requests <= 66
    written = panel.latest.snapshot().completion_tokens
    assert written / 9 < int(said[2].replace(",", "")) < 9 * written, "the right magnitude"
    assert panel.view.state["plan"] == ""


def test_start_says_what_it_costs_at_your_prices(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    prices: dict[str, Any] = {"price_prompt": 2.0, "price_completion": 10.0}
    plan = run_panel(script, seeds, **prices).view.state["plan"]
    said = re.search(
        r"about ([\d,]+) prompt tokens and ([\d,]+) completion tokens, for ([\d.]+)", plan
    )
    assert said is not None, plan
    read, written = (int(number.replace(",", "")) for number in said.groups()[:2])
    assert float(said[3]) == pytest.approx((2 * read + 10 * written) / 1e6, abs=0.01)
    Path("sdgkit.toml").write_text("price_prompt = 2.0\nprice_completion = 10\n", "utf-8")
    assert run_panel(script, seeds).view.state["plan"] == plan


def test_after_an_estimate_start_says_what_was_measured(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = run_panel(script, seeds)
    before = panel.view.state["plan"]
    act(panel, "estimate")
    measured = re.search(r"tokens +([\d,]+) read", panel.view.state["estimate"])
    assert measured is not None
    tokens = int(measured[1].replace(",", ""))
    said = re.search(r"about ([\d,]+) prompt tokens", panel.view.state["plan"])
    assert said is not None and panel.view.state["plan"] != before
    assert int(said[1].replace(",", "")) == pytest.approx(tokens, rel=0.06)


def test_an_estimate_is_measured_on_a_few_rows_which_the_run_uses_again(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = run_panel(script, seeds)
    act(panel, "estimate")
    assert "requests" in panel.view.state["estimate"]
    assert panel.view.state["start_label"] == "Start"
    act(panel, "start")
    until(lambda: panel.view.state["sign"] == "done")
    assert panel.latest.snapshot().reused > 0


def test_no_bar_shrinks_and_no_share_goes_back_while_a_run_works(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = run_panel(script, seeds)
    bars: list[float] = []
    fractions: list[float] = []
    first_bar = re.compile(r'<rect x="56" y="[0-9.]+" width="([0-9.]+)"')
    answer = script._answer

    async def look(body: dict[str, Any], number: int) -> web.StreamResponse:
        state = panel.state()
        bars.append(float(first_bar.findall(state.picture)[0]))
        fractions.append(state.fraction)
        return await answer(body, number)

    script.behave = look
    act(panel, "start")
    until(lambda: panel.view.state["sign"] == "done")
    assert bars[-1] > 0
    assert bars == sorted(bars)
    assert fractions == sorted(fractions)


def test_failures_are_counted_as_they_happen(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    script.answer = lambda ask: (
        "No tags."
        if ask.stage == "gen_grounded_responses" and ask.name < "8"
        else script.usual(ask)
    )
    panel = run_panel(script, seeds)
    asyncio.run(panel.run())
    failed = [drop for drop in panel.latest.drops() if drop["reason"] == "malformed"]
    assert failed
    facts = dict(map(tuple, panel.view.state["facts"]))
    assert facts["failures"].partition(" ")[0] == str(len(failed))


def test_a_finished_run_opened_again_shows_the_numbers_of_all_its_sessions(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    asyncio.run(run_panel(script, seeds).run())
    first = dict(map(tuple, sk.RunPanel("runs/a").view.state["facts"]))
    asyncio.run(run_panel(script, seeds).run())  # has nothing left to ask
    for panel in (sk.RunPanel("runs/a"), run_panel(script, seeds)):
        facts = dict(map(tuple, panel.view.state["facts"]))
        for name in ("samples", "requests", "tokens"):
            assert facts[name] == first[name] != "0"


def test_cancel_stops_within_a_second_and_resume_goes_on(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    gate = script.hold_after(8)
    panel = run_panel(script, seeds)
    panel.act("start")
    gate.await_arrivals(1)
    panel.act("cancel")
    until(lambda: panel.view.state["sign"] == "cancelled", 5)
    until(lambda: panel.view.state["can_start"])
    assert panel.view.state["start_label"] == "Resume"
    gate.open()
    act(panel, "start")
    until(lambda: panel.view.state["sign"] == "done")
    assert int(dict(map(tuple, panel.view.state["facts"]))["reused"].replace(",", "")) > 0


def test_a_teacher_that_goes_away_is_said_and_cancel_works_meanwhile(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    script.behave = lambda body, number: web.Response(status=503, text="restarting")
    panel = run_panel(script, seeds)
    panel.act("start")
    until(lambda: panel.view.state["sign"] == "paused", 30)
    assert panel.view.state["status"].startswith("Paused: ")
    assert dict(map(tuple, panel.view.state["facts"]))["teacher"] == "away"
    panel.act("cancel")
    until(lambda: panel.view.state["sign"] == "cancelled", 1)


def test_before_its_start_a_runs_picture_is_as_high_as_later_on(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = run_panel(script, seeds)
    height = re.compile(r'height="(\d+)"')
    before = height.findall(panel.view.state["picture"])
    act(panel, "start")
    until(lambda: panel.view.state["sign"] == "done")
    assert before and before[0] == height.findall(panel.view.state["picture"])[0]


def test_a_click_on_a_stage_shows_what_was_dropped_with_prompt_and_reply(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    script.answer = lambda ask: (
        "No tags."
        if ask.stage == "gen_grounded_responses" and ask.name < "8"
        else script.usual(ask)
    )
    panel = run_panel(script, seeds)
    asyncio.run(panel.run())
    drops = [drop for drop in panel.latest.drops() if drop["stage"] == "gen_grounded_responses"]
    act(panel, "stage", name="gen_grounded_responses")
    shown = panel.view.state["drops"]["drops"]
    assert [drop["id"] for drop in shown] == [drop["id"] for drop in drops][: len(shown)]
    assert shown[0]["reason"] == "malformed"
    act(panel, "trace", id=shown[0]["id"])
    last = panel.view.state["drops"]["traces"][shown[0]["id"]][0]
    assert last["text"] == "No tags."
    assert '"stage": "gen_grounded_responses"' in last["messages"][-1]["content"]


def test_await_run_does_the_work_and_returns_the_run(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    run = asyncio.run(run_panel(script, seeds).run())
    assert run.state == "done"
    assert len(run.dataset) > 0


def test_await_run_raises_what_stopped_the_run(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    script.answer = lambda ask: "No tags."
    panel = run_panel(script, scripted.seeds(12))
    with pytest.raises(sk.RunError):
        asyncio.run(panel.run())
    assert panel.view.state["sign"] == "failed"
    assert panel.view.state["error"]


def test_cancelling_the_cell_cancels_the_run(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    gate = Gate()

    async def hold(body: dict[str, Any], number: int) -> web.StreamResponse:
        await gate.passed()
        return await script._answer(body, number)

    panel = run_panel(script, seeds)
    script.behave = hold

    async def cell() -> None:
        task = asyncio.create_task(panel.run())
        await asyncio.to_thread(gate.await_arrivals, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cell())
    gate.open()
    assert panel.latest.state == "cancelled"


def test_a_panel_opens_the_folder_of_a_finished_run_and_offers_no_start(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    asyncio.run(run_panel(script, seeds).run())
    panel = sk.RunPanel("runs/a")
    assert panel.view.state["sign"] == "done"
    assert panel.view.state["start_label"] == ""
    act(panel, "stage", name="filter_grounded_qa_pair")


def test_a_panel_that_could_start_a_run_watches_the_one_that_goes_on_in_its_folder(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    gate = script.hold_after(4)
    writer = run_panel(script, seeds).start()
    gate.await_arrivals(1)
    until(lambda: sk.open_run("runs/a").state == "running")
    panel = run_panel(script, seeds)
    panel.on_show()
    assert panel.view.state["sign"] == "running"
    gate.open()
    until(lambda: panel.view.state["sign"] == "done")
    writer.wait()


def test_a_panel_watches_a_run_that_another_writes(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    gate = script.hold_after(4)
    writer = run_panel(script, seeds).start()
    gate.await_arrivals(1)
    until(lambda: sk.open_run("runs/a").state == "running")
    panel = sk.RunPanel("runs/a")
    panel.watch()
    assert panel.view.state["sign"] == "running"
    assert not panel.view.state["can_cancel"]
    gate.open()
    until(lambda: panel.view.state["sign"] == "done")
    writer.wait()


def test_the_next_start_uses_the_prompts_as_they_are_then(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    folder = saved_prompts()
    panel = sk.RunPanel(
        seeds,
        teacher=script.connect(),
        out="runs/a",
        num_contexts=2,
        prompts=folder,
        profile=False,
    )
    asyncio.run(panel.run())
    script.forget()
    editor = sk.PromptPanel(folder, seeds, run=panel, stage="gen_grounded_responses")
    assert "repeats no request" in editor.view.state["rerun"]
    act(editor, "text", part="system", text="Be brief.")
    assert "repeats gen_grounded_responses and every stage after it" in editor.view.state["rerun"]
    act(editor, "save")
    asyncio.run(panel.run())
    assert set(script.by_stage()) == {"gen_grounded_responses", "evaluate_grounded_qa_pair"}


def test_a_run_without_a_teacher_is_refused(seeds: list[dict[str, str]]) -> None:
    with pytest.raises(SettingsError, match="teacher"):
        sk.RunPanel(seeds)


def test_a_run_whose_folder_is_gone_shows_the_sentence_over_what_was_there(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    asyncio.run(run_panel(script, seeds).run())
    panel = sk.RunPanel("runs/a")
    samples = panel.view.state["facts"][0]
    shutil.rmtree("runs/a")
    panel.act("stage", name="gen_contexts")
    panel.wait()
    assert panel.view.state["error"]
    assert panel.view.state["facts"][0] == samples or panel.view.state["status"].startswith(
        "Not started"
    )
    assert "Error: " in str(panel)


# Review -------------------------------------------------------------------------------------------


@pytest.fixture
def reviewed(script: ScriptedTeacher, seeds: list[dict[str, str]]) -> sk.ReviewPanel:
    asyncio.run(run_panel(script, seeds).run())
    return sk.ReviewPanel("runs/a")


def trained_on() -> set[str]:
    lines = Path("runs/a/train_messages.jsonl").read_text("utf-8").splitlines()
    return {json.loads(line)["id"] for line in lines}


def test_a_decision_goes_on_to_the_next_sample_and_into_the_training_file(
    reviewed: sk.ReviewPanel,
) -> None:
    first, second = reviewed.ids[:2]
    assert reviewed.view.state["sample"]["id"] == first
    act(reviewed, "reject", reason="wrong")
    assert reviewed.view.state["sample"]["id"] == second
    assert reviewed.view.state["status"].startswith("1 of ")
    reviewed.review.write()
    assert first not in trained_on()
    act(reviewed, "undo")
    assert reviewed.view.state["sample"]["id"] == first
    reviewed.review.write()
    assert first in trained_on()


def test_a_sample_is_shown_beside_its_seed_with_the_judges_words(reviewed: sk.ReviewPanel) -> None:
    sample = reviewed.view.state["sample"]
    assert list(sample["texts"]) == ["context", "question", "response"]
    assert sample["seed_texts"]["response"].startswith("Response of seed")
    assert sample["evaluation"] == "Read."
    assert sample["faults"] == []


def test_the_faults_that_the_judge_named_are_shown_with_its_words(reviewed: sk.ReviewPanel) -> None:
    reviewed.review.sample(reviewed.ids[0])["faults"] = "form, truth"
    act(reviewed, "go", id=reviewed.ids[0])
    assert reviewed.view.state["sample"]["faults"] == ["truth", "form"]
    assert "truth, form" in str(reviewed)


def test_an_edit_stays_on_the_sample_and_can_become_a_seed(reviewed: sk.ReviewPanel) -> None:
    act(reviewed, "edit", texts={"response": "Mended."})
    state = reviewed.view.state["sample"]
    assert state["state"] == "edited"
    assert state["texts"]["response"] == "Mended."
    assert state["written"]["response"] != "Mended."
    act(reviewed, "seed", path="more.jsonl")
    assert list(sk.load_seeds("more.jsonl"))[-1]["seed_response"] == "Mended."


def test_filters_and_pages_narrow_what_is_shown(reviewed: sk.ReviewPanel) -> None:
    act(reviewed, "filter", show="all", seed="s2")
    rows = reviewed.view.state["rows"]
    assert rows
    assert all(row["id"].startswith("s2/") for row in rows)
    act(reviewed, "filter", text="nowhere to be found")
    assert reviewed.view.state["total"] == 0
    reviewed.act("accept")
    assert "No sample" in reviewed.view.state["error"]


# Seeds --------------------------------------------------------------------------------------------


def errors(panel: sk.SeedPanel, place: int, severity: str = "error") -> dict[str, str]:
    """What is wrong with a seed, by the field that it stands beside."""
    flaws = panel.view.state["seeds"][place]["flaws"]
    return {flaw["part"]: flaw["message"] for flaw in flaws if flaw["severity"] == severity}


def test_seeds_are_written_with_what_is_wrong_beside_the_field() -> None:
    panel = sk.SeedPanel("mine.jsonl")
    assert "Add one" in panel.view.state["status"]
    act(panel, "add")
    assert set(errors(panel, 0)) == {"task_description", "seed_question", "seed_response"}
    for column in ("task_description", "seed_question", "seed_response"):
        act(panel, "edit", place=0, column=column, text=f"The {column}")
    assert errors(panel, 0) == {}
    act(panel, "save")
    assert [dict(row) for row in sk.load_seeds("mine.jsonl")] == panel.seeds


def test_a_seed_with_a_flaw_is_not_saved(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(seeds)
    act(panel, "edit", place=1, column="seed_question", text=" ")
    panel.act("save", path="mine.jsonl")
    assert sk.load_seeds("mine.jsonl").to_list() == [seeds[0], seeds[2]]
    assert "Left out 1 half-written seed" in panel.view.state["notice"]
    assert "is empty" in errors(panel, 1)["seed_question"]
    with pytest.raises(SeedError):
        assert panel.seeds


def test_a_context_that_only_some_seeds_have_is_told_at_the_empty_one(
    seeds: list[dict[str, str]],
) -> None:
    panel = sk.SeedPanel(seeds)
    act(panel, "edit", place=2, column="seed_context", text="")
    assert list(errors(panel, 2)) == ["seed_context"]


def test_what_the_seed_check_finds_stands_beside_the_field_and_can_be_saved(
    seeds: list[dict[str, str]],
) -> None:
    panel = sk.SeedPanel(
        [{**seed, "seed_context": f"Note {n}: the pump is loud."} for n, seed in enumerate(seeds)]
    )
    act(panel, "edit", place=1, column="seed_response", text="The pump hums, and")
    assert "cut off" in errors(panel, 1)["seed_response"]
    act(panel, "edit", place=1, column="seed_response", text="The pump is loud.")
    act(panel, "edit", place=2, column="seed_context", text="Loud.")
    assert "very short" in errors(panel, 2, "warning")["seed_context"]
    assert any("five or more" in flaw["message"] for flaw in panel.view.state["flaws_of_all"])
    act(panel, "save", path="mine.jsonl")
    act(panel, "add")
    assert list(errors(panel, 2, "warning")) == ["seed_context"], (
        "a seed that is begun hides nothing about the others"
    )


def test_duplicate_remove_and_undo(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(seeds)
    act(panel, "duplicate", place=0)
    assert "the same as that of seed 1" in errors(panel, 1, "warning")["seed_context"]
    act(panel, "remove", place=2)
    assert len(panel.draft.rows) == 3
    act(panel, "undo")
    act(panel, "undo")
    assert panel.seeds == seeds


# Prompt -------------------------------------------------------------------------------------------


@pytest.fixture
def prompt_panel(script: ScriptedTeacher, seeds: list[dict[str, str]]) -> sk.PromptPanel:
    return sk.PromptPanel(
        "prompts", seeds, teacher=script.connect(), stage="gen_grounded_responses"
    )


def test_a_prompt_is_rendered_with_the_chosen_seeds_values(prompt_panel: sk.PromptPanel) -> None:
    act(prompt_panel, "row", number=1)
    assert "Context of seed 2" in prompt_panel.view.state["messages"][-1]["content"]


def test_an_undefined_variable_is_told_at_its_line(prompt_panel: sk.PromptPanel) -> None:
    act(prompt_panel, "text", part="generation", text="one\ntwo {{ nobody }}")
    [flaw] = prompt_panel.view.state["flaws"]
    assert (flaw["part"], flaw["line"]) == ("generation", 2)
    assert "'nobody' is undefined" in flaw["message"]
    assert prompt_panel.view.state["messages"] == []


def test_settings_that_cannot_be_read_are_told_and_nothing_is_saved(
    prompt_panel: sk.PromptPanel,
) -> None:
    act(prompt_panel, "text", part="settings", text="start_tags: [a, b]\nend_tags: [c]")
    assert prompt_panel.view.state["flaws"][0]["part"] == "settings"
    prompt_panel.act("save")
    assert prompt_panel.last_error is not None
    assert not Path("prompts").exists()


def test_a_try_marks_the_columns_in_the_raw_reply(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = sk.PromptPanel(PROMPTS["gen_grounded_responses"], seeds, teacher=script.connect())
    act(panel, "try")
    [trial] = panel.view.state["trials"]
    assert trial["reason"] == ""
    marked = [text for text, column in trial["pieces"] if column == "response"]
    tried = panel.trials[0]
    assert tried is not None and tried.reply is not None
    assert marked == [tried.rows[0]["response"]]
    assert "".join(text for text, _ in trial["pieces"]) == tried.reply.text


def test_a_try_on_five_asks_five_rows_at_the_same_time(script: ScriptedTeacher) -> None:
    gate = Gate()
    answer = script._answer

    async def hold(body: dict[str, Any], number: int) -> web.StreamResponse:
        if "stage" in body["messages"][-1]["content"]:
            await gate.passed()
        return await answer(body, number)

    panel = sk.PromptPanel(
        PROMPTS["gen_grounded_responses"], scripted.seeds(7), teacher=script.connect()
    )
    script.behave = hold
    panel.act("try", several=True)
    gate.await_arrivals(5)
    gate.open()
    panel.wait()
    assert [trial["id"] for trial in panel.view.state["trials"]] == ["s1", "s2", "s3", "s4", "s5"]


def test_a_malformed_reply_is_shown_as_it_came_with_the_reason(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    script.answer = lambda ask: "Sorry."
    panel = sk.PromptPanel(PROMPTS["gen_grounded_responses"], seeds, teacher=script.connect())
    act(panel, "try")
    [trial] = panel.view.state["trials"]
    assert trial["reason"] == "malformed"
    assert trial["pieces"] == [["Sorry.", ""]]


def test_a_try_can_be_cancelled(script: ScriptedTeacher, seeds: list[dict[str, str]]) -> None:
    gate = Gate()

    async def hold(body: dict[str, Any], number: int) -> web.StreamResponse:
        await gate.passed()
        return await script._answer(body, number)

    panel = sk.PromptPanel(PROMPTS["gen_grounded_responses"], seeds, teacher=script.connect())
    script.behave = hold
    panel.act("try")
    gate.await_arrivals(1)
    assert panel.view.state["busy"]
    panel.act("cancel")
    panel.wait(5)
    gate.open()
    assert not panel.view.state["busy"]
    assert panel.last_error is None


def test_saving_keeps_what_has_not_changed_and_shows_the_difference_before(
    prompt_panel: sk.PromptPanel,
) -> None:
    act(
        prompt_panel,
        "text",
        part="principles",
        text=prompt_panel.draft.texts["principles"] + "\n* Be brief.",
    )
    assert "+* Be brief." in prompt_panel.view.state["diff"]
    act(prompt_panel, "save")
    shipped = sk.shipped("prompts") / "grounded" / "gen_grounded_responses.yaml"
    saved, before = Path("prompts/gen_grounded_responses.yaml"), sk.load_prompt(shipped)
    assert sk.load_prompt(saved) == replace(before, principles=before.principles + "\n* Be brief.")
    assert (
        saved.read_text("utf-8").splitlines()[:3] == shipped.read_text("utf-8").splitlines()[:3]
    )  # the comment
    assert prompt_panel.view.state["diff"] == []


PROMPT_PARTS = ("system", "introduction", "principles", "examples", "generation")


@pytest.mark.parametrize(
    "path", sorted((sk.shipped("prompts")).glob("*/*.yaml")), ids=lambda path: path.stem
)
def test_every_part_of_every_shipped_prompt_can_be_edited_and_saved(path: Path) -> None:
    draft = sk.PromptPanel(sk.load_prompt(path), scripted.seeds(1)).draft
    for part in PROMPT_PARTS:
        draft.set(part, f"{draft.texts[part]}\nAnd a line about {part}.")
    wanted = draft.prompt
    draft.save("mine.yaml")
    saved = sk.load_prompt("mine.yaml").as_json()
    assert saved == wanted.as_json()
    assert all(f"And a line about {part}." in saved[part] for part in PROMPT_PARTS)


def test_undo_and_the_shipped_prompt(prompt_panel: sk.PromptPanel) -> None:
    before = prompt_panel.draft.texts
    act(prompt_panel, "text", part="system", text="Mine.")
    act(prompt_panel, "restore")
    assert prompt_panel.draft.texts == before
    act(prompt_panel, "undo")
    assert prompt_panel.draft.texts["system"] == "Mine."
    act(prompt_panel, "undo")
    assert prompt_panel.draft.texts == before


def test_a_prompt_can_use_what_earlier_stages_write_and_nothing_else(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = sk.PromptPanel("prompts", seeds, stage="gen_grounded_questions")
    act(panel, "text", part="generation", text="{{ context }}")
    assert panel.view.state["flaws"] == []
    act(panel, "text", part="generation", text="{{ response }}")
    assert "'response' is undefined" in panel.view.state["flaws"][0]["message"]


def test_a_seed_that_is_half_written_leaves_the_prompt_panel_with_the_rows_before(
    seeds: list[dict[str, str]],
) -> None:
    written = sk.SeedPanel(seeds)
    panel = sk.PromptPanel("prompts", written)
    act(written, "add")
    act(panel, "row", number=1)
    assert len(panel.view.state["rows"]) == len(seeds)
    for column in ("task_description", "seed_context", "seed_question", "seed_response"):
        act(written, "edit", place=3, column=column, text="Written.")
    act(panel, "row", number=3)
    assert "Written." in panel.view.state["messages"][-1]["content"]


def test_saving_keeps_the_comments_between_the_parts(seeds: list[dict[str, str]]) -> None:
    text = """\
# at the top
system: |
  # a heading, no comment

# about the sampling
sampling: {temperature: 0.7, max_tokens: 100}  # warm
# about the generation
generation: '{{ seed_context }}'
# at the end
"""
    mine = Path("mine/gen_contexts.yaml")
    mine.parent.mkdir()
    mine.write_text(text, "utf-8")
    panel = sk.PromptPanel("mine", seeds)
    act(panel, "text", part="system", text="# another heading\nand a line")
    act(panel, "text", part="settings", text="sampling: {temperature: 0.5, max_tokens: 100}")
    act(panel, "save")
    expected = text.replace("# a heading, no comment", "# another heading\n  and a line")
    expected = expected.replace("system: |", "system: |-").replace("0.7", "0.5")
    assert mine.read_text("utf-8") == expected


def test_a_prompt_of_ones_own_has_no_shipped_one_to_go_back_to(seeds: list[dict[str, str]]) -> None:
    panel = sk.PromptPanel(replace(PROMPTS["gen_contexts"], name="mine"), seeds)
    panel.act("restore")
    assert "ships no prompt named mine" in str(panel.last_error)


# Compare ------------------------------------------------------------------------------------------


def test_two_versions_are_compared_by_what_is_read_and_what_the_judge_lets_through(
    script: ScriptedTeacher,
) -> None:
    saved_prompts()
    good = PROMPTS["gen_grounded_responses"]

    def answer(ask: Ask) -> str:
        if ask.stage == "evaluate_grounded_qa_pair":
            return scripted.tagged(
                evaluation="Read.", score=1 if "worse" in ask.given["response"] else 3
            )
        if ask.given["question"] == "Question of seed 1" and ask.body.get("top_p"):
            return "No tags."
        return scripted.tagged(response="worse" if ask.body.get("top_p") else "better")

    script.answer = answer
    panel = sk.ComparePanel(
        good,
        good.with_sampling(top_p=0.5),
        scripted.seeds(4),
        teacher=script.connect(),
        prompts="prompts",
    )
    panel.compare()
    panel.wait()
    assert panel.last_error is None
    assert panel.comparison is not None
    one, other = panel.comparison.sides
    assert (one.parsed, one.passed, one.mean_score) == (4, 4, 3.0)
    assert (other.parsed, other.passed, other.mean_score) == (3, 0, 1.0)
    first = panel.view.state["rows"][0]["sides"]
    assert (first[0]["texts"], first[0]["kept"]) == ([{"response": "better"}], 1)
    assert (first[1]["texts"], first[1]["reply"]) == ([], "No tags.")


def test_the_difference_rests_on_the_rows_that_differ(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    good = PROMPTS["eval_grounded_questions"]
    other = good.with_sampling(top_p=0.5)
    script.answer = lambda ask: scripted.tagged(
        evaluation="Seen.", score=0 if ask.body.get("top_p") else 1
    )
    panel = sk.ComparePanel(good, other, scripted.seeds(6), teacher=script.connect())
    panel.compare()
    panel.wait()
    assert panel.last_error is None
    comparison = panel.comparison
    assert comparison is not None
    assert [side.passed for side in comparison.sides] == [6, 0]
    assert comparison.differing == (6, 0)
    assert "differ on 6 of 6 rows" in panel.view.state["status"]
    side = panel.view.state["rows"][0]["sides"][0]
    assert (side["scores"], side["kept"], side["tried"]) == ([1.0], 1, 1)


def test_a_comparison_that_is_cancelled_says_nothing_about_the_versions(
    script: ScriptedTeacher,
) -> None:
    gate = Gate()
    answer = script._answer

    async def hold(body: dict[str, Any], number: int) -> web.StreamResponse:
        await gate.passed()
        return await answer(body, number)

    good = PROMPTS["eval_grounded_questions"]
    panel = sk.ComparePanel(
        good, good.with_sampling(top_p=0.5), scripted.seeds(3), teacher=script.connect()
    )
    script.behave = hold
    panel.act("compare")
    gate.await_arrivals(1)
    panel.act("cancel")
    panel.wait(5)
    gate.open()
    assert panel.comparison is None
    assert panel.view.state["status"].startswith("Not compared yet")


def test_prompts_of_different_stages_are_not_compared(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = sk.ComparePanel(
        PROMPTS["gen_contexts"], PROMPTS["eval_grounded_questions"], seeds, teacher=script.connect()
    )
    panel.act("compare")
    assert "one stage's prompt" in panel.view.state["error"]


# Teacher ------------------------------------------------------------------------------------------


def test_a_teacher_is_not_tried_then_reachable_with_time_and_tokens(
    script: ScriptedTeacher,
) -> None:
    script.behave = lambda body, number: scripted.completion("Blue.")
    panel = sk.TeacherPanel("openai", script.base_url, api_key=KEY)
    assert panel.view.state["status"].startswith("Not tried yet")
    act(panel, "test", message="Which colour?")
    state = panel.view.state
    assert state["sign"] == "good"
    assert state["reply"]["text"] == "Blue."
    assert dict(map(tuple, state["facts"]))["tokens written"] == "5"
    assert state["models"] == [scripted.MODEL]


def test_a_teacher_that_is_not_there_is_unreachable_with_the_reason() -> None:
    panel = sk.TeacherPanel("vllm", "http://127.0.0.1:9/v1")
    panel.act("test")
    panel.wait()
    assert panel.view.state["status"] == "Not reachable"
    assert "127.0.0.1:9" in panel.view.state["error"]


def test_the_key_is_in_nothing_that_is_shown_or_saved(script: ScriptedTeacher) -> None:
    script.behave = lambda body, number: scripted.completion("Blue.")
    panel = sk.TeacherPanel("openai", script.base_url)
    act(panel, "choose", api_key=KEY)
    act(panel, "test")
    assert script.headers[-1]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in json.dumps(panel.view.get_state())
    assert KEY not in json.dumps(panel.picture())
    assert KEY not in repr(panel)


def test_of_several_models_one_is_chosen_from_the_servers_list(script: ScriptedTeacher) -> None:
    script.models = ["one", "two"]
    script.behave = lambda body, number: scripted.completion("Blue.")
    panel = sk.TeacherPanel("openai", script.base_url, api_key=KEY)
    panel.act("test")
    panel.wait()
    assert panel.view.state["models"] == ["one", "two"]
    act(panel, "choose", model="two")
    act(panel, "test")
    assert panel.teacher.model == "two"


def test_what_a_teacher_answers_is_not_shown_as_that_of_one_that_was_chosen_meanwhile(
    script: ScriptedTeacher,
) -> None:
    asked, chosen = threading.Event(), threading.Event()

    def slow(body: dict[str, Any], number: int) -> web.StreamResponse:
        asked.set()
        chosen.wait(10)
        return scripted.completion("Blue.")

    script.behave = slow
    panel = sk.TeacherPanel("openai", script.base_url, api_key=KEY)
    panel.act("test")
    assert asked.wait(10)
    panel.act("choose", base_url="http://127.0.0.1:9/v1")
    chosen.set()
    panel.wait()
    state = panel.view.state
    assert (state["reply"], state["error"]) == (None, "")
    assert state["status"].startswith("Not tried yet")
    with pytest.raises(sk.TeacherError, match=r"127\.0\.0\.1:9"):
        _ = panel.teacher


def test_what_the_server_can_do_is_found_out_by_asking(script: ScriptedTeacher) -> None:
    script.behave = lambda body, number: scripted.completion("Blue.")
    panel = sk.TeacherPanel("openai", script.base_url, api_key=KEY)
    act(panel, "abilities")
    able = dict(map(tuple, panel.view.state["abilities"]))
    assert able["repeats a reply for the same sampling seed"] == "yes"
    assert able["supports structured output"].startswith("no")


def test_a_teacher_panel_serves_as_teacher(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = sk.TeacherPanel("openai", script.base_url, api_key=KEY)
    run = asyncio.run(
        sk.RunPanel(seeds, teacher=panel, num_contexts=1, prompts=PROMPTS, profile=False).run()
    )
    assert run.state == "done"


def test_every_function_takes_a_teacher_panel_as_its_teacher(
    script: ScriptedTeacher, seeds: list[dict[str, str]]
) -> None:
    panel = sk.TeacherPanel("openai", script.base_url, api_key=KEY)
    prompt = PROMPTS["gen_grounded_responses"]
    run = sk.generate(
        seeds, teacher=panel, judge=panel, num_contexts=1, prompts=PROMPTS, profile=False
    )
    assert run.state == "done"
    assert sk.plan(seeds, teacher=panel).teacher is panel.teacher
    contexts = sk.gen_contexts(seeds, teacher=panel, num_contexts=1, prompt=PROMPTS["gen_contexts"])
    assert len(contexts) == len(seeds)
    [trial, *_] = sk.try_on(prompt, [stand_in(seeds[0], prompt.name)], panel)
    assert trial.reason == ""
    assert sk.check_seeds(seeds, panel, prompts=PROMPTS).judge == scripted.MODEL
    assert sk.calibrate(panel, seeds, prompts=PROMPTS).judge == scripted.MODEL


def test_what_is_no_teacher_is_refused_by_name(seeds: list[dict[str, str]]) -> None:
    no_teacher: Any = "vllm"
    with pytest.raises(SettingsError, match="teacher must be"):
        sk.plan(seeds, teacher=no_teacher)


# Hostile text -------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The elements of a page and what their attributes could run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.active: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.active += [
            (name, value)
            for name, value in attrs
            if name.startswith("on") or name in ("src", "srcdoc")
        ]
        self.active += [
            (name, value) for name, value in attrs if (value or "").startswith("javascript:")
        ]


def assert_harmless(panel: Panel) -> None:
    """The still picture runs nothing, and neither does what goes to the page as markup.

    That is sdgkit's own pictures.
    """
    pages = [panel.picture()["text/html"]]
    state = panel.view.state
    pages += [state.get("picture", ""), *(figure["drawing"] for figure in state.get("figures", []))]
    for page in pages:
        tags = Tags()
        tags.feed(page)
        assert not tags.found & {"script", "img", "iframe", "object", "a", "base", "form"}
        assert not tags.active
    assert "<img src=x" in json.dumps(state, ensure_ascii=False), (
        "the hostile text is there, as text"
    )
    assert "\x1b" not in pages[0]
    assert "\u202e" not in pages[0]
    json.dumps(panel.view.get_state()).encode()


def hostile_seeds() -> list[dict[str, str]]:
    return [
        {
            **row,
            "seed_response": f"{HOSTILE} Response of seed {n}",
            "seed_context": f"{HOSTILE} Context {n}",
        }
        for n, row in enumerate(scripted.seeds(3), 1)
    ]


def hostile_teacher(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> str:
        if ask.stage == "gen_contexts":
            return scripted.tagged(context=f"{HOSTILE} {ask.name}")
        if ask.stage == "gen_grounded_responses":
            good = not ask.given["question"].startswith("Q0")
            return scripted.tagged(response=f"{HOSTILE} {ask.name}") if good else HOSTILE
        if ask.stage == "evaluate_grounded_qa_pair":
            return scripted.tagged(evaluation=HOSTILE, score=3)
        return script.usual(ask)

    script.answer = answer


def test_hostile_text_in_a_run_and_its_review(script: ScriptedTeacher) -> None:
    hostile_teacher(script)
    panel = run_panel(script, hostile_seeds())
    asyncio.run(panel.run())
    act(panel, "stage", name="gen_grounded_responses")
    act(panel, "trace", id=panel.view.state["drops"]["drops"][0]["id"])
    assert_harmless(panel)
    review = sk.ReviewPanel("runs/a")
    act(review, "reject", reason=HOSTILE)
    act(review, "filter", show="all")
    assert_harmless(review)


def test_hostile_text_in_seeds() -> None:
    assert_harmless(sk.SeedPanel(hostile_seeds()))


def test_hostile_text_in_a_prompt_and_its_replies(script: ScriptedTeacher) -> None:
    hostile_teacher(script)
    hostile = PROMPTS["gen_grounded_responses"]
    panel = sk.PromptPanel(hostile, hostile_seeds(), teacher=script.connect())
    act(panel, "try", several=True)
    act(panel, "text", part="system", text=HOSTILE.replace("{{", "{ {"))
    assert_harmless(panel)


def test_hostile_text_in_a_comparison(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: scripted.tagged(evaluation=HOSTILE, score=1)
    good = PROMPTS["eval_grounded_questions"]
    panel = sk.ComparePanel(
        good, good.with_sampling(top_p=0.5), hostile_seeds(), teacher=script.connect()
    )
    panel.compare()
    panel.wait()
    assert_harmless(panel)


def test_hostile_text_from_a_teacher(script: ScriptedTeacher) -> None:
    script.behave = lambda body, number: scripted.completion(HOSTILE)
    panel = sk.TeacherPanel("openai", script.base_url, api_key=KEY)
    act(panel, "test", message=HOSTILE)
    assert_harmless(panel)


def test_half_of_a_surrogate_pair_does_not_stop_a_panel(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(seeds)
    act(panel, "edit", place=0, column="seed_question", text="\ud800?")
    json.dumps(panel.view.get_state()).encode()
    assert "surrogate" in errors(panel, 0)["seed_question"]


def test_work_that_ends_while_the_view_is_being_made_is_seen_in_it(
    seeds: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = sk.SeedPanel(seeds)
    shown = panel.state

    def add_a_seed() -> None:
        panel.draft.add()
        panel.refresh()

    def state() -> SeedsState:
        values = shown()
        monkeypatch.setattr(panel, "state", shown)
        panel._start_thread(add_a_seed)
        time.sleep(0.2)
        return values

    monkeypatch.setattr(panel, "state", state)
    view = panel.view
    panel.wait()
    assert len(view.state["seeds"]) == 4
