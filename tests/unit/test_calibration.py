"""Can the judge be trusted? It is asked about responses that are known to be good or spoilt."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import scripted
from scripted import PROMPTS, tagged

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.quality.interval import interval
from sdgkit.quality.verdicts import OWN_ROWS, Calibration, Verdicts
from sdgkit.recorded import read_file, read_values
from sdgkit.run import Run


def seeds(count: int = 6) -> list[dict[str, str]]:
    rows = scripted.seeds(count)
    return [
        {**row, "seed_response": f"The order of {100 + n} lamps has arrived in Leeds today"}
        for n, row in enumerate(rows)
    ]


def calibrated(
    judge_says: Callable[[str, str], object],
    rows: list[dict[str, str]] | None = None,
    out: Path | None = None,
) -> Calibration:
    """The calibration of a judge that scores a response by a function of (its text, its seed's)."""
    with scripted.ScriptedTeacher() as script:
        own = {row["seed_context"]: row["seed_response"] for row in rows or seeds()}
        script.answer = lambda ask: tagged(
            evaluation="Read.", score=judge_says(ask.given["response"], own[ask.given["context"]])
        )
        return sk.calibrate(script.connect(), rows or seeds(), prompts=PROMPTS, out=out)


def by_kind(calibration: Calibration) -> dict[str, tuple[int, int]]:
    """What it kept of each kind of response that there was."""
    return {one.kind: (one.kept, one.asked) for one in calibration.verdicts if one.asked}


def lists(count: int = 7) -> list[dict[str, str]]:
    """Seeds whose responses are lists of figures that stand in the context."""
    goods = ["lamps", "chairs", "boxes", "doors", "tables", "ropes", "bells", "nails"]
    places = ["Leeds", "Bern", "Oslo", "Graz", "Turin", "Ghent", "Lyon", "Bath"]
    rows = []
    for number, row in enumerate(scripted.seeds(count)):
        first, second = goods[number], goods[number + 1]
        place = places[number]
        context = f"{120 + number} {first} cost 35 euros, {340 + number} {second} go to {place}."
        response = (
            f"Order for {place}\n\n- {first}: {120 + number} pieces for 35 euros\n"
            f"- {second}: {340 + number} pieces for the shop in {place}"
        )
        rows.append({**row, "seed_context": context, "seed_response": response})
    return rows


WITH_EXAMPLE = {
    **PROMPTS,
    "evaluate_grounded_qa_pair": scripted.prompt(
        "evaluate_grounded_qa_pair",
        (*scripted.SEED, "context", "question", "response"),
        *scripted.JUDGED,
        temperature=0,
    ),
}


def calibrated_beside(
    judge_says: Callable[[Mapping[str, str]], object], rows: list[dict[str, str]]
) -> Calibration:
    """The calibration of a judge that scores by a function of all that it is shown."""
    with scripted.ScriptedTeacher() as script:
        script.answer = lambda ask: tagged(evaluation="Read.", score=judge_says(ask.given))
        return sk.calibrate(script.connect(), rows, prompts=WITH_EXAMPLE)


def test_a_judge_that_knows_the_right_answers_keeps_the_good_and_drops_the_spoilt() -> None:
    perfect = calibrated(lambda text, right: 3 if text == right else 1)
    assert by_kind(perfect).pop("good") == (6, 6)
    assert perfect.bad.kept == 0
    assert not perfect.mistakes
    assert perfect.good.interval[0] == pytest.approx(0.61, abs=0.01)
    assert perfect.tells_apart


def test_a_judge_that_likes_everything_lets_all_of_it_through() -> None:
    kind = calibrated(lambda *_: 3)
    assert all(kept == asked for kept, asked in by_kind(kind).values())
    assert {mistake.kind for mistake in kind.mistakes} == {*by_kind(kind)} - {"good"}
    assert "This judge cannot be believed: it lets most faults through." in kind.meaning()


def test_a_judge_that_throws_dice_cannot_be_believed_however_many_seeds_there_are() -> None:
    useless = counted(good=(20, 40), bad=(195, 400))
    assert "This judge cannot be believed: it keeps bad responses about as often" in str(useless)
    assert "--judge-model" in useless.meaning()
    assert "Add seeds" not in useless.meaning()


def test_a_judge_that_hardly_ever_gives_a_verdict_cannot_be_believed() -> None:
    silent = counted(good=(2, 2), bad=(0, 9), unsure=30)
    assert "This judge cannot be believed: it gave no verdict on 30 of 41" in str(silent)


def test_a_judge_of_whom_little_has_been_seen_cannot_be_believed_so_far() -> None:
    promising = counted(good=(2, 2), bad=(3, 8))
    assert "So far, this judge cannot be believed" in promising.meaning()
    assert "Add seeds" in promising.meaning()
    assert "--judge-model" not in promising.meaning()


def test_a_judge_that_tells_good_from_bad_is_not_called_unbelievable() -> None:
    assert "cannot be believed" not in counted(good=(38, 40), bad=(40, 400)).meaning()


def counted(good: tuple[int, int], bad: tuple[int, int], unsure: int = 0) -> Calibration:
    """A calibration with these counts: kept, of how many."""
    verdicts = [
        Verdicts("good", asked=good[1], kept=good[0]),
        Verdicts("form", asked=bad[1], kept=bad[0], unsure=unsure),
    ]
    return Calibration("judge", "evaluate", "", 4, verdicts, is_leave_one_out=True)


def test_a_judge_that_compares_with_the_example_alone_is_found_out() -> None:
    """It is perfect wherever a seed stands beside itself, and keeps nothing of a run."""
    useless = calibrated_beside(
        lambda given: 3 if given["response"] == given["seed_response"] else 1, lists()
    )
    assert (useless.good.kept, useless.good.asked) == (0, 7)
    assert by_kind(useless)["copy"] == (7, 7)
    assert not useless.tells_apart
    assert "This judge cannot be believed: it drops most good responses." in useless.meaning()


def test_a_judge_that_looks_at_length_and_some_figures_is_found_out() -> None:
    """It finds halves and responses to something else, and nothing that models do wrong."""

    def says(given: Mapping[str, str]) -> int:
        numbers = re.findall(r"\d+", given["response"])
        known = [number for number in numbers if number in given["context"]]
        is_long = len(given["response"]) >= 0.5 * len(given["seed_response"])
        return 3 if is_long and len(known) >= 0.4 * len(numbers) else 1

    useless = calibrated_beside(says, lists())
    assert (useless.good.kept, useless.good.asked) == (7, 7)
    assert useless.bad.kept > 0.8 * useless.bad.asked
    assert not useless.tells_apart
    assert "This judge cannot be believed: it lets most faults through." in useless.meaning()


def test_each_seed_is_judged_beside_another_one_and_never_beside_itself() -> None:
    shown = []

    def says(given: Mapping[str, str]) -> int:
        shown.append((given["context"], given["seed_context"]))
        return 3

    rows = lists(3)
    calibrated_beside(says, rows)
    contexts = [row["seed_context"] for row in rows]
    assert {*shown} == {
        (contexts[0], contexts[1]),
        (contexts[1], contexts[2]),
        (contexts[2], contexts[0]),
    }


def test_seeds_of_two_tasks_stand_beside_their_own_kind() -> None:
    rows = lists(4)
    rows[1]["task_description"] = rows[3]["task_description"] = "Another task."
    shown = set()

    def says(given: Mapping[str, str]) -> int:
        shown.add((given["context"], given["seed_context"]))
        return 3

    calibrated_beside(says, rows)
    contexts = [row["seed_context"] for row in rows]
    assert shown == {
        (contexts[first], contexts[second]) for first, second in [(0, 2), (2, 0), (1, 3), (3, 1)]
    }


@pytest.mark.parametrize("rows", [seeds(1), [*seeds(1), *seeds(1)]])
def test_one_seed_cannot_be_judged_beside_another(rows: list[dict[str, str]]) -> None:
    with pytest.raises(sk.SeedError, match="at least two different seeds"):
        calibrated(lambda *_: 3, rows)


def test_the_words_say_what_follows_for_the_run() -> None:
    perfect = calibrated(lambda text, right: 3 if text == right else 1)
    own_rows = Verdicts(OWN_ROWS, asked=100, kept=60)
    sentence = perfect.meaning(own_rows)
    assert "Of 100 good responses, this judge keeps about 100 (61 to 100)" in sentence
    assert "about 0 of the 60 rows that it kept" in sentence
    assert "about 0 of the 40 that it dropped" in sentence


def test_the_words_name_what_the_judge_overlooks() -> None:
    lenient = calibrated(lambda text, right: 1 if len(text) != len(right) else 3)
    assert by_kind(lenient)["cut"] == (0, 6)
    assert "What it overlooks most often: one figure wrong by a digit (6 of 6)" in lenient.meaning()


def test_a_judge_that_gives_no_verdict_is_neither_right_nor_wrong() -> None:
    dumb = calibrated(lambda text, right: "quite good" if text == right else 1)
    assert (dumb.good.asked, dumb.good.unsure) == (0, 6)
    assert "6 without a verdict" in repr(dumb)


def test_what_cannot_be_spoilt_is_not_asked_about() -> None:
    rows = scripted.seeds(3)
    for row, label in zip(rows, ["Positive", "Negative", "Neutral"], strict=True):
        row["seed_response"] = label
    assert by_kind(calibrated(lambda *_: 3, rows)) == {
        "good": (3, 3),
        "talk_before": (3, 3),
        "talk_after": (3, 3),
        "copy": (3, 3),
    }


def test_it_prints_as_text_and_as_a_table_and_comes_back_from_json() -> None:
    kind = calibrated(lambda *_: 3)
    assert re.search(r"bad: the last tenth cut off +6 of 6 +100% \(61% to 100%\)", repr(kind))
    assert "<table" in kind._repr_html_()
    back = read_values(Calibration, asdict(kind), "calibration")
    assert repr(back) == repr(kind)


def test_a_calibrated_run_keeps_the_result_beside_its_samples_and_asks_nothing_twice(
    tmp_path: Path,
) -> None:
    with scripted.ScriptedTeacher() as script:
        teacher = script.connect()
        run = sk.generate(
            seeds(), teacher=teacher, prompts=PROMPTS, profile=False, num_contexts=1, out=tmp_path
        )
        before = (tmp_path / "dataset.jsonl").read_text()
        script.forget()
        first = sk.calibrate(teacher, run)
        asked = script.by_stage()
        assert list(asked) == ["evaluate_grounded_qa_pair"]
        script.forget()
        assert sk.calibrate(teacher, tmp_path) == first
        assert script.asked() == 0
    assert read_file(Calibration, tmp_path / "calibration.json") == first
    assert (tmp_path / "dataset.jsonl").read_text() == before


def test_the_report_shows_it_beside_the_yield_while_it_is_about_this_judge_and_prompt(
    tmp_path: Path,
) -> None:
    def shown() -> tuple[bool, bool]:
        page = (tmp_path / "report.html").read_text()
        first_screen = page[: page.index("<main>")]
        return (
            "bad: the example&#39;s response" in first_screen,
            "the rows of this run" in first_screen,
        )

    with scripted.ScriptedTeacher() as script:
        teacher = script.connect()
        run = sk.generate(
            seeds(), teacher=teacher, prompts=PROMPTS, profile=False, num_contexts=1, out=tmp_path
        )
        assert shown() == (False, False)
        sk.calibrate(teacher, tmp_path)
        assert shown() == (True, True)
        line = run.funnel[6]
        assert f">{line.rows_out} of {line.tried}<" in (tmp_path / "report.html").read_text()
        sk.generate(tmp_path, teacher=teacher, num_contexts=2)
        assert shown() == (True, True)  # a resumed run keeps it
        stricter = replace(PROMPTS["evaluate_grounded_qa_pair"], system="Be strict.")
        sk.generate(tmp_path, teacher=teacher, prompts={"evaluate_grounded_qa_pair": stricter})
        assert shown() == (False, False)  # it says nothing about another prompt


def test_a_run_that_is_still_running_shows_it_when_it_ends(tmp_path: Path) -> None:
    with scripted.ScriptedTeacher() as script:
        script.delay = lambda ask: 0.05
        teacher = script.connect()
        run = Run(
            sk.plan(seeds(), teacher=teacher, prompts=PROMPTS, profile=False), tmp_path
        ).start()
        sk.calibrate(teacher, run)
        assert run.is_running
        run.wait()
    assert "the rows of this run" in (tmp_path / "report.html").read_text()


def test_spoilt_answers_never_become_training_data(tmp_path: Path) -> None:
    calibrated(lambda *_: 3, out=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} <= {"journal.sqlite", ".journal.lock"}


@pytest.mark.parametrize(
    ("kept", "asked", "low", "high"),
    [(8, 8, 0.676, 1.0), (0, 8, 0.0, 0.324), (5, 10, 0.237, 0.763), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_that_of_the_tables(kept: int, asked: int, low: float, high: float) -> None:
    assert interval(kept, asked) == pytest.approx((low, high), abs=0.001)


def test_the_command_asks_the_run_s_own_judge_and_its_report_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    assert main(["generate", str(save), "--num-contexts", "1", "--out", "run"]) == 0
    assert main(["calibrate", "run"]) == 0
    assert re.search("good: the seed's own response +8 of 8", capsys.readouterr().out)
    assert "Can the judge be trusted?" in (tmp_path / "run" / "report.html").read_text()
    assert main(["calibrate"]) == main(["calibrate", "nowhere"]) == 2


def test_the_rehearsal_judge_can_be_calibrated() -> None:
    teacher = sk.connect("rehearsal")
    found = sk.calibrate(teacher, sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    teacher.close()
    assert (found.good.kept, found.good.asked) == (8, 8)
    assert found.bad.kept < found.bad.asked
