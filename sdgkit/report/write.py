"""`report.html`: one offline page that shows what a run made, what it dropped, and why.

Samples and drops are read one at a time; what stays in memory is counts and the examples shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sdgkit.export import write_text
from sdgkit.funnel import StageLine, Summary
from sdgkit.pages import fill
from sdgkit.pages.picture import describe_stage, draw_funnel
from sdgkit.quality.agreement import Agreement
from sdgkit.quality.verdicts import OWN_ROWS, Calibration, Verdicts
from sdgkit.report.explain import advice, explain
from sdgkit.report.histograms import length_histogram, score_histogram
from sdgkit.report.page import (
    DropExample,
    DropGroup,
    LengthFigure,
    ReportPage,
    SampleBesideSeed,
    StageDrops,
)
from sdgkit.report.record import RunRecord
from sdgkit.report.tables import spread_evenly
from sdgkit.samples import TEXTS, Row, own_question, seed_of

SAMPLES_SHOWN = 60
DROPS_SHOWN = 3  # for each stage and reason


def write_report(
    path: str | Path,
    summary: Summary,
    record: RunRecord,
    *,
    name: str,
    calibration: Calibration | None = None,
    agreement: Agreement | None = None,
) -> None:
    """Write the page of a run, whether finished, cancelled or empty.

    Args:
        path: Where to write it.
        summary: The run's summary.
        record: The run, for its samples, drops and traces.
        name: The skill's name.
        calibration: How far its judge can be trusted, to stand beside the run's own numbers.
        agreement: How far its judge agrees with the person who reviewed it.
    """
    last_filter = _last_filter(summary.stages)
    samples = _SampleStatistics(summary.samples_kept)
    for row in record.samples():
        samples.add(row)
    drops = _DropStatistics(last_filter)
    for row in record.drops():
        drops.add(row)
    picture = ""
    if summary.stages:
        picture = draw_funnel(summary.stages, seeds=summary.seeds)
    page = ReportPage(
        name=name,
        summary=summary,
        created=datetime.now(),
        explanation=explain(summary, record),
        calibration=_calibration_html(calibration, last_filter),
        agreement=agreement,
        picture=picture,
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
            if column == "question":
                own_text = own_question(row)
            else:
                own_text = str(text)
            self._lengths[column][len(own_text)] += 1
        seed_text = row.get(f"seed_{column}")
        if seed_text:
            self._seed_lengths[column][seed_of(row["id"])] = len(str(seed_text))

    def length_figures(self) -> list[LengthFigure]:
        """A histogram for each column that has texts."""
        figures = []
        for column, lengths in self._lengths.items():
            seed_lengths = self._seed_lengths[column].values()
            histogram = length_histogram(column, lengths, seed_lengths)
            figures.append(LengthFigure(column, histogram))
        return figures


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
        groups = []
        for reason, number in by_frequency:
            groups.append(
                DropGroup(
                    reason=reason,
                    number=number,
                    advice=advice(reason, line.name, stages_before),
                    examples=self.examples[line.name, reason],
                )
            )
        return groups
