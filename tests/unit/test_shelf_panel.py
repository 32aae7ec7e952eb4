"""The panel of a shelf: every skill with its progress, started, cancelled and resumed in one."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted import PROMPTS, Ask, ScriptedTeacher, seeds, tagged

import sdgkit as sk

NAMES = ["mail/long", "mail/short", "notes"]
PATIENCE_S = 60


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as started:
        started.answer = pleased
        yield started


def pleased(ask: Ask) -> str:
    """A usual reply of a judge whom everything pleases."""
    if ask.stage == "eval_grounded_questions":
        return tagged(evaluation="Good.", score=1)
    if ask.stage == "evaluate_grounded_qa_pair":
        return tagged(evaluation="Good.", score=3)
    return ScriptedTeacher.usual(ask)


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of three skills, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for place, name in enumerate(NAMES):
        sk.save_seeds(seeds(2, first=1 + 2 * place), tmp_path / "skills" / name / "seeds.jsonl")
    return tmp_path / "skills"


def shelf_panel(script: ScriptedTeacher) -> sk.ShelfPanel:
    return sk.ShelfPanel(
        "skills",
        teacher=script.connect(),
        out="all",
        prompts=PROMPTS,
        profile=False,
        num_contexts=1,
        num_questions=1,
    )


def test_it_says_what_start_asks_and_shows_every_skill_done(script: ScriptedTeacher) -> None:
    panel = shelf_panel(script)
    state = panel.state()
    assert [skill.name for skill in state.skills] == NAMES
    assert {skill.sign for skill in state.skills} == {"new"}
    assert state.plan.startswith("Start sends up to 30 requests for at most 6 samples: about ")
    shelf = asyncio.run(panel.run())
    assert shelf.state == "done"
    state = panel.state()
    assert [(skill.sign, skill.fraction, skill.samples) for skill in state.skills] == [
        ("done", 1.0, 2),
        ("done", 1.0, 2),
        ("done", 1.0, 2),
    ]
    assert state.start_label == "Run again"
    assert state.status == "Done \u00b7 3 of 3 skills done \u00b7 6 samples"


def test_cancel_keeps_what_is_finished_and_resume_makes_the_rest(script: ScriptedTeacher) -> None:
    gate = script.hold_after(8)
    panel = shelf_panel(script)
    panel.act("start")
    gate.await_arrivals(1)
    assert panel.state().can_cancel
    panel.act("cancel")
    until(lambda: panel.latest.finished)
    panel.wait()
    assert panel.last_error is None
    assert panel.state().start_label == "Resume"
    gate.open()
    panel.act("start")
    until(lambda: panel.latest.finished)
    assert panel.latest.state == "done"
    assert sum(skill.samples for skill in panel.state().skills) == 6
    assert script.repeated() <= 16, "only what was on its way is asked again"


def test_a_click_on_a_skill_shows_its_stages_and_newest_samples(script: ScriptedTeacher) -> None:
    panel = shelf_panel(script)
    panel.act("skill", name="notes")
    opened = panel.state().opened
    assert opened is not None and opened.newest == ()
    asyncio.run(panel.run())
    opened = panel.state().opened
    assert opened is not None and opened.picture.startswith("<svg")
    assert len(opened.newest) == 2
    panel.act("skill", name="")
    assert panel.state().opened is None
    panel.act("skill", name="none/such")
    assert isinstance(panel.last_error, sk.SettingsError)


def test_a_shelf_in_a_folder_is_shown_and_cannot_be_started(script: ScriptedTeacher) -> None:
    asyncio.run(shelf_panel(script).run())
    panel = sk.ShelfPanel("all")
    state = panel.state()
    assert state.start_label == "" and not state.can_cancel
    assert [skill.samples for skill in state.skills] == [2, 2, 2]
    assert "mail/short" in str(panel) and "Done" in str(panel)
    with pytest.raises(sk.SettingsError, match="needs a teacher"):
        sk.ShelfPanel("skills")


def test_what_a_teacher_writes_is_text(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> str:
        if ask.stage == "gen_grounded_responses":
            return tagged(response=f"<img src=x onerror=alert(1)> {ask.name}")
        return pleased(ask)

    script.answer = answer
    panel = shelf_panel(script)
    panel.act("start")
    until(lambda: panel.latest.finished)
    panel.wait()
    panel.act("skill", name="notes")
    assert "<img" not in panel.picture()["text/html"]
    opened = panel.state().opened
    assert opened is not None and "<img" in opened.newest[0].response
