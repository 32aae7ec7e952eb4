"""What a run would take and bring, before it is paid for: a few rows go through all stages, the rest is reckoned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from sdgkit.errors import SettingsError
from sdgkit.journal import Journal, Recorded
from sdgkit.pages import count
from sdgkit.pipeline import Pipeline
from sdgkit.quality.verdicts import interval
from sdgkit.run import Run
from sdgkit.run.plans import Plan
from sdgkit.stages import Drop, GenerateMany, Given, Row, Stage, Step
from sdgkit.teachers.teacher import Reply, Request, Teacher
from sdgkit.trials import aside

ROWS, FURTHER = 3, 3  # seeds that are tried, and how many of the rows that one reply makes go on
MILLION = 1_000_000


@dataclass(frozen=True)
class Estimate:
    """What the whole run would take. All numbers are reckoned from the few rows that were asked.

    requests, prompt_tokens, completion_tokens, seconds: of the whole run, the few rows included. samples: to expect,
    between low and high at 95 %. cost: in the prices' currency, None without prices. tried, kept: rows at the end of
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
        return None if self.context_length is None else self.longest + self.max_tokens <= self.context_length

    def __repr__(self) -> str:
        minutes = "less than a minute" if self.seconds < 60 else f"about {count(round(self.seconds / 60))} min"
        held = "the server does not say how much it can hold"
        if self.context_length is not None:
            verdict = "that fits" if self.fits else "THAT DOES NOT FIT: lower max_tokens, or shorten the seeds"
            held = f"the server holds {count(self.context_length)}: {verdict}"
        return "\n".join(
            [
                f"requests   {count(self.requests)}",
                f"tokens     {count(self.prompt_tokens)} read, {count(self.completion_tokens)} written",
                f"time       {minutes}, at the speed of the rows that were tried",
                *([f"cost       {self.cost:,.2f}"] if self.cost is not None else []),
                f"samples    about {count(self.samples)} ({count(self.low)} to {count(self.high)}; "
                f"{self.kept} of {self.tried} rows that were tried are kept)",
                f"longest    {count(self.longest)} tokens of {self.longest_stage} and up to {count(self.max_tokens)} "
                f"of reply; {held}",
                *self.notes,
            ]
        )


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
        raise SettingsError("A price needs both parts: for a million tokens read, and for a million written.")
    if rows < 1 or not plan.rows:
        raise SettingsError("An estimate needs at least one seed to try.")
    if (first := plan.pipeline.stages[0]).role:  # an unknown variable shows before anything is asked
        for row in plan.rows:
            plan.prompts[first.name].render(_filled(first, row))
    few = replace(plan, pipeline=_small(plan.pipeline), rows=_some(plan, rows), target=None, near_duplicates=None)
    prices = (price_prompt, price_completion) if price_prompt is not None and price_completion is not None else None
    with closing(Journal(Path(out) if out is not None else None)) as kept:
        journal = _Borrowed(kept)
        return _reckoned(plan, aside(few, journal), journal, prices)


class _Borrowed(Journal):
    """A journal in memory that keeps its replies in another."""

    def __init__(self, kept: Journal) -> None:
        super().__init__()
        self._kept = kept
        self.asked = 0

    def reply(self, key: str) -> Recorded | None:
        return self._kept.reply(key)

    def exchange(self, key: str) -> dict[str, Any] | None:
        return self._kept.exchange(key)

    async def record(self, key: str, stage: str, model: str, request: Request, reply: Reply) -> None:
        self.asked += 1
        await self._kept.record(key, stage, model, request, reply)


@dataclass(frozen=True, kw_only=True)
class _First(Stage):
    """Lets on the first few rows that come of each row before the stage that made them."""

    made: Sequence[str]
    limit: int = FURTHER
    met: Counter[str] = field(default_factory=Counter, compare=False)
    columns: ClassVar[Sequence[str]] = ()

    async def change(self, step: Step) -> dict[str, Any]:
        before = repr({name: value for name, value in step.row.items() if name not in self.made})
        self.met[before] += 1
        if self.met[before] > self.limit:
            raise Drop("estimate", "Enough rows for an estimate.")
        return dict(step.row)

    def describe(self) -> dict[str, Any]:
        return {"kind": "First", "name": self.name}


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
            limit = 1 if isinstance(stage, Given) else FURTHER
            stages.append(_First(name=f"{stage.name}_first", made=(*stage.columns, "vary"), limit=limit))
    return replace(pipeline, stages=tuple(stages))


