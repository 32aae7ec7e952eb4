"""One session of a run: its work, from the first request to the last file."""

import asyncio
import concurrent.futures
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

from sdgkit.errors import as_sdgkit_error
from sdgkit.formatting import pluralize, visible
from sdgkit.funnel import (
    StageLine,
    Summary,
    samples_kept,
    technical_note,
)
from sdgkit.journal import Totals
from sdgkit.report.explain import explain
from sdgkit.run.draws import with_draw_starts
from sdgkit.run.elsewhere import Elsewhere, RowStream
from sdgkit.run.ending import emptied_by_failures, take_last_steps
from sdgkit.run.folder import no_training_file_note, write_folder, write_start, write_summary
from sdgkit.run.judges import JudgeWarning, doubtful_judge
from sdgkit.run.kept_files import earlier_files, kept_note
from sdgkit.run.log_entries import log_end, log_start
from sdgkit.run.notes import Notes, TeacherNews
from sdgkit.run.pace import Measurement, Pace
from sdgkit.run.plan import Plan
from sdgkit.run.profiles import after_study, choose_profile, study_notes, study_of
from sdgkit.run.record import Record
from sdgkit.run.session import begin_session, stream_of
from sdgkit.run.snapshot import Snapshot, failed_rows, funnel_of, texts_of
from sdgkit.run.summary import summarize
from sdgkit.run.workload import Workload
from sdgkit.stream import Target, Usage
from sdgkit.studies import Study
from sdgkit.teachers import background

BEAT_S = 0.5
"""Seconds between two entries in the journal of how far the run has got."""

PACE_BEATS = 120
"""Beats over which the pace is measured: a minute."""

EXPLAIN = "run.explain() or `sdgkit explain RUN`"

NO_SAMPLES = f"No sample was kept. To see where the rows went, use {EXPLAIN}."


