"""A review: decisions are saved at once, hold for a content, and the training data follows them."""

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import scripted
from scripted import PROMPTS, ScriptedTeacher

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.errors import RunError, SeedError, SettingsError
from sdgkit.quality.interval import interval
from sdgkit.review import Review, parts
from sdgkit.review.spreadsheet import FIELD_LIMIT, from_csv, harmless, original, to_csv
from sdgkit.samples import content_key, seed_of

Cells = list[dict[str, str]]  # the lines of a spreadsheet, by column

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "''=1",
    "\uff1d1",
    "- a list",
    "'quoted'",
    "",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with some thirty samples."""
    out = tmp_path_factory.mktemp("finished") / "run"
    with ScriptedTeacher() as script:
        sk.generate(
            scripted.seeds(4),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            out=out,
            num_contexts=3,
        )
    return out


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be reviewed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def review(out: Path) -> Review:
    return Review(out)


def trained_on(out: Path) -> dict[str, str]:
    """id and answer of each line of the training file."""
    lines = (out / "train_messages.jsonl").read_text("utf-8").splitlines()
    return {row["id"]: row["messages"][-1]["content"] for row in map(json.loads, lines)}


def reason_of(review: Review, id: str) -> str:
    decision = review.decision(id)
    assert decision is not None
    return decision.reason


def samples_in(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "dataset.jsonl").read_text("utf-8").splitlines()]


def test_undecided_samples_count_as_accepted(out: Path, review: Review) -> None:
    assert set(trained_on(out)) == {sample["id"] for sample in samples_in(out)}
    assert review.progress.decided == 0


def test_a_rejected_sample_leaves_the_training_file_and_stays_in_the_dataset(
    out: Path, review: Review
) -> None:
    first = review.samples[0]["id"]
    before = (out / "dataset.parquet").read_bytes()
    review.reject(first, "wrong date")
    assert first not in trained_on(out)
    assert first in {sample["id"] for sample in samples_in(out)}
    assert (out / "dataset.parquet").read_bytes() == before
    assert review.reasons() == {"wrong date": 1}


def test_an_edited_sample_is_trained_on_as_it_was_edited(out: Path, review: Review) -> None:
    first = review.samples[0]["id"]
    review.edit(first, response="Better.")
    assert trained_on(out)[first] == "Better."
    assert review.state(first) == "edited"
    assert samples_in(out)[0]["response"] != "Better."


def test_an_edited_question_keeps_the_context_above_it(out: Path, review: Review) -> None:
    sample = review.samples[0]
    review.edit(sample["id"], question="Why?")
    edited = next(row for row in review.run.let_through() if row["id"] == sample["id"])
    assert edited["question"] == f"{sample['context']}\n\nWhy?"
    assert parts(edited)["question"] == "Why?"


def test_an_edit_that_changes_nothing_is_an_acceptance(review: Review) -> None:
    sample = review.samples[0]
    review.edit(sample["id"], **parts(sample))
    assert review.state(sample["id"]) == "accepted"


def test_an_empty_text_is_refused_and_nothing_is_saved(review: Review) -> None:
    first = review.samples[0]["id"]
    with pytest.raises(SettingsError, match="empty"):
        review.edit(first, response="  ")
    assert review.state(first) == "undecided"


def test_the_card_says_how_far_the_review_is_and_shows_no_rejected_sample(
    out: Path, review: Review
) -> None:
    shown = review.samples[0]
    assert shown["response"] in (out / "README.md").read_text("utf-8")
    review.reject(shown["id"], "no")
    card = (out / "README.md").read_text("utf-8")
    assert f"1 of {len(review.samples)} samples reviewed" in card
    assert shown["response"] not in card


def test_an_export_in_the_folder_follows_the_review(out: Path, review: Review) -> None:
    first, second = (sample["id"] for sample in review.samples[:2])
    review.reject(first)
    written = review.run.export("messages", out / "exports" / "mine.jsonl")
    assert written == len(review.samples) - 1
    review.reject(second)
    ids = {
        json.loads(line)["id"]
        for line in (out / "exports" / "mine.jsonl").read_text("utf-8").splitlines()
    }
    assert not ids & {first, second}


def test_decisions_survive_the_process(out: Path, review: Review) -> None:
    first = review.samples[0]["id"]
    review.reject(first, "why not")
    again = Review(out)
    assert again.state(first) == "rejected"
    assert reason_of(again, first) == "why not"


def test_files_that_are_older_than_the_newest_decision_are_written_when_the_review_is_opened(
    out: Path, review: Review
) -> None:
    first = review.samples[0]
    key = content_key(first)
    with sqlite3.connect(
        out / "journal.sqlite"
    ) as sql:  # as a kernel leaves it that is killed right after deciding
        sql.execute(
            "INSERT INTO decisions (content, id, verdict, reason, edits, made) VALUES "
            "(?,?,'reject','','{}',?)",
            (key, first["id"], 4e9),
        )
    sql.close()
    Review(out)
    assert first["id"] not in trained_on(out)


def test_several_threads_may_decide_in_one_review(out: Path, review: Review) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(review.reject, review.by_id))
    assert review.progress.rejected == len(review.samples)
    assert not trained_on(out)


def test_undo_takes_back_one_decision_after_the_other(out: Path, review: Review) -> None:
    first, second = (sample["id"] for sample in review.samples[:2])
    review.accept(first)
    review.reject(first, "after all")
    review.reject(second)
    assert review.undo() == second
    assert review.undo() == first
    assert review.state(first) == "accepted"
    assert review.undo() == first
    assert review.state(first) == "undecided"
    assert review.undo() is None
    assert set(trained_on(out)) == {sample["id"] for sample in review.samples}


def test_undone_decisions_can_be_made_again_until_another_is_made(
    out: Path, review: Review
) -> None:
    first, second = (sample["id"] for sample in review.samples[:2])
    review.reject(first, "too long")
    review.edit(second, response="Mended.")
    review.undo()
    review.undo()
    assert review.redo() == first
    assert review.state(first) == "rejected"
    assert review.redo() == second
    assert review.as_decided(second)["response"] == "Mended."
    assert review.redo() is None
    assert first not in trained_on(out)
    review.undo()
    assert review.can_redo
    review.accept(second)
    assert not review.can_redo


def test_a_decision_holds_for_the_content_and_a_changed_sample_is_outdated(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ScriptedTeacher() as script:
        teacher = script.connect()
        settings: dict[str, Any] = {"teacher": teacher, "out": out, "num_contexts": 2}
        run = sk.generate(scripted.seeds(2), prompts=PROMPTS, profile=False, **settings)
        review = Review(run)
        ids = [sample["id"] for sample in review.samples]
        for id in ids:
            review.reject(id, "no")
        changed = {
            **PROMPTS,
            "gen_grounded_responses": PROMPTS["gen_grounded_responses"].with_sampling(top_p=0.5),
        }
        run = sk.generate(scripted.seeds(2), prompts=changed, **settings)
        review = Review(run)
        kept = [sample["id"] for sample in review.samples if sample["id"] in ids]
        assert kept
        assert {review.state(id) for id in kept} == {"outdated"}
        assert set(kept) <= set(trained_on(out))
        run = sk.generate(scripted.seeds(2), prompts=PROMPTS, profile=False, **settings)
        assert {Review(run).state(id) for id in ids} == {"rejected"}


def test_a_resumed_run_writes_its_files_with_the_decisions_made_meanwhile(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ScriptedTeacher() as script:
        run = sk.generate(
            scripted.seeds(1),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            out=out,
            num_contexts=2,
        )
        first = next(run.samples())["id"]
        Review(run).reject(first)
        sk.generate(
            scripted.seeds(2),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            out=out,
            num_contexts=2,
        )
    assert first not in trained_on(out)
    assert len(trained_on(out)) == len(samples_in(out)) - 1


def test_a_run_in_memory_can_be_reviewed() -> None:
    with ScriptedTeacher() as script:
        run = sk.generate(
            scripted.seeds(1),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            num_contexts=2,
        )
    review = Review(run)
    review.reject(review.samples[0]["id"])
    assert len(list(run.let_through())) == len(review.samples) - 1


def test_the_first_samples_are_drawn_across_seeds_and_scores_and_always_the_same(
    out: Path, review: Review
) -> None:
    drawn = review.drawn(8)
    assert len(drawn) == len(set(drawn)) == 8
    assert {seed_of(id) for id in drawn} == {"s1", "s2", "s3", "s4"}
    assert Review(out).drawn(8) == drawn


def test_what_the_first_samples_imply_is_a_wilson_interval() -> None:
    low, high = interval(18, 20)
    assert (round(low, 3), round(high, 3)) == (
        0.699,
        0.972,
    )  # R: prop.test(18, 20, correct = FALSE)
    assert interval(0, 5)[0] == 0
    assert interval(5, 5)[1] == 1


def test_only_decisions_about_drawn_samples_count_for_what_is_implied(review: Review) -> None:
    drawn = review.drawn()
    others = [sample["id"] for sample in review.samples if sample["id"] not in drawn]
    assert review.implied() == ""
    review.reject(others[0])
    assert review.implied() == ""
    review.accept(drawn[0])
    review.edit(drawn[1], response="Mended.")
    assert review.implied().startswith("1 of 2 good: ")


def test_samples_are_found_by_state_score_reason_seed_and_text(review: Review) -> None:
    first, second = (sample["id"] for sample in review.samples[:2])
    review.reject(first, "too long")
    review.accept(second)
    assert review.find(state="rejected") == review.find(reason="too long") == [first]
    assert second in review.find(state="accepted", seed="s1")
    assert review.find(seed="s2") == [s["id"] for s in review.samples if s["id"].startswith("s2/")]
    word = parts(review.samples[3])["response"].upper()
    assert review.samples[3]["id"] in review.find(text=word)
    assert review.find(score=99.0) == []


def test_an_accepted_sample_becomes_a_seed_in_a_file_that_can_be_run(
    review: Review, tmp_path: Path
) -> None:
    sample = review.samples[0]
    path = tmp_path / "my_seeds.jsonl"
    with pytest.raises(SettingsError, match="not accepted"):
        review.make_seed(sample["id"], path)
    review.edit(sample["id"], response="As I would say it.")
    assert review.make_seed(sample["id"], path) == 5
    seed = list(sk.load_seeds(path))[-1]
    assert seed["seed_context"] == sample["context"]
    assert seed["seed_question"] == parts(sample)["question"]
    assert seed["seed_response"] == "As I would say it."
    with pytest.raises(SeedError, match="already"):
        review.make_seed(sample["id"], path)


def test_figures_show_kept_and_rejected(review: Review) -> None:
    review.reject(review.samples[0]["id"])
    scores, lengths = review.figures(review.by_id)
    assert "1 rejected" in scores
    assert "dropped" not in scores, "a person rejects, the method drops"
    assert "Lengths of the responses" in lengths


def test_an_unknown_sample_is_refused_in_one_sentence(review: Review) -> None:
    with pytest.raises(RunError, match="no sample 'x'"):
        review.accept("x")


# The spreadsheet ----------------------------------------------------------------------------------


def filled_in(path: Path, change: Callable[[Cells], None]) -> None:
    """As a spreadsheet saves it after somebody changed the rows."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        csv.field_size_limit(FIELD_LIMIT)  # the default is less than the longest text
        rows = list(csv.DictReader(file))
    change(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_every_text_survives(text: str) -> None:
    cell = harmless(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))
    assert original(cell) == text


