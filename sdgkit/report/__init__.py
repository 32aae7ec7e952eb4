"""`report.html`: one offline page that shows what a run made, what it dropped, and why.

Samples and drops are gone through twice, one at a time: once to count, once to pick the examples. What stays
in memory is counts and the examples shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median_low
from typing import Any

from sdgkit.decisions import TEXTS, own_question, seed_of
from sdgkit.export import Row, write_text
from sdgkit.export.card import is_rehearsal, published, samples_kept, skill_name
from sdgkit.pages import count, fill, lasting
from sdgkit.pages.picture import Bar, described, draw, histogram, reasons
from sdgkit.quality.verdicts import Calibration
from sdgkit.report.explain import Exchanges, advice, explain
from sdgkit.report.tables import spread

_SAMPLES, _DROPS = 60, 3  # shown: samples in all; drops of each stage and reason
_GROUPS = 60  # of drops, by stage and reason: a check of the user's may give every row a reason of its own


def write_report(
    path: str | Path,
    summary: Mapping[str, Any],
    samples: Callable[[], Iterable[Row]],
    drops: Callable[[], Iterable[Row]],
    exchanges: Exchanges | None = None,
    *,
    name: str | None = None,
    calibration: Calibration | None = None,
) -> None:
    """Write the page of a run, finished, cancelled or empty.

    `summary` is that of `summary.json`; `samples` and `drops` return a new iterator over the rows of `dataset.jsonl`
    and `dropped.jsonl` at each call; `exchanges` gives what was sent and replied for the row with an id; `name` is the
    skill's, default the folder's; `calibration` what is known of its judge, to stand beside the run's yield.
    """
    summary = published(summary)
    order = [stage["name"] for stage in summary["stages"]]
    judged = next((stage for stage in reversed(order) if described(stage).kind == "keep"), None)
    seen = _Counted()
    shown = _shown_samples(seen.samples(samples()), samples)
    dropped = _shown_drops(seen.drops(drops(), judged), drops, order)
    pieces = fill(
        "report.html",
        name=name or skill_name(path),
        summary=summary,
        created=f"{datetime.now():%Y-%m-%d %H:%M}",
        rehearsal=is_rehearsal(summary),
        kept=samples_kept(summary),
        picture=_Drawing(draw(summary["stages"], seeds=summary["seeds"])) if order else "",
        scores=score_histogram(seen.scores, seen.lost),
        lengths=[length_histogram(column, lengths, seen.seeds[column]) for column, lengths in seen.lengths.items()],
        shown=shown,
        dropped=dropped,
        explanation=explain(summary, samples, drops, exchanges),
        calibration=_Drawing(calibration.html(_kept_by(summary, judged))) if calibration is not None else "",
        reasons=reasons,
        duration=lasting(summary["wall_s"]),
        asked=own_question,
    )
    write_text(path, pieces)


def _kept_by(summary: Mapping[str, Any], filter_: str | None) -> tuple[int, int] | None:
    """(kept, judged) of the rows that came to a filter."""
    lines = (line for line in summary["stages"] if line["name"] == filter_)
    return next(((line["rows_out"], line["tried"]) for line in lines), None)


class _Drawing(str):
    """SVG from sdgkit's own templates, which escape what they print: not escaped again."""

    def __html__(self) -> str:
        return self


@dataclass(slots=True)
class _Counted:
    """What the rows measure: the scores of the samples and of what the last filter dropped (lost), and the lengths in
    characters of the samples and of their seeds."""

    scores: Counter[float] = field(default_factory=Counter)
    lost: Counter[float] = field(default_factory=Counter)
    lengths: dict[str, Counter[int]] = field(default_factory=dict)
    seeds: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))

    def samples(self, samples: Iterable[Row]) -> Iterator[Row]:
        """The samples, counted as they pass."""
        for row in samples:
            if isinstance(row.get("score"), (int, float)):
                self.scores[float(row["score"])] += 1
            for column in TEXTS:
                text = own_question(row) if column == "question" else row.get(column)
                if isinstance(text, str):
                    self.lengths.setdefault(column, Counter())[len(text)] += 1
                if isinstance(row.get(f"seed_{column}"), str):
                    self.seeds[column][seed_of(row["id"])] = len(row[f"seed_{column}"])
            yield row

    def drops(self, drops: Iterable[Row], stage: str | None) -> Iterator[Row]:
        """The drops, counted as they pass. stage: the last filter."""
        for row in drops:
            scored = row.get("stage") == stage and row.get("reason") == "score"
            if scored and isinstance(row.get("score"), (int, float)):
                self.lost[float(row["score"])] += 1
            yield row


def _pick(rows: Iterable[Row], group: Callable[[Row], Any], places: Mapping[Any, Sequence[int]]) -> Iterator[Row]:
    """The rows that stand at the wanted places of their groups."""
    met: Counter[Any] = Counter()
    for row in rows:
        key = group(row)
        if met[key] in places.get(key, ()):
            yield row
        met[key] += 1


