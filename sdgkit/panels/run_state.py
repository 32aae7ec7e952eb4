"""What the panel of a run shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.formatting import (
    format_duration,
    format_number,
    format_rough_duration,
    format_samples,
    pluralize,
)
from sdgkit.funnel import StageLine
from sdgkit.journal import RecordedExchange
from sdgkit.pages.picture import draw_funnel
from sdgkit.panels.state import PanelState
from sdgkit.run.snapshot import Snapshot
from sdgkit.run.workload import Workload
from sdgkit.samples import own_question
from sdgkit.stream.stream import StageText
from sdgkit.texts import load_texts

NEWEST = 6  # samples shown


@dataclass(frozen=True)
class StageLoss:
    """How many rows a stage dropped so far."""

    name: str
    dropped: int


@dataclass(frozen=True)
class NewSample:
    """What is shown of a new sample.

    Attributes:
        id: Its lineage id.
        score: The judge's score, or what replaces it.
        question: Its question, without the context.
        response: Its response.
    """

    id: str
    score: Any
    question: str
    response: str

    @classmethod
    def of(cls, sample: Mapping[str, Any]) -> "NewSample":
        """What is shown of this sample."""
        return cls(
            id=sample.get("id", ""),
            score=sample.get("score", ""),
            question=own_question(sample),
            response=sample.get("response", ""),
        )


@dataclass(frozen=True)
class StageTexts:
    """The newest texts of a stage.

    Attributes:
        stage: The stage's name.
        texts: What it made of the newest rows, the newest first; of a drop, the reason.
    """

    stage: str
    texts: tuple[StageText, ...]


@dataclass(frozen=True)
class DropState:
    """A row that left the stream: its lineage id, the reason, and the reason in words."""

    id: str
    reason: str
    message: str


@dataclass(frozen=True)
class StageDrops:
    """The drops of a stage.

    Attributes:
        stage: The stage's name.
        drops: The first of its drops.
        traces: The exchanges of the drops that were opened, by id, the last one first.
    """

    stage: str
    drops: tuple[DropState, ...]
    traces: Mapping[str, Sequence[RecordedExchange]]


@dataclass(frozen=True, kw_only=True)
class RunState(PanelState):
    """What the panel of a run shows.

    Attributes:
        plan: What *Start* would ask for, as a sentence, or "" once the run is over.
        estimate: What the whole run would need and yield, measured on a few rows, or "".
        can_estimate: Whether that can be found out now.
        start_label: What the button that starts it says, or "" if the run cannot be started here.
        can_start: Whether that button can be pressed.
        can_cancel: Whether *Cancel* can be pressed.
        judge_doubt: Why the run paused to ask about its judge, as HTML made by sdgkit, or "".
        warning: The same as plain text, kept after the pause.
        wants_key: Whether a teacher waits for a fresh key.
        fraction: The fraction of the expected work that is done, 0 to 1.
        picture: The method with the run's numbers, as SVG made by sdgkit.
        funnel: The same as plain text.
        stages: The stages, in order.
        samples: How many samples there are.
        newest: The newest samples, the newest first.
        texts: What each stage has just written, in the order of the stages.
        drops: The drops of the stage that was chosen.
        notes: What the run noticed.
    """

    plan: str
    estimate: str
    can_estimate: bool
    start_label: str
    can_start: bool
    can_cancel: bool
    judge_doubt: str
    warning: str
    wants_key: bool
    fraction: float
    picture: str
    funnel: str
    stages: tuple[StageLoss, ...]
    samples: int
    newest: tuple[NewSample, ...]
    texts: tuple[StageTexts, ...]
    drops: StageDrops | None
    notes: tuple[str, ...]


def run_status(snapshot: Snapshot, writes_files: bool = False) -> str:
    """The progress of a run, in one line.

    Args:
        snapshot: The run's numbers.
        writes_files: Whether its process is still at work, after the last request too.
    """
    state: str = load_texts("run_states").get(snapshot.state, snapshot.state)
    if snapshot.state == "new":
        status = state
    elif snapshot.state in ("paused", "interrupted") and snapshot.message:
        status = f"{state}: {snapshot.message}"
    else:
        status = f"{state}: {format_samples(snapshot.samples, snapshot.distinct_answers)}"
    if writes_files and not snapshot.is_active:
        status += ", writing the files"
    return status


def picture_of(snapshot: Snapshot, stages: Sequence[StageLine], workload: Workload | None) -> str:
    """The method with the run's numbers."""
    if not stages:
        return ""
    is_over = snapshot.state in ("done", "failed")
    most_rows = 0
    if workload is not None and not is_over:
        most_rows = workload.most_rows
    return draw_funnel(stages, seeds=snapshot.seeds or None, most_rows=most_rows, compact=True)


def by_stage(texts: Sequence[StageText]) -> tuple[StageTexts, ...]:
    """The newest texts of each stage, the newest first; of stages that have some."""
    by_stage: dict[str, list[StageText]] = {}
    for text in texts:
        by_stage.setdefault(text.stage, []).insert(0, text)
    return tuple(StageTexts(stage, tuple(newest)) for stage, newest in by_stage.items())


def run_facts(snapshot: Snapshot, workload: Workload | None = None) -> tuple[tuple[str, str], ...]:
    """A run's numbers, always the same ones in the same places.

    Args:
        snapshot: The run's numbers.
        workload: What it sets out to do, if that is known.
    """
    samples = format_number(snapshot.samples)
    if workload is not None and snapshot.state != "done":
        samples += f" {workload.samples_in_words}"
    failures = format_number(snapshot.failed)
    if snapshot.retries:
        failures += f" \u00b7 {pluralize(snapshot.retries, 'retry', 'retries')}"
    requests = format_number(snapshot.requests)
    tokens = format_number(snapshot.completion_tokens)
    if snapshot.is_active:
        requests += f" \u00b7 {snapshot.requests_per_s:.1f}/s"
        tokens += f" \u00b7 {snapshot.tokens_per_s:,.0f}/s"
        time_fact = ("time left", format_rough_duration(snapshot.seconds_left))
    else:
        time_fact = ("time", format_duration(snapshot.wall_s))
    return (
        ("samples", samples),
        ("requests", requests),
        ("tokens", tokens),
        ("reused", format_number(snapshot.reused)),
        ("failures", failures),
        time_fact,
        ("teacher", snapshot.teacher),
    )
