"""`report.html`: one offline page that shows what a run made, what it dropped, and why.

Samples and drops pass through one at a time; what stays in memory is counts and the examples shown.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from statistics import median_low

from sdgkit.export import Row, write_text
from sdgkit.formatting import format_duration, format_number
from sdgkit.funnel import Summary
from sdgkit.pages import fill
from sdgkit.pages.picture import Bar, described, draw, histogram
from sdgkit.quality.verdicts import Calibration
from sdgkit.report.explain import RunRecord, advice, explain
from sdgkit.report.tables import spread
from sdgkit.samples import TEXTS, own_question, seed_of

_SAMPLES, _DROPS = 60, 3  # shown: samples in all; drops of each stage and reason
_BINS = 20


def write_report(
    path: str | Path,
    summary: Summary,
    record: RunRecord,
    *,
    name: str,
    calibration: Calibration | None = None,
) -> None:
    """Write the page of a run, finished, cancelled or empty.

    `summary` is that of `summary.json`; `record` the run's, for its `samples`, `drops` and `trace`; `name` is the
    skill's; `calibration` what is known of its judge, to stand beside the run's yield.
    """
    kept, stages = summary.samples_kept, summary.stages
    judged = next(
        (stage for stage in reversed(stages) if described(stage.name).kind == "keep"), None
    )
    scores: Counter[float] = Counter()
    lost: Counter[float] = Counter()  # the scores of what the last filter dropped
    lengths: dict[str, Counter[int]] = defaultdict(Counter)
    seeds: dict[str, dict[str, int]] = defaultdict(dict)
    places, shown = set(spread(kept, _SAMPLES)), []
    for place, row in enumerate(record.samples()):
        if place in places:
            shown.append(row)
        if isinstance(row.get("score"), int | float):
            scores[row["score"]] += 1
        for column in TEXTS:
            if row.get(column):
                lengths[column][
                    len(str(own_question(row) if column == "question" else row[column]))
                ] += 1
            if row.get(f"seed_{column}"):
                seeds[column][seed_of(row["id"])] = len(str(row[f"seed_{column}"]))
    examples: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in record.drops():
        group = examples[row["stage"], row["reason"]]
        if len(group) < _DROPS:
            group.append(row)
        if judged and row["stage"] == judged.name and isinstance(row.get("score"), int | float):
            lost[row["score"]] += 1
    pieces = fill(
        "report.html",
        name=name,
        summary=summary,
        created=f"{datetime.now():%Y-%m-%d %H:%M}",
        rehearsal=summary.is_rehearsal,
        kept=kept,
        picture=draw(stages, seeds=summary.seeds) if stages else "",
        scores=score_histogram(scores, lost),
        lengths={
            column: length_histogram(column, lengths[column], seeds[column]) for column in lengths
        },
        shown=shown,
        examples=examples,
        advice=advice,
        explanation=explain(summary, record),
        calibration=calibration.html((judged.rows_out, judged.tried) if judged else None)
        if calibration
        else "",
        duration=format_duration(summary.wall_s),
    )
    write_text(path, pieces)


def score_histogram(kept: Counter[float], lost: Counter[float], gone: str = "dropped") -> str:
    """The judge's scores, of the rows that are kept and of those that are not. gone: what became of the latter."""
    bars = [Bar(format_number(score), kept[score], lost[score]) for score in sorted({*kept, *lost})]
    return histogram(bars, words="Scores.", lost=gone) if bars else ""


def length_histogram(
    column: str, kept: Counter[int], seeds: Mapping[str, int], lost: Counter[int] | None = None
) -> str:
    """A histogram of one column's lengths in characters, with the seeds' marked; what was rejected is drawn hollow."""
    lost = lost or Counter()
    longest = max(*kept, *lost, *seeds.values(), 1)
    step = math.ceil(longest / _BINS)
    step = math.ceil(step / 10 ** (len(str(step)) - 1)) * 10 ** (
        len(str(step)) - 1
    )  # one digit and zeros
    size = longest // step + 1
    kept_in, lost_in = (
        Counter(length // step for length in lengths.elements()) for lengths in (kept, lost)
    )
    bars = [
        Bar(format_number(place * step), kept_in[place], lost_in[place]) for place in range(size)
    ]
    words = f"Lengths of the {column}s in characters: median {format_number(median_low((kept + lost).elements()))}"
    words += f", of the seeds' {format_number(median_low(seeds.values()))}." if seeds else "."
    marks = [length / (step * size) for length in seeds.values()]
    return histogram(bars, words=words, marks=marks, edges=True, lost="rejected")
