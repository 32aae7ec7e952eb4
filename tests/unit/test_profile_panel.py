"""The profile panel: a study in the background, editing with undo, and a file that is merged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scripted

import sdgkit as sk
from sdgkit.errors import FileConflict, ProfileError
from sdgkit.evaluation.profile_draft import ProfileDraft

SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
PROFILE = sk.Profile(
    criteria=(sk.Criterion("It is a table."), sk.Criterion("It is short.", False, ("s2",))),
    variety={"size": ("small", "large"), "kind": ("a mail", "a note")},
    checks=("no_refusal",),
)


@pytest.fixture(autouse=True)
def a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def panel_of(profile: sk.Profile = PROFILE) -> sk.ProfilePanel:
    profile.save("profile.yaml")
    return sk.ProfilePanel(scripted.seeds(3))


def act(panel: sk.ProfilePanel, name: str, /, **values: Any) -> None:
    panel.act(name, **values)
    panel.wait()
    assert panel.last_error is None


def test_study_shows_what_the_teacher_understood_and_saving_writes_what_study_gives() -> None:
    with sk.connect("rehearsal") as teacher:
        panel = sk.ProfilePanel(SEEDS, teacher=teacher)
        assert "Study takes 9 requests" in panel.state().study_label
        act(panel, "study")
        act(panel, "save")
        assert sk.Profile.load("profile.yaml") == sk.study(SEEDS, teacher=teacher)


def test_a_study_takes_the_place_of_the_profile_and_undo_brings_it_back() -> None:
    PROFILE.save("profile.yaml")
    with sk.connect("rehearsal") as teacher:
        panel = sk.ProfilePanel(SEEDS, teacher=teacher)
        act(panel, "study")
        assert panel.profile != PROFILE
    act(panel, "undo")
    assert panel.profile == PROFILE
    act(panel, "redo")
    assert panel.profile != PROFILE


def test_a_cancelled_study_leaves_the_profile_as_it_was() -> None:
    PROFILE.save("profile.yaml")
    with sk.connect("rehearsal", mean_latency_ms=60_000) as teacher:
        panel = sk.ProfilePanel(SEEDS, teacher=teacher)
        panel.act("study")
        assert panel.state().status == "Studying the seeds: 0 of 9 replies"
        panel.act("cancel")
        panel.wait()
    assert panel.last_error is None
    assert panel.notice == "Cancelled. The profile is as it was."
    assert panel.profile == PROFILE


def test_each_part_can_be_edited_and_is_saved() -> None:
    panel = panel_of()
    act(panel, "criterion", place=0, text="It is a table with three columns.")
    act(panel, "enable", place=1, enabled=True)
    act(panel, "add")
    act(panel, "criterion", place=2, text="It names the day.")
    act(panel, "list", name="size", text="small\n\n large \nhuge\n")
    act(panel, "new list", name="tone")
    act(panel, "list", name="tone", text="angry\ncalm")
    act(panel, "remove list", name="kind")
    act(panel, "checks", text="no_refusal\nlength=1..90 words")
    act(panel, "steering", answer="no")
    act(panel, "save")
    saved = sk.Profile.load("profile.yaml")
    assert saved.enabled_criteria == [
        "It is a table with three columns.",
        "It is short.",
        "It names the day.",
    ]
    assert saved.variety == {"size": ("small", "large", "huge"), "tone": ("angry", "calm")}
    assert saved.checks == ("no_refusal", "length=1..90 words")
    assert saved.question_steers is False


def test_a_criterion_shows_the_response_of_the_seed_that_breaks_it() -> None:
    seeds = scripted.seeds(3)
    [seed] = panel_of().state().criteria[1].broken_by
    assert (seed.id, seed.response) == ("s2", seeds[1]["seed_response"])


def test_a_rule_that_is_written_anew_is_no_longer_said_to_be_broken() -> None:
    panel = panel_of()
    act(panel, "criterion", place=1, text="It has at most nine lines.")
    assert panel.profile.broken_criteria == []


def test_a_check_that_does_not_exist_is_told_beside_it_and_not_saved() -> None:
    panel = panel_of()
    act(panel, "checks", text="no_refusal\nno_such_check")
    [flaw] = panel.state().checks.flaws
    assert (flaw.line, flaw.severity) == (2, "error")
    panel.act("save")
    assert isinstance(panel.last_error, ProfileError)
    assert sk.Profile.load("profile.yaml") == PROFILE


def test_an_empty_criterion_is_left_out_and_stays_in_the_draft() -> None:
    panel = panel_of()
    act(panel, "add")
    act(panel, "save")
    assert sk.Profile.load("profile.yaml").criteria == PROFILE.criteria
    assert len(sk.ProfilePanel(scripted.seeds(3)).draft.texts.criteria) == 3


def test_what_is_typed_is_there_in_the_next_panel_until_it_is_saved() -> None:
    act(panel_of(), "criterion", place=0, text="It is a tab")
    panel = sk.ProfilePanel(scripted.seeds(3))
    assert panel.draft.texts.criteria[0].text == "It is a tab"
    assert "unsaved" in panel.notice
    act(panel, "save")
    assert not list(Path().glob(".*.draft"))
    assert sk.ProfilePanel(scripted.seeds(3)).notice == ""


def test_saving_merges_what_came_into_the_file_meanwhile() -> None:
    panel = panel_of()
    act(panel, "criterion", place=0, text="Mine.")
    theirs = sk.Profile(
        criteria=PROFILE.criteria,
        variety={**PROFILE.variety, "tone": ("angry", "calm")},
        checks=("no_refusal", "length=1..90 words"),
        question_steers=True,
    )
    theirs.save("profile.yaml")
    act(panel, "save")
    saved = sk.Profile.load("profile.yaml")
    assert [criterion.text for criterion in saved.criteria] == ["Mine.", "It is short."]
    assert (saved.variety, saved.checks) == (theirs.variety, theirs.checks)
    assert saved.question_steers is True


def test_where_both_changed_the_same_criterion_the_panel_asks_and_overwrites_nothing() -> None:
    panel = panel_of()
    act(panel, "criterion", place=0, text="Mine.")
    sk.Profile(criteria=(sk.Criterion("Theirs."),)).save("profile.yaml")
    act(panel, "save")
    assert isinstance(panel.conflict, FileConflict)
    assert sk.Profile.load("profile.yaml").criteria[0].text == "Theirs."
    act(panel, "load", path="profile.yaml")
    assert panel.profile.criteria[0].text == "Theirs."
    act(panel, "undo")
    act(panel, "save", path="profile.yaml", overwrite=True)
    assert sk.Profile.load("profile.yaml").criteria[0].text == "Mine."


def test_a_draft_whose_file_changed_since_the_restart_is_merged_with_it() -> None:
    act(panel_of(), "criterion", place=0, text="Mine.")
    sk.Profile(PROFILE.criteria, PROFILE.variety, ()).save("profile.yaml")
    panel = sk.ProfilePanel(scripted.seeds(3))
    assert panel.profile.criteria[0].text == "Mine."
    assert panel.profile.checks == ()


def test_what_the_study_could_not_look_at_is_shown_and_outlives_an_edit() -> None:
    panel = panel_of(replace(PROFILE, untested_on=("s3",), seeds_shown=2))
    act(panel, "checks", text="")
    act(panel, "save")
    saved = sk.Profile.load("profile.yaml")
    assert (saved.untested_on, saved.seeds_shown) == (("s3",), 2)
    shown, untested = panel.state().notes
    assert "shown 2 of them" in shown
    assert "s3" in untested


def test_comments_in_the_file_outlive_an_edit() -> None:
    PROFILE.save("profile.yaml")
    path = Path("profile.yaml")
    path.write_text(path.read_text().replace("\ncriteria:", "\n# Ask Ruth.\ncriteria:"))
    draft = ProfileDraft("profile.yaml")
    draft.set_checks(())
    draft.save()
    assert "# Ask Ruth." in path.read_text()


def test_without_a_teacher_study_says_what_to_pass() -> None:
    panel = panel_of()
    assert not panel.state().can_study
    panel.act("study")
    assert "Pass teacher=" in str(panel.last_error)


def test_a_study_asks_about_the_seeds_of_a_seed_panel_as_they_are_now() -> None:
    written = sk.SeedPanel(scripted.seeds(3))
    panel = sk.ProfilePanel(written, teacher=sk.TeacherPanel())
    assert "4 requests" in panel.state().study_label
    written.act("duplicate", place=0)
    written.act("edit", place=1, column="seed_question", text="Which pump is it?")
    assert "5 requests" in panel.state().study_label
