"""The lowest score with which a sample is kept can be chosen, also afterwards."""

from pathlib import Path

import pytest
import scripted
from scripted import FREEFORM_PROMPTS, PROMPTS, ScriptedTeacher, tagged

import sdgkit as sk
from sdgkit.cli import main


def scored(ask: scripted.Ask) -> str | None:
    """1, 2 and 3 for the three questions of a context."""
    if ask.stage.startswith("eval_"):
        return tagged(evaluation="Read.", score=1)
    if not ask.stage.startswith("evaluate"):
        return None
    score = int(str(ask.given["question"])[1]) + 1  # their names begin with Q0, Q1, Q2
    return tagged(evaluation="Read.", score=score)


def test_min_score_decides_what_is_kept_and_changing_it_asks_nothing_again(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        usual = script.usual
        script.answer = lambda ask: scored(ask) or str(usual(ask))
        teacher = script.connect()
        kept = {}
        for min_score in (None, 3, 1.0, 2):
            run = sk.generate(
                scripted.seeds(4),
                teacher=teacher,
                prompts=PROMPTS,
                profile=False,
                out=tmp_path,
                min_score=min_score,
            )
            kept[min_score] = {row["score"] for row in run.dataset}
            asked = script.asked()
            script.forget()
            assert (asked == 0) == (min_score is not None)
    assert kept == {None: {2.0, 3.0}, 3: {3.0}, 1.0: {1.0, 2.0, 3.0}, 2: {2.0, 3.0}}


def test_the_folder_remembers_it(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        usual = script.usual
        script.answer = lambda ask: scored(ask) or str(usual(ask))
        teacher = script.connect()
        rows = scripted.seeds(2)
        sk.generate(
            rows, teacher=teacher, prompts=PROMPTS, profile=False, out=tmp_path, min_score=3
        )
        again = sk.generate(tmp_path, teacher=teacher)
    assert {row["score"] for row in again.dataset} == {3.0}


def test_a_freeform_skill_has_it_too() -> None:
    rows = scripted.seeds(1, grounded=False)
    pipeline = sk.plan(rows, prompts=FREEFORM_PROMPTS, profile=False, min_score=3).pipeline
    assert pipeline.stage("filter_qa_pair").passes({"score": 3.0})
    assert not pipeline.stage("filter_qa_pair").passes({"score": 2.0})
    assert pipeline.stage("filter_questions").passes({"score": 1.0})


@pytest.mark.parametrize("score", [0, 3.5, -1, "3", True])
def test_a_score_that_the_judge_cannot_give_is_refused(score: float) -> None:
    with pytest.raises(sk.SettingsError, match="from 1 to 3"):
        sk.plan(scripted.seeds(1), min_score=score)


def test_the_command_line_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seeds = str(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    assert main(["generate", seeds, "--num-contexts", "2", "--out", "run", "--min-score", "3"]) == 0
    assert {row["score"] for row in sk.open_run("run").dataset} == {3.0}
    assert main(["generate", seeds, "--min-score", "9", "--out", "other"]) != 0
    assert "from 1 to 3" in capsys.readouterr().err
