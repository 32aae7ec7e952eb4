"""Did it help? Held-out questions, answers judged in both orders, and a rate with its interval."""

import json
import re

import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds
from servers import FaultServer, completion, is_probe

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.errors import RunError
from sdgkit.evaluation.students import Duel, Evaluation
from sdgkit.export.training_set import held_out

SHARE = 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "mail"
    with ScriptedTeacher() as script:
        sk.generate(
            seeds(4),
            teacher=script.connect(),
            num_contexts=5,
            prompts=PROMPTS,
            out=out,
            system="Be brief.",
        )
    return out


class Model(FaultServer):
    """A model that answers every question with the same word."""

    def __init__(self, name, says):
        super().__init__(models=(name,))
        self.name = name
        self.behave = lambda body, n: completion(says)

    def connect(self):
        return sk.connect("openai", base_url=self.base_url, api_key="key")


class Referee(Model):
    """A judge that prefers by a rule of the two responses: 1 for the first, 2 for neither, 3 for the second."""

    def __init__(self, prefers):
        super().__init__("referee", "")
        self.behave = self.judge
        self.prefers = prefers

    def judge(self, body, n):
        if is_probe(body):
            return completion("hello")
        text = body["messages"][-1]["content"]
        pair = [
            re.search(rf"\[Start of {place} Response\]\n(.*?)\n\[End of", text, re.S)[1]
            for place in ("First", "Second")
        ]
        score = self.prefers(*pair)
        said = f"[Start of Evaluation]\nI prefer {score}.\n[End of Evaluation]\n[Start of Score]\n{score}\n[End of Score]"
        return completion(said if score else "I cannot decide.")


def better(word):
    return lambda first, second: 1 if first == word else 3 if second == word else 2


def evaluated(folder, prefers, against=True, **options):
    with Model("tuned", "good") as tuned, Model("base", "bad") as base, Referee(prefers) as referee:
        teachers = [tuned.connect(), referee.connect(), *([base.connect()] if against else [])]
        other = teachers[2] if against else None
        options = {"test_share": SHARE} | options
        found = sk.evaluate(folder, teachers[0], judge=teachers[1], against=other, **options)
        for teacher in teachers:
            teacher.close()
    return found, tuned.asked, base.asked, referee.asked


def test_the_held_out_questions_are_asked_as_at_inference_and_judged_twice(folder, tmp_path):
    samples = list(sk.open_run(folder).samples())
    is_apart = held_out(lambda: samples, SHARE)
    apart = {row["question"] for row in samples if is_apart(row)}
    found, tuned, base, referee = evaluated(folder, better("good"))
    assert {body["messages"][-1]["content"] for body in tuned} == apart
    assert len(tuned) == len(base) == len(apart) and len(referee) == 2 * len(apart)
    assert tuned[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (
        "Response of seed" in referee[0]["messages"][-1]["content"]
    )  # the judge looks at the seed
    assert found.verdicts == {"win": len(apart)} and found.rate == 1.0 and found.interval[0] > 0.5
    assert "tuned against base, judged by referee" in str(found) and "not chance" in str(found)
    page = (folder / "evaluation" / "tuned.html").read_text(encoding="utf-8")
    assert "good" in page and "bad" in page and "with base first" in page and "http:" not in page


def test_the_same_again_asks_nothing_twice(folder):
    evaluated(folder, better("good"))
    _, *asked = evaluated(folder, better("good"))
    assert asked == [[], [], []]


def test_a_judge_that_only_looks_at_the_order_decides_nothing(folder, tmp_path):
    found, *_ = evaluated(folder, lambda first, second: 1, prompt=own_prompt(tmp_path, "order"))
    assert set(found.verdicts) == {"tie"} and found.rate == 0.5
    assert "may be chance" in str(found)


def own_prompt(tmp_path, word):
    """A judge's prompt of one's own, so that no recorded verdict fits."""
    text = "Say which is better ({}).\n[Start of First Response]\n{{{{ first }}}}\n[End of First Response]\n"
    text += "[Start of Second Response]\n{{{{ second }}}}\n[End of Second Response]"
    tags = {
        end: [f"[{end} of {name}]" for name in ("Evaluation", "Score")] for end in ("Start", "End")
    }
    parts = {"generation": text.format(word), "start_tags": tags["Start"], "end_tags": tags["End"]}
    path = tmp_path / "compare.yaml"
    path.write_text(json.dumps(parts))
    return path


def test_without_a_second_model_the_run_s_own_samples_are_what_to_beat(folder, tmp_path):
    found, _, base, _ = evaluated(
        folder,
        lambda a, b: 3 if a == "good" else 1,
        against=False,
        prompt=own_prompt(tmp_path, "own"),
    )
    assert base == [] and set(found.verdicts) == {"loss"} and found.rate == 0.0
    assert found.other == "the run's samples"
    assert all(duel.other.startswith("Response ") for duel in found.duels)


def test_a_missing_verdict_leaves_its_question_out(folder, tmp_path):
    found, *_ = evaluated(folder, lambda a, b: 0, limit=2, prompt=own_prompt(tmp_path, "none"))
    assert (len(found.duels), found.left_out) == (0, 2)
    assert "No question could be compared" in str(found) and "2 questions left out" in str(found)


def test_without_held_out_questions_it_says_what_to_do(folder):
    with pytest.raises(RunError, match="held out at a test share of 0"):
        evaluated(folder, better("good"), test_share=0.0)


def test_the_interval_is_wide_for_few_questions():
    def of(wins, losses):
        duels = [
            Duel(str(n), "Q", "a", "b", "win" if n < wins else "loss", "", "")
            for n in range(wins + losses)
        ]
        return Evaluation("tuned", "base", "judge", duels)

    assert of(6, 4).rate == of(60, 40).rate == 0.6
    assert "may be chance" in str(of(6, 4)) and "not chance" in str(of(60, 40))
    assert "tuned is worse" in str(of(30, 70))


def test_an_export_leaves_out_what_is_kept_apart(folder, tmp_path):
    run = sk.open_run(folder)
    samples = list(run.samples())
    is_apart = held_out(lambda: samples, SHARE)
    run.export("messages", tmp_path / "train.jsonl", test_share=SHARE)
    ids = {json.loads(line)["id"] for line in (tmp_path / "train.jsonl").read_text().splitlines()}
    assert ids == {row["id"] for row in samples if not is_apart(row)}


def test_the_command_compares_and_names_the_page(folder, monkeypatch, capsys):
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


def test_the_judge_s_address_is_asked_for(folder, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with Model("tuned", "good") as tuned:
        assert main(["evaluate", str(folder), "--base-url", tuned.base_url]) == 2
    assert "--judge-base-url" in capsys.readouterr().err


def test_a_rehearsal_is_evaluated_by_the_rehearsal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    seed_file = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    assert main(["generate", str(seed_file), "--num-contexts", "2", "--out", "run"]) == 0
    assert main(["evaluate", "run", "--limit", "3", "--test-share", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "rehearsal against the run's samples" in said and "rehearsal teacher" in said
