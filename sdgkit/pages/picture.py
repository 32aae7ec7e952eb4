"""The pictures: the method as a flow with a run's numbers in it, small histograms, and curves.

Each is one string of SVG that stands alone: attributes only and no stylesheet, colours that follow
JupyterLab's variables where there are any, a ground of its own, and an `aria-label` that says the same facts
in words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sdgkit.formatting import format_number
from sdgkit.funnel import StageLine
from sdgkit.pages import fill
from sdgkit.texts import load_texts

_KINDS = {"gen": "generate", "eval": "judge", "filter": "keep", "combine": "combine"}


class Drawn(NamedTuple):
    """What the picture says about a stage: its kind, what it does, the columns that it adds or takes off."""

    kind: str
    does: str
    columns: str = ""


def described(name: str) -> Drawn:
    """What to say about a stage; one of the user's own is a `check` unless its name tells more."""
    for stages in load_texts("stages").values():
        if said := stages.get(re.sub(r"_\d+$", "", name)):
            return Drawn(*said)
    kind = next((kind for start, kind in _KINDS.items() if name.startswith(start)), "check")
    return Drawn(kind, "a stage of your own")


def reasons(dropped: Mapping[str, int]) -> str:
    """Drops by reason in words, the most frequent first: `score 6, malformed 3`."""
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {format_number(number)}" for reason, number in ordered if number)


def draw(
    stages: Sequence[StageLine] | None = None,
    *,
    pipeline: str = "grounded",
    seeds: int | None = None,
) -> str:
    """The method as a flow of stages, one below the other: an inline SVG of 480 px at most, good down to 320.

    stages: those of a summary or snapshot. Rows tried and neither out nor dropped are shown as working. seeds: the
    number of seed examples, where it is not what goes into the first stage. Without `stages`, the pipeline of that
    name ("grounded" or "freeform") is drawn without numbers.
    """
    numbered = stages is not None
    if stages is None:
        stages = [StageLine(name, 0, 0, 0) for name in load_texts("stages")[pipeline]]
    largest = max((stage.tried for stage in stages), default=0) or 1
    pieces = fill("picture.svg", stages=stages, numbered=numbered, largest=largest, seeds=seeds)
    return "".join(pieces)


class Bar(NamedTuple):
    """One bar of a histogram: its label on the axis, how many kept and how many lost."""

    label: str
    kept: int
    lost: int = 0


def histogram(
    bars: Sequence[Bar],
    *,
    words: str,
    marks: Sequence[float] = (),
    edges: bool = False,
    lost: str = "dropped",
) -> str:
    """A small inline SVG histogram; `words` say aloud what it shows.

    `marks` are positions along the axis, 0 to 1, drawn as ticks below it (the seeds'); with `edges` the bars touch and
    some labels stand at their left edges, otherwise all below the middle. `lost` says what became of the others.
    """
    highest = max((bar.kept + bar.lost for bar in bars), default=0) or 1
    ticks = sorted({round(232 * mark) for mark in marks})
    return "".join(
        fill(
            "histogram.svg",
            bars=bars,
            words=words,
            highest=highest,
            ticks=ticks,
            edges=edges,
            lost=lost,
        )
    )


class Line(NamedTuple):
    """One line of a curve: its name, and (x, y) of its points, y from 0 to 1."""

    name: str
    points: Sequence[tuple[float, float]]


def curve(lines: Sequence[Line], *, up: str, across: str, words: str) -> str:
    """Shares that change with a number, as a small inline SVG. up, across: names of the axes; `words` say it aloud."""
    most = max((x for line in lines for x, _ in line.points), default=0) or 1
    return "".join(fill("curve.svg", lines=lines, most=most, up=up, across=across, label=words))
