"""The panel of a run: start, watch and cancel it, and look at new samples and drops."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Unpack

from sdgkit.errors import SettingsError, show_in_notebook
from sdgkit.evaluation.demand import Demand, demand_of
from sdgkit.evaluation.estimate import Estimate, estimate
from sdgkit.evaluation.prices import prices_of
from sdgkit.formatting import format_amount, pluralize
from sdgkit.funnel import REHEARSAL
from sdgkit.journal import RecordedExchange
from sdgkit.keywords import known_keywords_throughout
from sdgkit.method import PlanOptions, default_folder, plan, run_folder
from sdgkit.panels.frame import Action, Panel, error_sentence
from sdgkit.panels.run_state import (
    NEWEST,
    DropState,
    NewSample,
    RunState,
    StageDrops,
    StageLoss,
    by_stage,
    picture_of,
    run_facts,
    run_status,
)
from sdgkit.panels.versions import kernel_limit
from sdgkit.run import Run, open_run
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import Funnel, Snapshot, funnel_of
from sdgkit.run.workload import Workload
from sdgkit.seeds import SeedSource
from sdgkit.stream import Tally
from sdgkit.teachers.source import TeacherSource, teacher_of
from sdgkit.teachers.teacher import Teacher

DROPS = 30  # drops of a stage shown at once
POLL_S = 0.05


@known_keywords_throughout
class RunPanel(Panel):
    """Start, watch, cancel and resume a run, or watch one that another process writes.

    Args:
        source: Seeds (anything that `load_seeds` accepts), a `Run`, or a run's folder; with a
            `teacher` that folder is resumed.
        teacher: The teacher, or a TeacherPanel. A `Run`, or a folder to look at, needs none.
        out: As for `generate`.
        reuse: As for `generate`.
        price_prompt: The price of a million prompt tokens, to say what *Start* costs. Give both
            prices, or neither (default: those in `sdgkit.toml`).
        price_completion: The price of a million completion tokens.
        **options: As for `generate`. Prompts are read from their folder at each start.

    Attributes:
        latest: The `Run` that the panel shows.

    Raises:
        SdgkitError: If something in these arguments cannot be used.

    Example:
        In a cell: `run = await RunPanel(seeds, teacher=teacher, out="runs/feedback").run()`.
    """

    kind = "run"

    def __init__(
        self,
        source: "SeedSource | Run",
        *,
        teacher: TeacherSource | None = None,
        out: str | Path | None = None,
        reuse: bool = False,
        price_prompt: float | None = None,
        price_completion: float | None = None,
        **options: Unpack[PlanOptions],
    ) -> None:
        super().__init__()
        self._prices = prices_of(price_prompt, price_completion)
        self._plan_again: Callable[[], Run] | None = None
        self._drops: StageDrops | None = None
        self._judge_is_trusted = False
        self._estimate: Estimate | None = None
        self._rough_demand: tuple[Plan, Demand | None] | None = None
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

        The Cancel button works during the run, and so does interrupting the kernel. A cancelled run
        is returned.

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
            prices = self._prices
            self._estimate = estimate(
                plan,
                self.latest.folder,
                price_prompt=prices.prompt if prices else None,
                price_completion=prices.completion if prices else None,
            )

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
                drops.append(DropState(row["id"], row["reason"], row["message"]))
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
            picture=picture_of(snapshot, stages, workload),
            funnel=repr(Funnel(stages)),
            stages=tuple(StageLoss(stage.name, stage.dropped_rows) for stage in stages),
            samples=snapshot.samples,
            newest=tuple(NewSample.of(sample) for sample in reversed(newest)),
            texts=by_stage(snapshot.texts),
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
        sentence = f"{self._start_label(snapshot.state, False)} sends {workload}"
        demand = self._demand(plan)
        if demand is not None:
            sentence += f": {demand}"
            if self._prices is not None and plan.teacher_kind != REHEARSAL:
                tokens = (demand.prompt_tokens, demand.completion_tokens)
                sentence += f", for {format_amount(self._prices.cost(*tokens))} at your prices"
        sentence += "."
        if snapshot.state != "new":
            sentence += " Recorded replies are reused."
        if plan.teacher_kind == REHEARSAL:
            return f"{sentence} The rehearsal teacher costs nothing: rules answer, not a model."
        if self._estimate is None and self._can_estimate(snapshot.state):
            sentence += " Estimate tries a few rows and says what the whole run would need."
        return sentence

    def _demand(self, plan: Plan) -> Demand | None:
        """What the run would take: as measured on a few rows, or as its seeds suggest."""
        if self._estimate is not None:
            return Demand(self._estimate.prompt_tokens, self._estimate.completion_tokens)
        if self._rough_demand is None or self._rough_demand[0] is not plan:
            self._rough_demand = (plan, demand_of(plan))
        return self._rough_demand[1]

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
