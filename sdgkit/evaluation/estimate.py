"""What a run would take and bring, before it is paid for: a few rows go through all stages, the rest is reckoned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.evaluation.calibration import aside
from sdgkit.formatting import format_rough_duration
from sdgkit.journal import Journal
from sdgkit.pages import fill
from sdgkit.pipeline import Pipeline
from sdgkit.quality.verdicts import interval
from sdgkit.run.plan import Plan
from sdgkit.stages import Check, GenerateMany, Given, Row, Stage
from sdgkit.teachers.teacher import Teacher

ROWS, FURTHER = 3, 3  # seeds that are tried, and how many of the rows that one reply makes go on
MILLION = 1_000_000


@dataclass(frozen=True, repr=False)
class Estimate:
    """What the whole run would take. All numbers are reckoned from the few rows that were asked.

    requests, prompt_tokens, completion_tokens, seconds: of the whole run, the few rows included. samples: to expect,
    between low and high at 95%. cost: in the prices' currency, None without prices. tried, kept: rows at the end of
    all stages that the few could have brought, and brought. asked: requests that were made now; they are recorded if
    there is a folder. longest: the longest prompt in tokens, of the stage `longest_stage`, which asks for up to
    max_tokens; context_length: what the server can hold of both, None where it does not say.
    """

    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    samples: int
    low: int
    high: int
    cost: float | None
    tried: int
    kept: int
    asked: int
    longest: int
    longest_stage: str
    max_tokens: int
    context_length: int | None
    notes: Sequence[str] = ()

    @property
    def fits(self) -> bool | None:
        """Whether the longest prompt and its reply fit; None if the server does not say how much it can hold."""
        return (
            None
            if self.context_length is None
            else self.longest + self.max_tokens <= self.context_length
        )

    def __repr__(self) -> str:
        return "".join(
            fill("estimate.md", whole=self, time=format_rough_duration(self.seconds))
        ).rstrip()


def estimate(
    plan: Plan,
    out: str | Path | None = None,
    *,
    price_prompt: float | None = None,
    price_completion: float | None = None,
    rows: int = ROWS,
) -> Estimate:
    """Ask a few rows end to end, and reckon what the whole plan would take and bring.

    plan: what `sdgkit.plan` gives, with a teacher. out: the folder of the run to come; its journal keeps the replies,
    so that the run pays for none of them twice. price_prompt, price_completion: for a million tokens read and written;
    give both or none. rows: how many seeds to try, with one context each.
    Every prompt is rendered with every seed. Raises SdgkitError.
    """
    if (price_prompt is None) != (price_completion is None):
        raise SettingsError(
            "A price needs both parts: for a million tokens read, and for a million written."
        )
    if rows < 1:
        raise SettingsError("An estimate needs at least one seed to try.")
    some = [
        {**row, "id": id} for id, row in plan.admitted[:: max(1, len(plan.rows) // rows)][:rows]
    ]
    few = replace(
        plan, pipeline=_small(plan.pipeline), rows=some, target=None, near_duplicates=None
    )
    exchanges: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with closing(Journal(Path(out) if out is not None else None)) as kept:
        journal = Journal(replies_in=kept)
        run = aside(few, journal)
        rows_that_came = [*journal.outcomes("sample"), *journal.outcomes("drop")]
        for stage, key in {asked for row in rows_that_came for asked in row.trail}:
            exchanges[stage].append(kept.exchange(key) or {})
    whole, scale, tried = _whole(plan, {line["name"]: line for line in run.funnel}, exchanges)
    good, times, notes = run.funnel[-1]["rows_out"], 1.0, []
    samples, low, high = (
        share * scale for share in (good, *(tried * edge for edge in interval(good, tried)))
    )
    if missing := [
        stage.name for stage in plan.pipeline.stages if stage.role and not exchanges[stage.name]
    ]:
        notes.append(
            f"No row came as far as {missing[0]}: what it and later stages take is not in these numbers."
        )
    if plan.target is not None and good:
        times = plan.target / samples
        samples = low = high = plan.target
    elif plan.target is not None:
        notes.append(
            f"None of {tried} rows was kept, so nobody knows how many it takes to the target."
        )
    read, written = whole["prompt_tokens"] * times, whole["completion_tokens"] * times
    cost = ((price_prompt or 0) * read + (price_completion or 0) * written) / MILLION
    longest, asker = max(
        _prompt_lengths(plan, exchanges, [row.columns for row in rows_that_came]),
        key=lambda one: one[0],
    )
    return Estimate(
        requests=round(whole["requests"] * times),
        prompt_tokens=round(read),
        completion_tokens=round(written),
        seconds=max(whole["teacher"], whole["judge"]) * times,
        samples=round(samples),
        low=round(low),
        high=round(high),
        cost=None if price_prompt is None else cost,
        tried=tried,
        kept=good,
        asked=run.snapshot().requests,
        longest=longest,
        longest_stage=asker.name,
        max_tokens=plan.prompts[asker.name].sampling.get("max_tokens") or 0,
        context_length=_asked(plan, asker).context_length,
        notes=notes,
    )


def _small(pipeline: Pipeline) -> Pipeline:
    """The pipeline with one row of each that makes rows by a request each, and a few of those that share one.

    So every request is one that the whole run makes, too.
    """
    stages: list[Stage] = []
    for stage in pipeline.stages:
        if isinstance(stage, GenerateMany) and not stage.together:
            stages.append(replace(stage, per_row=1, extra_tries=0))
            continue
        stages.append(stage)
        if stage.many:
            few = _FirstFew((*stage.columns, "vary"), 1 if isinstance(stage, Given) else FURTHER)
            stages.append(Check(name=f"{stage.name}_first", function=few))
    return replace(pipeline, stages=tuple(stages))


class _FirstFew:
    """A check that lets on the first few rows that come of each row before these columns were made."""

    def __init__(self, made: Sequence[str], limit: int) -> None:
        self.made, self.limit = made, limit
        self.met: Counter[str] = Counter()

    def __call__(self, row: Row) -> bool:
        before = repr({name: value for name, value in row.items() if name not in self.made})
        self.met[before] += 1
        return self.met[before] <= self.limit


def _whole(
    plan: Plan, lines: Mapping[str, Row], exchanges: Mapping[str, Sequence[Row]]
) -> tuple[dict[str, float], float, int]:
    """What all stages take; how many rows of the whole run one of the few stands for at the end; and how many of the
    few could have come so far. By the name of a role: the seconds of whom it asks."""
    whole: dict[str, float] = defaultdict(float)
    tried = lines[plan.pipeline.stages[0].name]["rows_in"]
    scale = len(plan.rows) / tried
    for stage in plan.pipeline.stages:
        if isinstance(stage, GenerateMany) and not stage.together:
            scale *= stage.per_row
        for sent in exchanges[stage.name]:
            whole["requests"] += scale
            whole["prompt_tokens"] += scale * sent["prompt_tokens"]
            whole["completion_tokens"] += scale * sent["completion_tokens"]
            asked = _asked(plan, stage)  # teacher and judge work side by side, if they are two
            whole["judge" if asked is plan.judge else "teacher"] += (
                scale * sent["seconds"] / asked.slots.total
            )
        first = lines.get(f"{stage.name}_first")
        if first and first["rows_out"]:  # of none, nobody knows how many more there would be
            tried = first["rows_out"]
            came = lines[stage.name]["rows_out"] * scale
            if isinstance(stage, Given):
                came = sum(map(len, stage.rows.values()))
            scale = came / tried
    return whole, scale, tried


def _asked(plan: Plan, stage: Stage) -> Teacher:
    teacher = plan.judge if stage.role == "judge" and plan.judge is not None else plan.teacher
    assert teacher is not None
    return teacher


def _prompt_lengths(
    plan: Plan, exchanges: Mapping[str, Sequence[Row]], came: Sequence[Row]
) -> Iterator[tuple[int, Stage]]:
    """(tokens, stage) of what was sent, and of every prompt with every seed and the longest texts that came so far."""
    known: dict[str, Any] = {}
    for row in came:
        known |= {
            name: text
            for name, text in row.items()
            if len(str(text)) > len(str(known.get(name, "")))
        }
    for stage in (stage for stage in plan.pipeline.stages if stage.role):
        sent = exchanges[stage.name]
        yield max((one["prompt_tokens"] for one in sent), default=0), stage
        letters = max(
            1, sum(len(message["content"]) for one in sent for message in one["messages"])
        )
        more: dict[str, Any] = {"num_samples": getattr(stage, "per_row", 1)}
        for name, values in (getattr(stage, "vary", None) or {}).items():
            more.setdefault("vary", {})[name] = max(map(str, values), key=len)
        for _, row in plan.admitted if sent else ():
            messages = plan.prompts[stage.name].render({**known, **row, **more})
            length = sum(len(message["content"]) for message in messages)
            yield round(length * sum(one["prompt_tokens"] for one in sent) / letters), stage
