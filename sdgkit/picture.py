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
from typing import Any, NamedTuple

from sdgkit.errors import SettingsError
from sdgkit.pages import count, fill


class Drawn(NamedTuple):
    """What the picture says about a stage: its kind, what it does, the columns that it adds or takes off."""

    kind: str
    does: str
    columns: str = ""


_JUDGED, _UNJUDGED = "+ evaluation, score", "\u2212 evaluation, score"
STAGES = {
    "gen_contexts": Drawn("generate", "writes new contexts for each seed", "+ context"),
    "gen_grounded_questions": Drawn("generate", "asks several questions of each context", "+ question"),
    "eval_grounded_questions": Drawn("judge", "judges each question: 0 or 1", _JUDGED),
    "filter_grounded_questions": Drawn("keep", "keeps the questions judged 1", _UNJUDGED),
    "gen_grounded_responses": Drawn("generate", "answers in the style of the seed", "+ response"),
    "evaluate_grounded_qa_pair": Drawn("judge", "judges question and answer: 1 to 3", _JUDGED),
    "filter_grounded_qa_pair": Drawn("keep", "keeps the pairs judged 2 or 3"),
    "combine_question_and_context": Drawn("combine", "puts the context above its question"),
    "gen_questions": Drawn("generate", "writes new questions for each seed", "+ question"),
    "eval_questions": Drawn("judge", "judges each question: 0 or 1", _JUDGED),
    "filter_questions": Drawn("keep", "keeps the questions judged 1", _UNJUDGED),
    "gen_responses": Drawn("generate", "answers in the style of the seed", "+ response"),
    "evaluate_qa_pair": Drawn("judge", "judges question and answer: 1 to 3", _JUDGED),
    "filter_qa_pair": Drawn("keep", "keeps the pairs judged 2 or 3"),
}
_NAMES = list(STAGES)
# Checks, and what goes through all samples at the end.
CHECKS = {
    "markdown_table": Drawn("check", "keeps what is the table asked for"),
    "valid_json": Drawn("check", "keeps what is valid JSON"),
    "matches": Drawn("check", "keeps what matches a pattern"),
    "length": Drawn("check", "keeps what is neither too short nor too long"),
    "same_language": Drawn("check", "keeps what is in the seed's language"),
    "no_refusal": Drawn("check", "keeps what does not decline"),
    "facts_in_context": Drawn("check", "keeps what makes up no numbers or names"),
    "target": Drawn("check", "keeps as many as were asked for"),
    "near_duplicates": Drawn("check", "keeps what repeats neither others nor seeds"),
}
PIPELINES = {"grounded": _NAMES[:8], "freeform": _NAMES[8:]}

_BAR, _LINE, _NAME = 400, 66, 34  # px: the largest bar; characters in a line of words, and in a stage's name


def described(name: str) -> Drawn:
    """What to say about a stage; one of the user's own is a `check` unless its name tells more."""
    kinds = {"gen": "generate", "eval": "judge", "filter": "keep", "combine": "combine"}
    kind = next((kind for start, kind in kinds.items() if name.startswith(start)), "check")
    own = Drawn(kind, "a stage of your own")
    return STAGES.get(name) or CHECKS.get(re.sub(r"_\d+$", "", name)) or own


def reasons(dropped: Mapping[str, int]) -> str:
    """Drops by reason in words, the most frequent first: `score 6, malformed 3`."""
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count(number)}" for reason, number in ordered if number)