def _shown_samples(counted: Iterable[Row], samples: Callable[[], Iterable[Row]]) -> list[dict[str, Any]]:
    """Samples to show, over seeds and scores as evenly as there are any, by seed: `{seed, first, rows}`."""

    def group(row: Row) -> tuple[str, Any]:
        return seed_of(row["id"]), row.get("score")

    sizes = Counter(group(row) for row in counted)
    seeds: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for key in sizes:
        seeds[key[0]].append(key)
    turns = [list(seeds.values())[place] for place in spread(len(seeds), _SAMPLES)]
    wanted: Counter[Any] = Counter()
    while (room := _SAMPLES - wanted.total()) and (
        round_ := [key for keys in turns if (key := _emptiest(keys, sizes, wanted))]
    ):
        wanted.update(round_[:room])
    shown: dict[str, list[Row]] = defaultdict(list)
    places = {key: spread(sizes[key], number) for key, number in wanted.items()}
    for row in _pick(samples(), group, places):
        shown[seed_of(row["id"])].append(row)
    return [{"seed": seed, "first": rows[0], "rows": rows} for seed, rows in shown.items()]


def _emptiest(keys: Sequence[Any], sizes: Mapping[Any, int], wanted: Mapping[Any, int]) -> Any:
    """The group of a seed that has the fewest examples yet and more to give, or None."""
    return min((key for key in keys if wanted[key] < sizes[key]), key=lambda key: wanted[key], default=None)


def _shown_drops(
    counted: Iterable[Row], drops: Callable[[], Iterable[Row]], order: Sequence[str]
) -> list[dict[str, Any]]:
    """Drops by stage and reason with some examples, by stage in their order: `{stage, groups}`."""

    def group(row: Row) -> tuple[str, str]:
        return str(row.get("stage")), str(row.get("reason"))

    sizes: Counter[tuple[str, str]] = Counter(group(row) for row in counted)
    places = {key: spread(size, _DROPS) for key, size in sizes.most_common(_GROUPS)}
    rows: dict[Any, list[Row]] = defaultdict(list)
    for row in _pick(drops(), group, places):
        rows[group(row)].append(row)
    ranks = {stage: rank for rank, stage in enumerate(order)}
    keys = sorted(places, key=lambda key: (ranks.get(key[0], len(ranks)), -sizes[key], key[1]))
    stages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for stage, reason in keys:
        told = advice(reason, stage, order[: ranks.get(stage, 0)], {})
        rows_of_it, size = rows[stage, reason], sizes[stage, reason]
        stages[stage].append({"reason": reason, "size": size, "rows": rows_of_it, "advice": told})
    return [{"stage": stage, "groups": groups} for stage, groups in stages.items()]


def score_histogram(kept: Counter[float], lost: Counter[float], gone: str = "dropped") -> str:
    """The judge's scores, of the rows that are kept and of those that are not. gone: what became of the latter."""
    if not kept and not lost:
        return ""
    known = sorted({*kept, *lost})
    if all(score.is_integer() for score in known) and known[-1] - known[0] < 12:
        known = [float(score) for score in range(int(known[0]), int(known[-1]) + 1)]
    few = len(known) < 5  # else the counts above the bars would overlap
    bars = [Bar(count(score), kept[score], lost[score], counted=few) for score in known]
    said = [f"score {bar.label}: {count(bar.kept)} kept, {count(bar.dropped)} {gone}" for bar in bars]
    return _Drawing(histogram(bars, words="Scores. " + "; ".join(said) + ".", lost=gone))


def length_histogram(
    column: str, kept: Counter[int], seeds: Mapping[str, int], lost: Counter[int] | None = None
) -> dict[str, Any]:
    """A histogram of one column's lengths in characters, with the seeds' marked, and its medians."""
    lengths = kept + (lost or Counter())
    step, size = _bins(lengths, seeds.values())
    kept_in, lost_in = (Counter(length // step for length in one.elements()) for one in (kept, lost or Counter()))
    bars = [Bar(count(i * step) if i % 4 == 0 else "", kept_in[i], lost_in[i]) for i in range(size)]
    numbers = [bar.kept + bar.dropped for bar in bars]
    middle = median_low(lengths.elements())
    seeds_middle = median_low(seeds.values()) if seeds else None
    words = f"Lengths of the {column}s in characters: median {count(middle)}"
    words += f", of the seeds' {count(seeds_middle)}. " if seeds_middle is not None else ". "
    words += "; ".join(f"{count(i * step)} to {count((i + 1) * step)}: {count(n)}" for i, n in enumerate(numbers) if n)
    if longer := lengths.total() - sum(numbers):
        words += f"; longer: {count(longer)}"
    marks = [length / (step * size) for length in seeds.values()]
    return {
        "column": column,
        "figure": _Drawing(histogram(bars, words=words + ".", marks=marks, edges=True)),
        "median": middle,
        "seeds": seeds_middle,
        "longer": longer,
        "end": step * size,
    }


def _bins(lengths: Counter[int], seeds: Iterable[int]) -> tuple[int, int]:
    """A bin's width, a round number, and how many bins there are, up to 20.

    The longest hundredth may lie beyond the last bin, so that one giant does not flatten the rest.
    """
    left = lengths.total() // 100
    for high in sorted(lengths, reverse=True):
        left -= lengths[high]
        if left < 0:
            break
    high = max(high, *seeds, 1)
    step = next(
        width for power in range(12) for width in (10**power, 2 * 10**power, 5 * 10**power) if high // width < 20
    )
    return step, high // step + 1
