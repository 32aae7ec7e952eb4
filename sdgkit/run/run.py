"""A run, as users hold it: start it, wait for it, cancel it, look at it, take its samples.

The work is done on the background event loop; everything here is plain functions that may be called
from a notebook cell, a script or another thread.
"""

import concurrent.futures
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.decisions import DecisionBook, Decisions
from sdgkit.errors import RunError, show_in_notebook
from sdgkit.export.training_set import Part, TrainingSet
from sdgkit.formatting import format_samples, pluralize
from sdgkit.funnel import Summary
from sdgkit.journal import JOURNAL_FILE, Journal
from sdgkit.keywords import known_keywords, known_keywords_throughout
from sdgkit.log import is_interactive
from sdgkit.profile import PROFILE_FILE, Profile
from sdgkit.report.explain import Explanation, explain
from sdgkit.run.config import RunConfig
from sdgkit.run.display import RunPage
from sdgkit.run.elsewhere import Elsewhere
from sdgkit.run.execution import NO_SAMPLES, Execution
from sdgkit.run.finished import finished_plan
from sdgkit.run.folder import SEEDS_FILE, SUMMARY_FILE, read_config, read_summary
from sdgkit.run.interrupts import interrupts_held
from sdgkit.run.judges import JudgeWarning
from sdgkit.run.notes import Notes
from sdgkit.run.plan import Plan
from sdgkit.run.profiles import folders_profile
from sdgkit.run.progress import Progress
from sdgkit.run.record import Record, Trace
from sdgkit.run.skill import write_skill
from sdgkit.run.snapshot import Funnel, Snapshot
from sdgkit.run.summary import summarize, summary_so_far
from sdgkit.seeds import read_seeds
from sdgkit.teachers.teacher import Teacher

if TYPE_CHECKING:
    import datasets

NOTHING_DONE = "Nothing was sent, and no files were rewritten."

NOTES_S = 0.1
"""Seconds between two looks for new notes while waiting."""

INTERRUPTED = "Interrupted."

CANCEL_S = 30.0
"""Seconds a cancelled run may take to write its files; usually a moment, more on a busy machine."""


