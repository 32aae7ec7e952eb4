"""SmolLM2-135M-Instruct behind the real vLLM: the whole method on a model that has learned.

What it writes is of no use, and no test here asks for more. What is asked for is what you rely on:
every reply is accounted for, a form that is forced is kept, nothing is lost at a kill, a loop is
told as one, and a judge like this is not believed.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from quality_set import Skill, load_skills
from teachers.environments import clean_environment
from teachers.real_servers import KEY, SEEN, RealServer
from teachers.samples import (
    SHORT_PROMPTS,
    SHORT_SEED_FILE,
    assert_adds_up,
    assert_keeps_to_short_forms,
)
from teachers.waiting import wait_until

import sdgkit as sk
from sdgkit.evaluation.judgement import judge_rows
from sdgkit.prompts import Prompt
from sdgkit.stages import ends_in_loop
from sdgkit.teachers import Teacher

CONTEXTS = 4  # for each of four seeds


@pytest.fixture
def small(small_vllm: RealServer) -> Iterator[Teacher]:
    """The small model, connected to as a user does it."""
    made = sk.connect("vllm", base_url=small_vllm.url, api_key=KEY)
    yield made
    made.close()


def generate(server: RealServer, out: Path, repo: Path) -> list[str]:
    command = [sys.executable, "-m", "sdgkit", "generate", str(SHORT_SEED_FILE)]
    command += ["--base-url", server.url, "--prompts", str(SHORT_PROMPTS), "--no-profile"]
    command += ["--num-contexts", str(CONTEXTS), "--num-questions", "1", "--out", str(out)]
    return command


def replies_in(folder: Path) -> int:
    """How many replies a run has recorded so far."""
    if not (folder / "journal.sqlite").exists():
        return 0
    return sk.open_run(folder).snapshot().requests


def test_the_whole_method_by_command_survives_a_kill_and_loses_nothing(
    small_vllm: RealServer, tmp_path: Path, repo: Path
) -> None:
    out = tmp_path / "run"
    command = generate(small_vllm, out, repo)
    environment = clean_environment(SDGKIT_API_KEY=KEY, PYTHONPATH=str(repo))
    with (tmp_path / "first.log").open("wb") as log:
        first = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)
        wait_until(lambda: first.poll() is not None or replies_in(out) >= 12)
        first.send_signal(signal.SIGKILL)
        first.wait()
    before = replies_in(out)
    assert before >= 12, (tmp_path / "first.log").read_text(encoding="utf-8")
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = sk.open_run(out)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["state"] == "done"
    assert f"sent {summary['requests'] - before} requests" in done.stdout + done.stderr
    assert_adds_up(run)
    assert_keeps_to_short_forms(run)
    assert run.funnel[0].rows_out == 4 * CONTEXTS
    assert {drop["reason"] for drop in run.drops()} <= {"score", "duplicate"}
    samples = list(run.samples())
    training_rows = (out / "train_messages.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(training_rows) == len(samples) > 0
    assert summary["prompt_tokens"] > summary["completion_tokens"] > 0
    assert summary["wall_s"] > 0
    for row in [*samples, *run.drops()]:
        for exchange in run.trace(row["id"]).exchanges:
            assert exchange.seconds > 0 and exchange.completion_tokens > 0
    by_stage = ", ".join(f"{line.name} {line.rows_out} of {line.tried}" for line in run.funnel)
    SEEN.append(f"SmolLM2-135M by command, killed after {before} replies: {by_stage}")


def test_a_loop_of_a_real_model_is_led_out_of_or_told_as_a_loop(small: Teacher) -> None:
    greedy = Prompt(
        "gen_contexts",
        generation="Tell me about the sea, {{ seed_question }}",
        start_tags=("[Start of Context]",),
        end_tags=("[End of Context]",),
        sampling={"temperature": 0, "max_tokens": 240},
    )
    seeds = sk.load_seeds(SHORT_SEED_FILE)
    run = sk.gen_contexts.run(
        seeds, teacher=small, num_contexts=1, extra_tries=0, prompt=greedy, structure="never"
    )
    assert_adds_up(run)
    looped = 0
    for row in [*run.samples(), *run.drops()]:
        exchanges = run.trace(row["id"]).exchanges
        for exchange, following in pairwise(exchanges):
            if exchange.finish_reason == "length":
                assert ends_in_loop(exchange.text), "only a loop is asked again"
                looped += 1
                assert following.sampling["extra_body"]["repetition_penalty"] > 1
                assert following.sampling["temperature"] > 0
    assert looped, "a greedy model of this size loops"
    assert {drop["reason"] for drop in run.drops()} <= {"loop", "truncated", "malformed"}
    for drop in run.drops():
        if drop["reason"] == "truncated":
            assert not ends_in_loop(drop["reply"])
    SEEN.append(f"SmolLM2-135M, greedy: {looped} replies ended in a loop and were asked again")


def clock() -> Skill:
    [skill] = [skill for skill in load_skills() if skill.name == "speaking_clock"]
    return skill


def test_a_judge_of_135_million_parameters_cannot_be_believed_and_calibration_says_so(
    small: Teacher,
) -> None:
    greedy = {"evaluate_qa_pair": {"temperature": 0}}
    calibration = sk.calibrate(small, clock().seeds, prompts=SHORT_PROMPTS, sampling=greedy)
    asked = calibration.good.asked + calibration.bad.asked
    unsure = calibration.good.unsure + calibration.bad.unsure
    assert asked > 10
    assert unsure == 0, "a forced verdict is always one"
    assert not calibration.tells_apart
    assert "this judge cannot be believed" in str(calibration).lower()
    SEEN.append(
        f"SmolLM2-135M as a judge: {calibration.good.kept} of {calibration.good.asked} good and "
        f"{calibration.bad.kept} of {calibration.bad.asked} damaged responses kept"
    )


def test_every_row_of_the_fault_set_gets_a_verdict_of_the_forced_form(small: Teacher) -> None:
    skill = clock()
    plan = sk.plan(skill.seeds, teacher=small, prompts=SHORT_PROMPTS, profile=False)
    known = [*skill.good, *skill.faults]
    rows = [skill.for_judge(row, place) for place, row in enumerate(known)]
    judgements = judge_rows(small, rows, plan)
    assert len(judgements) == len(known)
    for judgement in judgements:
        assert judgement.kept == (judgement.row["score"] >= 2)
        assert judgement.row["evaluation"].endswith(".")
