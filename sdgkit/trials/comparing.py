"""Two versions of a prompt on the same rows: what each brings, and on how many rows the difference rests."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.method import METHODS
from sdgkit.pages import counted, percent
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompts
from sdgkit.run import Run
from sdgkit.run.plans import Plan
from sdgkit.stages import GenerateMany, Judge, Keep, Stage
from sdgkit.teachers.teacher import Teacher
from sdgkit.trials.trying import method_of, stage_of


@dataclass(frozen=True)
class Outcome:
    """What one version made of a row.

    texts: the columns of each record it brought (for a stage that makes several, several). score: the judge's, None
    where none judges. kept: how many pass the filter. reason, reply: why nothing came, and the raw reply then.
    """

    texts: Sequence[Mapping[str, Any]] = ()
    scores: Sequence[float] = ()
    tried: int = 0
    kept: int = 0
    reason: str = ""
    reply: str = ""


@dataclass(frozen=True)
class Side:
    """One version on all rows. tried: rows it set out to make; parsed: those that came; passed: those that are kept."""

    outcomes: Mapping[str, Outcome]
    parsed: int
    tried: int
    passed: int
    completion_tokens: int

    @property
    def mean_score(self) -> float | None:
        """Of all that was judged; None if nothing was."""
        scores = [score for outcome in self.outcomes.values() for score in outcome.scores]
        return sum(scores) / len(scores) if scores else None


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side. ids: the rows, in order. judged: whether a judge and its filter follow."""

    one: Side
    other: Side
    ids: Sequence[str]
    judged: bool

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both of them."""
        return self.one, self.other

    @property
    def differing(self) -> tuple[int, int]:
        """How many rows the first does better on, and how many the second: more of it is kept (or read)."""
        better = [0, 0]
        for id in self.ids:
            first, second = self.one.outcomes[id], self.other.outcomes[id]
            one, other = (o.kept if self.judged else len(o.texts) for o in (first, second))
            if one != other:
                better[one < other] += 1
        return better[0], better[1]

    @property
    def chance(self) -> float:
        """How often chance alone would split the differing rows at least as unevenly (a two-sided sign test)."""
        first, second = self.differing
        rows = first + second
        tail = sum(math.comb(rows, k) for k in range(min(first, second) + 1)) / 2**rows
        return min(1.0, 2 * tail) if rows else 1.0

    def words(self, one: str = "the first", other: str = "the second") -> str:
        """The result in a sentence or two."""
        first, second = self.differing
        rows = counted(len(self.ids), "row")
        if not first + second:
            return f"No difference on {rows}."
        split = f"{one} is better on {first}, {other} on {second}"
        told = f"The difference rests on {first + second} of {rows}: {split}."
        return f"{told} Chance alone would split them so, or more unevenly, in {percent(self.chance)} of cases."


class Comparing:
    """The two runs behind a comparison, to start, wait for and cancel.

    one, other: two versions of one prompt. rows: what the stage works on (`trying.stand_in`, or rows of an earlier
    stage). judge: another teacher for judging. prompts: the user's folder, for the judge's prompt. Raises
    SettingsError.
    """

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
        if one.name != other.name or stage_of(one.name) is None:
            raise SettingsError(f"Compare two versions of one stage's prompt, not {one.name} with {other.name}.")
        self.stages = tuple(_stages(one.name))
        self.rows = [{**row, "id": str(row.get("id") or f"s{n}")} for n, row in enumerate(rows, 1)]
        if not self.rows:
            raise SettingsError("There are no rows to compare on. Give some seeds.")
        pipeline = Pipeline(method_of(one.name), self.stages)
        shared = load_prompts([n for n in pipeline.prompted if n != one.name], pipeline.name, prompts)
        plans = (Plan(pipeline, self.rows, {**shared, one.name: p}, teacher, judge) for p in (one, other))
        self.runs = [Run(plan, on_note=lambda sentence: None) for plan in plans]

    def start(self) -> "Comparing":
        """Begin; returns at once."""
        for run in self.runs:
            run.start()
        return self

    def cancel(self) -> None:
        """Stop within a moment."""
        for run in self.runs:
            run.cancel()

    def wait(self) -> Comparison:
        """The comparison, when both are through. Raises what stopped one of them; then the other stops, too."""
        try:
            for run in self.runs:
                run.wait()
        except BaseException:
            self.cancel()
            raise
        one, other = map(self._side, self.runs)
        return Comparison(one, other, [row["id"] for row in self.rows], isinstance(self.stages[-1], Keep))

    def _side(self, run: Run) -> Side:
        funnel, columns = run.funnel, self.stages[0].columns
        kept: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in self.rows}
        lost: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in self.rows}
        for sample in run.samples():
            kept[_root(sample["id"], kept)].append(sample)
        for drop in run.drops():
            lost[_root(drop["id"], lost)].append(drop)
        outcomes = {}
        for id in kept:
            missing = [drop for drop in lost[id] if drop["stage"] == self.stages[0].name]
            rows = [*kept[id], *(drop for drop in lost[id] if drop not in missing)]
            rows.sort(key=lambda row: str(row["id"]))
            outcomes[id] = Outcome(
                texts=[{name: row[name] for name in columns if name in row} for row in rows],
                scores=[float(row["score"]) for row in rows if isinstance(row.get("score"), int | float)],
                tried=len(rows) + len(missing),
                kept=len(kept[id]),
                reason=str(missing[0]["message"]) if missing else "",
                reply=str(missing[0]["reply"]) if missing else "",
            )
        return Side(
            outcomes=outcomes,
            parsed=funnel[0]["rows_out"],
            tried=funnel[0]["tried"],
            passed=funnel[-1]["rows_out"],
            completion_tokens=run.snapshot().completion_tokens,
        )


def compare(one: Prompt, other: Prompt, rows: Iterable[Mapping[str, Any]], teacher: Teacher, **more: Any) -> Comparison:
    """Compare two versions of a prompt on the same rows; see `Comparing`. Returns when both are through."""
    return Comparing(one, other, rows, teacher, **more).start().wait()


def _stages(name: str) -> Iterator[Stage]:
    """The stage, with the judge and the filter that follow it if they do; one row of each where requests are apart."""
    stages = METHODS[method_of(name)].stages
    at = next(place for place, stage in enumerate(stages) if stage.name == name)
    first = stages[at]
    yield replace(first, per_row=1, extra_tries=0) if isinstance(first, GenerateMany) and not first.together else first
    for stage in stages[at + 1 : at + 3]:
        if not isinstance(stage, Judge | Keep):
            return
        yield replace(stage, remove=()) if isinstance(stage, Keep) else stage


def _root(id: str, known: Mapping[str, Any]) -> str:
    """The input row that an id goes back to."""
    while id not in known and "/" in id:
        id = id.rpartition("/")[0]
    return id
