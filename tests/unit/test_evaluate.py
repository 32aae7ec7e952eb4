"""Did it help? Held-out questions, answers judged in both orders, and a rate with its interval."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import PROMPTS, ScriptedTeacher, seeds
from servers import FaultServer, completion, is_probe

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.errors import RunError
from sdgkit.evaluation.students import Duel, Evaluation
from sdgkit.export.training_set import held_out
from sdgkit.teachers import Teacher

SHARE = 0.4
Preference = Callable[[str, str], int]
Body = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mail"
    with ScriptedTeacher() as script:
        sk.generate(
            seeds(4),
            teacher=script.connect(),
            num_contexts=5,
            prompts=PROMPTS,
            profile=False,
            out=out,
            system="Be brief.",
        )
    return out


class Model(FaultServer):
    """A model that answers every question with the same word."""

    def __init__(self, name: str, answer: str) -> None:
        super().__init__(models=(name,))
        self.answer = answer
        self.behave = self.reply

    def reply(self, body: Body, number: int) -> web.Response:
        return completion(self.answer)

    def connect(self) -> Teacher:
        return sk.connect("openai", base_url=self.base_url, api_key="key")


class Referee(Model):
    """A judge that prefers one of two responses by a rule.

    Args:
        prefers: 1 for the first response, 2 for neither, 3 for the second, 0 for no verdict.
    """

    def __init__(self, prefers: Preference) -> None:
        super().__init__("referee", "")
        self.prefers = prefers

    def reply(self, body: Body, number: int) -> web.Response:
        if is_probe(body):
            return completion("hello")
        text = body["messages"][-1]["content"]
        score = self.prefers(response_in(text, "First"), response_in(text, "Second"))
        if not score:
            return completion("I cannot decide.")
        evaluation = f"[Start of Evaluation]\nI prefer {score}.\n[End of Evaluation]"
        return completion(f"{evaluation}\n[Start of Score]\n{score}\n[End of Score]")


def response_in(text: str, place: str) -> str:
    match = re.search(rf"\[Start of {place} Response\]\n(.*?)\n\[End of", text, re.DOTALL)
    assert match is not None
    return match[1]


def better(word: str) -> Preference:
    """Prefers the response that is this word."""

    def prefer(first: str, second: str) -> int:
        if first == word:
            return 1
        return 3 if second == word else 2

    return prefer


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, and what each server was asked for it."""

    evaluation: Evaluation
    student: list[Body]
    other: list[Body]
    judge: list[Body]


def evaluated(
    folder: Path,
    prefers: Preference,
    *,
    against: bool = True,
    test_share: float = SHARE,
    limit: int | None = None,
    prompt: Path | None = None,
) -> Evaluated:
    with ExitStack() as stack:
        tuned = stack.enter_context(Model("tuned", "good"))
        base = stack.enter_context(Model("base", "bad"))
        referee = stack.enter_context(Referee(prefers))
        evaluation = sk.evaluate(
            folder,
            stack.enter_context(tuned.connect()),
            judge=stack.enter_context(referee.connect()),
            against=stack.enter_context(base.connect()) if against else None,
            test_share=test_share,
            limit=limit,
            prompt=prompt,
        )
    return Evaluated(evaluation, tuned.asked, base.asked, referee.asked)


def own_prompt(folder: Path, word: str) -> Path:
    """A judge's prompt of your own, so that no recorded verdict fits."""
    generation = f"""Say which is better ({word}).
[Start of First Response]
{{{{ first }}}}
[End of First Response]
[Start of Second Response]
{{{{ second }}}}
[End of Second Response]"""
    parts = {
        "generation": generation,
        "start_tags": ["[Start of Evaluation]", "[Start of Score]"],
        "end_tags": ["[End of Evaluation]", "[End of Score]"],
    }
    path = folder / "compare.yaml"
    path.write_text(json.dumps(parts))
    return path


def with_verdicts(wins: int, losses: int) -> Evaluation:
    """An evaluation with so many wins and losses."""
    duels = [Duel(f"s{n}", "Q", "a", "b", "win", "", "") for n in range(wins)]
    duels += [Duel(f"t{n}", "Q", "a", "b", "loss", "", "") for n in range(losses)]
    return Evaluation("tuned", "base", "judge", duels)


