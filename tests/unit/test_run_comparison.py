"""Two runs side by side: settings, numbers, and samples of the same id."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.cli.main import main

SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Two runs of the same seeds: the second asks fewer questions and keeps only the best."""
    root = tmp_path_factory.mktemp("runs")
    with sk.connect("rehearsal") as teacher:
        sk.generate(SEEDS, teacher=teacher, out=root / "before", num_contexts=1, profile=False)
        sk.generate(
            SEEDS,
            teacher=teacher,
            out=root / "after",
            num_contexts=1,
            num_questions=1,
            min_score=3,
            profile=False,
        )
    yield root / "before", root / "after"


def test_what_was_set_otherwise_is_named(folders: tuple[Path, Path]) -> None:
    comparison = sk.compare_runs(*folders)
    assert comparison.changes == [
        "stage gen_grounded_questions: per_row 3 → 1",
        "stage filter_grounded_qa_pair: at_least 2.0 → 3.0",
    ]
    assert sk.compare_runs(folders[0], folders[0]).changes == []


def test_the_numbers_are_those_of_the_runs(folders: tuple[Path, Path]) -> None:
    comparison = sk.compare_runs(*folders)
    for side, folder in zip((comparison.one, comparison.other), folders, strict=True):
        run = sk.open_run(folder)
        rows = list(run.samples())
        assert side.summary == run.summary
        assert side.mean_score == pytest.approx(sum(row["score"] for row in rows) / len(rows))
    by_name = {measure.name: measure for measure in comparison.measures}
    assert by_name["samples"].one == str(comparison.one.summary.samples_kept)
    assert by_name["samples"].differs
    assert not by_name["seeds"].differs


def test_pairs_have_the_same_id_and_both_texts(folders: tuple[Path, Path]) -> None:
    comparison = sk.compare_runs(*folders)
    ones, others = [{row["id"]: row for row in sk.open_run(folder).samples()} for folder in folders]
    assert comparison.shared == len(ones.keys() & others.keys()) > 0
    assert 0 < len(comparison.pairs) <= 10
    for pair in comparison.pairs:
        one, other = ones[pair.id], others[pair.id]
        assert pair.columns["response"] == (one["response"], other["response"])
        assert pair.columns["context"] == (one["context"], other["context"])


def test_stages_of_one_run_alone_have_a_line_as_well(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    with sk.connect("rehearsal") as teacher:
        run = sk.generate(
            SEEDS, teacher=teacher, out=tmp_path / "checked", num_contexts=1, profile=False,
            checks=["no_refusal"],
        )  # fmt: skip
    lines = {line.name: line for line in sk.compare_runs(folders[0], run).funnel}
    assert lines["no_refusal"].one is None
    assert lines["no_refusal"].other is not None


def test_it_is_told_as_text_page_and_json(folders: tuple[Path, Path], tmp_path: Path) -> None:
    comparison = sk.compare_runs(*folders)
    text = repr(comparison)
    page = comparison.save_html(tmp_path / "compared.html").read_text("utf-8")
    for change in comparison.changes:
        assert change in text
        assert change in page
    assert comparison.pairs[0].id in text
    assert "This is a rehearsal" in page
    assert "<script" not in page
    values = json.loads(json.dumps(comparison.as_json()))
    assert values["changes"] == list(comparison.changes)
    assert values["one"]["summary"] == json.loads(json.dumps(comparison.one.summary.as_json()))


def test_a_samples_markup_stays_text(tmp_path: Path) -> None:
    seed = {
        "task_description": "Repeat.",
        "seed_question": "<img src=x onerror=alert(1)> Repeat this.",
        "seed_response": "<b>This.</b>",
    }
    with sk.connect("rehearsal") as teacher:
        run = sk.generate(
            [seed], teacher=teacher, out=tmp_path / "<i>run", num_questions=2, profile=False
        )
    page = sk.compare_runs(run, run).save_html(tmp_path / "c.html").read_text("utf-8")
    assert "<img" not in page
    assert "<i>run" not in page


def test_a_run_in_memory_is_told_so(folders: tuple[Path, Path]) -> None:
    with sk.connect("rehearsal") as teacher:
        seeds = sk.load_seeds(SEEDS)
        run = sk.generate(seeds, teacher=teacher, num_contexts=1, profile=False)
    with pytest.raises(sk.RunError, match="in memory cannot be compared"):
        sk.compare_runs(folders[0], run)


def test_the_command_compares(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(folder) for folder in folders]
    assert main(["compare", *paths, "--html", str(tmp_path / "c.html")]) == 0
    assert "per_row 3 → 1" in capsys.readouterr().out
    assert main(["compare", *paths, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shared"] > 0
    assert main(["compare", paths[0], str(tmp_path)]) == 2
