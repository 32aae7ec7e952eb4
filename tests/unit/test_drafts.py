"""Nothing that is written in a panel is lost, and saving overwrites nothing that came meanwhile."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scripted

import sdgkit as sk
from sdgkit.errors import FileConflict, SeedError
from sdgkit.evaluation.prompt_draft import PromptDraft
from sdgkit.evaluation.seed_draft import SeedDraft
from sdgkit.evaluation.seed_merge import merge_seeds

FILE = "mine.jsonl"
DRAFT = Path(".mine.jsonl.draft")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def seeds() -> list[dict[str, str]]:
    """Three seeds, which are in the file."""
    rows = scripted.seeds(3)
    sk.save_seeds(rows, FILE)
    return rows


def act(panel: sk.SeedPanel | sk.PromptPanel, name: str, **arguments: Any) -> None:
    panel.act(name, **arguments)
    assert panel.last_error is None, panel.last_error


def saved() -> list[dict[str, str]]:
    return [dict(row) for row in sk.load_seeds(FILE)]


def questions(rows: list[dict[str, str]]) -> list[str]:
    return [row["seed_question"] for row in rows]


def ask(panel: sk.SeedPanel, place: int, text: str) -> None:
    act(panel, "edit", place=place, column="seed_question", text=text)


# What came meanwhile ------------------------------------------------------------------------------


def test_seeds_that_another_program_added_are_kept_when_you_save(
    seeds: list[dict[str, str]],
) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 0, "Mine?")
    new = scripted.seeds(1, first=9)[0]
    sk.save_seeds([*seeds, new], FILE)
    act(panel, "save")
    assert saved() == [{**seeds[0], "seed_question": "Mine?"}, *seeds[1:], new]
    assert "changes made there in the meantime" in panel.view.state["notice"]
    assert len(panel.view.state["seeds"]) == 4
    act(panel, "save")
    assert len(saved()) == 4


def test_a_removed_an_edited_and_two_added_seeds_are_merged(seeds: list[dict[str, str]]) -> None:
    mine, theirs = sk.SeedPanel(FILE), sk.SeedPanel(FILE)
    added = scripted.seeds(2, first=7)
    act(theirs, "remove", place=1)
    sk.save_seeds([seeds[0], seeds[2], added[0]], FILE)
    ask(mine, 2, "Edited?")
    act(mine, "duplicate", place=2)
    ask(mine, 3, "Added?")
    act(mine, "save")
    assert questions(saved()) == [
        seeds[0]["seed_question"],
        "Edited?",
        "Added?",
        added[0]["seed_question"],
    ]


def test_where_both_changed_the_same_seed_you_are_asked_and_can_keep_yours(
    seeds: list[dict[str, str]],
) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 1, "Mine?")
    theirs = [seeds[0], {**seeds[1], "seed_question": "Theirs?"}, seeds[2]]
    sk.save_seeds(theirs, FILE)
    act(panel, "save")
    conflict = panel.view.state["conflict"]
    assert conflict["is_own"] and "was changed since you loaded it" in conflict["sentence"]
    assert "Not saved:" in str(panel)
    assert saved() == theirs
    act(panel, "save", path=conflict["file"], overwrite=True)
    assert questions(saved())[1] == "Mine?"
    assert panel.view.state["conflict"] is None


def test_you_can_load_theirs_and_undo_brings_yours_back(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 1, "Mine?")
    sk.save_seeds([seeds[0], {**seeds[1], "seed_question": "Theirs?"}, seeds[2]], FILE)
    act(panel, "save")
    act(panel, "load", path=FILE)
    assert questions(panel.draft.rows)[1] == "Theirs?"
    assert panel.view.state["conflict"] is None
    act(panel, "undo")
    assert questions(panel.draft.rows)[1] == "Mine?"
    act(panel, "redo")
    assert questions(panel.draft.rows)[1] == "Theirs?"


def test_the_question_can_wait(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 1, "Mine?")
    sk.save_seeds(seeds[:1], FILE)
    act(panel, "save")
    act(panel, "dismiss")
    assert panel.view.state["conflict"] is None
    assert questions(panel.draft.rows)[1] == "Mine?"
    assert saved() == seeds[:1]


def test_a_file_that_became_unreadable_is_asked_about(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 1, "Mine?")
    Path(FILE).write_text("an editor's half a line {", "utf-8")
    act(panel, "save")
    assert panel.view.state["conflict"]["is_own"]
    assert Path(FILE).read_text("utf-8").startswith("an editor's")


def test_another_existing_file_is_asked_about(seeds: list[dict[str, str]]) -> None:
    other = scripted.seeds(1, first=5)
    sk.save_seeds(other, "other.jsonl")
    panel = sk.SeedPanel(FILE)
    act(panel, "save", path="other.jsonl")
    assert not panel.view.state["conflict"]["is_own"]
    assert [dict(row) for row in sk.load_seeds("other.jsonl")] == other
    act(panel, "save", path="other.jsonl", overwrite=True)
    assert [dict(row) for row in sk.load_seeds("other.jsonl")] == seeds


def test_a_draft_raises_where_the_panel_asks(seeds: list[dict[str, str]]) -> None:
    draft = SeedDraft(FILE)
    draft.edit(0, "seed_question", "Mine?")
    sk.save_seeds([{**seeds[0], "seed_question": "Theirs?"}], FILE)
    with pytest.raises(FileConflict) as conflict:
        draft.save()
    assert conflict.value.file == Path(FILE)


def test_rows_that_both_sides_changed_alike_are_merged() -> None:
    rows = tuple(scripted.seeds(3))
    edited = {**rows[0], "seed_question": "The same?"}
    assert merge_seeds(rows, (edited, *rows[1:]), (edited, rows[1])) == (edited, rows[1])


def test_a_row_that_one_side_removed_and_the_other_edited_is_a_conflict() -> None:
    rows = tuple(scripted.seeds(3))
    edited = {**rows[1], "seed_question": "Still needed?"}
    assert merge_seeds(rows, (rows[0], rows[2]), (rows[0], edited, rows[2])) is None


# Drafts -------------------------------------------------------------------------------------------


def test_a_cell_that_is_run_again_shows_what_was_typed(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    act(panel, "add")
    ask(panel, 3, "Half a questi")
    assert saved() == seeds
    again = sk.SeedPanel(FILE)
    assert questions(again.draft.rows)[3] == "Half a questi"
    assert "unsaved changes" in again.view.state["notice"]
    act(again, "undo")
    assert again.draft.rows == [dict(row) for row in seeds]
    act(again, "redo")
    assert questions(again.draft.rows)[3] == "Half a questi"


def test_seeds_of_no_file_yet_are_kept_too() -> None:
    panel = sk.SeedPanel()
    act(panel, "add")
    ask(panel, 0, "Half")
    assert questions(sk.SeedPanel().draft.rows) == ["Half"]
    new = sk.SeedPanel("new.jsonl")
    act(new, "add")
    ask(new, 0, "Another half")
    assert questions(sk.SeedPanel("new.jsonl").draft.rows) == ["Another half"]
    assert questions(sk.SeedPanel().draft.rows) == ["Half"]


def test_the_draft_is_removed_once_all_is_saved(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 0, "Mine?")
    assert DRAFT.exists()
    act(panel, "save")
    assert sorted(os.listdir()) == [FILE]


def test_a_draft_that_another_panel_kept_meanwhile_is_not_removed(
    seeds: list[dict[str, str]],
) -> None:
    one, other = sk.SeedPanel(FILE), sk.SeedPanel(FILE)
    ask(one, 0, "One?")
    ask(other, 1, "Other?")
    act(one, "save")
    assert questions(sk.SeedPanel(FILE).draft.rows)[:2] == ["One?", "Other?"]


def test_undoing_everything_removes_the_draft(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 0, "Mine?")
    act(panel, "undo")
    assert sorted(os.listdir()) == [FILE]


def test_looking_writes_nothing(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    act(panel, "open", place=1)
    assert panel.view.state["seeds"]
    assert sorted(os.listdir()) == [FILE]


def test_a_half_written_seed_blocks_no_saving_and_stays(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    ask(panel, 0, "Mine?")
    act(panel, "add")
    ask(panel, 3, "Half")
    act(panel, "save")
    assert questions(saved()) == ["Mine?", *questions(seeds[1:])]
    again = sk.SeedPanel(FILE)
    assert questions(again.draft.rows) == ["Mine?", *questions(seeds[1:]), "Half"]
    act(again, "edit", place=3, column="seed_context", text="A context.")
    act(again, "edit", place=3, column="seed_response", text="A response.")
    act(again, "save")
    assert questions(saved())[3] == "Half"
    assert sorted(os.listdir()) == [FILE]


def test_only_a_run_refuses_a_half_written_seed(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    act(panel, "add")
    act(panel, "save")
    with pytest.raises(SeedError):
        assert panel.seeds


def test_a_draft_is_merged_with_what_came_into_the_file_since(
    seeds: list[dict[str, str]],
) -> None:
    ask(sk.SeedPanel(FILE), 0, "Mine?")
    new = scripted.seeds(1, first=9)[0]
    sk.save_seeds([*seeds, new], FILE)
    panel = sk.SeedPanel(FILE)
    assert questions(panel.draft.rows) == ["Mine?", *questions([*seeds[1:], new])]
    act(panel, "save")
    assert len(saved()) == 4


def test_a_draft_that_cannot_be_merged_comes_back_and_saving_asks(
    seeds: list[dict[str, str]],
) -> None:
    ask(sk.SeedPanel(FILE), 0, "Mine?")
    sk.save_seeds([{**seeds[0], "seed_question": "Theirs?"}, *seeds[1:]], FILE)
    panel = sk.SeedPanel(FILE)
    assert questions(panel.draft.rows)[0] == "Mine?"
    act(panel, "save")
    assert panel.view.state["conflict"]["is_own"]
    assert questions(saved())[0] == "Theirs?"


def test_a_draft_survives_the_loss_of_its_file(seeds: list[dict[str, str]]) -> None:
    ask(sk.SeedPanel(FILE), 0, "Mine?")
    Path(FILE).unlink()
    panel = sk.SeedPanel(FILE)
    assert questions(panel.draft.rows) == ["Mine?", *questions(seeds[1:])]
    act(panel, "save")
    assert questions(saved())[0] == "Mine?"


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"rows": [{"seed_question": 5}], "x": 1}'])
def test_a_draft_file_that_cannot_be_read_hides_no_seed(
    seeds: list[dict[str, str]], content: str
) -> None:
    DRAFT.write_text(content, "utf-8")
    panel = sk.SeedPanel(FILE)
    assert questions(panel.draft.rows) == questions(seeds)
    assert "cannot be read" in panel.view.state["problem"]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in its place is enough elsewhere")
def test_where_a_draft_cannot_be_kept_the_panel_says_so_and_works(
    seeds: list[dict[str, str]],
) -> None:
    DRAFT.mkdir()
    (DRAFT / "in the way").write_text("", "utf-8")
    panel = sk.SeedPanel(FILE)
    ask(panel, 0, "Mine?")
    assert "not kept until you save" in panel.view.state["problem"]
    act(panel, "save")
    assert questions(saved())[0] == "Mine?"


def test_a_draft_follows_no_link(seeds: list[dict[str, str]], tmp_path: Path) -> None:
    """A folder may come from a stranger: its link may lead to a file of yours."""
    yours = tmp_path / "yours"
    yours.write_text("precious", "utf-8")
    DRAFT.symlink_to(yours)
    panel = sk.SeedPanel(FILE)
    ask(panel, 0, "Mine?")
    assert yours.read_text("utf-8") == "precious"
    assert "is a link" in panel.view.state["problem"]
    act(panel, "save")
    assert questions(saved())[0] == "Mine?"
    assert yours.read_text("utf-8") == "precious"


def test_rows_without_a_file_leave_nothing_on_disk() -> None:
    panel = sk.SeedPanel(scripted.seeds(2))
    act(panel, "edit", place=0, column="seed_question", text="Mine?")
    assert os.listdir() == []


# Undo and redo ------------------------------------------------------------------------------------


def test_drafts_of_two_panels_on_one_file_come_back_together(seeds: list[dict[str, str]]) -> None:
    one, other = sk.SeedPanel(FILE), sk.SeedPanel(FILE)
    for count in range(3):
        ask(one, 0, f"One? {count}")
        ask(other, 1, f"Other? {count}")
    act(other, "remove", place=2)
    again = sk.SeedPanel(FILE)
    assert questions(again.draft.rows) == ["One? 2", "Other? 2"]
    act(again, "save")
    assert questions(saved()) == ["One? 2", "Other? 2"]
    assert questions(one.draft.rows)[1:] == questions(seeds[1:]), "no row moves under your hands"


def test_where_two_panels_changed_one_seed_both_versions_come_back(
    seeds: list[dict[str, str]],
) -> None:
    ask(sk.SeedPanel(FILE), 0, "One?")
    DRAFT.rename("aside")
    other = sk.SeedPanel(FILE)
    Path("aside").rename(DRAFT)
    ask(other, 0, "Other?")
    again = sk.SeedPanel(FILE)
    assert questions(again.draft.rows) == ["One?", *questions(seeds[1:]), "Other?"]


def test_undo_has_a_redo_until_something_else_is_changed(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(FILE)
    assert not panel.view.state["can_redo"]
    ask(panel, 0, "One?")
    ask(panel, 1, "Two?")
    act(panel, "undo")
    act(panel, "undo")
    assert panel.view.state["can_redo"]
    act(panel, "redo")
    assert questions(panel.draft.rows)[:2] == ["One?", seeds[1]["seed_question"]]
    act(panel, "redo")
    assert questions(panel.draft.rows)[:2] == ["One?", "Two?"]
    assert not panel.view.state["can_redo"]
    act(panel, "redo")
    act(panel, "undo")
    ask(panel, 2, "Three?")
    assert not panel.view.state["can_redo"]


# Prompts ------------------------------------------------------------------------------------------


def test_a_prompt_file_that_changed_meanwhile_is_asked_about() -> None:
    panel = sk.PromptPanel("prompts", scripted.seeds(1), stage="gen_contexts")
    other = PromptDraft("gen_contexts", "prompts")
    other.set("system", "Theirs.")
    other.save()
    act(panel, "text", part="system", text="Mine.")
    act(panel, "save")
    conflict = panel.view.state["conflict"]
    assert conflict["is_own"]
    assert sk.load_prompt(conflict["file"]).system == "Theirs."
    act(panel, "load", path=conflict["file"])
    assert panel.draft.texts["system"] == "Theirs."
    act(panel, "undo")
    assert panel.draft.texts["system"] == "Mine."
    act(panel, "save")
    assert panel.view.state["conflict"] is None
    assert sk.load_prompt(conflict["file"]).system == "Mine."


def test_another_prompt_file_is_overwritten_only_when_you_say_so() -> None:
    Path("other.yaml").write_text("generation: '{{ seed_context }}'\n", "utf-8")
    panel = sk.PromptPanel("prompts", scripted.seeds(1), stage="gen_contexts")
    act(panel, "save", path="other.yaml")
    assert not panel.view.state["conflict"]["is_own"]
    assert Path("other.yaml").read_text("utf-8") == "generation: '{{ seed_context }}'\n"
    act(panel, "save", path="other.yaml", overwrite=True)
    assert replace(sk.load_prompt("other.yaml"), name="gen_contexts") == panel.prompt
    act(panel, "save")
    assert panel.view.state["conflict"] is None


def test_a_prompt_that_is_not_saved_is_kept_beside_its_file() -> None:
    draft = PromptDraft("gen_contexts", "mine")
    draft.set("system", "Half")
    again = PromptDraft("gen_contexts", "mine")
    assert again.was_restored
    assert again.texts["system"] == "Half"
    assert not Path("mine").exists(), "only saving makes the folder"
    again.undo()
    assert again.texts == PromptDraft("gen_contexts").texts
    assert os.listdir() == [], "nothing is left to keep"


def test_a_kept_prompt_survives_a_flaw_in_it_and_another_part_in_the_file() -> None:
    draft = PromptDraft("gen_contexts", "mine")
    draft.save()
    draft.set("generation", "{{ not closed")
    shipped = PromptDraft("gen_contexts")
    shipped.set("system", "Theirs.")
    shipped.save("mine/gen_contexts.yaml", overwrite=True)
    again = PromptDraft("gen_contexts", "mine")
    assert (again.texts["system"], again.texts["generation"]) == ("Theirs.", "{{ not closed")
    assert again.flaws()


def test_where_the_file_of_a_kept_prompt_was_changed_too_saving_asks() -> None:
    draft = PromptDraft("gen_contexts", "mine")
    draft.save()
    draft.set("system", "Mine.")
    shipped = PromptDraft("gen_contexts")
    shipped.set("system", "Theirs.")
    shipped.save("mine/gen_contexts.yaml", overwrite=True)
    again = PromptDraft("gen_contexts", "mine")
    assert again.texts["system"] == "Mine."
    with pytest.raises(FileConflict):
        again.save()
    again.save(overwrite=True)
    assert os.listdir() == ["mine"]
    assert os.listdir("mine") == ["gen_contexts.yaml"]


def test_two_panels_on_one_prompt_lose_no_part_of_either() -> None:
    one, other = PromptDraft("gen_contexts", "mine"), PromptDraft("gen_contexts", "mine")
    one.set("system", "One.")
    other.set("introduction", "Other.")
    one.set("system", "One, longer.")
    again = PromptDraft("gen_contexts", "mine")
    assert (again.texts["system"], again.texts["introduction"]) == ("One, longer.", "Other.")


def test_a_prompt_that_was_loaded_is_kept_beside_its_file() -> None:
    PromptDraft("gen_contexts").save("theirs.yaml")
    draft = PromptDraft("gen_contexts", "mine")
    draft.load("theirs.yaml")
    draft.set("system", "Half")
    again = PromptDraft("gen_contexts", "mine")
    assert again.texts["system"] != "Half"
    again.load("theirs.yaml")
    assert again.was_restored
    assert again.texts["system"] == "Half"


def test_a_prompt_has_undo_and_redo() -> None:
    panel = sk.PromptPanel("prompts", scripted.seeds(1), stage="gen_contexts")
    act(panel, "text", part="system", text="Mine.")
    act(panel, "undo")
    assert panel.view.state["can_redo"]
    act(panel, "redo")
    assert panel.draft.texts["system"] == "Mine."


def test_a_draft_holds_nothing_but_the_seeds(seeds: list[dict[str, str]]) -> None:
    ask(sk.SeedPanel(FILE), 0, "Mine?")
    kept = json.loads(DRAFT.read_text("utf-8"))
    assert set(kept) == {"rows", "saved_rows", "digest", "proposed_rows"}
    assert str(Path.cwd()) not in DRAFT.read_text("utf-8")