def test_the_held_out_questions_are_asked_as_at_inference_and_judged_twice(
    folder: Path, tmp_path: Path
) -> None:
    samples = list(sk.open_run(folder).samples())
    is_apart = held_out(lambda: samples, SHARE)
    apart = {row["question"] for row in samples if is_apart(row)}
    result = evaluated(folder, better("good"))
    assert {body["messages"][-1]["content"] for body in result.student} == apart
    assert len(result.student) == len(result.other) == len(apart)
    assert len(result.judge) == 2 * len(apart)
    assert result.student[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "Response of seed" in result.judge[0]["messages"][-1]["content"], "it sees the seed"
    evaluation = result.evaluation
    assert evaluation.verdicts == {"win": len(apart)}
    assert evaluation.rate == 1.0
    assert evaluation.interval.low > 0.5
    assert "tuned against base, judged by referee" in str(evaluation)
    assert "not chance" in str(evaluation)
    page = (folder / "evaluation" / "tuned.html").read_text(encoding="utf-8")
    assert "good" in page and "bad" in page and "with base first" in page and "http:" not in page


def test_the_same_call_again_asks_nothing(folder: Path) -> None:
    evaluated(folder, better("good"))
    again = evaluated(folder, better("good"))
    assert (again.student, again.other, again.judge) == ([], [], [])


def test_a_judge_that_only_looks_at_the_order_decides_nothing(folder: Path, tmp_path: Path) -> None:
    result = evaluated(folder, lambda first, second: 1, prompt=own_prompt(tmp_path, "order"))
    assert set(result.evaluation.verdicts) == {"tie"}
    assert result.evaluation.rate == 0.5
    assert "may be chance" in str(result.evaluation)


def test_without_a_second_model_the_run_s_own_samples_are_what_to_beat(
    folder: Path, tmp_path: Path
) -> None:
    result = evaluated(
        folder,
        lambda first, second: 3 if first == "good" else 1,
        against=False,
        prompt=own_prompt(tmp_path, "own"),
    )
    evaluation = result.evaluation
    assert result.other == []
    assert set(evaluation.verdicts) == {"loss"}
    assert evaluation.rate == 0.0
    assert evaluation.other == "the run's samples"
    assert all(duel.other.startswith("Response ") for duel in evaluation.duels)


def test_a_missing_verdict_leaves_its_question_out(folder: Path, tmp_path: Path) -> None:
    prompt = own_prompt(tmp_path, "none")
    evaluation = evaluated(folder, lambda first, second: 0, limit=2, prompt=prompt).evaluation
    assert (len(evaluation.duels), evaluation.left_out) == (0, 2)
    assert "No questions could be compared" in str(evaluation)
    assert "2 questions left out" in str(evaluation)


def test_without_held_out_questions_it_says_what_to_do(folder: Path) -> None:
    with pytest.raises(RunError, match="held out at a test share of 0"):
        evaluated(folder, better("good"), test_share=0.0)


def test_the_interval_is_wide_for_few_questions() -> None:
    few = with_verdicts(6, 4)
    many = with_verdicts(60, 40)
    assert few.rate == many.rate == 0.6
    assert "may be chance" in str(few)
    assert "not chance" in str(many)
    assert "tuned is worse" in str(with_verdicts(30, 70))


def test_an_export_leaves_out_what_is_held_out(folder: Path, tmp_path: Path) -> None:
    run = sk.open_run(folder)
    samples = list(run.samples())
    is_apart = held_out(lambda: samples, SHARE)
    run.export("messages", tmp_path / "train.jsonl", test_share=SHARE)
    ids = {json.loads(line)["id"] for line in (tmp_path / "train.jsonl").read_text().splitlines()}
    assert ids == {row["id"] for row in samples if not is_apart(row)}


def test_the_command_compares_and_names_the_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDGKIT_API_KEY", "key")
    with (
        Model("tuned", "good") as tuned,
        Model("base", "bad") as base,
        Referee(better("good")) as referee,
    ):
        words = [
            "--base-url",
            tuned.base_url,
            "--against",
            base.base_url,
            "--test-share",
            str(SHARE),
        ]
        words += ["--judge-base-url", referee.base_url, "--judge-model", "referee"]
        assert main(["evaluate", str(folder), *words]) == 0
    said = capsys.readouterr().out
    assert "win rate of 100%" in said and "evaluation/tuned.html" in said


def test_the_judge_s_address_is_asked_for(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with Model("tuned", "good") as tuned:
        assert main(["evaluate", str(folder), "--base-url", tuned.base_url]) == 2
    assert "--judge-base-url" in capsys.readouterr().err


def test_a_rehearsal_is_evaluated_by_the_rehearsal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seed_file = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    assert main(["generate", str(seed_file), "--num-contexts", "2", "--out", "run"]) == 0
    assert main(["evaluate", "run", "--limit", "3", "--test-share", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "rehearsal against the run's samples" in said and "rehearsal teacher" in said


def test_answers_that_are_there_already_are_compared_and_no_student_is_asked(folder: Path) -> None:
    questions = sk.held_out_questions(folder, SHARE)
    good = sk.Answers("tuned", {row["id"]: "good" for row in questions})
    bad = sk.Answers("base", {row["id"]: "bad" for row in questions})
    with Referee(better("good")) as referee, referee.connect() as judge:
        evaluation = sk.evaluate(folder, good, judge=judge, against=bad, test_share=SHARE)
    assert (evaluation.student, evaluation.other) == ("tuned", "base")
    assert evaluation.verdicts["win"] == len(evaluation.duels) == len(questions) > 0


def test_a_question_without_an_answer_is_left_out_and_counted(folder: Path) -> None:
    first, *others = sk.held_out_questions(folder, SHARE)
    good = sk.Answers("tuned", {row["id"]: "good" for row in others})
    with Referee(better("good")) as referee, referee.connect() as judge:
        evaluation = sk.evaluate(folder, good, judge=judge, test_share=SHARE)
    assert evaluation.left_out == 1
    assert first["id"] not in {duel.id for duel in evaluation.duels}
