"""Every fault of the rehearsal teacher, on a whole run: nothing is lost in silence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import assert_adds_up, ignore_note

import sdgkit as sk
from sdgkit.errors import RunStopped
from sdgkit.teachers import Teacher, retry_policy

SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
SMALL: dict[str, Any] = {"num_contexts": 4, "num_questions": 2}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter waits."""
    monkeypatch.setattr(retry_policy, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry_policy, "QUIET_SECONDS", 0.5)


@pytest.fixture
def teacher_with() -> Iterator[Callable[..., Teacher]]:
    teachers: list[Teacher] = []

    def connect(**options: Any) -> Teacher:
        teachers.append(sk.connect("rehearsal", **options))
        return teachers[-1]

    yield connect
    for teacher in teachers:
        teacher.close()


def rows(count: int = 4) -> list[dict[str, Any]]:
    seeds: list[dict[str, Any]] = sk.load_seeds(SEEDS).to_list()
    return seeds[:count]


def generate(teacher: Teacher, **settings: Any) -> sk.Run:
    return sk.generate(rows(), teacher=teacher, **{**SMALL, **settings})


@pytest.fixture(scope="module")
def calm() -> list[dict[str, Any]]:
    teacher = sk.connect("rehearsal")
    samples = list(generate(teacher).samples())
    teacher.close()
    return samples


PASSING = {
    "error_rate": {"error_rate": 0.15},
    "rate_limit": {"rate_limit": 0.15},
    "retry_after": {"rate_limit": 0.05, "retry_after": 0.01},
    "drop_rate": {"drop_rate": 0.15},
    "all": {
        "error_rate": 0.04,
        "rate_limit": 0.04,
        "drop_rate": 0.04,
        "mean_latency_ms": 2.0,
        "slots": 4,
    },
}


@pytest.mark.parametrize("fault", PASSING)
def test_transient_faults_do_not_change_the_result(
    teacher_with: Callable[..., Teacher], calm: list[dict[str, Any]], fault: str
) -> None:
    run = generate(teacher_with(**PASSING[fault]))
    assert list(run.samples()) == calm
    assert run.summary.retries > 0
    assert all("teacher_error" not in line.dropped for line in run.funnel)
    assert_adds_up(run)


def test_requests_that_time_out_are_retried_once_and_then_again_by_the_next_run(
    teacher_with: Callable[..., Teacher], calm: list[dict[str, Any]]
) -> None:
    run = generate(teacher_with(hang_rate=0.08, timeout=1.0))
    assert run.summary.retries > 0
    for _ in range(5):
        assert_adds_up(run)
        lost = [drop for drop in run.drops() if drop["reason"] == "teacher_error"]
        assert lost or list(run.samples()) == calm
        run.start().wait()
    assert list(run.samples()) == calm


def test_malformed_replies_are_asked_again_and_at_most_three_in_a_hundred_rows_are_lost(
    teacher_with: Callable[..., Teacher], calm: list[dict[str, Any]]
) -> None:
    run = generate(teacher_with(malformed_rate=0.1))
    assert len(list(run.samples())) >= 0.9 * len(calm)
    assert (
        sum(line.dropped.get("malformed", 0) for line in run.funnel) <= 0.03 * run.summary.requests
    )
    assert run.summary.requests > 1.05 * sum(line.tried for line in run.funnel[:1])
    assert_adds_up(run)


def test_truncated_replies_are_dropped_and_counted(teacher_with: Callable[..., Teacher]) -> None:
    run = generate(teacher_with(truncate_rate=0.1))
    truncated = [drop for drop in run.drops() if drop["reason"] == "truncated"]
    assert truncated
    assert all("max_tokens" in drop["message"] for drop in truncated)
    assert_adds_up(run)


def test_requests_that_are_too_long_are_dropped_with_the_servers_words(
    teacher_with: Callable[..., Teacher],
) -> None:
    run = generate(teacher_with(context_length=3_100), profile=False)
    assert list(run.samples()), "the shorter requests are answered"
    refused = [drop for drop in run.drops() if drop["reason"] == "teacher_error"]
    assert refused
    assert all("context" in drop["message"] or "token" in drop["message"] for drop in refused)
    assert_adds_up(run)


@pytest.mark.parametrize(
    ("fault", "reason"), [("malformed_rate", "malformed"), ("truncate_rate", "truncated")]
)
def test_if_everything_fails_alike_the_run_stops_with_the_reason(
    teacher_with: Callable[..., Teacher], fault: str, reason: str
) -> None:
    with pytest.raises(
        RunStopped, match=rf"first 20 rows of gen_contexts all failed the same way \({reason}\)"
    ):
        generate(teacher_with(**{fault: 1.0}), num_contexts=10)


def test_all_faults_together_at_any_concurrency_add_up_and_agree(
    teacher_with: Callable[..., Teacher],
) -> None:
    faults = {"malformed_rate": 0.15, "truncate_rate": 0.03, "error_rate": 0.05, "drop_rate": 0.03}
    results = []
    for concurrency in (1, 64):
        run = generate(teacher_with(concurrency=concurrency, **faults))
        assert_adds_up(run)
        results.append((list(run.samples()), list(run.drops()), list(run.funnel)))
    assert results[0] == results[1]


def test_a_teacher_that_goes_away_stops_the_run_and_another_one_resumes_it(
    teacher_with: Callable[..., Teacher], calm: list[dict[str, Any]], tmp_path: Path
) -> None:
    first = teacher_with(patience=2.0, mean_latency_ms=5.0, sigma=0.0)
    run = sk.Run(sk.plan(rows(), teacher=first, **SMALL), tmp_path, on_note=ignore_note).start()
    while run.snapshot().requests < 60:  # some of them study the seeds, which is not repeated
        run.wait(0.01)
    first.close()
    with pytest.raises(sk.TeacherError):
        run.wait(60)
    assert run.state == "failed"
    asked = run.summary.requests
    again = sk.generate(rows(), teacher=teacher_with(), out=tmp_path, **SMALL)
    assert list(again.samples()) == calm
    assert again.snapshot().reused >= 40
    assert again.snapshot().requests <= again.summary.requests - asked + 16
    assert_adds_up(again)
