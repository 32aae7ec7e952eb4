"""The bench of prompts: rows of a run, versions side by side, and tries that stay."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sdgkit as sk
from sdgkit.evaluation.differences import mark_differences
from sdgkit.evaluation.trial_rows import run_rows, seed_rows

STAGE = "gen_grounded_responses"


@pytest.fixture(scope="module")
def seeds() -> list[dict[str, Any]]:
    shipped = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    return list(shipped)[:3]


@pytest.fixture(scope="module")
def run(seeds: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> sk.Run:
    folder = tmp_path_factory.mktemp("bench") / "run"
    with sk.connect("rehearsal") as teacher:
        return sk.generate(seeds, teacher=teacher, out=folder, num_contexts=2, profile=False)


@pytest.fixture(autouse=True)
def a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def act(panel: sk.PromptPanel, name: str, /, **values: Any) -> None:
    panel.act(name, **values)
    panel.wait()
    assert panel.last_error is None


def test_the_rows_of_a_run_are_those_that_reached_the_stage(
    run: sk.Run, seeds: list[dict[str, Any]]
) -> None:
    [row, *_] = run_rows(run, STAGE, seeds)
    sample = next(iter(run.samples()))
    assert row["id"] == sample["id"]
    assert row["context"] == sample["context"]
    assert not row["question"].startswith(row["context"])
    assert "response" not in row
    contexts = run_rows(run, "gen_grounded_questions", seeds)
    assert all(len(row["id"].split("/")) == 2 for row in contexts)
    assert run_rows(run, "gen_contexts", seeds) == []


def test_a_seed_that_stands_in_never_shows_the_teacher_its_own_answer(
    seeds: list[dict[str, Any]],
) -> None:
    for row, seed in zip(seed_rows(seeds, STAGE), seeds, strict=True):
        assert row["question"] == seed["seed_question"]
        assert seed["seed_response"] not in str(
            {name: value for name, value in row.items() if name != "question"}
        )


def test_versions_stand_side_by_side_with_score_and_the_judges_words(
    run: sk.Run, seeds: list[dict[str, Any]]
) -> None:
    with sk.connect("rehearsal") as teacher:
        panel = sk.PromptPanel("mine", seeds, teacher=teacher, run=run, stage=STAGE)
        principles = panel.draft.texts["principles"]
        act(panel, "text", part="principles", text=f"{principles}\n* Be brief.")
        act(panel, "bench")
        act(panel, "name try", name="brief")
        act(panel, "bench", several=True)
    first, second = panel.tries
    assert first.name == "brief"
    assert first.versions == ("shipped", "saved", "now")
    assert (len(first.rows), len(second.rows)) == (1, 5)
    [row] = first.rows
    assert row.id == next(iter(run.samples()))["id"]
    assert {"context", "question", "seed_response"} <= {name for name, _ in row.inputs}
    for cell in row.cells:
        assert cell.scores
        assert cell.evaluations
        assert "|" in "".join(text for text, _ in cell.stretches)


def test_equal_versions_are_asked_once(run: sk.Run, seeds: list[dict[str, Any]]) -> None:
    with sk.connect("rehearsal") as teacher:
        panel = sk.PromptPanel("mine", seeds, teacher=teacher, run=run, stage=STAGE)
        versions = panel.draft.versions()
        assert len(set(map(id, versions.values()))) > 1
        act(panel, "bench")
    shipped, saved, now = panel.tries[0].rows[0].cells
    assert shipped == saved == now


def test_a_comparison_on_a_runs_rows_shows_input_judge_and_what_differs(run: sk.Run) -> None:
    shipped = sk.load_prompt(sk.shipped("prompts") / "grounded" / f"{STAGE}.yaml")
    brief = replace(shipped, principles=f"{shipped.principles}\n* Be brief.\n")
    assert run.out is not None
    with sk.connect("rehearsal") as teacher:
        panel = sk.ComparePanel(shipped, brief, run.out, teacher=teacher)
        panel.compare(most=2)
        panel.wait()
    assert panel.last_error is None
    [row, _] = panel.state().rows
    assert row.id == next(iter(run.samples()))["id"]
    assert {"context", "question", "seed_response"} <= {name for name, _ in row.inputs}
    for side, stretches in zip(row.sides, row.marked, strict=True):
        assert side.evaluations
        assert "".join(text for text, _ in stretches) == side.texts[0]["response"]


def test_what_differs_is_marked_word_by_word() -> None:
    stretches = mark_differences("Repair the pump on Tuesday.", "Repair the pump by Friday.")
    assert [text for text, is_new in stretches if is_new] == ["on", "Tuesday"]
    assert "".join(text for text, _ in stretches) == "Repair the pump on Tuesday."
    assert mark_differences("", "gone") == []


def test_sampling_is_set_in_fields_and_stands_in_the_file(seeds: list[dict[str, Any]]) -> None:
    panel = sk.PromptPanel("mine", seeds, stage=STAGE)
    assert not panel.state().can_save, "nothing has changed yet"
    act(panel, "sampling", name="temperature", text="0.2")
    assert panel.state().can_save
    act(panel, "save")
    assert not panel.state().can_save
    saved = sk.load_prompt(Path("mine") / f"{STAGE}.yaml")
    assert saved.sampling["temperature"] == 0.2
    panel.act("sampling", name="temperature", text="warm")
    assert "temperature must be a number" in str(panel.last_error)
    act(panel, "sampling", name="temperature", text="")
    assert "temperature" not in panel.prompt.sampling