def test_a_colleague_decides_in_a_spreadsheet(out: Path, review: Review, tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    assert to_csv(review, path) == len(review.samples)

    def decide(rows: Cells) -> None:
        rows[0] |= {"verdict": "Reject", "reason": "off topic"}
        rows[1]["verdict"] = "accept"
        rows[2]["response"] = "=SUM(1)"

    filled_in(path, decide)
    result = from_csv(review, path)
    first, second, third = (sample["id"] for sample in review.samples[:3])
    assert (result.rejected, result.accepted, result.edited) == (1, 1, 1)
    assert reason_of(review, first) == "off topic"
    assert review.state(second) == "accepted"
    assert trained_on(out)[third] == "=SUM(1)"
    assert from_csv(review, path).unchanged == len(review.samples)


def test_an_edit_in_a_spreadsheet_needs_no_verdict(
    out: Path, review: Review, tmp_path: Path
) -> None:
    path = tmp_path / "review.csv"
    first, second, third = (sample["id"] for sample in review.samples[:3])
    review.reject(first, "too long")
    review.edit(second, response="Mine.")
    review.edit(third, response="Mine, too.")
    to_csv(review, path)

    def decide(rows: Cells) -> None:
        rows[0] |= {"verdict": "", "response": "Hers."}
        rows[1] |= {"verdict": ""}
        rows[2] |= {"verdict": "", "response": "Hers, too."}

    filled_in(path, decide)
    result = from_csv(review, path)
    assert (result.edited, result.unchanged) == (2, len(review.samples) - 2)
    assert [trained_on(out)[id] for id in (first, second, third)] == [
        "Hers.",
        "Mine.",
        "Hers, too.",
    ]


def test_a_text_that_excel_cuts_off_is_not_an_edit_but_a_changed_one_is(
    review: Review, tmp_path: Path
) -> None:
    path = tmp_path / "review.csv"
    first, second, third = (sample["id"] for sample in review.samples[:3])
    for id in (first, second, third):
        review.edit(id, response=id + "long " * 30_000)  # beyond the csv module's own limit, too
    to_csv(review, path)

    def decide(rows: Cells) -> None:
        rows[0]["response"] = rows[0]["response"][:32_767].rstrip()
        rows[1]["response"] = "Short."

    filled_in(path, decide)
    assert from_csv(review, path).edited == 1
    assert review.as_decided(first)["response"] == first + "long " * 30_000
    assert review.as_decided(second)["response"] == "Short."


def test_missing_columns_and_empty_lines_do_no_harm(review: Review, tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    to_csv(review, path)

    def decide(rows: Cells) -> None:
        rows[0]["verdict"] = "reject"
        for row in rows:
            for name in ("reason", "context", "evaluation", "seed_context"):
                del row[name]
        rows.append(dict.fromkeys(rows[0], ""))

    filled_in(path, decide)
    result = from_csv(review, path)
    assert (result.rejected, result.outdated) == (1, 0)
    assert result.unchanged == len(review.samples) - 1


def test_an_unchanged_spreadsheet_decides_nothing(review: Review, tmp_path: Path) -> None:
    to_csv(review, tmp_path / "review.csv")
    result = from_csv(review, tmp_path / "review.csv")
    assert result.unchanged == len(review.samples)
    assert review.progress.decided == 0


def test_a_line_about_another_text_is_left_out(review: Review, tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    to_csv(review, path)
    filled_in(path, lambda rows: rows[0].update(verdict="reject", content="0" * 24))
    assert from_csv(review, path).outdated == 1
    assert review.progress.rejected == 0


def test_an_invalid_verdict_is_reported_with_its_line_and_nothing_is_saved(
    review: Review, tmp_path: Path
) -> None:
    path = tmp_path / "review.csv"
    to_csv(review, path)

    def decide(rows: Cells) -> None:
        rows[0]["verdict"] = "reject"
        rows[1]["verdict"] = "perhaps"

    filled_in(path, decide)
    with pytest.raises(SettingsError, match=r"line \d+ \(s\S+\): the verdict 'perhaps'"):
        from_csv(review, path)
    assert review.progress.decided == 0


def test_the_command_writes_a_spreadsheet_and_takes_the_decisions_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = sk.connect("rehearsal")
    seeds = sk.shipped("notebooks") / "seeds" / "commit_messages.jsonl"
    folder, file = tmp_path / "run", tmp_path / "review.csv"
    run = sk.generate(list(sk.load_seeds(seeds))[:2], teacher=teacher, num_questions=4, out=folder)
    teacher.close()
    assert main(["review", str(folder), "--to", str(file)]) == 0
    lines = file.read_text("utf-8-sig").replace('"", ""', '""').split("\r\n")
    first = next(run.samples())["id"]
    file.write_text(
        "\r\n".join(line.replace(f'"{first}",""', f'"{first}","reject"') for line in lines), "utf-8"
    )
    capsys.readouterr()
    assert main(["review", str(folder), "--from", str(file)]) == 0
    assert "1 rejected" in capsys.readouterr().out
    trained = (folder / "rehearsal_train_messages.jsonl").read_text("utf-8")
    assert f'"{first}"' not in trained
    assert main(["review", str(folder)]) == 2
