"""What stages ask of their teachers: requests, tokens and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdgkit.evaluation.pilot import Exchange
from sdgkit.run.plan import Plan
from sdgkit.stages import Stage
from sdgkit.teachers.teacher import Teacher


@dataclass(frozen=True)
class Work:
    """What a number of requests takes. Teacher and judge work at the same time, if they are two.

    Attributes:
        requests: Their number.
        prompt_tokens: The tokens of the requests.
        completion_tokens: The tokens of the replies.
        teacher_seconds: How long the teacher works.
        judge_seconds: How long the judge works, if it is another.
        first_seconds: How long the study takes, before which neither of them begins.
    """

    requests: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    teacher_seconds: float = 0.0
    judge_seconds: float = 0.0
    first_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it takes until both are finished."""
        return self.first_seconds + max(self.teacher_seconds, self.judge_seconds)

    def plus(self, other: Work) -> Work:
        """Both together."""
        return Work(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            teacher_seconds=self.teacher_seconds + other.teacher_seconds,
            judge_seconds=self.judge_seconds + other.judge_seconds,
            first_seconds=self.first_seconds + other.first_seconds,
        )

    def times(self, factor: float) -> Work:
        """The same work, this many times."""
        return Work(
            requests=self.requests * factor,
            prompt_tokens=self.prompt_tokens * factor,
            completion_tokens=self.completion_tokens * factor,
            teacher_seconds=self.teacher_seconds * factor,
            judge_seconds=self.judge_seconds * factor,
            first_seconds=self.first_seconds * factor,
        )


def work_of_exchanges(exchanges: Sequence[Exchange]) -> Work:
    """What exchanges took, but for the time."""
    prompt_tokens = 0
    completion_tokens = 0
    for exchange in exchanges:
        prompt_tokens += exchange.prompt_tokens
        completion_tokens += exchange.completion_tokens
    return Work(
        requests=len(exchanges),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )


def seconds_of(exchanges: Sequence[Exchange], teacher: Teacher) -> float:
    """How long exchanges take, if all slots of the teacher are filled."""
    seconds = 0.0
    for exchange in exchanges:
        seconds += exchange.seconds
    return seconds / teacher.slots.total


def asked_by(stage: Stage, plan: Plan) -> Teacher:
    """The teacher that a stage asks."""
    if stage.role == "judge" and plan.judge is not None:
        return plan.judge
    assert plan.teacher is not None, "a plan without a teacher is refused when the pilot starts"
    return plan.teacher