def _some(plan: Plan, number: int) -> list[dict[str, Any]]:
    """So many rows, from the beginning to the end, with the ids that they have in the run."""
    admitted, number = plan.admitted, min(number, len(plan.rows))
    chosen = (admitted[place * len(admitted) // number] for place in range(number))
    return [{**row, "id": id} for id, row in chosen]


@dataclass
class _Seen:
    """What the few rows showed of one stage. exchanges: its requests with their replies."""

    rows_in: int
    tried: int
    rows_out: int
    exchanges: list[dict[str, Any]] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.rows_out / self.tried if self.tried else 0.0

    def mean(self, name: str) -> float:
        return sum(found[name] for found in self.exchanges) / max(1, len(self.exchanges))


@dataclass
class _Whole:
    """What the whole run takes, and the most samples that it could bring. chances: those of the few rows."""

    requests: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    seconds: float = 0.0
    most: float = 0.0
    chances: int = 0


def _reckoned(plan: Plan, run: Run, journal: _Borrowed, prices: tuple[float, float] | None) -> Estimate:
    seen = {line["name"]: _Seen(line["rows_in"], line["tried"], line["rows_out"]) for line in run.funnel}
    outcomes = [*journal.outcomes("sample"), *journal.outcomes("drop")]
    for stage, key in {found for one in outcomes for found in one.trail}:
        if (exchange := journal.exchange(key)) is not None:
            seen[stage].exchanges.append(exchange)
    whole, kept = _whole(plan, seen), run.funnel[-1]["rows_out"]
    low, high = interval(kept, whole.chances)
    share, most, scale, notes = kept / max(1, whole.chances), whole.most, 1.0, []
    missing = [stage.name for stage in plan.pipeline.stages if not seen[stage.name].tried]
    if missing:
        notes.append(
            f"No row came as far as {missing[0]}: what it and the stages after it take is not in these numbers."
        )
    if plan.target is not None and share:
        scale, low, high, share, most = plan.target / (share * most), 1.0, 1.0, 1.0, plan.target
    elif plan.target is not None:
        notes.append(f"None of {whole.chances} rows was kept, so nobody knows how many it takes to the target.")
    tokens = (whole.prompt_tokens * scale, whole.completion_tokens * scale)
    longest, asker = _longest_prompt(plan, seen, _longest_texts(outcome.columns for outcome in outcomes))
    teacher = _asked(plan, asker) if asker is not None else None
    return Estimate(
        requests=round(whole.requests * scale),
        prompt_tokens=round(tokens[0]),
        completion_tokens=round(tokens[1]),
        seconds=whole.seconds * scale,
        samples=round(share * most),
        low=round(low * most),
        high=round(high * most),
        cost=sum(price * number for price, number in zip(prices, tokens, strict=True)) / MILLION if prices else None,
        tried=whole.chances,
        kept=kept,
        asked=journal.asked,
        longest=longest,
        longest_stage=asker.name if asker is not None else "",
        max_tokens=plan.prompts[asker.name].sampling.get("max_tokens") or 0 if asker is not None else 0,
        context_length=teacher.context_length if teacher is not None else None,
        notes=notes,
    )


def _whole(plan: Plan, seen: Mapping[str, _Seen]) -> _Whole:
    """From stage to stage: as many rows as the shares that were seen let through, each asked for as the few were."""
    rows = float(len(plan.rows))
    whole = _Whole(most=rows, chances=next(iter(seen.values())).rows_in)
    seconds: dict[int, float] = defaultdict(float)  # by teacher: they work side by side
    for stage in plan.pipeline.stages:
        mine, width = seen[stage.name], 1.0
        together = isinstance(stage, GenerateMany) and stage.together
        if isinstance(stage, Given):
            width = sum(len(given) for given in stage.rows.values()) / max(1, len(plan.rows))
            whole.chances = seen[f"{stage.name}_first"].rows_out
        elif isinstance(stage, GenerateMany):
            width = float(stage.per_row)
            whole.chances *= min(FURTHER, stage.per_row) if together else 1
        if stage.role:
            each, asks = (width, mine.tried) if stage.many and not together else (1.0, mine.rows_in)
            asked = rows * each * len(mine.exchanges) / max(1, asks)
            teacher = _asked(plan, stage)
            whole.requests += asked
            whole.prompt_tokens += asked * mine.mean("prompt_tokens")
            whole.completion_tokens += asked * mine.mean("completion_tokens")
            seconds[id(teacher)] += asked * mine.mean("seconds") / (teacher.slots.total if teacher else 1)
        rows, whole.most = rows * width * mine.share, whole.most * width
    whole.seconds = max(seconds.values(), default=0.0)
    return whole


def _asked(plan: Plan, stage: Stage) -> Teacher | None:
    return plan.judge if stage.role == "judge" and plan.judge is not None else plan.teacher


def _longest_texts(rows: Iterable[Row]) -> dict[str, str]:
    """The longest text that came so far in each column."""
    known: dict[str, str] = {}
    for row in rows:
        for name, text in row.items():
            if isinstance(text, str) and len(text) > len(known.get(name, "")):
                known[name] = text
    return known


def _filled(stage: Stage, row: Row) -> dict[str, Any]:
    """The row with what the stage itself gives to its prompt."""
    more: dict[str, Any] = {}
    if isinstance(stage, GenerateMany) and stage.together:
        more["num_samples"] = stage.per_row
    if isinstance(stage, GenerateMany) and stage.vary:
        more["vary"] = {name: max(map(str, values), key=len) for name, values in stage.vary.items()}
    return {**row, **more}


def _longest_prompt(plan: Plan, seen: Mapping[str, _Seen], known: Mapping[str, Any]) -> tuple[int, Stage | None]:
    """(tokens, stage) of the longest prompt: every stage's, with every seed and the longest texts that came so far."""
    found: list[tuple[int, Stage | None]] = [(0, None)]
    for stage in plan.pipeline.stages:
        exchanges = seen[stage.name].exchanges
        if not stage.role or not exchanges:
            continue
        sent = sum(len(message["content"]) for one in exchanges for message in one["messages"])
        tokens_each = sum(one["prompt_tokens"] for one in exchanges) / max(1, sent)
        for _, row in plan.admitted:
            messages = plan.prompts[stage.name].render(_filled(stage, {**known, **row}))
            found.append((round(sum(len(message["content"]) for message in messages) * tokens_each), stage))
        found.append((max(one["prompt_tokens"] for one in exchanges), stage))
    return max(found, key=lambda one: one[0])
