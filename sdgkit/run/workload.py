"""What a run sets out to do: rows and requests by stage, known before the first request."""

from collections.abc import Sequence
from dataclasses import dataclass

from sdgkit.formatting import format_number, pluralize
from sdgkit.funnel import StageLine
from sdgkit.run.plan import Plan

PRIOR_ROWS = 4
"""Rows without a drop that each stage is credited with: the first drop decides little."""


@dataclass(frozen=True)
class StageLoad:
    """What a stage sets out to do if no row is dropped before it.

    Attributes:
        name: The stage's name.
        rows: The rows that it sets out to make.
        requests_per_row: The requests for each row that reaches it.
        rows_per_row: The rows that it makes of each.
    """

    name: str
    rows: int
    requests_per_row: int
    rows_per_row: float


@dataclass(frozen=True)
class Workload:
    """What a whole run sets out to do if no row is dropped.

    Attributes:
        rows: The input rows.
        stages: The stages, in order.
        responses: Responses to each question, of which one is kept.
        target: How many samples to keep; None for one pass over the rows.
        studies: Whether the teacher studies the seeds first.
    """

    rows: int
    stages: Sequence[StageLoad]
    responses: int = 1
    target: int | None = None
    studies: bool = False

    @classmethod
    def of(cls, plan: Plan) -> "Workload":
        """The workload of a plan."""
        stages = []
        rows = len(plan.rows)
        for stage in plan.pipeline.stages:
            if stage.total_rows is None:
                rows_out = rows * stage.per_row
            else:
                rows_out = stage.total_rows
            requests = stage.requests_per_row if stage.role else 0
            growth = 1.0
            if rows:
                growth = rows_out / rows
            stages.append(StageLoad(stage.name, rows_out, requests, growth))
            rows = rows_out
        return cls(
            rows=len(plan.rows),
            stages=tuple(stages),
            responses=plan.responses,
            target=plan.target,
            studies=plan.study is not None,
        )

    @property
    def samples(self) -> int:
        """The samples of the run: its target, or the most that one pass can bring."""
        if self.target is not None:
            return self.target
        rows = self.rows
        if self.stages:
            rows = self.stages[-1].rows
        return rows // max(1, self.responses)

    @property
    def requests(self) -> int:
        """The requests of one pass if no row is dropped; each repeated one comes on top."""
        total = 0
        rows = self.rows
        for stage in self.stages:
            total += rows * stage.requests_per_row
            rows = stage.rows
        return total

    @property
    def most_rows(self) -> int:
        """The rows of the stage that tries the most."""
        return max((stage.rows for stage in self.stages), default=self.rows)

    @property
    def samples_in_words(self) -> str:
        """Such as `of at most 120`."""
        limit = "at most "
        if self.target is not None:
            limit = ""
        return f"of {limit}{format_number(self.samples)}"

    def __str__(self) -> str:
        requests = pluralize(self.requests, "request")
        study = ""
        if self.studies:
            study = ", after a study of the seeds"
        if self.target is not None:
            samples = pluralize(self.target, "sample")
            return f"about {requests} a round until {samples} are kept{study}"
        samples = pluralize(self.samples, "sample")
        return f"up to {requests} for at most {samples}{study}"

    def busiest_stage(self, lines: Sequence[StageLine]) -> str:
        """The name of the stage that has the most requests to make for the rows that reached it.

        Args:
            lines: The funnel as it is now.
        """
        most = 0.0
        busiest = ""
        for stage, line in zip(self.stages, lines, strict=False):
            rows_to_come = line.rows_in - line.tried / max(stage.rows_per_row, 1e-9)
            requests = rows_to_come * stage.requests_per_row
            if requests > most:
                most = requests
                busiest = stage.name
        return busiest

    def fraction_done(self, lines: Sequence[StageLine]) -> float:
        """How much of one pass is done, 0 to 1, measured in requests.

        What is still to come is expected from the share of rows that each stage has let through.

        Args:
            lines: The funnel as it is now.
        """
        done = 0.0
        total = 0.0
        expected_in = float(self.rows)
        for stage, line in zip(self.stages, lines, strict=False):
            rows_done = 0.0
            if stage.rows_per_row:
                rows_done = line.tried / stage.rows_per_row
            expected_in = max(expected_in, rows_done)
            weight = stage.requests_per_row
            done += rows_done * weight
            total += expected_in * weight
            let_through = (line.rows_out + PRIOR_ROWS) / (line.tried + PRIOR_ROWS)
            expected_in *= stage.rows_per_row * let_through
        if not total:  # no stage asks: every row is over at once
            if not lines:
                return 0.0
            return min(1.0, lines[-1].tried / max(1, self.stages[-1].rows))
        return min(1.0, done / total)
