"""What a run would cost and yield: a pilot of a few rows, projected to the whole plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.evaluation.longest_prompt import longest_prompt
from sdgkit.evaluation.pilot import Pilot, run_pilot
from sdgkit.evaluation.prices import Prices, prices_of
from sdgkit.evaluation.work import Work, asked_by, seconds_of, work_of_exchanges
from sdgkit.formatting import format_rough_duration
from sdgkit.keywords import known_keywords
from sdgkit.pages import fill
from sdgkit.quality.interval import interval
from sdgkit.run.plan import Plan
from sdgkit.samples import Row
from sdgkit.stages import Stage
from sdgkit.studies import STUDY

ROWS = 3  # seeds that are tried
EXAMPLES = 2  # samples that are shown


@dataclass(frozen=True)
class Expectation:
    """How many samples to expect.

    Attributes:
        samples: The most likely number.
        low: The lower end of the interval in which the number lies at 95%.
        high: The upper end.
    """

    samples: int
    low: int
    high: int


@dataclass(frozen=True)
class Range:
    """Between which numbers a number lies at 95%, if it is uncertain because the yield is.

    Attributes:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float


@dataclass(frozen=True, repr=False)
class Estimate:
    """What the whole run would need and yield, projected from the few rows of a pilot.

    Without a target the requests are known and the samples are not; with one it is the other way
    round.

    Attributes:
        requests: Requests of the whole run, the pilot's included.
        prompt_tokens: Tokens that the teachers would read.
        completion_tokens: Tokens that the teachers would write.
        seconds: How long the run would take, at the speed of the pilot.
        expected: Samples to expect.
        target: How many samples the run is to keep; None for one pass over the seeds.
        request_range: With a target, between which numbers the requests lie; otherwise None.
        second_range: The same for the seconds.
        cost_range: The same for the cost; None without prices.
        cost: In the currency of the prices; None without prices.
        tried: Rows that the pilot could have brought to the end of all stages.
        kept: Rows that it brought there.
        asked: Requests that the pilot made now; they are recorded if there is a folder.
        longest: Tokens of the longest prompt.
        longest_stage: The stage that sends it.
        max_tokens: The longest reply that this stage asks for, in tokens.
        context_length: Tokens of prompt and reply that the server can hold; None if it does not
            say.
        notes: What these numbers leave out, a sentence each.
        examples: Samples of the pilot, to look at.
    """

    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    expected: Expectation
    cost: float | None
    tried: int
    kept: int
    asked: int
    longest: int
    longest_stage: str
    max_tokens: int
    context_length: int | None
    notes: Sequence[str] = ()
    target: int | None = None
    request_range: Range | None = None
    second_range: Range | None = None
    cost_range: Range | None = None
    examples: Sequence[Row] = ()

    @property
    def samples(self) -> int:
        """The most likely number of samples."""
        return self.expected.samples

    @property
    def low(self) -> int:
        """The lower end of the number of samples at 95%."""
        return self.expected.low

    @property
    def high(self) -> int:
        """The upper end of the number of samples at 95%."""
        return self.expected.high

    @property
    def fits(self) -> bool | None:
        """Whether the server can hold the longest prompt and its reply; None if it does not say."""
        if self.context_length is None:
            return None
        return self.longest + self.max_tokens <= self.context_length

    def __repr__(self) -> str:
        page = fill("estimate.md", whole=self, rough=format_rough_duration)
        return "".join(page).rstrip()


@known_keywords
def estimate(
    plan: Plan,
    out: str | Path | None = None,
    *,
    price_prompt: float | None = None,
    price_completion: float | None = None,
    rows: int = ROWS,
) -> Estimate:
    """Send a few rows through all stages and estimate what the whole run would need and yield.

    Args:
        plan: The plan of the run, from `sdgkit.plan`, with a teacher.
        out: The folder of the run to come. Its journal keeps the replies, so that the run does not
            pay for them again.
        price_prompt: The price of a million prompt tokens. Give both prices, or neither (default:
            those in `sdgkit.toml`).
        price_completion: The price of a million completion tokens.
        rows: How many seeds to try (default 3), with one context each.

    Raises:
        SettingsError: If only one price is given, or no seed would be tried.
        PromptError: If a prompt cannot be rendered with one of the seeds.
        TeacherError: If the teacher cannot be asked.

    Example:
        >>> import sdgkit as sk
        >>> seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
        >>> with sk.connect("rehearsal") as teacher:
        ...     print(sk.estimate(sk.plan(seeds, teacher=teacher), rows=1).tried)
        3
    """
    prices = prices_of(price_prompt, price_completion)
    if rows < 1:
        raise SettingsError(f"rows must be at least 1 (one seed), not {rows}.", setting="rows")
    if not plan.pipeline.prompted:
        raise SettingsError("No stage of this plan asks a teacher: there is nothing to estimate.")
    pilot = run_pilot(plan, rows, out)
    projection = _project(plan, pilot)
    expected = projection.expectation()
    work = projection.work
    least = work
    most = work
    if plan.target is not None and pilot.kept:
        work = projection.work.times(plan.target / projection.samples)
        least = projection.work.times(plan.target / projection.most)
        most = projection.work.times(plan.target / projection.fewest)
        expected = Expectation(samples=plan.target, low=plan.target, high=plan.target)
    study = _work_of_study(plan, pilot)
    work = work.plus(study)
    least = least.plus(study)
    most = most.plus(study)
    longest = longest_prompt(plan, pilot)
    return Estimate(
        requests=round(work.requests),
        prompt_tokens=round(work.prompt_tokens),
        completion_tokens=round(work.completion_tokens),
        seconds=work.seconds,
        expected=expected,
        cost=_cost(work, prices),
        tried=projection.tried,
        kept=pilot.kept,
        asked=pilot.requests,
        longest=longest.tokens,
        longest_stage=longest.stage.name,
        max_tokens=longest.prompt.sampling.get("max_tokens") or 0,
        context_length=asked_by(longest.stage, plan).context_length,
        notes=_notes(plan, pilot, projection.tried, least, most),
        target=plan.target,
        examples=_examples(pilot.samples),
        **_ranges(plan, pilot, least, most, prices),
    )


