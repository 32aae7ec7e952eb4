"""The pictures: the method as a flow with a run's numbers in it, small histograms, and line charts.

Each is one self-contained string of SVG: attributes only and no stylesheet, colours that follow
JupyterLab's variables where there are any, a background of its own, and an `aria-label` that says
the same facts in words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sdgkit.formatting import format_drops, format_number, pluralize
from sdgkit.funnel import StageLine
from sdgkit.pages.filling import fill
from sdgkit.texts import load_texts

_KIND_OF_PREFIX = {"gen": "generate", "eval": "judge", "filter": "keep", "combine": "combine"}
_BAR_WIDTH = 400  # px: the length of the longest bar of a funnel
_BELOW_BAR = 46  # characters of the reasons for drops, where they stand below a bar
_READ_ALOUD = 5_000  # and where they are read aloud
_HISTOGRAM_WIDTH = 232  # px, without its margins
_BARS_WITH_COUNTS = 4  # in a histogram with more, the counts above the bars would overlap


class StageDescription(NamedTuple):
    """How a stage is described in pictures and tables.

    Attributes:
        kind: generate, judge, keep, combine or check.
        action: What the stage does, as a sentence without its subject.
        columns: The columns that it adds ("+ context") or removes ("− score").
    """

    kind: str
    action: str
    columns: str = ""


def describe_stage(name: str) -> StageDescription:
    """Describe a stage by its name.

    A stage of the user's own is a check, unless its name begins like that of another kind.

    Example:
        >>> describe_stage("gen_contexts").action
        'writes new contexts for each seed'
    """
    base_name = re.sub(r"_\d+$", "", name)  # the second check of one kind is called check_2
    for pipeline in load_texts("stages").values():
        if base_name in pipeline:
            return StageDescription(*pipeline[base_name])
    for prefix, kind in _KIND_OF_PREFIX.items():
        if name.startswith(prefix):
            return StageDescription(kind, "a stage of your own")
    return StageDescription("check", "a stage of your own")


@dataclass(frozen=True)
class _DrawnStage:
    """A stage of the picture.

    Attributes:
        line: Its numbers; all zero in a picture without numbers.
        scale: The length of the bar for one row, in px.
    """

    line: StageLine
    scale: float = 0.0

    @property
    def name(self) -> str:
        return self.line.name

    @property
    def description(self) -> StageDescription:
        return describe_stage(self.name)

    @property
    def numbers(self) -> list[str]:
        """Rows in, tried (where it differs) and out."""
        numbers = [f"{format_number(self.line.rows_in)} in"]
        if self.line.tried != self.line.rows_in:
            numbers.append(f"{format_number(self.line.tried)} tried")
        numbers.append(f"{format_number(self.line.rows_out)} out")
        return numbers

    @property
    def working(self) -> int:
        """Rows that are still in the stage: tried, and neither out nor dropped."""
        return max(0, self.line.tried - self.line.rows_out - self.line.dropped_rows)

    @property
    def kept_width(self) -> float:
        return self.scale * self.line.rows_out

    @property
    def dropped_width(self) -> float:
        return self.scale * self.line.dropped_rows

    @property
    def working_width(self) -> float:
        return self.scale * self.working

    def losses(self, limit: int) -> str:
        """What was dropped, and what is still being worked on.

        Args:
            limit: How many characters the reasons may have.
        """
        facts = []
        if self.line.dropped_rows:
            reasons = _clipped_label(format_drops(self.line.dropped), limit)
            facts.append(f"dropped {format_number(self.line.dropped_rows)}: {reasons}")
        if self.working:
            facts.append(f"{format_number(self.working)} working")
        if facts:
            return " · ".join(facts)
        if self.line.tried:
            return "nothing dropped"
        return "no rows reached this stage"


def _clipped_label(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit - 1]}…"


@dataclass(frozen=True)
class _FlowPicture:
    """What the picture of the method or of a run shows.

    Attributes:
        stages: The stages, from top to bottom.
        start: What goes into the first stage.
        end: What comes out of the last.
        is_numbered: Whether to show the numbers of rows.
        is_compact: Whether to leave out what the stages do.
    """

    stages: Sequence[_DrawnStage]
    start: str
    end: str
    is_numbered: bool
    is_compact: bool = False

    @property
    def is_pipeline(self) -> bool:
        """Whether this is a pipeline, and not a single stage that was run on its own."""
        return len(self.stages) > 1

    @property
    def description(self) -> str:
        """The picture read aloud."""
        stages = pluralize(len(self.stages), "stage")
        sentences = [f"From {self.start} to {self.end}, in {stages}."]
        for stage in self.stages:
            sentences.append(f"{stage.name} {stage.description.action}.")
            if self.is_numbered:
                facts = [*stage.numbers, stage.losses(_READ_ALOUD)]
                sentences.append(f"{', '.join(facts)}.")
        return " ".join(sentences)

    def as_svg(self) -> str:
        return "".join(fill("picture.svg", picture=self, clipped=_BELOW_BAR))


def draw_method(pipeline: str = "grounded") -> str:
    """Draw a pipeline as a flow of stages, without numbers.

    Args:
        pipeline: "grounded" or "freeform".

    Returns:
        An inline SVG, at most 480 px wide and readable down to 320.
    """
    names = load_texts("stages")[pipeline]
    stages = []
    for name in names:
        stages.append(_DrawnStage(StageLine(name, rows_in=0, tried=0, rows_out=0)))
    return _FlowPicture(stages, "seed examples", "samples", is_numbered=False).as_svg()


def draw_funnel(
    lines: Sequence[StageLine],
    *,
    seeds: int | None = None,
    most_rows: int = 0,
    compact: bool = False,
) -> str:
    """Draw the stages of a run with their numbers; rows still being worked on are dashed.

    Args:
        lines: The lines of a funnel, at least one.
        seeds: The number of seed examples, where it is not what went into the first stage.
        most_rows: The rows that the longest bar may come to stand for while the run works, so that
            no bar shrinks during the run.
        compact: Leave out what the stages do, so that the picture fits a small screen.

    Returns:
        An inline SVG, at most 480 px wide and readable down to 320.
    """
    most_tried = max(most_rows, *(line.tried for line in lines))
    scale = _BAR_WIDTH / max(1, most_tried)
    stages = [_DrawnStage(line, scale) for line in lines]
    rows_in = lines[0].rows_in
    if seeds is not None:
        rows_in = seeds
    rows_out = lines[-1].rows_out
    if len(lines) > 1:
        start = pluralize(rows_in, "seed example")
        end = pluralize(rows_out, "sample")
    else:
        start = pluralize(rows_in, "row")
        end = pluralize(rows_out, "row")
    return _FlowPicture(stages, start, end, is_numbered=True, is_compact=compact).as_svg()


class Bar(NamedTuple):
    """One bar of a histogram.

    Attributes:
        label: The label on the axis.
        kept: How many are kept.
        lost: How many are not; stacked above the others as a hollow bar.
    """

    label: str
    kept: int
    lost: int = 0


@dataclass(frozen=True)
class Histogram:
    """A small histogram.

    Attributes:
        bars: The bars, from left to right.
        description: What it shows, as a sentence; the numbers are read aloud after it.
        marks: Positions along the axis, 0 to 1, to mark with a triangle below it (the seeds').
        continuous: Whether the bars touch and the labels stand at their left edges.
        lost_label: What became of those that were lost.
    """

    bars: Sequence[Bar]
    description: str
    marks: Sequence[float] = ()
    continuous: bool = False
    lost_label: str = "dropped"

    @property
    def highest(self) -> int:
        """The height of the highest bar, at least 1."""
        return max([1, *(bar.kept + bar.lost for bar in self.bars)])

    @property
    def ticks(self) -> list[int]:
        """The marks in px, each once."""
        return sorted({round(_HISTOGRAM_WIDTH * mark) for mark in self.marks})

    @property
    def label(self) -> str:
        """The histogram read aloud."""
        numbers = [self._read_aloud(bar) for bar in self.bars]
        return f"{self.description} {'; '.join(filter(None, numbers))}."

    def counts(self, bar: Bar) -> list[str]:
        """What is written above a bar: nothing where there are too many bars."""
        counts: list[str] = []
        if self.continuous or len(self.bars) > _BARS_WITH_COUNTS:
            return counts
        if bar.kept:
            counts.append(f"{format_number(bar.kept)} kept")
        if bar.lost:
            counts.append(f"{format_number(bar.lost)} {self.lost_label}")
        return counts

    def _read_aloud(self, bar: Bar) -> str:
        """A bar in words; the empty bars of a continuous axis are not mentioned."""
        kept = f"{format_number(bar.kept)} kept"
        lost = f"{format_number(bar.lost)} {self.lost_label}"
        if not self.continuous:
            return f"{bar.label}: {kept}, {lost}"
        if bar.lost:
            return f"from {bar.label}: {kept}, {lost}"
        if not bar.kept:
            return ""
        return f"from {bar.label}: {kept}"

    def as_svg(self) -> str:
        """The histogram as inline SVG, 264 px wide."""
        return "".join(fill("histogram.svg", histogram=self, width=_HISTOGRAM_WIDTH))


class Point(NamedTuple):
    """A point of a curve: a number, and a share from 0 to 1."""

    x: float
    y: float


class Curve(NamedTuple):
    """One line of a chart: its name, and its points from left to right."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class LineChart:
    """Shares that change with a number.

    Attributes:
        curves: The lines; up to four can be told apart.
        vertical: The name of the vertical axis, from 0 to 100%.
        horizontal: The name of the horizontal axis.
        description: The chart read aloud.
    """

    curves: Sequence[Curve]
    vertical: str
    horizontal: str
    description: str

    @property
    def largest(self) -> float:
        """The right end of the horizontal axis, at least 1."""
        numbers = [1.0]
        for curve in self.curves:
            numbers += [point.x for point in curve.points]
        return max(numbers)

    def as_svg(self) -> str:
        """The chart as inline SVG, 432 px wide."""
        return "".join(fill("curve.svg", chart=self))
