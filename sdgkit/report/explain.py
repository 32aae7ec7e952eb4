"""Where the samples of a run went: the costliest causes, an example of each, what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from sdgkit.errors import RunError
from sdgkit.formatting import format_number, format_percent, format_samples, pluralize
from sdgkit.funnel import StageLine, samples_kept
from sdgkit.pages import fill
from sdgkit.pages.picture import describe_stage
from sdgkit.prompts.faults import FaultCount, count_faults
from sdgkit.quality import TWINS
from sdgkit.report.coverage import Coverage, coverage
from sdgkit.report.objections import quote, without_praise
from sdgkit.report.phrases import Phrase, phrases
from sdgkit.report.record import RunRecord, RunTrace, Standing
from sdgkit.samples import Row, only_columns
from sdgkit.texts import load_texts

MOST_CAUSES = 3
NO_LOSSES = ("target", "not_best")  # a surplus, and responses that have a better one
MANY_TWINS = 0.25  # share of the samples from which there is something to change
DOUBTFUL_SHARE = 0.8  # share of its rows from which a judge that turns them down is itself in doubt
HIGHEST_SCORE = 3  # of a judge of responses, whose scale begins at 1
ROWS_READ = 400  # at most, in search of phrases
MESSAGES_QUOTED = 2  # of a server or a check


class Quote(NamedTuple):
    """A sentence of a judge, and the row that it is about."""

    row_id: str
    text: str


@dataclass(frozen=True)
class LesserSamples:
    """Samples that were kept although the judge gave them less than the highest score.

    Attributes:
        score: The score.
        number: How many samples have it.
        faults: The kinds of fault that the judge named, with how many of them have each.
        quote: A sentence in which the judge says what could be better; None if there is none.
    """

    score: float
    number: int
    faults: Sequence[FaultCount] = ()
    quote: Quote | None = None

    @property
    def sentence(self) -> str:
        """How many they are."""
        verb = "were"
        if self.number == 1:
            verb = "was"
        return f"{pluralize(self.number, 'sample')} {verb} kept with a score of {self.score:g}."


@dataclass(frozen=True)
class Cause:
    """Why rows left at one stage.

    Attributes:
        stage: The stage's name.
        reason: The reason, as in dropped.jsonl.
        number: How many rows were dropped there for this reason.
        tried: How many the stage tried.
        sentence: What happened.
        advice: What to change.
        phrases: What the judge, the server or the check wrote most often, with how many of the
            drops have it. What a judge praised is left out.
        faults: The kinds of fault that the judge named, with how many of the drops have each.
        quote: A sentence in which the judge says what is wrong; None if there is none.
        example: The trace of a typical drop; None if there is none left.
    """

    stage: str
    reason: str
    number: int
    tried: int
    sentence: str
    advice: str
    phrases: Sequence[Phrase] = ()
    faults: Sequence[FaultCount] = ()
    quote: Quote | None = None
    example: RunTrace | None = None

    @property
    def messages_sent(self) -> Sequence[Mapping[str, str]]:
        """The messages of the example's last request; a refused request is not recorded."""
        if self.example is None or not self.example.exchanges or self.reason == "teacher_error":
            return ()
        return self.example.exchanges[-1].messages


