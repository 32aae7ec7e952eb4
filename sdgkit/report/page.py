"""What `report.html` shows: the values that its template prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sdgkit.formatting import format_duration, format_number
from sdgkit.funnel import Summary
from sdgkit.prompts.faults import faults_in
from sdgkit.quality.agreement import Agreement
from sdgkit.report.explain import Explanation
from sdgkit.samples import TEXTS, Row, own_question, seed_of

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
        if not isinstance(score, int | float):
            return ""
        return f"score {format_number(score)}"

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
            text = self.row.get(column)
            if column == "question":
                text = own_question(self.row)
            pair = TextPair(column, str(text or ""), str(self.row.get(f"seed_{column}") or ""))
            if pair.text or pair.seed_text:
                pairs.append(pair)
        return pairs

    @property
    def evaluation(self) -> str:
        """What the judge wrote, or ""."""
        return str(self.row.get("evaluation") or "")

    @property
    def faults(self) -> str:
        """The kinds of fault that the judge named, or ""."""
        return ", ".join(faults_in(self.row.get("faults")))

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
        columns = {}
        for name, value in self.row.items():
            if name not in _NOT_COLUMNS and value is not None:
                columns[name] = str(value)
        return columns


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
        agreement: How far the judge agrees with the review; None without one.
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
    agreement: Agreement | None
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
