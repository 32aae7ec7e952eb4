"""The comparison with peers: its data, what the guide shows of it, and its teacher and job."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PEERS = Path(__file__).parent / "peers"
sys.path.insert(0, str(PEERS))

from figures import Comparison, Contest
from job import SHOWN, make_job, shipped_seeds
from measuring import Measured, Server, run
from page import GUIDE, picture, table, with_table
from reference import NAMES
from roster import ROSTER

import sdgkit as sk
from sdgkit.prompts import load_prompts
from sdgkit.rehearsal.options import Options

DATA = PEERS / "measured.json"


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return Comparison.read(DATA)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Options()) as server:
        yield server


def measured(**changes: Any) -> Measured:
    values: dict[str, Any] = {
        "ended": "done",
        "samples": 50,
        "requests": 200,
        "refused": 0,
        "wall_s": 20.0,
        "generation_s": 12.0,
        "work_s": 320.0,
        "chain_s": 5.0,
        "tokens": 100_000,
        "cpu_s": 2.0,
        "memory_mb": 90.0,
        "waited_s": 1.0,
    }
    return Measured(**{**values, **changes})


def post(server: Server, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{server.base_url}/{path}",
        json.dumps({"model": "rehearsal", **body}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


# What is committed --------------------------------------------------------------------------------


def test_everybody_was_measured_with_a_version_or_it_is_said_why_not(
    comparison: Comparison,
) -> None:
    names = [contest.label for contest in comparison.contests] + list(comparison.not_run)
    assert sorted(names) == sorted(contender.label for contender in ROSTER)
    for contest in comparison.contests:
        assert bool(contest.version) == (contest.name != "by_hand")
    assert all(comparison.not_run.values())


def test_every_contender_has_runs_with_and_without_faults(comparison: Comparison) -> None:
    for contest in comparison.contests:
        assert contest.calm and contest.errors and contest.malformed
        assert len(contest.killed) == 2


def test_no_client_is_faster_than_the_bound(comparison: Comparison) -> None:
    for line in comparison.lines():
        assert line.to_bound >= 1


def test_the_guide_shows_the_table_and_the_picture_of_the_committed_data(
    comparison: Comparison,
) -> None:
    page = (GUIDE / "peers.md").read_text("utf-8")
    assert with_table(page, comparison) == page
    assert (GUIDE / "peers.svg").read_text("utf-8") == f"{picture(comparison).strip()}\n"


def test_the_guide_says_when_and_how_it_was_measured(comparison: Comparison) -> None:
    page = (GUIDE / "peers.md").read_text("utf-8")
    assert comparison.day in page
    assert "python tests/benchmarks/peers/compare.py" in page
    assert "shared" in page


# How the figures come about -----------------------------------------------------------------------


def test_what_a_contender_lost_and_repeated_is_counted_against_its_own_calm_runs(
    comparison: Comparison,
) -> None:
    by_hand = Contest("by_hand", "script", "", calm=[measured()])
    peer = Contest(
        "peer",
        "peer",
        "1",
        calm=[measured(samples=40)],
        errors=[measured(samples=30)],
        malformed=[measured(samples=0, ended="exit status 1")],
        killed=[measured(ended="killed", requests=100), measured(requests=130)],
    )
    made = Comparison("2026-12-01", comparison.setting, [by_hand, peer], {})
    line = made.lines()[1]
    assert (line.lost_to_errors, line.lost_to_form, line.repeated) == (0.25, 1.0, 30)
    assert line.requests == 5
    assert line.to_bound == pytest.approx(12 / (320 / comparison.setting.slots))


def test_one_that_did_not_come_back_after_the_kill_has_no_number(comparison: Comparison) -> None:
    by_hand = Contest("by_hand", "script", "", calm=[measured()])
    by_hand.killed += [measured(ended="killed"), measured(ended="exit status 1")]
    made = Comparison("2026-12-01", comparison.setting, [by_hand], {})
    assert made.lines()[0].repeated is None
    assert table(made).rstrip().endswith("| – |")


def test_one_that_could_not_run_is_named_with_the_reason(comparison: Comparison) -> None:
    by_hand = Contest("by_hand", "script", "", calm=[measured()])
    made = Comparison("2026-12-01", comparison.setting, [by_hand], {"peer": "No wheel."})
    assert table(made).endswith("peer could not be run: No wheel.")


# The teacher and the job --------------------------------------------------------------------------


def test_the_teacher_completes_lists_of_prompts_several_times_as_vllm_does(server: Server) -> None:
    answer = post(server, "completions", {"prompt": ["One?", "Two?"], "n": 3})
    assert [choice["index"] for choice in answer["choices"]] == list(range(6))
    assert all(choice["text"] for choice in answer["choices"])
    assert len(server.notes()["notes"]) == 6


def test_the_teacher_notes_the_longest_chain_that_leads_to_a_reply(tmp_path: Path) -> None:
    with Server(Options(mean_latency_ms=50, sigma=0)) as server:
        script = ROSTER[1]
        job_file = write_job(server, tmp_path)
        done = run(
            script.command(job_file, tmp_path),
            server,
            tmp_path,
            environment=script.environment(tmp_path),
        )
    assert done.ended == "done" and done.samples
    # A context, its questions, a judgement, a response and a judgement: each needs the one before.
    assert done.chain_s == pytest.approx(5 * 0.05)
    assert done.work_s == pytest.approx(done.requests * 0.05)
    assert done.generation_s >= done.bound_s(16)


def test_a_contender_s_prompts_are_those_that_sdgkit_sends(server: Server, tmp_path: Path) -> None:
    content = json.loads(write_job(server, tmp_path).read_text("utf-8"))
    row = content["seeds"][0]
    texts = {"context": "A context.", "question": "A question?", "response": "A response."}
    seed = shipped_seeds(1)[0]
    with connected(server) as teacher:
        plan = sk.plan([seed], teacher=teacher, profile=False)
        variables = {**plan.variables_of(plan.rows[0]), **plan.rows[0], **texts, "num_samples": 3}
    for prompt in content["prompts"]:
        message = f"{row['ask_' + prompt['name']]}\n\n{prompt['tail']}"
        for column in SHOWN[prompt["name"]]:
            message = message.replace(f"{{{{ {column} }}}}", texts[column])
        shipped = load_prompts(NAMES, "grounded")[prompt["name"]].render(variables)
        assert [prompt["system"], message] == [part["content"] for part in shipped]


def connected(server: Server) -> sk.Teacher:
    return sk.connect("openai", base_url=server.base_url, model="rehearsal", api_key="key")


def write_job(server: Server, folder: Path) -> Path:
    """The job with one seed, in a file."""
    with connected(server) as teacher:
        plan = sk.plan(shipped_seeds(1), teacher=teacher, profile=False)
        job = make_job(plan, server.base_url)
    path = folder / "job.json"
    job.write(path)
    ROSTER[1].write_settings(path, killed=False)
    return path
