"""Two runs side by side: how their settings differ, and their results."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError
from sdgkit.export.files import write_text
from sdgkit.formatting import format_duration, format_number, format_percent
from sdgkit.funnel import StageLine, Summary
from sdgkit.journal import Journal
from sdgkit.keywords import known_keywords
from sdgkit.pages import fill
from sdgkit.quality import Diversity, diversity
from sdgkit.recorded import read_values
from sdgkit.report.tables import spread_evenly
from sdgkit.run import Run, open_run
from sdgkit.run.edition import EditionConfig
from sdgkit.samples import TEXTS, Row, own_question, rows_by_id

PAIRS = 10
"""Pairs of samples that are shown."""


@dataclass(frozen=True)
class RunSide:
    """One of the two runs.

    Attributes:
        name: Its folder's name, or "one" and "other" where both have the same.
        summary: Its numbers.
        mean_score: The mean of the last judge's scores of the samples; None if nothing was judged.
        lengths: The median length of each text of the samples, in characters, by column.
        diversity: How varied its samples are.
    """

    name: str
    summary: Summary
    mean_score: float | None
    lengths: Mapping[str, float]
    diversity: Diversity


@dataclass(frozen=True)
class Measure:
    """A line of the table of measures. one, other: what to show for each run."""

    name: str
    one: str
    other: str

    @property
    def differs(self) -> bool:
        """Whether the two runs differ here."""
        return self.one != self.other


@dataclass(frozen=True)
class FunnelLine:
    """A stage of both funnels; None where a run does not have the stage."""

    name: str
    one: StageLine | None
    other: StageLine | None


@dataclass(frozen=True)
class SamplePair:
    """Two samples with the same id. columns: the texts of both, by column."""

    id: str
    columns: Mapping[str, tuple[str, str]]
    scores: tuple[Any, Any]


@dataclass(frozen=True, repr=False)
class RunComparison:
    """Two runs side by side; prints as text, and shows as a page in a notebook.

    Attributes:
        one: The first run.
        other: The second run.
        changes: Different settings in the second run, in a few words each.
        pairs: Up to ten pairs of samples with the same id, spread evenly over the runs.
        shared: How many ids both runs have samples of.
    """

    one: RunSide
    other: RunSide
    changes: Sequence[str]
    pairs: Sequence[SamplePair]
    shared: int

    @property
    def funnel(self) -> list[FunnelLine]:
        """The stages of both funnels, in order."""
        ones = _lines_by_name(self.one)
        others = _lines_by_name(self.other)
        names = dict.fromkeys([*ones, *others])
        return [FunnelLine(name, ones.get(name), others.get(name)) for name in names]

    @property
    def measures(self) -> list[Measure]:
        """The numbers of both runs, a line each."""
        ones = dict(_measures(self.one))
        others = dict(_measures(self.other))
        names = dict.fromkeys([*ones, *others])
        return [Measure(name, ones.get(name, "–"), others.get(name, "–")) for name in names]

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "one": _side_as_json(self.one),
            "other": _side_as_json(self.other),
            "changes": list(self.changes),
            "shared": self.shared,
            "pairs": [_pair_as_json(pair) for pair in self.pairs],
        }

    def save_html(self, path: str | Path) -> Path:
        """Write the comparison as a page.

        Raises:
            RunError: The file cannot be written.
        """
        write_text(path, fill("compare.html", page=self))
        return Path(path)

    def __repr__(self) -> str:
        return "".join(fill("compare.txt", page=self)).rstrip()

    def _repr_html_(self) -> str:
        return "".join(fill("compare_body.html", page=self))


@known_keywords
def compare_runs(one: Run | str | Path, other: Run | str | Path) -> RunComparison:
    """Compare two runs: settings, funnels, judge, lengths, variety, and samples with the same id.

    Args:
        one: A run, or its folder.
        other: Another one.

    Returns:
        The comparison.

    Raises:
        RunError: A folder holds no run, or a run is still being worked on.
    """
    first = _opened(one)
    second = _opened(other)
    first_name = _folder_name(first)
    second_name = _folder_name(second)
    if first_name == second_name:
        first_name = "one"
        second_name = "other"
    changes = _edition_of(second).changes_since(_edition_of(first))
    first_samples = list(first.samples())
    second_samples = list(second.samples())
    pairs = _sample_pairs(first_samples, second_samples)
    places = spread_evenly(len(pairs), PAIRS)
    return RunComparison(
        one=_side(first_name, first, first_samples),
        other=_side(second_name, second, second_samples),
        changes=changes,
        pairs=[pairs[place] for place in places],
        shared=len(pairs),
    )


def _opened(run: Run | str | Path) -> Run:
    if isinstance(run, Run):
        return run
    return open_run(run)


def _folder_name(run: Run) -> str:
    if run.folder is None:
        return "in memory"
    return run.folder.resolve().name


def _edition_of(run: Run) -> EditionConfig:
    """What decided the rows of a run."""
    if run.folder is None:
        raise RunError("A run in memory cannot be compared. Give it a folder with out=.")
    with closing(Journal(run.folder, read_only=True, shown_as=run.out)) as journal:
        newest = journal.newest()
    if newest is None:
        raise RunError(f"{run.out} has not begun yet.", folder=run.out)
    return read_values(EditionConfig, newest.config, f"The journal in {run.out}", run.out)


def _side(name: str, run: Run, samples: Sequence[Row]) -> RunSide:
    scores = []
    for row in samples:
        if isinstance(row.get("score"), int | float):
            scores.append(row["score"])
    lengths: dict[str, float] = {}
    for column in TEXTS:
        texts = list(_texts(samples, column))
        if texts:
            lengths[column] = statistics.median(map(len, texts))
    mean_score = None
    if scores:
        mean_score = statistics.fmean(scores)
    return RunSide(
        name=name,
        summary=run.summary,
        mean_score=mean_score,
        lengths=lengths,
        diversity=diversity(samples, name=name),
    )


def _texts(samples: Iterable[Row], column: str) -> Iterator[str]:
    for row in samples:
        text = row.get(column)
        if column == "question":
            text = own_question(row)
        if isinstance(text, str) and text:
            yield text


def _sample_pairs(ones: Sequence[Row], others: Sequence[Row]) -> list[SamplePair]:
    by_id = rows_by_id(others)
    pairs = []
    for row in ones:
        match = by_id.get(row["id"])
        if match is None:
            continue
        columns = {}
        for column in TEXTS:
            text = next(_texts([row], column), "")
            other_text = next(_texts([match], column), "")
            if text or other_text:
                columns[column] = (text, other_text)
        pairs.append(SamplePair(row["id"], columns, (row.get("score"), match.get("score"))))
    return pairs


def _measures(side: RunSide) -> Iterator[tuple[str, str]]:
    """The numbers of a run, by the name of the measure."""
    summary = side.summary
    tried = _tried(summary.stages)
    kept = summary.samples_kept
    yield "state", summary.state
    yield "teacher", summary.model or "unknown"
    yield "judge", summary.judge or summary.model or "unknown"
    yield "seeds", format_number(summary.seeds)
    yield "samples", format_number(kept)
    if summary.distinct_answers is not None:
        yield "distinct answers", format_number(summary.distinct_answers)
    if tried:
        yield "yield", format_percent(kept / tried)
    if side.mean_score is not None:
        yield "mean score", f"{side.mean_score:.2f}"
    for column, length in side.lengths.items():
        yield f"median length of the {column}", f"{format_number(round(length))} characters"
    for column_measures in side.diversity.columns:
        yield (
            f"distinct word triples of the {column_measures.column}",
            format_percent(column_measures.distinct[-1]),
        )
    yield "samples that repeat others or the seeds", format_number(_repeating(side.diversity))
    yield "requests", format_number(summary.requests)
    if kept:
        tokens = summary.prompt_tokens + summary.completion_tokens
        yield "tokens per sample", format_number(round(tokens / kept))
    yield "time", format_duration(summary.wall_s)


def _tried(stages: Sequence[StageLine]) -> int:
    """Rows that could have become samples: those that are left, and all that were dropped."""
    if not stages:
        return 0
    return stages[-1].rows_out + sum(line.dropped_rows for line in stages)


def _repeating(measured: Diversity) -> int:
    return sum(measured.repeats.values())


def _lines_by_name(side: RunSide) -> dict[str, StageLine]:
    return {line.name: line for line in side.summary.stages}


def _pair_as_json(pair: SamplePair) -> dict[str, Any]:
    values: dict[str, Any] = {"id": pair.id, "scores": list(pair.scores)}
    for column, texts in pair.columns.items():
        values[column] = list(texts)
    return values


def _side_as_json(side: RunSide) -> dict[str, Any]:
    return {
        "name": side.name,
        "summary": side.summary.as_json(),
        "mean_score": side.mean_score,
        "lengths": dict(side.lengths),
        "diversity": {
            "columns": [asdict(column) for column in side.diversity.columns],
            "repeats": dict(side.diversity.repeats),
        },
    }
