"""What a run would take and bring, before it is paid for: a few rows go through all stages, the rest is reckoned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from sdgkit.errors import SettingsError
from sdgkit.journal import Journal, Recorded
from sdgkit.pages import count
from sdgkit.pipeline import Pipeline
from sdgkit.plans import Plan
from sdgkit.quality.verdicts import interval
from sdgkit.run import Run
from sdgkit.stages import Drop, GenerateMany, Given, Row, Stage, Step
from sdgkit.teachers.teacher import Reply, Request, Teacher

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

    @property
    def text(self) -> str:
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

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


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
    for row in plan.rows:
        _render_first(plan, row)
    kept = Journal(Path(out) if out is not None else None)
    try:
        few = replace(plan, pipeline=_small(plan.pipeline), rows=_some(plan, rows), target=None, near_duplicates=None)
        journal = _Borrowed(kept)
        run = Run(few, journal=journal, on_note=lambda note: None).start().wait()
        return _reckoned(plan, run, journal, price_prompt, price_completion)
    finally:
        kept.close()


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
    admitted = plan.admitted
    step = len(admitted) / min(number, len(admitted))
    return [
        {**admitted[int(place * step)][1], "id": admitted[int(place * step)][0]}
        for place in range(min(number, len(admitted)))
    ]


@dataclass
class _Seen:
    """What the few rows showed of one stage."""

    rows_in: int
    tried: int
    rows_out: int
    exchanges: list[dict[str, Any]] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.rows_out / self.tried if self.tried else 0.0

    def mean(self, name: str) -> float:
        return sum(found[name] for found in self.exchanges) / max(1, len(self.exchanges))


def _reckoned(
    plan: Plan, run: Run, journal: _Borrowed, price_prompt: float | None, price_completion: float | None
) -> Estimate:
    seen = {line["name"]: _Seen(line["rows_in"], line["tried"], line["rows_out"]) for line in run.funnel}
    known: dict[str, Any] = {}
    for stage, key in {found for kind in ("sample", "drop") for one in journal.outcomes(kind) for found in one.trail}:
        if (exchange := journal.exchange(key)) is not None:
            seen[stage].exchanges.append(exchange)
    for kind in ("sample", "drop"):
        for outcome in journal.outcomes(kind):
            known = {**outcome.columns, **known, **_longer(outcome.columns, known)}
    whole = _whole(plan, seen)
    tried, kept = _chances(plan, seen), list(seen.values())[-1].rows_out
    low, high = interval(kept, tried)
    share, most = kept / tried if tried else 0.0, whole["most"]
    scale, notes = 1.0, []
    missing = [stage.name for stage in plan.pipeline.stages if not seen[stage.name].tried]
    if missing:
        notes.append(
            f"No row came as far as {missing[0]}: what it and the stages after it take is not in these numbers."
        )
    if plan.target is not None:
        if share:
            scale, low, high, share, most = plan.target / (share * most), 1.0, 1.0, 1.0, plan.target
        else:
            notes.append(f"None of {tried} rows was kept, so nobody knows how many it takes to the target.")
    prompt, completion = whole["prompt_tokens"] * scale, whole["completion_tokens"] * scale
    cost = None
    if price_prompt is not None and price_completion is not None:
        cost = (prompt * price_prompt + completion * price_completion) / MILLION
    longest, stage_name = _longest_prompt(plan, seen, known)
    asking = {name: prompt_.sampling.get("max_tokens") or 0 for name, prompt_ in plan.prompts.items()}
    return Estimate(
        requests=round(whole["requests"] * scale),
        prompt_tokens=round(prompt),
        completion_tokens=round(completion),
        seconds=max(whole["teacher"], whole["judge"]) * scale,
        samples=round(share * most),
        low=round(low * most),
        high=round(high * most),
        cost=cost,
        tried=tried,
        kept=kept,
        asked=journal.asked,
        longest=longest,
        longest_stage=stage_name,
        max_tokens=asking.get(stage_name, 0),
        context_length=_holds(plan, stage_name),
        notes=notes,
    )


def _whole(plan: Plan, seen: Mapping[str, _Seen]) -> dict[str, float]:
    """The whole run's requests, tokens and seconds by role, and the most samples that it could bring."""
    total: dict[str, float] = defaultdict(float)
    rows = most = float(len(plan.rows))
    slots = {"teacher": plan.teacher, "judge": plan.judge or plan.teacher}
    for stage in plan.pipeline.stages:
        mine, width = seen[stage.name], _width(stage, len(plan.rows))
        one_by_one = stage.many and not getattr(stage, "together", False)
        if stage.role:
            asks = mine.tried if one_by_one else mine.rows_in
            asked = rows * (width if one_by_one else 1) * len(mine.exchanges) / max(1, asks)
            total["requests"] += asked
            for name in ("prompt_tokens", "completion_tokens"):
                total[name] += asked * mine.mean(name)
            teacher = slots[stage.role]
            role = "judge" if plan.judge is not None and stage.role == "judge" else "teacher"
            total[role] += asked * mine.mean("seconds") / (teacher.slots.total if teacher else 1)
        rows, most = rows * width * mine.share, most * width
    return {
        **dict.fromkeys(("requests", "prompt_tokens", "completion_tokens", "teacher", "judge"), 0.0),
        **total,
        "most": most,
    }


