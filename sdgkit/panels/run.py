"""The panel of a run: start, watch and cancel it, and look at new samples and drops."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

from sdgkit.errors import SettingsError, show_in_notebook
from sdgkit.evaluation.estimate import Estimate, estimate
from sdgkit.formatting import (
    format_duration,
    format_number,
    format_rough_duration,
    format_samples,
    pluralize,
)
from sdgkit.funnel import REHEARSAL, StageLine
from sdgkit.journal import RecordedExchange
from sdgkit.keywords import known_keywords
from sdgkit.method import PlanOptions, default_folder, plan, run_folder
from sdgkit.pages.picture import draw_funnel
from sdgkit.panels.frame import Action, Panel, error_sentence
from sdgkit.panels.state import PanelState
from sdgkit.panels.versions import kernel_limit
from sdgkit.run import Run, open_run
from sdgkit.run.snapshot import Funnel, Snapshot, funnel_of
from sdgkit.run.workload import Workload
from sdgkit.samples import own_question
from sdgkit.seeds import SeedSource
from sdgkit.stream import Tally
from sdgkit.stream.stream import StageText
from sdgkit.teachers.source import TeacherSource, teacher_of
from sdgkit.teachers.teacher import Teacher
from sdgkit.texts import load_texts

NEWEST = 6  # samples shown
DROPS = 30  # drops of a stage shown at once
POLL_S = 0.05


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
class Drop:
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
    drops: tuple[Drop, ...]
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


class RunPanel(Panel):
    """Start, watch, cancel and resume a run, or watch one that another process writes.

    Args:
        source: Seeds (what `load_seeds` takes), a `Run`, or a run's folder; with a `teacher` that
            folder is resumed.
        teacher: The teacher, or a TeacherPanel. A `Run`, or a folder to look at, needs none.
        out: As for `generate`.
        reuse: As for `generate`.
        **options: As for `generate`. Prompts are read from their folder at each start.

    Attributes:
        latest: The `Run` that the panel shows.

    Raises:
        SdgkitError: If something in these arguments cannot be used.

    Example:
        In a cell: `run = await RunPanel(seeds, teacher=teacher, out="runs/feedback").run()`.
    """

    kind = "run"

    @known_keywords
    def __init__(
        self,
        source: "SeedSource | Run",
        *,
        teacher: TeacherSource | None = None,
        out: str | Path | None = None,
        reuse: bool = False,
        **options: Unpack[PlanOptions],
    ) -> None:
        super().__init__()
        self._plan_again: Callable[[], Run] | None = None
        self._drops: StageDrops | None = None
        self._judge_is_trusted = False
        self._estimate: Estimate | None = None
        folder_of_run = None if isinstance(source, Run) else run_folder(source)
        if isinstance(source, Run):
            self.latest = source
        elif teacher is not None:
            if out is None:
                folder = default_folder(source)
            else:
                folder = Path(out)
            self._plan_again = partial(
                _planned, source, teacher_of(teacher), folder, reuse, options
            )
            self.latest = self._plan_again()
        elif folder_of_run is not None and out is None and not options:
            self.latest = open_run(folder_of_run)
        else:
            raise SettingsError(
                "A run needs a teacher: RunPanel(seeds, teacher=sdgkit.connect(...)).",
                setting="teacher",
            )

    # Running --------------------------------------------------------------------------------------

    async def run(self) -> Run:
        """Show the panel, do the run, and return it.

        The Cancel button works meanwhile, and so does interrupting the kernel. A cancelled run is
        returned.

        Raises:
            SdgkitError: What stopped the run.
        """
        self.display()
        if self._view is not None:
            self.notice = kernel_limit()
        self.start()
        try:
            while not self.latest.finished:
                await asyncio.sleep(POLL_S)
        except (asyncio.CancelledError, KeyboardInterrupt) as interrupt:
            self.latest.cancel()
            while not self.latest.finished:
                time.sleep(POLL_S)
            show_in_notebook(interrupt, self._interrupted())
            raise
        finally:
            self.wait(5.0)
        if self.latest.error is not None:
            raise self.latest.error
        return self.latest

    def _interrupted(self) -> str:
        kept = pluralize(self.latest.snapshot().samples, "sample")
        place = self.latest.out or "this panel"
        return f"Interrupted. Kept {kept} in {place}. Run the cell again to resume."

    def start(self) -> "RunPanel":
        """Start, resume or repeat the run, with the prompts as they are now; returns at once."""
        if self._plan_again is not None and self.latest.finished:
            self.latest = self._plan_again()
        if self.busy:
            raise SettingsError("Wait until the estimate is done, then start the run.")
        self._enable_questions()
        self.latest.start()
        self._drops = None
        self.watch()
        return self

    def cancel(self) -> None:
        """Cancel the run within a moment; finished samples are kept."""
        self.latest.cancel()

    def watch(self) -> None:
        """Keep the panel up to date until the run is over, even if another process writes it."""
        run = self.latest
        self.redraw_until(lambda: run.finished)

    def on_show(self) -> None:
        """A run that another process writes is watched."""
        self._enable_questions()
        if not self.latest.is_running and self.latest.snapshot().is_active:
            self.watch()

    def _enable_questions(self) -> None:
        """Let the run ask about a doubtful judge and for a fresh key, where you can answer."""
        is_live = self.is_live
        self.latest.pause_on_warning = is_live and not self._judge_is_trusted
        if is_live:
            for teacher in self.latest.teachers:
                teacher.offer_renewal()

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {
            "start": self.start,
            "estimate": self.estimate,
            "cancel": self.cancel,
            "continue": self.trust_judge,
            "renew": self.renew_key,
            "stage": self.show_drops,
            "trace": self.show_trace,
        }

    def estimate(self) -> None:
        """Send a few rows through all stages to find out what the whole run would need and yield.

        The run uses their replies again.
        """
        plan = self.latest.plan
        if plan is None:
            raise SettingsError("This run was opened read-only: there is nothing to estimate.")

        def measure() -> None:
            self._estimate = estimate(plan, self.latest.folder)

        self.work("Trying a few rows.", measure)

    def trust_judge(self) -> None:
        """Continue after a pause that asked about the judge."""
        self._judge_is_trusted = True
        self.latest.continue_after_warning()

    def renew_key(self, key: str) -> None:
        """Continue with a fresh key; it is kept in memory only."""
        for teacher in self.latest.teachers:
            if teacher.wants_key:
                teacher.renew(key)

    def show_drops(self, name: str, most: int = DROPS) -> None:
        """Show what a stage dropped.

        Args:
            name: The stage's name.
            most: How many drops to show at most.
        """

        def read() -> None:
            rows = (row for row in self.latest.drops() if row["stage"] == name)
            drops = []
            for row in islice(rows, most):
                drops.append(Drop(row["id"], row["reason"], row["message"]))
            traces: Mapping[str, Sequence[RecordedExchange]] = {}
            if self._drops is not None:
                traces = self._drops.traces
            self._drops = StageDrops(name, tuple(drops), traces)

        self.work("Reading the drops.", read)

    def show_trace(self, id: str) -> None:
        """Show how a drop came about: what was sent and received, the latest exchange first."""
        if self._drops is None:
            return
        exchanges = list(reversed(self.latest.trace(id).exchanges))
        traces = {**self._drops.traces, id: exchanges}
        self._drops = StageDrops(self._drops.stage, self._drops.drops, traces)

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> RunState:
        """What the panel shows now."""
        run = self.latest
        snapshot = run.snapshot()
        is_running = snapshot.is_active or run.is_running
        stages = snapshot.stages
        if not stages and run.plan is not None:
            # The picture is as high before the run has started as later.
            stages = funnel_of(run.plan.pipeline, Tally(), len(run.plan.rows), None)
        workload = self._workload(snapshot)
        newest = list(snapshot.newest)[-NEWEST:]
        judge_doubt = ""
        if snapshot.asks and run.warning is not None:
            judge_doubt = run.warning.html
        return RunState(
            sign=snapshot.state,
            status=run_status(snapshot, writes_files=run.is_running),
            folder=str(run.out or "in memory"),
            error=error_sentence(run.error),
            facts=run_facts(snapshot, workload),
            plan=self._plan_sentence(snapshot, workload),
            estimate=repr(self._estimate) if self._estimate is not None else "",
            can_estimate=self._can_estimate(snapshot.state) and not self.busy,
            start_label=self._start_label(snapshot.state, is_running),
            can_start=not is_running and not self.busy,
            can_cancel=run.is_running and snapshot.is_active,
            judge_doubt=judge_doubt,
            warning=str(run.warning or ""),
            wants_key=any(teacher.wants_key for teacher in run.teachers),
            fraction=snapshot.fraction,
            picture=_picture(snapshot, stages, workload),
            funnel=repr(Funnel(stages)),
            stages=tuple(StageLoss(stage.name, stage.dropped_rows) for stage in stages),
            samples=snapshot.samples,
            newest=tuple(NewSample.of(sample) for sample in reversed(newest)),
            texts=_by_stage(snapshot.texts),
            drops=self._drops,
            notes=tuple(run.notes),
        )

    def _workload(self, snapshot: Snapshot) -> Workload | None:
        """What the run sets out to do, before it has started as well."""
        if snapshot.workload is None and self.latest.plan is not None:
            return Workload.of(self.latest.plan)
        return snapshot.workload

    def _plan_sentence(self, snapshot: Snapshot, workload: Workload | None) -> str:
        plan = self.latest.plan
        if plan is None or workload is None or snapshot.is_active or snapshot.state == "done":
            return ""
        sentence = f"{self._start_label(snapshot.state, False)} asks for {workload}."
        if snapshot.state != "new":
            sentence += " Recorded replies are reused."
        if plan.teacher_kind == REHEARSAL:
            return f"{sentence} The rehearsal teacher costs nothing: rules answer, not a model."
        if self._estimate is None and self._can_estimate(snapshot.state):
            sentence += " Estimate sends a few rows through and says what the whole run would need."
        return sentence

    def _can_estimate(self, state: str) -> bool:
        plan = self.latest.plan
        return plan is not None and state == "new" and bool(plan.pipeline.prompted)

    def _start_label(self, state: str, is_running: bool) -> str:
        if self.latest.plan is None and self._plan_again is None:
            return ""
        if is_running or state == "new":
            return "Start"
        if state == "done":
            return "Run again"
        return "Resume"


def _planned(
    source: "SeedSource",
    teacher: Teacher,
    folder: Path | None,
    reuse: bool,
    options: PlanOptions,
) -> Run:
    return Run(plan(source, teacher=teacher, **options), folder, reuse=reuse)


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


def _picture(snapshot: Snapshot, stages: Sequence[StageLine], workload: Workload | None) -> str:
    """The method with the run's numbers."""
    if not stages:
        return ""
    is_over = snapshot.state in ("done", "failed")
    most_rows = 0
    if workload is not None and not is_over:
        most_rows = workload.most_rows
    return draw_funnel(stages, seeds=snapshot.seeds or None, most_rows=most_rows, compact=True)


def _by_stage(texts: Sequence[StageText]) -> tuple[StageTexts, ...]:
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
