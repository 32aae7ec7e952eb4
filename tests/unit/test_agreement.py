"""The person is the yardstick: a review's decisions are compared with the judge's verdicts."""

from pathlib import Path

import pytest
import scripted
from scripted import PROMPTS, ScriptedTeacher, tagged

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.panels import ReviewPanel
from sdgkit.quality.agreement import Disagreement
from sdgkit.run import Run


def answer(script: ScriptedTeacher, ask: scripted.Ask) -> str:
    """The judge gives 3, 2 and 1 to the three questions of each context."""
    if ask.stage.startswith("eval_"):
        return tagged(evaluation="Fine.", score=1)
    if ask.stage.startswith("evaluate"):
        score = 3 - int(str(ask.given["question"])[1])
        return tagged(evaluation=f"A {score}.", score=score)
    return str(script.usual(ask))


def judged_run(out: Path | None = None) -> Run:
    """Four contexts with a sample of 3, a sample of 2, and a drop each."""
    with ScriptedTeacher() as script:
        script.answer = lambda ask: answer(script, ask)
        return sk.generate(
            scripted.seeds(2),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            num_contexts=2,
            out=out,
        )


def test_without_decisions_there_is_nothing_to_compare() -> None:
    assert sk.Review(judged_run()).agreement() is None


def test_decisions_are_compared_with_the_judge_s_with_an_interval() -> None:
    review = sk.Review(judged_run())
    ids = list(review.by_id)
    for sample_id in ids[:6]:
        review.accept(sample_id)
    review.reject(ids[6], "wrong total")
    review.edit(ids[7], response="Better.")
    agreement = review.agreement()
    assert agreement is not None
    assert (agreement.compared, agreement.agreed) == (8, 6)
    assert agreement.interval == pytest.approx((0.409, 0.929), abs=0.001)
    score = review.by_id[ids[6]]["score"]
    assert agreement.false_keeps[0] == Disagreement(ids[6], score, f"A {score:g}.", "wrong total")
    assert agreement.false_keeps[1].reason == "edited"
    assert not agreement.false_drops


def test_a_drop_that_you_find_good_is_a_false_drop_and_becomes_no_sample() -> None:
    run = judged_run()
    review = sk.Review(run)
    dropped = next(iter(review.judge_drops))
    review.accept(next(iter(review.by_id)))
    review.overrule(dropped)
    agreement = review.agreement()
    assert agreement is not None
    assert (agreement.compared, agreement.agreed) == (2, 1)
    assert [row.id for row in agreement.false_drops] == [dropped]
    assert dropped in agreement.sentences
    assert dropped not in {row["id"] for row in run.let_through()}
    assert review.progress.decided == 1
    assert review.undo() == dropped
    after = review.agreement()
    assert after is not None
    assert (after.compared, after.agreed, list(after.false_drops)) == (1, 1, [])


def test_only_what_the_judge_dropped_can_be_overruled() -> None:
    review = sk.Review(judged_run())
    with pytest.raises(sk.RunError, match="dropped no row 's9/c9/q9'"):
        review.overrule("s9/c9/q9")


def test_a_stricter_filter_makes_false_drops_of_what_you_accepted(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        script.answer = lambda ask: answer(script, ask)
        teacher = script.connect()
        rows = scripted.seeds(2)
        run = sk.generate(
            rows, teacher=teacher, prompts=PROMPTS, profile=False, num_contexts=2, out=tmp_path
        )
        review = sk.Review(run)
        for sample_id in review.by_id:
            review.accept(sample_id)
        strict = sk.generate(
            rows,
            teacher=teacher,
            prompts=PROMPTS,
            profile=False,
            num_contexts=2,
            out=tmp_path,
            min_score=3,
        )
    agreement = sk.Review(strict).agreement()
    assert agreement is not None
    assert (agreement.compared, agreement.agreed, len(agreement.false_drops)) == (8, 4, 4)
    assert {row.score for row in agreement.false_drops} == {2.0}


def test_calibration_panel_and_report_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seeds = str(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    assert main(["generate", seeds, "--num-contexts", "1", "--out", "run"]) == 0
    review = sk.Review("run")
    first, second, *_ = review.by_id
    review.accept(first)
    review.reject(second, "not our style")
    told = "he judge agrees with you on 1 of 2 (9\u201391%)"
    report = Path("run", "report.html").read_text()
    assert told in report
    assert "not our style" in report
    assert told in ReviewPanel("run").state().status
    capsys.readouterr()
    assert main(["calibrate", "run"]) == 0
    printed = capsys.readouterr().out
    assert told in printed
    assert f"It kept 1 row that you rejected or edited: {second}." in printed
    with sk.connect("rehearsal") as judge:
        calibration = sk.calibrate(judge, "run")
    assert calibration.agreement is not None
    assert calibration.agreement.false_keeps[0].reason == "not our style"


def test_samples_are_found_by_the_fault_that_the_judge_named() -> None:
    prompts = {
        **PROMPTS,
        "evaluate_grounded_qa_pair": scripted.prompt(
            "evaluate_grounded_qa_pair",
            ("context", "question", "response"),
            "evaluation",
            "faults",
            "score",
        ),
    }
    with ScriptedTeacher() as script:
        usual = script.usual

        def reply(ask: scripted.Ask) -> str:
            if ask.stage.startswith("eval_"):
                return tagged(evaluation="Fine.", score=1)
            if ask.stage.startswith("evaluate"):
                is_clumsy = str(ask.given["question"]).startswith("Q0")
                faults = "manner" if is_clumsy else "none"
                return tagged(evaluation="Read.", faults=faults, score=2 if is_clumsy else 3)
            return str(usual(ask))

        script.answer = reply
        run = sk.generate(
            scripted.seeds(2),
            teacher=script.connect(),
            prompts=prompts,
            profile=False,
            num_contexts=2,
        )
    panel = ReviewPanel(run)
    panel.filter(show="all", fault="manner")
    assert len(panel.ids) == 4
    assert {panel.review.by_id[row_id]["faults"] for row_id in panel.ids} == {"manner"}
    assert [choice.label for choice in panel.state().choices["fault"]] == ["any", "manner (4)"]