def _width(stage: Stage, seeds: int) -> float:
    """How many rows the stage makes of one."""
    if isinstance(stage, Given):
        return sum(len(rows) for rows in stage.rows.values()) / max(1, seeds)
    return float(stage.per_row) if isinstance(stage, GenerateMany) else 1.0


def _chances(plan: Plan, seen: Mapping[str, _Seen]) -> int:
    """How many rows the few seeds could have brought to the end."""
    chances = next(iter(seen.values())).rows_in
    for stage in plan.pipeline.stages:
        if isinstance(stage, Given):
            chances = seen[f"{stage.name}_first"].rows_out
        if isinstance(stage, GenerateMany) and stage.together:
            chances *= min(FURTHER, stage.per_row)
    return chances


def _longer(row: Row, known: Mapping[str, Any]) -> dict[str, str]:
    """The row's texts that are longer than the longest so far."""
    texts = {name: text for name, text in row.items() if isinstance(text, str)}
    return {name: text for name, text in texts.items() if len(text) > len(str(known.get(name, "")))}


def _render_first(plan: Plan, row: Row) -> None:
    """What can be rendered before anything is asked: an unknown variable shows at once."""
    first = plan.pipeline.stages[0]
    if first.role:
        plan.prompts[first.name].render(_filled(first, row))


def _filled(stage: Stage, row: Row) -> dict[str, Any]:
    """The row with what the stage itself gives to its prompt."""
    more: dict[str, Any] = {}
    if isinstance(stage, GenerateMany):
        more = {"num_samples": stage.per_row} if stage.together else {}
        more |= (
            {"vary": {name: max(map(str, values), key=len) for name, values in stage.vary.items()}}
            if stage.vary
            else {}
        )
    return {**row, **more}


def _longest_prompt(plan: Plan, seen: Mapping[str, _Seen], known: Mapping[str, Any]) -> tuple[int, str]:
    """(tokens, stage) of the longest prompt: every stage's, with every seed and the longest texts that came so far."""
    found = [(0, "")]
    for stage in plan.pipeline.stages:
        exchanges = seen[stage.name].exchanges
        if not stage.role or not exchanges:
            continue
        sent = sum(len(message["content"]) for one in exchanges for message in one["messages"])
        tokens_each = sum(one["prompt_tokens"] for one in exchanges) / max(1, sent)
        for _, row in plan.admitted:
            messages = plan.prompts[stage.name].render(_filled(stage, {**known, **row}))
            length = sum(len(message["content"]) for message in messages)
            found.append((round(length * tokens_each), stage.name))
        found.append((max(one["prompt_tokens"] for one in exchanges), stage.name))
    return max(found)


def _holds(plan: Plan, stage_name: str) -> int | None:
    role = next((stage.role for stage in plan.pipeline.stages if stage.name == stage_name), None)
    teacher: Teacher | None = plan.judge if role == "judge" and plan.judge is not None else plan.teacher
    return teacher.context_length if teacher is not None else None