class Execution:
    """The work of one session of a run. It begins when it is made.

    Args:
        plan: What to do.
        record: Where to record it.
        notes: Where to report what the user should read.
        warning: The warning about a judge, if it was given in an earlier session.
        reuse: Continue in the folder of another job.
        elsewhere: The machines that work on the rows; None for this one.

    Attributes:
        plan: What is done; with a profile, once the seeds are studied.
        state: `running`, `done`, `cancelled` or `failed`.
        error: What stopped it.
        stream: The rows on their way.
        future: Done when the last file is written.

    Raises:
        SettingsError: A stage has no teacher to ask, or the rows or the target cannot be used.
        RunError: The folder cannot be used.
    """

    def __init__(
        self,
        plan: Plan,
        record: Record,
        notes: Notes,
        warning: JudgeWarning,
        *,
        reuse: bool,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        plan.require_teachers()
        _ = plan.admitted, plan.target_rounds()  # refused before anything is written
        journal = record.open_for_writing()
        try:
            plan = choose_profile(plan, journal, record.folder, notes)
            plan = with_draw_starts(plan, journal)
            finished = begin_session(plan, journal, record, notes, reuse=reuse)
        except BaseException:
            if record.folder is not None:
                journal.close()
            raise
        self.state = "running"
        self.error: BaseException | None = None
        self.plan = plan
        self._elsewhere = elsewhere
        self._record = record
        self._journal = journal
        self.stream = self._stream_of(plan, finished)
        self._study = study_of(plan, journal)
        self._notes = notes
        self._warning = warning
        self._pace = Pace()
        self._workload = Workload.of(plan)
        self._final_funnel: list[StageLine] = []
        self._distinct_answers: int | None = None
        self._kept: Summary | None = None  # of the files of an earlier session, which stay
        self._retries_before = self._teacher_retries()
        self._begun_at = time.monotonic()
        self._ended_at: float | None = None
        log_start(plan, record.out, journal.count_replies())
        self.future: concurrent.futures.Future[None] = background.submit(self._run())

    @property
    def is_running(self) -> bool:
        """Whether anything is left to do, the writing of files included."""
        return not self.future.done()

    def cancel(self) -> None:
        """Stop within a moment; everything that is finished is kept."""
        background.loop().call_soon_threadsafe(self._cancel)

    def continue_after_warning(self) -> None:
        """Ask again after a pause on a warning."""
        background.loop().call_soon_threadsafe(self.stream.flowing.set)

    # The work -------------------------------------------------------------------------------------

    def _stream_of(self, plan: Plan, finished: Mapping[int, Mapping[str, int]]) -> RowStream:
        """The stream of a plan, here or elsewhere, without the units that are already finished."""
        folder = self._record.folder
        if self._elsewhere is not None and folder is not None:
            return self._elsewhere.stream(plan, folder, self._journal, finished)
        return stream_of(plan, self._journal, finished)

    async def _run(self) -> None:
        if self._record.folder is not None:
            _load_while_the_teacher_works("pyarrow.parquet")
        self._news = TeacherNews(self.plan.teachers)
        beats = asyncio.create_task(self._beat_regularly())
        try:
            if self._study is not None:
                await self._study_seeds(self._study)
            await self.stream.run()
            self.state = "done"
            if self.stream.is_cancelled:
                self.state = "cancelled"
            beats.cancel()
            await asyncio.wait([beats])  # it may be checking the judges at this moment
            await self._look_at_judges()
        except BaseException as error:
            self.error = error
            self.state = "failed"
        finally:
            beats.cancel()
        self._ended_at = time.monotonic()
        self._pace = Pace(fraction=1.0 if self.state == "done" else self._pace.fraction)
        for note in self._news.unsaid_notes():
            self._notes.add(note)
        self._say_how_it_ended()
        await asyncio.to_thread(self._finish)

    def _cancel(self) -> None:
        if self._study is not None:
            self._study.cancel()
        self.stream.cancel()

    async def _study_seeds(self, study: Study) -> None:
        """Study the seeds, and continue in the edition of the plan by the profile."""
        outcome = await study.carry_out()
        if study.is_cancelled:
            return
        for note in study_notes(outcome, self.plan, self._record.out):
            self._notes.add(note)
        plan = after_study(self.plan, outcome)
        if self._record.folder is not None:
            await asyncio.to_thread(write_start, self._record.folder, plan)
        if self.stream.is_cancelled:
            return
        finished = self._journal.change_edition(
            plan.edition().as_json(), from_start=plan.target is not None
        )
        self.stream = self._stream_of(plan, finished)
        self.plan = plan
        self._workload = Workload.of(plan)

    @property
    def _usage(self) -> Usage:
        """What the study and the stream have taken so far."""
        usage = self.stream.usage
        if self._study is None:
            return usage
        return usage.plus(self._study.usage)

    def _say_how_it_ended(self) -> None:
        usage = self._usage
        if self.state == "cancelled":
            if self._record.out is not None:
                self._notes.add(
                    f"Stopped. Finished samples are kept in {self._record.out}. "
                    "Run the same command again to resume."
                )
            else:
                self._notes.add(
                    "Stopped. Finished samples are in memory only: this run has no folder (out=)."
                )
        elif self._journal.session > 1 and (usage.reused or usage.requests):
            reused = pluralize(usage.reused, "recorded reply", "recorded replies")
            self._notes.add(f"Reused {reused}, sent {pluralize(usage.requests, 'request')}.")

    def _finish(self) -> None:
        """Take the last steps, write the files, release the folder; in a thread of its own."""
        folder = self._record.folder
        try:
            self._take_last_steps()
            self._fail_if_emptied_by_failures()
            if folder is not None and self.state != "done":
                self._keep_larger_files(folder)
            self._write_beat()
            if self._kept is None:
                self._write_files(folder)
            elif folder is not None:
                write_summary(folder, self.summary(self._journal.totals()))
            is_pipeline = len(self._final_funnel) > 1
            if self.state == "done" and is_pipeline and not samples_kept(self._final_funnel):
                self._notes.add(NO_SAMPLES)
        except Exception as error:
            failure = as_sdgkit_error(error, f"Writing {self._record.out or 'the journal'} failed")
            self.error = self.error or failure  # the first error counts
            self.state = "failed"
        finally:
            self._release_folder()
            log_end(self.snapshot(), self._record.out, self._error_sentence())

    def _fail_if_emptied_by_failures(self) -> None:
        """A run that kept nothing, mostly because of technical failures, has failed."""
        if self.state != "done":
            return
        emptied = emptied_by_failures(self._final_funnel, self._journal, self._record.out)
        if emptied is not None:
            self.error = emptied
            self.state = "failed"

    def _take_last_steps(self) -> None:
        target: Target | None = self.stream.target if self.state == "done" else None
        ending = take_last_steps(self.plan, target, self.stream.tally, self._journal)
        self._final_funnel = ending.funnel
        self._distinct_answers = ending.distinct_answers
        for note in ending.notes:
            self._notes.add(note)
        technical = technical_note(self._final_funnel)
        if technical:
            self._notes.add(f"{technical} Why: {EXPLAIN}.", "technical_failures", logging.WARNING)

    def _keep_larger_files(self, folder: Path) -> None:
        """Keep the files of an earlier session, and show them, if this one has less to train on."""
        kept = earlier_files(folder, self._journal)
        if kept is None:
            return
        self._notes.add(kept_note(kept, samples_kept(self._final_funnel)))
        self._kept = kept
        self._final_funnel = list(kept.stages)
        self._distinct_answers = kept.distinct_answers

    def _write_files(self, folder: Path | None) -> None:
        if folder is not None:
            self._say_why_no_training_file()
            write_folder(folder, self.summary(self._journal.totals()), self._journal)
        self._journal.note_files()

    def _say_why_no_training_file(self) -> None:
        """Of a pipeline of your own, whose samples may have other columns."""
        if self.state == "done" and self.plan.pipeline.prompts:
            note = no_training_file_note(self._journal)
            if note:
                self._notes.add(note)

    def _release_folder(self) -> None:
        if self._record.folder is None:
            return
        try:
            self._journal.close()
        except Exception as error:
            self.error = self.error or as_sdgkit_error(error, "Closing the journal failed")
            self.state = "failed"

    # Beats ----------------------------------------------------------------------------------------

    async def _beat_regularly(self) -> None:
        """Record how far the run has got, check its judges, and report news about the teachers."""
        measurements: deque[Measurement] = deque(maxlen=PACE_BEATS)
        while True:
            await asyncio.sleep(BEAT_S)
            measurements.append(self._measure())
            self._pace = Pace.of(measurements).after(self._pace, BEAT_S)
            try:
                self._write_beat()
                await self._look_at_judges()
            except Exception as error:
                self.stream.fail(as_sdgkit_error(error, "Recording the run's progress failed"))
                return
            for news in self._news.since_last_time():
                self._notes.add(news.sentence, news.event, news.level)

    def _measure(self) -> Measurement:
        target = self.stream.target
        if target is not None:
            fraction = target.kept / target.number
        else:
            fraction = self._workload.fraction_done(self.funnel)
        usage = self._usage
        return Measurement(
            at_s=time.monotonic(),
            requests=usage.requests,
            tokens=usage.completion_tokens,
            fraction=min(1.0, fraction),
        )

    def _write_beat(self) -> None:
        snapshot = self.snapshot()
        self._journal.beat(
            self.state,
            snapshot=snapshot.as_json(),
            reused=snapshot.reused,
            retries=snapshot.retries,
            refused=self._usage.refused,
        )

    async def _look_at_judges(self) -> None:
        """Warn, once, if a judge rejected most of the first rows that it saw."""
        if self._warning.note:
            return
        note = doubtful_judge(self.plan.pipeline.stages, self.funnel)
        if not note:
            return
        if self._warning.pauses:
            self.stream.flowing.clear()
        self._warning.explanation = await asyncio.to_thread(explain, self.snapshot(), self._record)
        self._warning.note = note
        self._notes.add(note, "judge_warning", logging.WARNING)

    # Looking --------------------------------------------------------------------------------------

    @property
    def funnel(self) -> Sequence[StageLine]:
        """The funnel as it is now."""
        if self._final_funnel:
            return self._final_funnel
        return funnel_of(self.plan.pipeline, self.stream.tally, len(self.plan.rows))

    def snapshot(self) -> Snapshot:
        """The state of the session now. May be called from any thread."""
        stream = self.stream
        usage = self._usage
        studying = 0
        if self._study is not None:
            studying = self._study.in_flight
        funnel = self.funnel
        slots = sum(teacher.slots.total for teacher in self.plan.teachers)
        away_reason = self._away_reason()
        asks = bool(self._warning.note) and not stream.flowing.is_set()
        is_running = self.state == "running"
        if away_reason:
            message = away_reason
        elif is_running and asks:
            message = self._warning.note
        else:
            message = self._error_sentence()
        return Snapshot(
            state="paused" if is_running and (away_reason or asks) else self.state,
            stages=funnel,
            samples=samples_kept(funnel),
            seeds=len(self.plan.rows),
            requests=usage.requests,
            reused=usage.reused,
            retries=self._teacher_retries() - self._retries_before,
            completion_tokens=usage.completion_tokens,
            # A reply that is still being recorded has already given its slot back.
            in_flight=min(slots, stream.in_flight + studying),
            slots=slots,
            wall_s=(self._ended_at or time.monotonic()) - self._begun_at,
            **asdict(self._pace),
            message=message,
            newest=tuple(stream.newest),
            texts=texts_of(stream.newest_texts),
            failed=failed_rows(funnel),
            workload=self._workload,
            asks=is_running and asks,
            distinct_answers=self._distinct_answers,
            base_url=self._address(),
        )

    def _address(self) -> str | None:
        teacher = self.plan.teacher
        if teacher is None or teacher.is_rehearsal:
            return None
        return teacher.base_url

    def summary(self, totals: Totals) -> Summary:
        """The numbers of all sessions.

        Args:
            totals: The totals in the journal.
        """
        if self._kept is not None:
            notes = self._notes.sentences
            error = self._error_sentence()
            return replace(
                self._kept, state=self.state, notes=notes, error=error or None, **vars(totals)
            )
        return summarize(
            self.plan,
            totals,
            state=self.state,
            funnel=self._final_funnel,
            notes=self._notes.sentences,
            distinct_answers=self._distinct_answers,
            error=self._error_sentence() or None,
        )

    def _error_sentence(self) -> str:
        """What stopped the run, without the path of its folder; empty if nothing did."""
        return self._notes.without_path(visible(str(self.error or "")))

    def _away_reason(self) -> str:
        for teacher in self.plan.teachers:
            if teacher.state == "away":
                return teacher.away_reason
        return ""

    def _teacher_retries(self) -> int:
        return sum(teacher.retries for teacher in self.plan.teachers)


def _load_while_the_teacher_works(module: str) -> None:
    """Import a module in a thread of its own, so that writing the files need not wait for it."""
    asyncio.get_running_loop().run_in_executor(None, _load, module)


def _load(module: str) -> None:
    with suppress(Exception):  # if it cannot be loaded, writing the files says so
        import_module(module)
