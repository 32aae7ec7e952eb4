"""The state of a run: numbers by stage, pace, the newest samples."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sdgkit.funnel import FAILURES, StageLine
from sdgkit.pages import fill
from sdgkit.pages.picture import draw_funnel
from sdgkit.pipeline import Pipeline
from sdgkit.run.workload import Workload
from sdgkit.samples import Row
from sdgkit.stream import Tally, Target
from sdgkit.stream.stream import StageText

STORED_SAMPLES = 5
"""How many of the newest samples a stored snapshot holds."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at one moment.

    Attributes:
        state: `new`, `running`, `paused`, `done`, `cancelled`, `failed`, or `interrupted` (its
            process is gone).
        stages: The funnel, one line a stage.
        samples: Samples so far.
        seeds: Seed examples that go in.
        requests: Requests of this session; of a run that is over and opened again, of all its
            sessions, and so are the numbers up to `wall_s`.
        reused: Recorded replies used in this session in place of a request.
        retries: Requests of this session that were sent again after an error.
        completion_tokens: Tokens written in this session.
        in_flight: Requests that the teachers are working on.
        slots: Requests that the teachers may be working on at once.
        wall_s: Seconds since the session began.
        requests_per_s: Requests a second, over the last minute.
        tokens_per_s: Tokens written a second, over the last minute.
        seconds_left: Seconds left at this pace; None while that cannot be estimated.
        fraction: The fraction of the expected work that is done, 0 to 1.
        message: Why the run is paused, interrupted or failed.
        newest: The newest samples, the latest last.
        texts: The newest texts and drops of every stage, in the order of the stages.
        failed: Rows that technical failures dropped, such as malformed replies.
        workload: What the run sets out to do; None where that is not known.
        asks: Whether the run is paused because a judge rejected most of its first rows
            (`Run.warning` explains it), until `Run.continue_after_warning` or `Run.cancel` is
            called.
        distinct_answers: How many samples are left if each answer to a context counts once; None
            before the run is over.
        base_url: Where the teacher is, to be shown and never to be asked; None for a rehearsal,
            which is somewhere else each time.
    """

    state: str
    stages: Sequence[StageLine] = ()
    samples: int = 0
    seeds: int = 0
    requests: int = 0
    reused: int = 0
    retries: int = 0
    completion_tokens: int = 0
    in_flight: int = 0
    slots: int = 0
    wall_s: float = 0.0
    requests_per_s: float = 0.0
    tokens_per_s: float = 0.0
    seconds_left: float | None = None
    fraction: float = 0.0
    message: str = ""
    newest: Sequence[Row] = ()
    texts: Sequence[StageText] = ()
    failed: int = 0
    workload: Workload | None = None
    asks: bool = False
    distinct_answers: int | None = None
    base_url: str | None = None

    @property
    def is_active(self) -> bool:
        """True while running or paused; afterwards, files may still be written."""
        return self.state in ("running", "paused")

    @property
    def teacher(self) -> str:
        """What the teacher is doing for this run, in a few words: busy, idle or away."""
        if self.state == "paused" and not self.asks:
            return "away"
        if self.is_active and self.in_flight:
            return f"busy, {self.in_flight} of {self.slots}"
        return "idle"

    def as_json(self) -> dict[str, Any]:
        """The snapshot as the journal stores it, with a few of the newest samples."""
        newest = tuple(self.newest)[-STORED_SAMPLES:]
        return asdict(replace(self, newest=newest))


class Funnel(list[StageLine]):
    """The lines of all stages: a table when printed, the method's picture in a notebook."""

    def __repr__(self) -> str:
        return "".join(fill("funnel.txt", stages=self))

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No stage has run yet.</p>"
        return draw_funnel(self)


def funnel_of(
    pipeline: Pipeline, tally: Tally, rows: int, target: Target | None = None
) -> list[StageLine]:
    """The funnel of a run.

    Args:
        pipeline: The stages.
        tally: The rows that left each stage.
        rows: The rows that go in.
        target: The target, if it was pursued to the end; its surplus becomes a last line.
    """
    lines: list[StageLine] = []
    rows_in = rows
    for name, counts in zip(pipeline.names, tally.by_stage(len(pipeline.stages)), strict=True):
        tried = counts.rows_out + sum(counts.dropped.values())
        lines.append(StageLine.from_drops(name, rows_in, counts.dropped, tried))
        rows_in = counts.rows_out
    if target is not None and target.surplus:
        lines.append(StageLine.from_drops("target", rows_in, {"target": target.surplus}))
    return lines


def texts_of(newest_texts: Mapping[str, deque[StageText]]) -> tuple[StageText, ...]:
    """The newest texts of all stages. The stream may be adding some in another thread."""
    texts: list[StageText] = []
    for newest in newest_texts.values():
        texts += newest.copy()
    return tuple(texts)


def failed_rows(funnel: Sequence[StageLine]) -> int:
    """The rows that technical failures dropped."""
    failed = 0
    for line in funnel:
        failed += sum(line.dropped.get(reason, 0) for reason in FAILURES)
    return failed