def _examples(samples: Sequence[Row]) -> list[Row]:
    """A few samples to look at, of different seeds if there are any."""
    of_seeds: dict[str, Row] = {}
    for sample in samples:
        of_seeds.setdefault(str(sample["id"]).partition("/")[0], sample)
    first_of_seeds = list(of_seeds.values())
    others = []
    for sample in samples:
        if sample not in first_of_seeds:
            others.append(sample)
    return [*first_of_seeds, *others][:EXAMPLES]


def _ranges(
    plan: Plan,
    pilot: Pilot,
    least: Work,
    most: Work,
    prices: Prices | None,
) -> dict[str, Range]:
    """The ranges of an estimate; none without a target, or if nothing can be said."""
    if plan.target is None or not pilot.kept:
        return {}
    ranges = {
        "request_range": Range(round(least.requests), round(most.requests)),
        "second_range": Range(least.seconds, most.seconds),
    }
    lowest_cost = _cost(least, prices)
    highest_cost = _cost(most, prices)
    if lowest_cost is not None and highest_cost is not None:
        ranges["cost_range"] = Range(lowest_cost, highest_cost)
    return ranges


@dataclass(frozen=True)
class _Projection:
    """The pilot, projected to the whole plan.

    Attributes:
        work: What all stages take.
        tried: Rows of the pilot that could have reached the end.
        kept: Rows of the pilot that reached it.
        scale: How many rows of the whole run each of them represents.
    """

    work: Work
    tried: int
    kept: int
    scale: float

    @property
    def samples(self) -> float:
        """The number of samples to expect."""
        return self.kept * self.scale

    @property
    def fewest(self) -> float:
        """The lower end of the number of samples at 95%."""
        return interval(self.kept, self.tried).low * self.tried * self.scale

    @property
    def most(self) -> float:
        """The upper end of the number of samples at 95%."""
        return interval(self.kept, self.tried).high * self.tried * self.scale

    def expectation(self) -> Expectation:
        """The number of samples with its interval."""
        return Expectation(
            samples=round(self.samples), low=round(self.fewest), high=round(self.most)
        )


def _project(plan: Plan, pilot: Pilot) -> _Projection:
    """What all stages of the plan need and yield, if all rows are like those of the pilot."""
    work = Work()
    tried = pilot.seeds
    scale = len(plan.rows) / tried
    for stage in plan.pipeline.stages:
        if stage.fans_out and stage.role:
            scale *= stage.requests_per_row
        work = work.plus(_work_of(stage, plan, pilot).times(scale))
        limited_rows = pilot.limited_rows(stage)
        if limited_rows:
            tried = limited_rows
            scale = _rows_in_all(stage, pilot, scale) / tried
    # Of several responses to a question one is kept; the pilot has one of each.
    return _Projection(work=work, tried=tried, kept=pilot.kept, scale=scale / plan.responses)


def _rows_in_all(stage: Stage, pilot: Pilot, scale: float) -> float:
    """How many rows a stage that makes several of each would make in the whole run."""
    if stage.total_rows is not None:
        return stage.total_rows
    return pilot.funnel[stage.name].rows_out * scale


def _work_of(stage: Stage, plan: Plan, pilot: Pilot) -> Work:
    """What the pilot's requests of one stage used."""
    exchanges = pilot.exchanges.get(stage.name, ())
    if not exchanges:
        return Work()
    work = work_of_exchanges(exchanges)
    seconds = seconds_of(exchanges, asked_by(stage, plan))
    if asked_by(stage, plan) is plan.judge:
        return replace(work, judge_seconds=seconds)
    return replace(work, teacher_seconds=seconds)


def _work_of_study(plan: Plan, pilot: Pilot) -> Work:
    """What the study took, which the run makes once, whatever else it has to do."""
    work = Work()
    for stage in STUDY.stages:
        exchanges = pilot.study.get(stage.name, ())
        if exchanges:
            seconds = seconds_of(exchanges, asked_by(stage, plan))
            work = work.plus(replace(work_of_exchanges(exchanges), first_seconds=seconds))
    return work


def _cost(work: Work, prices: Prices | None) -> float | None:
    if prices is None:
        return None
    return prices.cost(work.prompt_tokens, work.completion_tokens)


def _notes(plan: Plan, pilot: Pilot, tried: int, least: Work, most: Work) -> list[str]:
    """What the estimate leaves out."""
    notes = []
    for stage in plan.pipeline.stages:
        if stage.role and stage.asks_every_row and not pilot.exchanges.get(stage.name):
            notes.append(
                f"No row reached {stage.name}: "
                "the requests of this stage and those after it are not included."
            )
            break
    if plan.target is not None and not pilot.kept:
        notes.append(
            f"None of the {tried} rows tried was kept, "
            "so the cost of reaching the target cannot be estimated."
        )
    limit = plan.max_requests
    if limit is not None and pilot.kept and limit < most.requests:
        verb = "is" if limit < least.requests else "may be"
        notes.append(
            f"The target {verb} out of reach with --max-requests {limit:,}: raise it, or lower "
            "the target."
        )
    return notes
