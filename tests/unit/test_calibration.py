"""Can the judge be trusted? It is asked about responses that are known to be good or spoilt."""

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import scripted
from scripted import PROMPTS, tagged

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.quality.verdicts import Calibration, interval
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
    return {one.kind: (one.kept, one.asked) for one in calibration.verdicts}


def test_a_judge_that_knows_the_right_answers_keeps_the_good_and_drops_the_spoilt() -> None:
    perfect = calibrated(lambda text, right: 3 if text == right else 1)
    assert by_kind(perfect) == {"good": (6, 6), "swapped": (0, 6), "cut": (0, 6), "numbers": (0, 6)}
    assert not perfect.mistakes
    assert perfect.good.interval[0] == pytest.approx(0.61, abs=0.01)


def test_a_judge_that_likes_everything_lets_all_of_it_through() -> None:
    kind = calibrated(lambda *_: 3)
    assert by_kind(kind) == {"good": (6, 6), "swapped": (6, 6), "cut": (6, 6), "numbers": (6, 6)}
    assert (kind.bad.kept, kind.bad.asked) == (18, 18)
    assert {mistake.kind for mistake in kind.mistakes} == {"swapped", "cut", "numbers"}


def test_a_judge_that_looks_at_the_length_alone_is_found_out() -> None:
    short = calibrated(lambda text, right: 3 if len(text) == len(right) else 1)
    assert by_kind(short) == {"good": (6, 6), "swapped": (6, 6), "cut": (0, 6), "numbers": (6, 6)}


def test_a_judge_that_gives_no_verdict_is_neither_right_nor_wrong() -> None:
    dumb = calibrated(lambda text, right: "quite good" if text == right else 1)
    assert (dumb.good.asked, dumb.good.unsure) == (0, 6)
    assert "6 without a verdict" in repr(dumb)


def test_what_cannot_be_spoilt_is_not_asked_about() -> None:
    rows = [{**row, "seed_response": "Positive"} for row in scripted.seeds(2)]
    assert by_kind(calibrated(lambda *_: 3, rows)) == {
        "good": (2, 2),
        "swapped": (0, 0),
        "cut": (0, 0),
        "numbers": (0, 0),
    }


def test_it_prints_as_text_and_as_a_table_and_comes_back_from_json() -> None:
    kind = calibrated(lambda *_: 3)
    assert re.search(r"bad: cut off in the middle +6 of 6 +100% \(61% to 100%\)", repr(kind))
    assert "<table" in kind._repr_html_()
    back = read_values(Calibration, asdict(kind), "calibration")
    assert repr(back) == repr(kind)


def test_a_calibrated_run_keeps_the_result_beside_its_samples_and_asks_nothing_twice(
    tmp_path: Path,
) -> None:
    with scripted.ScriptedTeacher() as script:
        teacher = script.connect()
        run = sk.generate(seeds(), teacher=teacher, prompts=PROMPTS, num_contexts=1, out=tmp_path)
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
            "bad: another seed&#39;s response" in first_screen,
            "the rows of this run" in first_screen,
        )

    with scripted.ScriptedTeacher() as script:
        teacher = script.connect()
        run = sk.generate(seeds(), teacher=teacher, prompts=PROMPTS, num_contexts=1, out=tmp_path)
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
        run = Run(sk.plan(seeds(), teacher=teacher, prompts=PROMPTS), tmp_path).start()
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
