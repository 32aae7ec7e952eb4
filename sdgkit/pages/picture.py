"""The pictures: the method as a flow with a run's numbers in it, and small histograms.

Each is one string of SVG that stands alone: attributes only and no stylesheet, colours that follow
JupyterLab's variables where there are any, a ground of its own, and an `aria-label` that says the same facts
in words.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sdgkit.pages import count, counted, fill
from sdgkit.texts import words


class Drawn(NamedTuple):
    """What the picture says about a stage: its kind, what it does, the columns that it adds or takes off."""

    kind: str
    does: str
    columns: str = ""


_BAR, _LINE, _NAME = 400, 66, 34  # px: the largest bar; characters in a line of words, and in a stage's name


@cache
def _known() -> dict[str, Drawn]:
    return {name: Drawn(*said) for stages in words("stages").values() for name, said in stages.items()}


def described(name: str) -> Drawn:
    """What to say about a stage; one of the user's own is a `check` unless its name tells more."""
    kinds = {"gen": "generate", "eval": "judge", "filter": "keep", "combine": "combine"}
    kind = next((kind for start, kind in kinds.items() if name.startswith(start)), "check")
    return _known().get(re.sub(r"_\d+$", "", name)) or Drawn(kind, "a stage of your own")


def reasons(dropped: Mapping[str, int]) -> str:
    """Drops by reason in words, the most frequent first: `score 6, malformed 3`."""
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count(number)}" for reason, number in ordered if number)


def draw(
    stages: Sequence[Mapping[str, Any]] | None = None, *, pipeline: str = "grounded", seeds: int | None = None
) -> str:
    """The method as a flow of stages, one below the other: an inline SVG of 480 px at most, good down to 320.

    `stages` are those of a summary or snapshot (`name`, `rows_in`, `tried`, `rows_out`, `dropped`), or
    dictionaries with a `name` alone. Rows tried and neither out nor dropped are shown as working. `seeds` is
    the number of seed examples, where it is not what goes into the first stage. Without `stages`, the pipeline
    of that name ("grounded" or "freeform") is drawn without numbers.
    """
    if stages is None:
        stages = [{"name": name} for name in words("stages")[pipeline]]
    grounded = not any(stage["name"] in words("stages")["freeform"] for stage in stages)
    with_numbers = any("rows_in" in stage for stage in stages)
    largest = max((_tried(stage) for stage in stages), default=0) or 1
    rows: list[dict[str, Any]] = []
    y = 76
    for number, stage in enumerate(stages, 1):
        row = _row(stage, with_numbers, largest) | {"number": number, "y": y}
        y += 50 if not with_numbers else 65 + 15 * len(row["words"])
        rows.append(row)
    title = "The grounded-skills method" if grounded else "The freeform method"
    ends = _ends(stages, with_numbers, seeds)
    aloud = [f"{title}, from {ends['first']} to {ends['last']}, in {counted(len(rows), 'stage')}."]
    aloud += [row["aloud"] for row in rows]
    values = {"rows": rows, "end": y, "grounded": grounded, "bar": _BAR} | ends
    return "".join(fill("picture.svg", label=" ".join(aloud), **values))


def _ends(stages: Sequence[Mapping[str, Any]], with_numbers: bool, seeds: int | None) -> dict[str, Any]:
    """The words at both ends of the flow; a stage by itself starts and ends with rows of any kind."""
    names = [stage["name"] for stage in stages] or [""]
    whole = names[0] in ("gen_contexts", "gen_questions") or names[0] not in _known()
    ready = described(names[-1]).kind not in ("generate", "judge")
    first, last = "seed example" if whole else "row", "sample" if ready else "row"
    if with_numbers:
        first = counted(stages[0].get("rows_in", 0) if seeds is None else seeds, first)
        last = counted(stages[-1].get("rows_out", 0), last)
    else:
        first, last = f"{first}s", f"{last}s"
    return {"first": first, "last": last, "whole": whole, "ready": ready}


def _tried(stage: Mapping[str, Any]) -> int:
    return int(stage.get("tried", stage.get("rows_in", 0)))


