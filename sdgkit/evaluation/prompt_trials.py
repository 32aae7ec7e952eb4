"""Trying a prompt out: the messages that it makes of a row, what the teacher replies, which columns are read from it,
what a run would ask again because of a change; and two versions of it on the same rows."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, RequestRefused, SettingsError
from sdgkit.formatting import pluralize
from sdgkit.journal import FILE, Journal
from sdgkit.method import FREEFORM, GROUNDED, METHODS
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompts
from sdgkit.run import Run
from sdgkit.run.plan import Plan
from sdgkit.samples import Row
from sdgkit.stages import Drop, Generate, Stage, refuse_if_truncated
from sdgkit.teachers import background
from sdgkit.teachers.teacher import Reply, Request, Teacher

STAGES: dict[str, Stage] = {
    stage.name: stage for pipeline in METHODS.values() for stage in pipeline.stages
}


@dataclass(frozen=True)
class Trial:
    """What came of one row.

    messages: what was sent. reply: what came back, None if nothing did. pieces: its text in pieces, each with the
    column that was read from it, or "". rows: the columns of each complete record. reason: "" if the reply is good,
    otherwise that for which a run would ask again or drop the row: malformed, truncated, teacher_error, or prompt;
    message: the same in words.
    """

    id: str
    messages: Sequence[dict[str, str]] = ()
    reply: Reply | None = None
    pieces: Sequence[tuple[str, str]] = ()
    rows: Sequence[Row] = ()
    reason: str = ""
    message: str = ""


def method_of(name: str) -> str:
    """The method that the stage belongs to: "grounded" or "freeform"."""
    return FREEFORM.name if name in FREEFORM.prompted else GROUNDED.name


def stand_in(seed: Row, name: str) -> dict[str, Any]:
    """A row on which the prompt of this stage can be tried: the seed, with its own context, question and response where
    an earlier stage would have written them."""
    row = {column: value for column, value in seed.items() if value is not None}
    for stage in takewhile(lambda stage: stage.name != name, METHODS[method_of(name)].stages):
        for column in stage.columns:
            if f"seed_{column}" in row:
                row.setdefault(column, row[f"seed_{column}"])
    own = STAGES.get(name)
    if own is not None and "num_samples" in own.variables:
        row.setdefault("num_samples", own.per_row)
    return row


def try_on(prompt: Prompt, rows: Iterable[Row], teacher: Teacher) -> list[Trial]:
    """Ask the teacher with this prompt once for each row, all at a time; one `Trial` a row, in order.

    rows: what `stand_in` makes, or the rows of an earlier stage. Raises TeacherError if the teacher cannot be asked at
    all.
    """
    return background.wait(trials(prompt, list(rows), teacher, lambda place, trial: None))


async def trials(
    prompt: Prompt, rows: Sequence[Row], teacher: Teacher, on_trial: Callable[[int, Trial], None]
) -> list[Trial]:
    """`try_on` on the background loop. on_trial: called with place and trial as each comes."""

    async def one(place: int, row: Row) -> Trial:
        trial = await _trial(prompt, row, teacher, str(row.get("id") or f"s{place + 1}"))
        on_trial(place, trial)
        return trial

    return list(await asyncio.gather(*(one(place, row) for place, row in enumerate(rows))))


async def _trial(prompt: Prompt, row: Row, teacher: Teacher, id: str) -> Trial:
    trial = Trial(id)
    columns = [tag or "reply" for tag in prompt.start_tags]
    stage = STAGES.get(prompt.name) or Generate(name=prompt.name, columns=columns)
    try:
        trial = replace(
            trial,
            messages=prompt.render({name: text for name, text in row.items() if name != "id"}),
        )
        reply = await teacher.reply(Request(tuple(trial.messages), dict(prompt.sampling)))
        reading = stage.read(prompt, row, reply)
        pieces = mark(reply.text, reading.texts)
        trial = replace(trial, reply=reply, pieces=pieces, rows=reading.rows)
        if not trial.rows:
            refuse_if_truncated(reply)
            tags = " and ".join(tag for tag in prompt.start_tags if tag) or "any text"
            raise Drop(
                "malformed", f"The reply does not hold {tags} as it should; a run would ask again."
            )
    except (Drop, PromptError, RequestRefused) as error:
        otherwise = "prompt" if isinstance(error, PromptError) else "teacher_error"
        return replace(
            trial, reason=error.reason if isinstance(error, Drop) else otherwise, message=str(error)
        )
    return trial


def mark(text: str, rows: Iterable[Row]) -> list[tuple[str, str]]:
    """The text in pieces: those in which the columns of the rows were read, with their names, and what is between."""
    pieces, end = [], 0
    for column, value in (
        (column, value) for row in rows for column, value in row.items() if value
    ):
        found = text.find(value, end)
        if found >= 0:
            pieces += [(text[end:found], ""), (value, column)]
            end = found + len(value)
    return [piece for piece in [*pieces, (text[end:], "")] if piece[0]]


def asked_again(prompt: Prompt, run_folder: str | Path | None, saved: Prompt) -> str:
    """What the next run asks again because of this prompt, in a sentence.

    run_folder: the folder in which it goes on; None or a new one if there is none yet. saved: the prompt as it was.
    """
    if run_folder is None or not (Path(run_folder) / FILE).exists():
        words = f"A run that goes on asks {prompt.name} again, and every stage after it; earlier replies are used again."
        return "" if prompt == saved else words
    with closing(Journal(Path(run_folder), read_only=True)) as journal:
        newest = journal.newest()
        found = journal.select("SELECT stage, COUNT(*) AS replies FROM replies GROUP BY stage")
    recorded = {row["stage"]: int(row["replies"]) for row in found}
    config = newest[1] if newest else {"prompts": {}}
    before = config["prompts"].get(prompt.name)
    if before is None:
        return f"The run in {run_folder} has no stage {prompt.name}."
    # Its sampling settings may be the run's own, put over the prompt's.
    as_it_was = replace(Prompt.from_json(prompt.name, before), sampling=saved.sampling)
    if prompt == as_it_was:
        return f"A run that goes on in {run_folder} asks nothing again because of this prompt."
    names = [stage["name"] for stage in config["stages"]]
    lost = sum(recorded.get(name, 0) for name in names[names.index(prompt.name) :])
    return (
        f"A run that goes on in {run_folder} asks {prompt.name} and what follows again: {lost:,} of its "
        f"{sum(recorded.values()):,} recorded replies are of no more use."
    )


def abilities(teacher: Teacher) -> list[tuple[str, str]]:
    """What the server can do, found out by asking it: (what, answer).

    It costs about five short requests. Raises TeacherError if nobody answers.
    """
    hello = Request(
        ({"role": "user", "content": "Name a colour and a city."},),
        {"temperature": 1.0, "max_tokens": 40},
    )
    one, other = (background.wait(teacher.reply(hello)) for _ in range(2))
    way = background.wait(teacher.structured_output_way(hello))
    return [
        ("repeats a reply for the same sampling seed", "yes" if one.text == other.text else "no"),
        (
            "enforces the form of a reply",
            f"yes ({way})" if way else "no; malformed replies are asked again",
        ),
        ("counts tokens", "yes" if one.prompt_tokens and one.completion_tokens else "no"),
        ("shows its reasoning apart", "yes" if one.reasoning else "no"),
    ]


@dataclass(frozen=True)
class Result:
    """What one version made of a row.

    texts: the columns of each record it brought (for a stage that makes several, several). scores: the judge's. tried:
    records it set out to make; kept: how many pass the filter. reason, reply: why nothing came, and the raw reply then.
    """

    texts: Sequence[Row]
    scores: Sequence[float]
    tried: int
    kept: int
    reason: str = ""
    reply: str = ""


@dataclass(frozen=True)
class Side:
    """One version on all rows. tried: rows it set out to make; parsed: those that came; passed: those that are kept.
    mean_score: of all that was judged; None if nothing was."""

    outcomes: Mapping[str, Result]
    tried: int
    parsed: int
    passed: int
    mean_score: float | None
    completion_tokens: int


class Comparison:
    """Two versions side by side, and the two runs behind them, to start, wait for and cancel.

    one, other: two versions of one prompt. rows: what the stage works on (`stand_in`, or rows of an earlier
    stage). judge: another teacher for judging. prompts: the user's folder, for the judge's prompt.
    ids: the rows, in order. judged: whether a judge and its filter follow. sides: both versions, once `wait` is over.
    Raises SettingsError.
    """

    sides: tuple[Side, Side]

    def __init__(
        self,
        one: Prompt,
        other: Prompt,
        rows: Iterable[Row],
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
        plans = (
            Plan(pipeline, rows, {**shared, name: prompt}, teacher, judge)
            for prompt in (one, other)
        )
        self.runs = [Run(plan, on_note=lambda sentence: None) for plan in plans]
        self.ids, self.judged = [row["id"] for row in rows], pipeline.stages[-1].drops_by_score

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
        counts = [
            [outcome.kept if self.judged else len(outcome.texts) for outcome in pair]
            for pair in pairs
        ]
        return sum(one > other for one, other in counts), sum(one < other for one, other in counts)

    def words(self, one: str = "the first", other: str = "the second") -> str:
        """The result in a sentence."""
        first, second = self.differing
        split = f" {one} is better on {first}, {other} on {second}." if first + second else ""
        return (
            f"The difference rests on {first + second} of {pluralize(len(self.ids), 'row')}.{split}"
        )

    def _side(self, run: Run) -> Side:
        first, funnel = STAGES[run.funnel[0].name], run.funnel
        came = [
            *(("", row) for row in run.samples()),
            *((row["stage"], row) for row in run.drops()),
        ]
        outcomes: dict[str, Result] = {}
        for id in self.ids:
            mine = [(left, row) for left, row in came if f"{row['id']}/".startswith(f"{id}/")]
            read = [
                row
                for left, row in sorted(mine, key=lambda one: one[1]["id"])
                if left != first.name
            ]
            missing = [row for left, row in mine if left == first.name] or [
                {"message": "", "reply": ""}
            ]
            outcomes[id] = Result(
                texts=[{name: row[name] for name in first.columns if name in row} for row in read],
                scores=[
                    float(row["score"]) for row in read if isinstance(row.get("score"), int | float)
                ],
                tried=len(mine),
                kept=sum(not left for left, _ in mine),
                reason=missing[0]["message"],
                reply=missing[0]["reply"],
            )
        scores = [score for outcome in outcomes.values() for score in outcome.scores]
        return Side(
            outcomes,
            tried=funnel[0].tried,
            parsed=funnel[0].rows_out,
            passed=funnel[-1].rows_out,
            mean_score=sum(scores) / len(scores) if scores else None,
            completion_tokens=run.snapshot().completion_tokens,
        )


def compare(
    one: Prompt, other: Prompt, rows: Iterable[Row], teacher: Teacher, **more: Any
) -> Comparison:
    """Compare two versions of a prompt on the same rows; see `Comparison`. Returns when both are through."""
    return Comparison(one, other, rows, teacher, **more).start().wait()


def _stages(name: str) -> Iterator[Stage]:
    """The stage, with the judge and the filter that follow it if they do; one row of each where requests are apart."""
    stages = METHODS[method_of(name)].stages
    at = stages.index(STAGES[name])
    first = stages[at]
    yield first.with_single_request()
    for stage in stages[at + 1 : at + 3]:
        if not (stage.scale or stage.drops_by_score):
            return
        yield stage.with_all_columns()
