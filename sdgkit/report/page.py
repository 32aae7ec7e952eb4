"""`report.html`: one offline page that shows what a run made, what it dropped, and why.

Samples and drops are read one at a time; what stays in memory is counts and the examples shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sdgkit.export import write_text
from sdgkit.formatting import format_duration, format_number
from sdgkit.funnel import StageLine, Summary
from sdgkit.pages import fill
from sdgkit.pages.picture import describe_stage, draw_funnel
from sdgkit.quality.verdicts import OWN_ROWS, Calibration, Verdicts
from sdgkit.report.explain import Explanation, advice, explain
from sdgkit.report.histograms import length_histogram, score_histogram
from sdgkit.report.record import RunRecord
from sdgkit.report.tables import spread_evenly
from sdgkit.samples import TEXTS, Row, own_question, seed_of

SAMPLES_SHOWN = 60
DROPS_SHOWN = 3  # for each stage and reason
TITLE_LENGTH = 90  # characters of a question
_NOT_COLUMNS = ("id", "stage", "reason", "message", "reply")  # of a drop


class LengthFigure(NamedTuple):
    """A column, and the histogram of its lengths as SVG."""

    column: str
    svg: str


class TextPair(NamedTuple):
    """A text of a sample beside the same column of its seed; "" where there is none."""

    column: str
    text: str
    seed_text: str


@dataclass(frozen=True)
class SampleBesideSeed:
    """A sample as the page shows it.

    Attributes:
        row: The sample.
    """

    row: Row

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def seed(self) -> str:
        """The id of its seed."""
        return seed_of(self.id)

    @property
    def score(self) -> str:
        """The judge's score, or ""."""
        score = self.row.get("score")
        return f"score {format_number(score)}" if isinstance(score, int | float) else ""

    @property
    def title(self) -> str:
        """The beginning of its question."""
        question = " ".join(own_question(self.row).split())
        if len(question) <= TITLE_LENGTH:
            return question
        return f"{question[:TITLE_LENGTH]}…"

    @property
    def texts(self) -> list[TextPair]:
        """The texts that it or its seed has."""
        pairs = []
        for column in TEXTS:
            text = own_question(self.row) if column == "question" else self.row.get(column)
            pair = TextPair(column, str(text or ""), str(self.row.get(f"seed_{column}") or ""))
            if pair.text or pair.seed_text:
                pairs.append(pair)
        return pairs

    @property
    def evaluation(self) -> str:
        """What the judge wrote, or ""."""
        return str(self.row.get("evaluation") or "")

    @property
    def variation(self) -> list[str]:
        """What was varied, as "name: value"."""
        varied = self.row.get("vary")
        if not isinstance(varied, Mapping):
            return []
        return [f"{name}: {value}" for name, value in varied.items()]


@dataclass(frozen=True)
class DropExample:
    """A drop as the page shows it.

    Attributes:
        row: The line of dropped.jsonl.
    """

    row: Row

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def message(self) -> str:
        return str(self.row.get("message") or "no message")

    @property
    def reply(self) -> str:
        """The raw reply, or ""."""
        return str(self.row.get("reply") or "")

    @property
    def columns(self) -> dict[str, str]:
        """The row's columns as they stood."""
        return {
            name: str(value)
            for name, value in self.row.items()
            if name not in _NOT_COLUMNS and value is not None
        }


@dataclass(frozen=True)
class DropGroup:
    """The drops of one stage for one reason.

    Attributes:
        reason: The reason.
        number: How many there are.
        advice: What to change.
        examples: Some of them.
    """

    reason: str
    number: int
    advice: str
    examples: Sequence[DropExample]


class StageDrops(NamedTuple):
    """A stage, and its drops by reason, the most frequent first."""

    stage: str
    groups: Sequence[DropGroup]


@dataclass(frozen=True)
class ReportPage:
    """Everything that report.html shows.

    Attributes:
        name: The skill's name.
        summary: The run's summary.
        created: When the page was written.
        explanation: Where the samples went.
        calibration: How far the judge can be trusted, as HTML; "" where that is not known.
        picture: The funnel as SVG; "" if no stage has run.
        scores: The histogram of scores as SVG; "" if there are none.
        lengths: The histograms of lengths.
        samples: Some samples, evenly from the first to the last.
        drops: All drops by stage and reason, with examples.
    """

    name: str
    summary: Summary
    created: datetime
    explanation: Explanation
    calibration: str
    picture: str
    scores: str
    lengths: Sequence[LengthFigure]
    samples: Sequence[SampleBesideSeed]
    drops: Sequence[StageDrops]

    @property
    def duration(self) -> str:
        return format_duration(self.summary.wall_s)

    @property
    def requests_per_second(self) -> float:
        return round(self.summary.requests / self.summary.wall_s, 1)

    @property
    def tokens_per_second(self) -> float:
        return round(self.summary.completion_tokens / self.summary.wall_s)

    @property
    def requests_per_sample(self) -> float:
        return round(self.summary.requests / self.summary.samples_kept, 1)

    @property
    def tokens_per_sample(self) -> float:
        return round(self.summary.completion_tokens / self.summary.samples_kept)