def draw(
    stages: Sequence[Mapping[str, Any]] | None = None,
    *,
    pipeline: str = "grounded",
    title: str | None = None,
    seeds: int | None = None,
) -> str:
    """The method as a flow of stages, one below the other: an inline SVG of 480 px at most, good down to 320.

    `stages` are those of a summary or snapshot (`name`, `rows_in`, `tried`, `rows_out`, `dropped`), or
    dictionaries with a `name` alone; `kind`, `does` and `columns` override what the picture says about a
    stage, and `failed` marks it. Rows tried and neither out nor dropped are shown as working. `seeds` is the
    number of seed examples, where it is not what goes into the first stage. Without `stages`, the named
    pipeline is drawn without numbers. Raises SettingsError for a pipeline that it does not know.
    """
    if stages is None:
        if pipeline not in PIPELINES:
            raise SettingsError(f"There is no pipeline {pipeline!r} to draw: it is one of {', '.join(PIPELINES)}.")
        stages = [{"name": name} for name in PIPELINES[pipeline]]
    grounded = not any(stage["name"] in PIPELINES["freeform"] for stage in stages)
    counted = any("rows_in" in stage for stage in stages)
    largest = max((_tried(stage) for stage in stages), default=0) or 1
    rows: list[dict[str, Any]] = []
    y = 76
    for number, stage in enumerate(stages, 1):
        row = _row(stage, counted, largest) | {"number": number, "y": y}
        y += 50 if not counted else 65 + 15 * len(row["words"])
        rows.append(row)
    title = title or ("The grounded-skills method" if grounded else "The freeform method")
    ends = _ends(stages, counted, seeds)
    aloud = [f"{title}, from {ends['first']} to {ends['last']}, in {_of(len(rows), 'stage')}."]
    aloud += [row["aloud"] for row in rows]
    values = {"rows": rows, "end": y, "grounded": grounded, "bar": _BAR} | ends
    return "".join(fill("picture.svg", label=" ".join(aloud), **values))


def _ends(stages: Sequence[Mapping[str, Any]], counted: bool, seeds: int | None) -> dict[str, Any]:
    """The words at both ends of the flow; a stage by itself starts and ends with rows of any kind."""
    names = [stage["name"] for stage in stages] or [""]
    whole = names[0] in (_NAMES[0], _NAMES[8]) or names[0] not in STAGES
    ready = described(names[-1]).kind not in ("generate", "judge")
    first, last = "seed example" if whole else "row", "sample" if ready else "row"
    if counted:
        first = _of(stages[0].get("rows_in", 0) if seeds is None else seeds, first)
        last = _of(stages[-1].get("rows_out", 0), last)
    else:
        first, last = f"{first}s", f"{last}s"
    return {"first": first, "last": last, "whole": whole, "ready": ready}


def _tried(stage: Mapping[str, Any]) -> int:
    return int(stage.get("tried", stage.get("rows_in", 0)))


def _of(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _row(stage: Mapping[str, Any], counted: bool, largest: int) -> dict[str, Any]:
    """One stage as the template draws it: texts, lengths in px, and the sentence read aloud."""
    name = str(stage["name"])
    kind, does, columns = described(name)
    row: dict[str, Any] = {
        "name": name if len(name) <= _NAME else f"{name[: _NAME - 1]}\u2026",
        "kind": stage.get("kind", kind),
        "does": stage.get("does", does),
        "columns": stage.get("columns", columns),
        "failed": bool(stage.get("failed")),
    }
    row["aloud"] = f"{name} {row['does']}."
    if not counted:
        return row
    rows_in, tried, out = stage.get("rows_in", 0), _tried(stage), stage.get("rows_out", 0)
    dropped = stage.get("dropped", {})
    lost = sum(dropped.values())
    working = max(0, tried - out - lost)
    numbers = [f"{count(rows_in)} in", f"{count(tried)} tried", f"{count(out)} out"]
    if tried == rows_in:
        del numbers[1]
    words = [f"dropped {count(lost)}: {reasons(dropped)}"] if lost else []
    words += [f"{count(working)} working"] if working else []
    words = words or ["nothing dropped" if tried else "no rows came here"]
    sentence = ("failed \u00b7 " if row["failed"] else "") + " \u00b7 ".join(words)
    row |= {"numbers": " \u00b7 ".join(numbers), "words": textwrap.wrap(sentence, _LINE), "lost": lost}
    row |= {
        "kept_px": _BAR * out / largest,
        "lost_px": _BAR * lost / largest,
        "working_px": _BAR * working / largest,
    }
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


def curve(lines: Sequence[Line], *, words: str) -> str:
    """Shares that change with a number, as a small inline SVG; `words` say it aloud."""
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
    return "".join(fill("curve.svg", lines=drawn, ticks=ticks, label=words, width=width, height=height))
