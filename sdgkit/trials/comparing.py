"""Two versions of a prompt on the same rows: what each brings, and on how many rows the difference rests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.method import METHODS
from sdgkit.pages import counted
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompts
from sdgkit.run import Run
from sdgkit.run.plans import Plan
from sdgkit.stages import GenerateMany, Judge, Keep, Stage
from sdgkit.teachers.teacher import Teacher
from sdgkit.trials.trying import STAGES, method_of


@dataclass(frozen=True)
class Outcome:
    """What one version made of a row.

    texts: the columns of each record it brought (for a stage that makes several, several). scores: the judge's. tried:
    records it set out to make; kept: how many pass the filter. reason, reply: why nothing came, and the raw reply then.
    """

    texts: Sequence[Mapping[str, Any]]
    scores: Sequence[float]
    tried: int
    kept: int
    reason: str = ""
    reply: str = ""


@dataclass(frozen=True)
class Side:
    """One version on all rows. tried: rows it set out to make; parsed: those that came; passed: those that are kept.
    mean_score: of all that was judged; None if nothing was."""

    outcomes: Mapping[str, Outcome]
    tried: int
    parsed: int
    passed: int
    mean_score: float | None
    completion_tokens: int


class Comparison:
    """Two versions side by side, and the two runs behind them, to start, wait for and cancel.

    one, other: two versions of one prompt. rows: what the stage works on (`trying.stand_in`, or rows of an earlier
    stage). judge: another teacher for judging. prompts: the user's folder, for the judge's prompt.
    ids: the rows, in order. judged: whether a judge and its filter follow. sides: both versions, once `wait` is over.
    Raises SettingsError.
    """

    sides: tuple[Side, Side]

    def __init__(
        self,
        one: Prompt,
        other: Prompt,
        rows: Iterable[Mapping[str, Any]],
        teacher: Teacher,
        *,
        judge: Teacher | None = None,
        prompts: Any = None,
    ) -> None:
        name = one.name
        rows = [{**row, "id": str(row.get("id") or f"s{n}")} for n, row in enumerate(rows, 1)]
        if name != other.name or name not in STAGES or not rows:
            raise SettingsError(
                f"Compare two versions of one stage's prompt on some rows, not {name} with {other.name}."
            )
        pipeline = Pipeline(method_of(name), tuple(_stages(name)))
        shared = load_prompts([n for n in pipeline.prompted if n != name], pipeline.name, prompts)
        plans = (Plan(pipeline, rows, {**shared, name: prompt}, teacher, judge) for prompt in (one, other))
        self.runs = [Run(plan, on_note=lambda sentence: None) for plan in plans]
        self.ids, self.judged = [row["id"] for row in rows], isinstance(pipeline.stages[-1], Keep)

    def start(self) -> "Comparison":
        """Begin; returns at once."""
        for run in self.runs:
            run.start()
        return self

    def cancel(self) -> None:
        """Stop within a moment."""
        for run in self.runs:
            run.cancel()

    def wait(self) -> "Comparison":
        """Until both are through. Raises what stopped one of them; then the other stops, too."""
        try:
            for run in self.runs:
                run.wait()
        except BaseException:
            self.cancel()
            raise
        one, other = self.runs
        self.sides = self._side(one), self._side(other)
        return self

    @property
    def differing(self) -> tuple[int, int]:
        """How many rows the first does better on, and how many the second: more of it is kept (or read)."""
        pairs = [[side.outcomes[id] for side in self.sides] for id in self.ids]
        counts = [[outcome.kept if self.judged else len(outcome.texts) for outcome in pair] for pair in pairs]
        return sum(one > other for one, other in counts), sum(one < other for one, other in counts)

    def words(self, one: str = "the first", other: str = "the second") -> str:
        """The result in a sentence."""
        first, second = self.differing
        split = f" {one} is better on {first}, {other} on {second}." if first + second else ""
        return f"The difference rests on {first + second} of {counted(len(self.ids), 'row')}.{split}"

    def _side(self, run: Run) -> Side:
        first, funnel = STAGES[run.funnel[0]["name"]], run.funnel
        came = [*(("", row) for row in run.samples()), *((row["stage"], row) for row in run.drops())]
        outcomes: dict[str, Outcome] = {}
        for id in self.ids:
            mine = [(left, row) for left, row in came if f"{row['id']}/".startswith(f"{id}/")]
            read = [row for left, row in sorted(mine, key=lambda one: one[1]["id"]) if left != first.name]
            missing = [row for left, row in mine if left == first.name] or [{"message": "", "reply": ""}]
            outcomes[id] = Outcome(
                texts=[{name: row[name] for name in first.columns if name in row} for row in read],
                scores=[float(row["score"]) for row in read if isinstance(row.get("score"), int | float)],
                tried=len(mine),
                kept=sum(not left for left, _ in mine),
                reason=missing[0]["message"],
                reply=missing[0]["reply"],
            )
        scores = [score for outcome in outcomes.values() for score in outcome.scores]
        return Side(
            outcomes,
            tried=funnel[0]["tried"],
            parsed=funnel[0]["rows_out"],
            passed=funnel[-1]["rows_out"],
            mean_score=sum(scores) / len(scores) if scores else None,
            completion_tokens=run.snapshot().completion_tokens,
        )


def compare(one: Prompt, other: Prompt, rows: Iterable[Mapping[str, Any]], teacher: Teacher, **more: Any) -> Comparison:
    """Compare two versions of a prompt on the same rows; see `Comparison`. Returns when both are through."""
    return Comparison(one, other, rows, teacher, **more).start().wait()


def _stages(name: str) -> Iterator[Stage]:
    """The stage, with the judge and the filter that follow it if they do; one row of each where requests are apart."""
    stages = METHODS[method_of(name)].stages
    at = stages.index(STAGES[name])
    first = stages[at]
    yield replace(first, per_row=1, extra_tries=0) if isinstance(first, GenerateMany) and not first.together else first
    for stage in takewhile(lambda stage: isinstance(stage, Judge | Keep), stages[at + 1 : at + 3]):
        yield replace(stage, remove=()) if isinstance(stage, Keep) else stage