def write_report(
    path: str | Path,
    summary: Summary,
    record: RunRecord,
    *,
    name: str,
    calibration: Calibration | None = None,
) -> None:
    """Write the page of a run, whether finished, cancelled or empty.

    Args:
        path: Where to write it.
        summary: The run's summary.
        record: The run, for its samples, drops and traces.
        name: The skill's name.
        calibration: How far its judge can be trusted, to stand beside the run's own numbers.
    """
    last_filter = _last_filter(summary.stages)
    samples = _SampleStatistics(summary.samples_kept)
    for row in record.samples():
        samples.add(row)
    drops = _DropStatistics(last_filter)
    for row in record.drops():
        drops.add(row)
    page = ReportPage(
        name=name,
        summary=summary,
        created=datetime.now(),
        explanation=explain(summary, record),
        calibration=_calibration_html(calibration, last_filter),
        picture=draw_funnel(summary.stages, seeds=summary.seeds) if summary.stages else "",
        scores=score_histogram(samples.scores, drops.scores),
        lengths=samples.length_figures(),
        samples=samples.shown,
        drops=drops.by_stage(summary.stages),
    )
    write_text(path, fill("report.html", page=page))


def _last_filter(lines: Sequence[StageLine]) -> StageLine | None:
    """The last stage that keeps rows by their score."""
    for line in reversed(lines):
        if describe_stage(line.name).kind == "keep":
            return line
    return None


def _calibration_html(calibration: Calibration | None, last_filter: StageLine | None) -> str:
    if calibration is None:
        return ""
    if last_filter is None:
        return calibration.as_html()
    return calibration.as_html(Verdicts(OWN_ROWS, last_filter.tried, last_filter.rows_out))


class _SampleStatistics:
    """Counts over all samples, and the samples to show. number: how many samples will come."""

    def __init__(self, number: int) -> None:
        self.scores: Counter[float] = Counter()
        self.shown: list[SampleBesideSeed] = []
        self._lengths: dict[str, Counter[int]] = defaultdict(Counter)
        self._seed_lengths: dict[str, dict[str, int]] = defaultdict(dict)
        self._places_shown = set(spread_evenly(number, SAMPLES_SHOWN))
        self._place = 0

    def add(self, row: Row) -> None:
        if self._place in self._places_shown:
            self.shown.append(SampleBesideSeed(row))
        self._place += 1
        score = row.get("score")
        if isinstance(score, int | float):
            self.scores[score] += 1
        for column in TEXTS:
            self._add_length(row, column)

    def _add_length(self, row: Row, column: str) -> None:
        text = row.get(column)
        if text:
            own_text = own_question(row) if column == "question" else str(text)
            self._lengths[column][len(own_text)] += 1
        seed_text = row.get(f"seed_{column}")
        if seed_text:
            self._seed_lengths[column][seed_of(row["id"])] = len(str(seed_text))

    def length_figures(self) -> list[LengthFigure]:
        """A histogram for each column that has texts."""
        return [
            LengthFigure(
                column, length_histogram(column, lengths, self._seed_lengths[column].values())
            )
            for column, lengths in self._lengths.items()
        ]


@dataclass
class _DropStatistics:
    """Examples of each kind of drop, and the scores of what the last filter dropped."""

    last_filter: StageLine | None
    scores: Counter[float] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[DropExample]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, row: Row) -> None:
        examples = self.examples[row["stage"], row["reason"]]
        if len(examples) < DROPS_SHOWN:
            examples.append(DropExample(row))
        score = row.get("score")
        is_by_last_filter = self.last_filter is not None and row["stage"] == self.last_filter.name
        if is_by_last_filter and isinstance(score, int | float):
            self.scores[score] += 1

    def by_stage(self, lines: Sequence[StageLine]) -> list[StageDrops]:
        """The stages that dropped something, in their order."""
        names = [line.name for line in lines]
        stages = []
        for place, line in enumerate(lines):
            if line.dropped:
                stages.append(StageDrops(line.name, self._groups(line, names[:place])))
        return stages

    def _groups(self, line: StageLine, stages_before: Sequence[str]) -> list[DropGroup]:
        by_frequency = sorted(line.dropped.items(), key=lambda item: item[1], reverse=True)
        return [
            DropGroup(
                reason=reason,
                number=number,
                advice=advice(reason, line.name, stages_before),
                examples=self.examples[line.name, reason],
            )
            for reason, number in by_frequency
        ]