@dataclass(frozen=True)
class Explanation:
    """Where a run's samples went; a text in print, a section of the report in a notebook.

    Attributes:
        state: The run's state.
        seeds: How many seed examples went in.
        samples: How many samples were kept.
        dropped: How many rows were dropped.
        causes: At most three, the one that cost the most samples first.
        distinct_answers: How many samples are left if each answer to a context counts once; None
            while the run is running.
        lesser: The samples with less than the highest score, the lowest score first.
        coverage: For each list that contexts drew from, which entries have samples.
    """

    state: str
    seeds: int
    samples: int
    dropped: int
    causes: Sequence[Cause]
    distinct_answers: int | None = None
    lesser: Sequence[LesserSamples] = ()
    coverage: Sequence[Coverage] = ()

    @property
    def headline(self) -> str:
        """The numbers in one sentence."""
        so_far = ""
        if self.state in ("running", "paused"):
            so_far = " so far"
        seeds = pluralize(self.seeds, "seed example")
        rows = pluralize(self.dropped, "row")
        if self.samples and self.twins:
            samples = format_samples(self.samples, self.distinct_answers)
            return f"{samples}, kept{so_far} from {seeds}, {rows} dropped."
        if self.samples:
            return f"{pluralize(self.samples, 'sample')} kept{so_far} from {seeds}, {rows} dropped."
        if self.dropped:
            were = "were"
            if self.dropped == 1:
                were = "was"
            return f"No sample was kept{so_far}. {rows} from {seeds} {were} dropped."
        if so_far:
            return f"No sample was kept{so_far}, and no row was dropped."
        return f"No sample was kept, and no rows were made from {seeds}: check the seeds."

    @property
    def twins(self) -> int:
        """How many samples give the same answer as an earlier one to the same context."""
        if self.distinct_answers is None:
            return 0
        return self.samples - self.distinct_answers

    @property
    def advice_on_twins(self) -> str:
        """What to change where many samples are twins; empty where few are."""
        if self.twins < MANY_TWINS * self.samples or not self.twins:
            return ""
        advice: str = load_texts("explain")["twins"]
        return advice.format(samples=pluralize(self.twins, "sample"))

    @property
    def html(self) -> str:
        """The section of the report, for a notebook or a page."""
        return "".join(fill("explain.html", explanation=self))

    def __repr__(self) -> str:
        return "".join(fill("explain.txt", explanation=self)).strip()

    def _repr_html_(self) -> str:
        return self.html


@dataclass(frozen=True)
class _Loss:
    """The rows that one stage dropped for one reason.

    Attributes:
        line: The stage's line of the funnel.
        stages_before: The names of the stages before it.
        reason: The reason.
        number: How many rows were dropped.
        cost: How many samples they might have become.
    """

    line: StageLine
    stages_before: Sequence[str]
    reason: str
    number: int
    cost: float

    @property
    def is_by_judge(self) -> bool:
        return self.reason == "score"

    @property
    def share(self) -> float:
        return self.number / self.line.tried


def explain(standing: Standing, record: RunRecord) -> Explanation:
    """Explain a run, finished or not.

    Args:
        standing: Its state and funnel: a `Summary` or a `Snapshot`.
        record: The run itself, for its samples, drops and traces.
    """
    kept = samples_kept(standing.stages)
    losses = _costliest_losses(standing.stages)
    praise: list[str] = []
    if any(loss.is_by_judge for loss in losses):
        praise = [str(row.get("evaluation")) for row in _sparse(record.samples(), kept)]
    dropped = 0
    for line in standing.stages:
        dropped += line.dropped_rows
    return Explanation(
        state=standing.state,
        seeds=standing.seeds,
        samples=kept,
        dropped=dropped,
        causes=[_cause(loss, record, praise) for loss in losses],
        distinct_answers=standing.distinct_answers,
        lesser=_lesser_samples(record.samples()),
        coverage=coverage(record.samples(), record.lists_drawn_from()),
    )


def _lesser_samples(samples: Iterable[Row]) -> list[LesserSamples]:
    """The samples with less than the highest score that a judge of responses gives, by score."""
    by_score: dict[float, list[Row]] = {}
    for row in samples:
        score = row.get("score")
        if isinstance(score, int | float) and 1 < score < HIGHEST_SCORE:
            rows = by_score.setdefault(float(score), [])
            rows.append(only_columns(row, ("id", "evaluation", "faults")))
    lesser = []
    for score, rows in sorted(by_score.items()):
        comments = []
        for row in rows:
            comments.append(_Comment(str(row["id"]), str(row["evaluation"])))
        lesser.append(LesserSamples(score, len(rows), count_faults(rows), _quote(comments)))
    return lesser


def _costliest_losses(lines: Sequence[StageLine]) -> list[_Loss]:
    """What cost the most samples: a dropped row counts as all rows that would have come from it."""
    names = [line.name for line in lines]
    losses = []
    samples_per_row = 1.0
    for place, line in reversed(list(enumerate(lines))):
        for reason, number in line.dropped.items():
            if reason in NO_LOSSES:
                continue
            losses.append(_Loss(line, names[:place], reason, number, samples_per_row * number))
        if line.rows_in:
            samples_per_row *= max(1.0, line.tried / line.rows_in)
    losses.sort(key=lambda loss: -loss.cost)
    return losses[:MOST_CAUSES]


