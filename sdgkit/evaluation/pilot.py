"""A pilot: a few rows go through all stages, and show what the whole run would be like."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdgkit.evaluation.quiet_runs import run_quietly
from sdgkit.funnel import StageLine
from sdgkit.journal import Journal, RecordedExchange
from sdgkit.pipeline import Pipeline
from sdgkit.run.plan import Plan
from sdgkit.run.profiles import studied
from sdgkit.samples import Row
from sdgkit.stages import Check, Stage

ROWS_PER_REPLY = 3  # how many of the rows in one reply are followed to the end


@dataclass(frozen=True)
class Exchange:
    """The size of one request and its reply.

    Attributes:
        characters: Length of all messages that were sent.
        prompt_tokens: The same length in tokens, as the server counts them.
        completion_tokens: Tokens of the reply.
        seconds: From sending the request to the end of the reply.
    """

    characters: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True)
class Pilot:
    """What became of the few rows.

    Attributes:
        seeds: Seeds that were tried.
        funnel: The funnel's lines, by stage name.
        exchanges: Every request with its reply, by stage name, whether it was asked now or recorded
            before.
        rows: The columns of each row where it ended, as a sample or as a drop.
        kept: Samples.
        samples: The samples themselves, in lineage order.
        requests: Requests that were made now.
        study: The requests by which the seeds were studied before, by stage name.
    """

    seeds: int
    funnel: Mapping[str, StageLine]
    exchanges: Mapping[str, Sequence[Exchange]]
    rows: Sequence[Row]
    kept: int
    samples: Sequence[Row]
    requests: int
    study: Mapping[str, Sequence[Exchange]] = field(default_factory=dict)

    def limited_rows(self, stage: Stage) -> int:
        """How many of the rows that this stage made were followed; 0 if it made none."""
        line = self.funnel.get(_limit_name(stage))
        if line is not None:
            return line.rows_out
        return 0


def run_pilot(plan: Plan, seeds: int, out: str | Path | None = None) -> Pilot:
    """Send a few of a plan's seeds through all of its stages.

    Every request is one that the whole run also makes.

    Args:
        plan: The plan of the whole run.
        seeds: How many seeds to try; they are spread over all.
        out: The run's folder. Its journal keeps the replies, so that the run does not ask again.

    Raises:
        SdgkitError: If the pilot cannot be carried out.
    """
    folder = None
    if out is not None:
        folder = Path(out)
    with closing(Journal(folder)) as replies:
        recorded_before = replies.count_replies()
        begun = studied(plan, replies)
        pilot = _run_pilot(begun.plan, seeds, replies)
        return replace(
            pilot,
            requests=replies.count_replies() - recorded_before,
            study=_exchanges(begun.trail, replies),
        )


def _run_pilot(plan: Plan, seeds: int, replies: Journal) -> Pilot:
    step = max(1, len(plan.rows) // seeds)
    chosen = plan.admitted[::step][:seeds]
    small_plan = replace(
        plan,
        pipeline=_small(plan.pipeline),
        rows=[{**columns, "id": row_id} for row_id, columns in chosen],
        shown_seeds=plan.rows,
        target=None,
        near_duplicates=None,
        twins="keep",
        responses=1,
    )
    rows_journal = Journal(replies_in=replies)  # in memory: the pilot's rows are not the run's
    run = run_quietly(small_plan, rows_journal)
    samples = list(rows_journal.outcomes("sample"))
    outcomes = [*samples, *rows_journal.outcomes("drop")]
    asked: set[tuple[str, str]] = set()  # what rows share, once
    for outcome in outcomes:
        asked.update(outcome.trail)
    return Pilot(
        seeds=run.funnel[0].rows_in,
        funnel={line.name: line for line in run.funnel},
        exchanges=_exchanges(asked, replies),
        rows=[outcome.columns for outcome in outcomes],
        kept=run.funnel[-1].rows_out,
        samples=[outcome.columns for outcome in samples],
        requests=run.snapshot().requests,
    )


def _exchanges(asked: Iterable[tuple[str, str]], replies: Journal) -> dict[str, list[Exchange]]:
    """The exchanges with these stage names and keys, by stage name."""
    exchanges: dict[str, list[Exchange]] = defaultdict(list)
    for stage, key in asked:
        recorded = replies.exchange(key)
        if recorded is not None:
            exchanges[stage].append(_exchange(recorded))
    return exchanges


def _exchange(recorded: RecordedExchange) -> Exchange:
    characters = 0
    for message in recorded.messages:
        characters += len(message["content"])
    return Exchange(
        characters=characters,
        prompt_tokens=recorded.prompt_tokens,
        completion_tokens=recorded.completion_tokens,
        seconds=recorded.seconds,
    )


def _small(pipeline: Pipeline) -> Pipeline:
    """The pipeline with fewer rows.

    A stage that makes each row by a request of its own makes one. Of the rows that a single reply
    brings, only the first few are followed.
    """
    stages: list[Stage] = []
    for stage in pipeline.stages:
        stages.append(stage.with_single_request())
        if stage.fans_out and not stage.has_separate_requests:
            limit = ROWS_PER_REPLY
            if stage.total_rows is not None:
                limit = 1
            first_rows = _FirstRows((*stage.columns, "vary"), limit)
            stages.append(Check(name=_limit_name(stage), function=first_rows))
    return replace(pipeline, stages=tuple(stages))


def _limit_name(stage: Stage) -> str:
    """The name of the check that keeps only the first rows of this stage."""
    return f"{stage.name}_first"


class _FirstRows:
    """A check that keeps the first rows made of each parent row and drops the others.

    Args:
        made: The columns that the new rows have and the parent has not.
        limit: How many rows of each parent to keep.
    """

    def __init__(self, made: Sequence[str], limit: int) -> None:
        self._made = made
        self._limit = limit
        self._rows_by_parent: Counter[str] = Counter()

    def __call__(self, row: Row) -> bool:
        columns = {}
        for name, value in row.items():
            if name not in self._made:
                columns[name] = value
        parent = repr(columns)
        self._rows_by_parent[parent] += 1
        return self._rows_by_parent[parent] <= self._limit
