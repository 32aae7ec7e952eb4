"""How far a run is: numbers by stage, pace, the newest samples. Plain values that can be shown, sent and stored."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sdgkit.funnel import StageLine
from sdgkit.pages import fill
from sdgkit.pages.picture import draw_funnel
from sdgkit.pipeline import Pipeline
from sdgkit.stream import Tally, Target


@dataclass(frozen=True)
class Snapshot:
    """Where a run stands.

    state: new, running, paused, done, cancelled, failed or interrupted (its process is gone). stages: as in
    summary.json. requests, tokens, retries, reused, wall_s: of this session. seconds_left: an estimate, None while
    there is none. fraction: of the expected work that is done, 0 to 1. newest: the latest samples, the newest last.
    asks: whether the run is paused because a judge turned down most of its first rows (`Run.warning` explains it),
    until `Run.go_on` or `Run.cancel`.
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
    newest: Sequence[Mapping[str, Any]] = ()
    asks: bool = False

    @property
    def is_going(self) -> bool:
        """Whether it is not over, be it that it waits; its files may still be written afterwards."""
        return self.state in ("running", "paused")

    @property
    def teacher(self) -> str:
        """What the teacher is doing for this run, in a few words: busy, idle or away."""
        if self.state == "paused" and not self.asks:
            return "away"
        return (
            f"busy, {self.in_flight} of {self.slots}"
            if self.is_going and self.in_flight
            else "idle"
        )

    def as_json(self) -> dict[str, Any]:
        """As JSON values, for the journal; of the newest samples, a few."""
        return asdict(replace(self, newest=tuple(self.newest)[-5:]))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Snapshot":
        """The snapshot that `as_json` gave; keys that this version does not know are ignored."""
        names = cls.__dataclass_fields__
        fields = {name: value for name, value in values.items() if name in names}
        fields["stages"] = [StageLine.from_json(line) for line in values.get("stages", ())]
        return cls(**fields)


def pace(notes: Sequence[tuple[float, int, int, float]]) -> dict[str, float | None]:
    """Requests and tokens a second, the seconds that are left at this speed, and the fraction that is done.

    notes: when, how many requests and tokens by then, which fraction of the work; the oldest first.
    """
    (begun, requests, tokens, before), (now, requests_now, tokens_now, done) = notes[0], notes[-1]
    span = max(now - begun, 1e-6)
    gained = done - before
    left = (
        span * (1 - done) / gained if gained > 0.0001 else None
    )  # less than a minute brings of a run of a week
    rates = {
        "requests_per_s": (requests_now - requests) / span,
        "tokens_per_s": (tokens_now - tokens) / span,
    }
    return {**rates, "seconds_left": left, "fraction": done}


def funnel_of(
    pipeline: Pipeline, tally: Tally, rows: int, target: Target | None = None
) -> list[StageLine]:
    """The stages as summary.json lists them: name, rows_in, tried, rows_out, dropped by reason.

    A stage's rows_in is the rows_out of the one before; tried = rows_out + dropped. A target adds a last line for its
    surplus.
    """
    stages: list[StageLine] = []
    for name, counts in zip(pipeline.names, tally.by_stage(len(pipeline.stages)), strict=True):
        tried = counts.rows_out + sum(counts.dropped.values())
        stages.append(StageLine.from_drops(name, rows, counts.dropped, tried))
        rows = counts.rows_out
    if target is not None and target.surplus:
        stages.append(StageLine.from_drops("target", rows, {"target": target.surplus}))
    return stages


def fraction(pipeline: Pipeline, stages: Sequence[StageLine], rows: int) -> float:
    """How much of the expected work is done, 0 to 1: every row counts as the samples it could have become."""
    done, worth = stages[-1].rows_out, 1
    for stage, line in zip(reversed(pipeline.stages), reversed(stages), strict=True):
        done += worth * line.dropped_rows
        worth *= stage.per_row
    return float(done / max(1, worth * rows))


class Funnel(list[StageLine]):
    """The stages of a run with their numbers; prints as a table, and as the method's picture in a notebook."""

    def __repr__(self) -> str:
        return "".join(fill("funnel.txt", stages=self))

    def _repr_html_(self) -> str:
        return draw_funnel(self) if self else "<p>No stage has run yet.</p>"