def _row(stage: Mapping[str, Any], with_numbers: bool, largest: int) -> dict[str, Any]:
    """One stage as the template draws it: texts, lengths in px, and the sentence read aloud."""
    name = str(stage["name"])
    kind, does, columns = described(name)
    row: dict[str, Any] = {
        "name": name if len(name) <= _NAME else f"{name[: _NAME - 1]}\u2026",
        "kind": kind,
        "does": does,
        "columns": columns,
        "aloud": f"{name} {does}.",
    }
    if not with_numbers:
        return row
    rows_in, tried, out = stage.get("rows_in", 0), _tried(stage), stage.get("rows_out", 0)
    dropped = stage.get("dropped", {})
    lost = sum(dropped.values())
    working = max(0, tried - out - lost)
    numbers = [f"{count(rows_in)} in", f"{count(tried)} tried", f"{count(out)} out"]
    if tried == rows_in:
        del numbers[1]
    facts = [f"dropped {count(lost)}: {reasons(dropped)}"] if lost else []
    facts += [f"{count(working)} working"] if working else []
    sentence = " \u00b7 ".join(facts or ["nothing dropped" if tried else "no rows came here"])
    row |= {"numbers": " \u00b7 ".join(numbers), "words": textwrap.wrap(sentence, _LINE), "lost": lost}
    row |= {"kept_px": _BAR * out / largest, "lost_px": _BAR * lost / largest, "working_px": _BAR * working / largest}
    row["aloud"] += f" {', '.join(numbers)}, {sentence}."
    return row


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram: its label on the axis (may be empty), how many kept and dropped."""

    label: str
    kept: int
    dropped: int = 0
    counted: bool = False  # write the numbers above the bar


def histogram(
    bars: Sequence[Bar], *, words: str, marks: Sequence[float] = (), edges: bool = False, lost: str = "dropped"
) -> str:
    """A small inline SVG histogram; `words` say it aloud.

    `marks` are positions along the axis, 0 to 1, drawn as ticks below it (the seeds'); with `edges` the
    labels stand at the left edges of their bars, otherwise below the middle. `lost` says what became of the others.
    """
    width, height = 232, 100
    step = width / max(1, len(bars))
    highest = max((bar.kept + bar.dropped for bar in bars), default=0) or 1
    drawn = []
    for place, bar in enumerate(bars):
        kept, dropped = height * bar.kept / highest, height * bar.dropped / highest
        gap = 1 if edges else step * 0.2
        shape = {"x": place * step + gap, "width": step - 2 * gap, "kept": kept, "dropped": dropped}
        drawn.append(shape | {"label": bar.label, "label_x": place * step + (0 if edges else step / 2), "bar": bar})
    ticks = sorted({round(min(1.0, mark) * width) for mark in marks})
    values = {"ticks": ticks, "label": words, "width": width, "height": height, "edges": edges, "lost": lost}
    return "".join(fill("histogram.svg", bars=drawn, **values))


class Line(NamedTuple):
    """One line of a curve: its name, and (x, y) of its points, y from 0 to 1."""

    name: str
    points: Sequence[tuple[float, float]]


_LINES = (("#0072b2", ""), ("#d55e00", "6 3"), ("#009e73", "2 3"), ("#b0578d", "8 3 2 3"))  # told apart by dashes too


def curve(lines: Sequence[Line], *, up: str, across: str, words: str) -> str:
    """Shares that change with a number, as a small inline SVG. up, across: names of the axes; `words` say it aloud."""
    width, height = 360, 150
    most = max((x for line in lines for x, _ in line.points), default=0) or 1
    drawn = [
        {
            "name": line.name,
            "points": " ".join(f"{width * x / most:.1f},{height * (1 - y):.1f}" for x, y in line.points),
            "colour": colour,
            "dashes": dashes,
        }
        for line, (colour, dashes) in zip(lines, _LINES * len(lines), strict=False)
    ]
    ticks = [{"x": width * part / 2, "label": count(round(most * part / 2))} for part in range(3)]
    ticks[-1]["label"] = f"{ticks[-1]['label']} {across}"
    return "".join(fill("curve.svg", lines=drawn, ticks=ticks, up=up, label=words, width=width, height=height))