def _cause(loss: _Loss, record: RunRecord, praise: Sequence[str]) -> Cause:
    """Explain one loss. praise: what the judge wrote about rows that it kept."""
    rows = _drops_of(loss, record)
    comments = _comments(loss, rows)
    frequent = _frequent(loss, comments, praise)
    example = _example(comments, frequent, record)
    part = (
        f"{format_number(loss.number)} of {pluralize(loss.line.tried, 'row')} "
        f"({format_percent(loss.share)})"
    )
    return Cause(
        stage=loss.line.name,
        reason=loss.reason,
        number=loss.number,
        tried=loss.line.tried,
        sentence=_reason_texts(loss.reason, loss.line.name)["sentence"].format(part=part),
        advice=advice(loss.reason, loss.line.name, loss.stages_before, loss.share),
        phrases=frequent,
        faults=count_faults(rows) if loss.is_by_judge else (),
        quote=_quote(comments, example) if loss.is_by_judge else None,
        example=example,
    )


class _Comment(NamedTuple):
    """What the judge, the server or a check wrote about a row that was dropped."""

    row_id: str
    text: str


def _drops_of(loss: _Loss, record: RunRecord) -> list[Row]:
    """The drops of this loss: their ids, and what was said about them."""
    columns = ("id", "evaluation", "message", "faults")
    drops: list[Row] = []
    for row in record.drops():
        if row["stage"] == loss.line.name and row["reason"] == loss.reason:
            drops.append(only_columns(row, columns))
    return drops


def _comments(loss: _Loss, drops: Sequence[Row]) -> list[_Comment]:
    """The comments on the rows of this loss, or on some of them."""
    column = "evaluation" if loss.is_by_judge else "message"
    return [_Comment(row["id"], str(row.get(column))) for row in _sparse(drops, loss.number)]


def _quote(comments: Sequence[_Comment], example: RunTrace | None = None) -> Quote | None:
    """A sentence that says what is wrong: of the example, or else of the first row that has one."""
    example_id = ""
    if example is not None:
        example_id = example.id
    for comment in sorted(comments, key=lambda comment: comment.row_id != example_id):
        text = quote(comment.text)
        if text:
            return Quote(comment.row_id, text)
    return None


def _frequent(loss: _Loss, comments: Sequence[_Comment], praise: Sequence[str]) -> list[Phrase]:
    """What the comments say most often."""
    texts = [comment.text for comment in comments]
    if loss.is_by_judge:
        return phrases(list(map(without_praise, texts)), praise)
    if "quoted" in _reason_texts(loss.reason, loss.line.name):
        return [Phrase(*entry) for entry in Counter(texts).most_common(MESSAGES_QUOTED)]
    return []


def _example(
    comments: Sequence[_Comment], frequent: Sequence[Phrase], record: RunRecord
) -> RunTrace | None:
    """The trace of the first row whose comment has most of the frequent phrases."""
    if not comments:
        return None
    typical = max(comments, key=lambda comment: _phrases_in(comment, frequent))
    # While a run is running, an earlier equal row may have taken its place by now.
    with suppress(RunError):
        return record.trace(typical.row_id)
    return None


def _phrases_in(comment: _Comment, phrases: Sequence[Phrase]) -> int:
    """How many of the phrases a comment has."""
    number = 0
    for phrase in phrases:
        if phrase.text in comment.text:
            number += 1
    return number


def _sparse(rows: Iterable[Row], number: int) -> Iterator[Row]:
    """At most `ROWS_READ` of this many rows, evenly from the first to the last."""
    step = number // ROWS_READ + 1
    return islice(rows, 0, None, step)


def advice(reason: str, stage: str, stages_before: Sequence[str], share: float = 0.0) -> str:
    """What to change where rows are dropped.

    Args:
        reason: The reason of the drops.
        stage: The stage that dropped them.
        stages_before: The names of the stages before it.
        share: The share of its rows that the stage dropped for this reason, 0 to 1.
    """
    last_of_kind = {describe_stage(name).kind: name for name in stages_before}
    sentence = _reason_texts(reason, stage)["advice"].format(
        judge=last_of_kind.get("judge", stage),
        writer=last_of_kind.get("generate", stage),
        stage=stage,
    )
    if reason == "score" and share >= DOUBTFUL_SHARE:
        doubt: str = load_texts("explain")["doubtful"]
        return f"{doubt} {sentence}"
    return sentence


def _reason_texts(reason: str, stage: str) -> dict[str, str]:
    """What is said about a reason at a stage; a reason that is not known is that of a check."""
    texts: dict[str, dict[str, str]] = load_texts("explain")["reasons"]
    if stage == TWINS:
        return texts[TWINS]
    return texts.get(reason, texts["check"])
