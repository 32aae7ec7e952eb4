"""The panel of the seeds asks the teacher, and takes rows from a spreadsheet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.errors import SeedError
from sdgkit.evaluation.seed_paste import seeds_in_table
from sdgkit.seeds import COLUMNS

ROWS = "Wie viel?\tHow much?\nJa.\tYes.\n"


@pytest.fixture(autouse=True)
def a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def teacher() -> Iterator[sk.Teacher]:
    with sk.connect("rehearsal") as connected:
        yield connected


@pytest.fixture
def seeds() -> list[dict[str, str]]:
    shipped = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    return [{column: seed[column] for column in COLUMNS} for seed in list(shipped)[:3]]


def click(panel: sk.SeedPanel, action: str, **values: object) -> None:
    """A click whose work is waited for and must not go wrong."""
    panel.act(action, **values)
    panel.wait()
    assert panel.last_error is None


def test_a_seed_that_breaks_the_rules_is_objected_to_beside_its_response(
    teacher: sk.Teacher, seeds: list[dict[str, str]]
) -> None:
    seeds[1]["seed_response"] = "The reviews praise the app."  # the task asks for a table
    panel = sk.SeedPanel(seeds, teacher=teacher)
    click(panel, "judge")
    state = panel.view.state
    objections = [flaw for flaw in state["seeds"][1]["flaws"] if flaw["part"] == "seed_response"]
    assert any("judge" in flaw["message"] for flaw in objections)
    assert "judged 3 seeds" in state["notice"]
    before = len(state["seeds"][1]["flaws"])
    click(panel, "edit", place=1, column="seed_response", text=f"{seeds[0]['seed_response']}\n")
    assert len(panel.view.state["seeds"][1]["flaws"]) < before, "another text was not judged"


def test_a_proposed_seed_is_marked_until_you_make_it_yours(
    teacher: sk.Teacher, seeds: list[dict[str, str]]
) -> None:
    panel = sk.SeedPanel(seeds, teacher=teacher)
    click(panel, "propose")
    state = panel.view.state
    assert len(state["seeds"]) == 4
    assert state["open_place"] == 3
    assert [seed["is_proposed"] for seed in state["seeds"]] == [False, False, False, True]
    assert state["seeds"][3]["seed_response"]
    click(panel, "edit", place=3, column="seed_question", text="My own question?")
    assert not panel.view.state["seeds"][3]["is_proposed"]
    click(panel, "undo")
    click(panel, "undo")
    assert len(panel.draft.rows) == 3


def test_a_proposed_seed_is_still_marked_tomorrow(
    teacher: sk.Teacher, seeds: list[dict[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "seeds.jsonl"
    sk.save_seeds(seeds, path)
    click(sk.SeedPanel(path, teacher=teacher), "propose")
    panel = sk.SeedPanel(path, teacher=teacher)
    drawn = panel.drawn()["seeds"]
    assert [seed["is_proposed"] for seed in drawn] == [False, False, False, True]


def test_a_preview_shows_two_samples_of_the_seed_and_changes_no_seed(
    teacher: sk.Teacher, seeds: list[dict[str, str]]
) -> None:
    panel = sk.SeedPanel(seeds, teacher=teacher)
    click(panel, "preview", place=1)
    state = panel.view.state
    assert state["previewed"] == 1
    assert len(state["previews"]) == 2
    assert all(sample["context"] and sample["verdict"] for sample in state["previews"])
    assert not panel.draft.changed


def test_a_half_written_seed_is_not_previewed_but_said(teacher: sk.Teacher) -> None:
    panel = sk.SeedPanel(teacher=teacher)
    panel.act("propose")
    assert isinstance(panel.last_error, SeedError)
    panel.act("add")
    panel.act("preview", place=0)
    assert isinstance(panel.last_error, SeedError)


def test_a_panel_without_a_teacher_offers_none_of_it(seeds: list[dict[str, str]]) -> None:
    panel = sk.SeedPanel(seeds)
    assert not panel.view.state["can_ask"]
    panel.act("judge")
    assert "teacher" in str(panel.last_error)


def test_rows_of_a_spreadsheet_take_the_task_of_the_last_seed_and_the_place_of_an_empty_one() -> (
    None
):
    panel = sk.SeedPanel()
    click(panel, "add")
    click(panel, "edit", place=0, column="task_description", text="Translate.")
    click(panel, "paste", text=ROWS)
    assert [row["seed_question"] for row in panel.draft.rows] == ["Wie viel?", "Ja."]
    assert {row["task_description"] for row in panel.draft.rows} == {"Translate."}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q\tr", {"seed_question": "q", "seed_response": "r"}),
        ("c\tq\tr", {"seed_context": "c", "seed_question": "q", "seed_response": "r"}),
        ("Response\tQuestion\nr\tq", {"seed_question": "q", "seed_response": "r"}),
        ('"two\nlines"\t"a ""quoted"" word"', {"seed_response": 'a "quoted" word'}),
    ],
)
def test_cells_are_told_apart_by_their_number_or_their_names(
    text: str, expected: dict[str, str]
) -> None:
    [seed] = seeds_in_table(text, "Task.")
    assert {column: seed[column] for column in expected} == expected


@pytest.mark.parametrize("text", ["", "\t\t", "a\tb\tc\td\te", "alone"])
def test_rows_that_cannot_be_told_apart_are_refused_with_what_to_copy(text: str) -> None:
    with pytest.raises(SeedError):
        seeds_in_table(text)


def test_a_new_seed_has_fields_to_fill_in_and_no_errors() -> None:
    panel = sk.SeedPanel()
    click(panel, "add")
    state = panel.view.state
    assert "3 fields to fill in" in state["status"]
    assert "error" not in state["status"]
    assert state["sign"] == "none"