@known_keywords_throughout
class Run:
    """One run of a pipeline. Get one from `generate`, from a stage's `run`, or from `open_run`.

    Args:
        plan: What to do; None for a run that was opened read-only.
        out: The run's folder; None keeps everything in memory.
        reuse: Continue in the folder of another job and reuse its recorded replies where they fit.
        on_note: Called with each sentence that the user should read, from any thread. By default
            `wait` prints them.
        journal: Where a run without a folder is recorded.
        elsewhere: Other machines that work on the rows, such as those of a cluster
            (`sdgkit.RayCluster.join`); by default this one does.

    Attributes:
        out: The run's folder, as you passed it.
        folder: The same, absolute: it stays right when the working folder changes.
    """

    def __init__(
        self,
        plan: Plan | None,
        out: str | Path | None = None,
        *,
        reuse: bool = False,
        on_note: Callable[[str], None] | None = None,
        journal: Journal | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._given_plan = plan
        self._elsewhere = elsewhere
        self._reuse = reuse
        self._record = Record(out, journal)
        self.out = self._record.out
        self.folder = self._record.folder
        self._notes = Notes(self.out, on_note)
        if elsewhere is not None:
            for note in elsewhere.notes:
                self._notes.add(note)
        self._judge_warning = JudgeWarning()
        self._execution: Execution | None = None

    def __repr__(self) -> str:
        snapshot = self.snapshot()
        place = str(self.out or "in memory")
        kept = format_samples(snapshot.samples, snapshot.distinct_answers)
        return f"Run({place!r}, {snapshot.state}, {kept})"

    def _repr_html_(self) -> str:
        """The run as a page: yield, samples, causes of drops, files, and what to do next."""
        return RunPage.of(self.snapshot(), self.samples(), self.out, self.folder).as_html()

    # Working --------------------------------------------------------------------------------------

    def start(self) -> "Run":
        """Start the run, or resume it where it stopped; returns at once.

        A run that is finished stays as it is: nothing is sent, and no file is written again.
        Ctrl-C during the call cancels the run, as it does in `wait`.

        Raises:
            RunError: The folder cannot be used, or the run was opened read-only.
            SettingsError: A stage has no teacher to ask, or the rows or the target cannot be used.
        """
        if self.is_running:
            return self
        if self._given_plan is None:
            raise RunError(
                "This run was opened read-only. To resume it, call sdgkit.generate(its folder).",
                folder=self.out,
            )
        finished = finished_plan(self._given_plan, self.folder)
        if finished is not None:
            self._given_plan = finished
            samples = pluralize(self.snapshot().samples, "sample")
            self._notes.add(f"{self.out} is already finished: {samples}. {NOTHING_DONE}")
            return self
        try:
            with interrupts_held():
                self._execution = Execution(
                    self._given_plan,
                    self._record,
                    self._notes,
                    self._judge_warning,
                    reuse=self._reuse,
                    elsewhere=self._elsewhere,
                )
        except KeyboardInterrupt:
            self._stop()
            raise
        return self

    resume = start

    def wait(self, timeout: float | None = None, *, progress: Progress | None = None) -> "Run":
        """Wait until the run is over, and print its notes as they come.

        Ctrl-C cancels the run; finished samples are kept.

        Args:
            timeout: Seconds after which to return anyway (default: never).
            progress: Where to show the progress of the run (default: nowhere).

        Raises:
            SdgkitError: What stopped the run.
        """
        execution = self._execution
        if execution is None:
            self._print_notes(progress)
            return self
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        try:
            while execution.is_running and time.monotonic() < deadline:
                seconds_left = max(0.0, deadline - time.monotonic())
                concurrent.futures.wait([execution.future], min(NOTES_S, seconds_left))
                self._print_notes(progress)
                if progress is not None:
                    progress.show(self.snapshot())
        except KeyboardInterrupt as interrupt:
            self._stop()
            show_in_notebook(interrupt, INTERRUPTED)  # the notes say what is kept
            raise
        finally:
            self._print_notes(progress)
            if progress is not None:
                progress.show(self.snapshot())
        if not execution.is_running:
            execution.future.result()
            if execution.error is not None:
                raise execution.error
        return self

    def cancel(self) -> None:
        """Stop within a moment. Finished samples are kept and written; `start` resumes."""
        if self._execution is not None and self._execution.is_running:
            self._execution.cancel()

    def _stop(self) -> None:
        """Cancel the run, and wait until its files are written."""
        self.cancel()
        if self._execution is not None:
            concurrent.futures.wait([self._execution.future], timeout=CANCEL_S)

    def continue_after_warning(self) -> None:
        """Continue after a pause on a warning about a judge; there is no second pause."""
        if self._execution is not None:
            self._execution.continue_after_warning()

    @property
    def pause_on_warning(self) -> bool:
        """Whether to send no more requests once a judge has rejected most of its first rows.

        The run then waits for `continue_after_warning` or `cancel`. For programs that show the
        run to someone who decides.
        """
        return self._judge_warning.pauses

    @pause_on_warning.setter
    def pause_on_warning(self, pauses: bool) -> None:
        self._judge_warning.pauses = pauses

    def _print_notes(self, progress: Progress | None) -> None:
        """Print the new notes in a notebook.

        The waiting thread does it, so they appear below its cell.
        """
        new_notes = self._notes.take_unprinted()
        if not is_interactive():
            return  # the log has them, and `notes`
        explained_note = self._judge_warning.note or NO_SAMPLES
        if new_notes and progress is not None:
            progress.clear()
        for note in new_notes:
            print(note)
            if note == explained_note:
                print(f"\n{self.explain()}\n")

    # Looking --------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One of `new`, `running`, `paused`, `done`, `cancelled`, `failed` and `interrupted`.

        A run is paused while the teacher is away, and while a warning waits for an answer. It is
        interrupted if the process that wrote its folder is gone.
        """
        return self.snapshot().state

    @property
    def is_running(self) -> bool:
        """Whether this process is working on it now, including the writing of files."""
        return self._execution is not None and self._execution.is_running

    @property
    def finished(self) -> bool:
        """Whether the run is over and its files are written."""
        return not self.is_running and self.state not in ("new", "running", "paused")

    @property
    def error(self) -> BaseException | None:
        """What stopped the run; None if nothing did."""
        if self._execution is None:
            return None
        return self._execution.error

    @property
    def warning(self) -> Explanation | None:
        """Where the rows went, if a judge rejected most of its first rows; otherwise None."""
        return self._judge_warning.explanation

    @property
    def notes(self) -> list[str]:
        """The run's notes so far, in order."""
        return self._notes.sentences

    @property
    def plan(self) -> Plan | None:
        """What is done; with a profile once there is one. None for a run that was opened."""
        if self._execution is None:
            return self._given_plan
        return self._execution.plan

    @property
    def profile(self) -> Profile | None:
        """The profile that the run uses; None before there is one, or if the run has none.

        Raises:
            ProfileError: The file in the folder cannot be used.
        """
        if self.plan is not None:
            return self.plan.profile
        folder = self._require_folder()
        if not (folder / PROFILE_FILE).exists():
            return None
        return folders_profile(folder)

    @property
    def teachers(self) -> list[Teacher]:
        """The teachers that the run asks: teacher and judge. Empty for a run that was opened."""
        if self.plan is None:
            return []
        return self.plan.teachers

    def snapshot(self) -> Snapshot:
        """The state of the run now. Cheap; call it as often as you like, from any thread."""
        if self._execution is not None:
            return self._execution.snapshot()
        return self._record.last_snapshot() or Snapshot(state="new")

    @property
    def funnel(self) -> Funnel:
        """Rows in, tried, out and dropped by reason, stage by stage."""
        return Funnel(self.snapshot().stages)

    @property
    def summary(self) -> Summary:
        """The numbers of the run over all its sessions, as `summary.json` holds them.

        Raises:
            RunError: The run has not been started, or another process has not finished it.
        """
        if self.plan is None:
            return read_summary(self._require_folder())
        with self._record.reading() as journal:
            totals = journal.totals()
        if self._execution is not None:
            return self._execution.summary(totals)
        if self.folder is not None and self.finished:
            return read_summary(self.folder)
        return summarize(self.plan, totals, state="new", funnel=(), notes=self.notes)

    @property
    def shortfall(self) -> str:
        """Why the run finished short, in a sentence; empty if it did not, or is not done.

        It missed its target, kept fewer than `min_samples`, or nothing.
        """
        return self.summary.shortfall

    def explain(self) -> Explanation:
        """Where the samples went: the biggest causes, an example of each, what to change."""
        return explain(self.snapshot(), self._record)

    # What it made ---------------------------------------------------------------------------------

    def samples(self) -> Iterator[dict[str, Any]]:
        """The samples so far, in lineage order, read one by one."""
        return self._record.samples()

    def drops(self) -> Iterator[dict[str, Any]]:
        """The drops so far, in lineage order, read one by one: the lines of `dropped.jsonl`."""
        return self._record.drops()

    def let_through(self) -> Iterator[dict[str, Any]]:
        """The samples to train on: without those the review rejected, and with its edits."""
        return self._record.let_through()

    @property
    def dataset(self) -> "datasets.Dataset":
        """The samples so far as a `datasets.Dataset`, in lineage order."""
        return self._record.dataset

    @property
    def dropped(self) -> "datasets.Dataset":
        """The drops so far as a `datasets.Dataset`.

        Its columns: id, stage, reason, message, reply, and the row's columns as they stood.
        """
        return self._record.dropped

    def trace(self, id: str) -> Trace:
        """The history of one sample or drop: every message sent, and every reply.

        Args:
            id: Its lineage, such as `s3/c7/q2`.

        Raises:
            RunError: No row of this run has that id.
        """
        return self._record.trace(id)

    @property
    def decisions(self) -> Decisions:
        """What the review has decided so far."""
        return self._record.decisions

    def decision_book(self) -> DecisionBook:
        """Where the review's decisions are recorded."""
        return self._record.decision_book()

    def export(self, format: str, path: str | Path, *, test_share: float | None = None) -> int:
        """Write the samples that the review lets through in a training format.

        An export inside the run's folder is written again whenever the review continues.

        Args:
            format: `messages`, `instructlab`, `alpaca`, `sharegpt`, `preference` (pairs of what the
                review edited, and of responses with different scores), `parquet`, or `datasets` (a
                folder with a card).
            path: The file or folder to write.
            test_share: The share of contexts to hold out, at least 0 and less than 1. In a folder
                they become a split of their own (default 0.1); from a file they are left out
                (default none).

        Returns:
            How many rows were written.

        Raises:
            SettingsError: The format or the share is unknown.
            RunError: The file cannot be written, or samples have no answer.
        """
        rows = TrainingSet(self.part()).write(format, path, test_share=test_share)
        if self.folder is not None:
            folder = self.folder.resolve()
            exported = Path(path).resolve()
            if exported.is_relative_to(folder):
                place = exported.relative_to(folder).as_posix()
                self.decision_book().note_export(place, format, test_share)
        return rows

    def save_skill(self, folder: str | Path) -> Path:
        """Save the skill as a folder: seeds, profile, own prompts and contexts, settings.

        `generate` takes the folder in place of a seed file and does the same job. It holds no
        samples, no key, no teacher and no path; you have to pass checks of your own code again.

        Args:
            folder: A new folder, or an empty one.

        Returns:
            The folder.

        Raises:
            FileConflict: There is something in the folder.
            RunError: It cannot be written, or the run did not begin with seeds.
        """
        path = Path(folder)
        seeds: Sequence[Mapping[str, Any]]
        if self.plan is not None:
            seeds = self.plan.rows
            config = RunConfig.of(self.plan, path.name)
        else:
            run_folder = self._require_folder()
            seeds = read_seeds(run_folder / SEEDS_FILE)
            config = read_config(run_folder)
        write_skill(path, seeds, config, self.profile)
        return path

    def part(self) -> Part:
        """What this run contributes to a training set, alone or merged with others."""
        folder = Path("samples")
        if self.folder is not None:
            folder = self.folder.resolve()
        if self.plan is not None:
            config = RunConfig.of(self.plan, folder.name)
            summary = self.summary
        else:
            config = read_config(folder)
            if (folder / SUMMARY_FILE).exists():
                summary = self.summary
            else:
                summary = summary_so_far(self.snapshot(), config)
        return Part(
            samples=self.samples,
            drops=self.drops,
            decisions=self.decisions,
            system=config.system,
            skill=config.name,
            summary=summary,
            key=folder.name,
        )

    def _require_folder(self) -> Path:
        if self.folder is None:
            raise RunError("This run has no folder.")
        return self.folder


@known_keywords
def open_run(folder: str | Path) -> Run:
    """Open the run in a folder to look at it, even while another process writes it.

    Args:
        folder: The run's folder.

    Raises:
        RunError: The folder holds no run.
    """
    path = Path(folder)
    if not (path / JOURNAL_FILE).exists():
        raise RunError(
            f"There is no run in {path}: {JOURNAL_FILE} is missing. "
            "Give a folder that a run has written.",
            folder=path,
        )
    return Run(None, path)
