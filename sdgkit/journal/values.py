"""What a journal holds, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.teachers.endings import Ending, ending_of
from sdgkit.teachers.teacher import Reply


@dataclass(frozen=True)
class RecordedReply:
    """A reply as the journal holds it.

    Attributes:
        reply: The reply.
        session: The number of the session that recorded it.
    """

    reply: Reply
    session: int


@dataclass(frozen=True)
class RecordedExchange:
    """A request as it was sent, and the reply to it.

    Attributes:
        key: The key of the request.
        session: The number of the session that recorded it.
        stage: The stage that asked.
        model: The model that answered.
        ordinal: Which of several requests for the same row it was, from 1.
        attempt: 1, or higher where a malformed reply was requested again.
        messages: The messages sent.
        sampling: The sampling settings sent.
        text: The raw reply.
        reasoning: What a reasoning model thought first.
        finish_reason: Why the reply ended, in the server's word.
        prompt_tokens: Tokens the server read.
        completion_tokens: Tokens the server wrote.
        seconds: How long it took.
    """

    key: str
    session: int
    stage: str
    model: str
    ordinal: int
    attempt: int
    messages: Sequence[Mapping[str, str]]
    sampling: Mapping[str, Any]
    text: str
    reasoning: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float

    @property
    def how_it_ended(self) -> str:
        """What to add to its description where it did not end naturally; otherwise empty."""
        ending = ending_of(self.finish_reason)
        if ending in (Ending.NATURAL, Ending.UNSAID):
            return ""
        if ending is Ending.TRUNCATED:
            return ", cut off"
        return f", ended with finish_reason {self.finish_reason!r}"


@dataclass(frozen=True)
class Outcome:
    """What became of a row: a sample (`stage` is empty) or a drop.

    Attributes:
        id: The row's lineage, such as `s3/c7/q2`.
        place: A text that sorts rows in lineage order.
        unit: The seed that the row came from, or that seed's part of a round of a target, counted
            from 1.
        columns: The row's columns as they stood.
        trail: The stage and the key of every reply in the row's history, in order.
        stage: The stage at which the row was dropped.
        reason: Why it was dropped, in a word.
        message: Why it was dropped, in a sentence.
        reply: The raw reply that shows why.
    """

    id: str
    place: str
    unit: int
    columns: Mapping[str, Any]
    trail: Sequence[tuple[str, str]]
    stage: str = ""
    reason: str = ""
    message: str = ""
    reply: str = ""

    def as_drop(self) -> dict[str, Any]:
        """The line of `dropped.jsonl`."""
        drop = {
            "id": self.id,
            "stage": self.stage,
            "reason": self.reason,
            "message": self.message,
            "reply": self.reply,
        }
        for name, value in self.columns.items():
            drop.setdefault(name, value)
        return drop


@dataclass(frozen=True)
class Edition:
    """The edition that was begun last.

    Attributes:
        id: The hash of its config.
        config: Everything that decides its rows, as JSON values.
    """

    id: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Session:
    """One start of a run, up to its end.

    Attributes:
        state: What the run was doing when it last wrote here.
        process: The number of its process.
        host: The machine that the process ran on.
        seen: When it last wrote here, in seconds since 1970.
        snapshot: The run's progress then, as JSON values; None before the first time.
    """

    state: str
    process: int
    host: str
    seen: float
    snapshot: Mapping[str, Any] | None

    @property
    def is_over(self) -> bool:
        """Whether it ended normally and wrote its files: neither running nor killed."""
        return self.state in ("done", "cancelled", "failed")


@dataclass(frozen=True)
class Totals:
    """The numbers of all sessions together; `sdgkit.funnel.Summary` explains them."""

    sessions: int
    requests: int
    retries: int
    reused: int
    prompt_tokens: int
    completion_tokens: int
    wall_s: float
    started: str | None
    ended: str | None


@dataclass(frozen=True)
class Export:
    """A training file that was exported into the run's folder.

    Attributes:
        path: The file, relative to the folder.
        format: Its format.
        test_share: The share of contexts that was held out, None if nothing was said.
    """

    path: str
    format: str
    test_share: float | None = None
