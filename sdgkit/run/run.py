"""A run: start it, wait for it, cancel it, look at it while it goes on, and at what it made.

The work is done on the background event loop; everything here is plain functions that may be called from a notebook
cell, a script or another thread.
"""

import asyncio
import concurrent.futures
import math
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError, SettingsError, as_sdgkit_error
from sdgkit.export.training_set import Part, TrainingSet
from sdgkit.formatting import public_model_name, visible
from sdgkit.funnel import StageLine, Summary, samples_kept
from sdgkit.journal import JOURNAL_FILE, Journal, Session
from sdgkit.report.explain import DOUBTFUL_SHARE, Explanation, explain
from sdgkit.run.ending import last_steps
from sdgkit.run.folder import config_of, read_summary, read_values, write_folder, write_start
from sdgkit.run.plan import Plan, changes, refuse_another_job
from sdgkit.run.record import Record
from sdgkit.run.snapshot import Funnel, Snapshot, fraction, funnel_of, pace
from sdgkit.stream import Stream
from sdgkit.teachers import background
from sdgkit.teachers.teacher import Teacher

BEAT_S = 0.5  # between two notes in the journal of how far the run is
PACE_BEATS = 120  # over which a run's pace is measured: a minute
NOTES_S = 0.1  # between two looks for notes while waiting
SILENT_S = 10.0  # without a beat, after which whoever wrote a run counts as gone
CANCEL_S = (
    30.0  # for a cancelled run to write its files: usually a moment, more on a machine that is busy
)
FIRST = 30  # judgements after which a judge that turns nearly all of them down is worth a warning

EMPTY = "No sample was kept. run.explain(), or `sdgkit explain RUN`, shows where the rows went."


class Run(Record):
    """One run of a pipeline. Made by `generate`, by a stage's `run`, or by `open_run`.

    plan: what to do; None for a run that was opened only to be looked at. out: its folder, None to keep all in memory.
    reuse: go on in the folder of another job. on_note: called with each
    sentence that the user should read, from any thread; by default `wait` prints them. journal: where a run without
    a folder is recorded. pause_on_warning: once a judge turned down most of its first rows, ask nothing more until
    `go_on` or `cancel` is called; for whoever shows the run to somebody who decides.
    """

    def __init__(
        self,
        plan: Plan | None,
        out: str | Path | None = None,
        *,
        reuse: bool = False,
        on_note: Callable[[str], None] | None = None,
        journal: Journal | None = None,
    ) -> None:
        super().__init__(out, journal)
        self.plan = plan
        self.notes: list[str] = []
        self.error: BaseException | None = None
        self.warning: Explanation | None = None  # once a judge turned down most of its first rows
        self.pause_on_warning = False
        self._reuse, self._on_note = reuse, on_note
        self._stream: Stream | None = None
        self._future: concurrent.futures.Future[None] | None = None
        self._state = "new"
        self._progress: dict[str, Any] = {}
        self._told = 0  # notes that `wait` has printed
        self._retries_before = 0
        self._funnel: list[StageLine] = []  # once the stream has ended
        self._warned = ""
        self._begun = self._ended = 0.0

    # Going on ---------------------------------------------------------------------------------------------------------

    def start(self) -> "Run":
        """Begin, or go on where it stopped; returns at once. Raises RunError if the folder cannot be used."""
        if self.going:
            return self
        if self.plan is None:
            raise RunError(
                "This run was opened to be looked at. To go on with it: sdgkit.generate(its folder)."
            )
        plan, rows, target = self.plan, self.plan.admitted, self.plan.target_rounds()
        for stage in plan.pipeline.stages:
            if (
                stage.role
                and (plan.teacher or (plan.judge if stage.role == "judge" else None)) is None
            ):
                raise SettingsError(
                    f"The stage {stage.name} asks a teacher. Give teacher=sk.connect(...)."
                )
        journal = self._journal = (
            Journal(self.out) if self._journal is None or self.out else self._journal
        )
        try:
            finished = self._begin(plan, journal)
        except BaseException:
            journal.close()
            raise
        self.error, self._state, self._funnel = None, "running", []
        self._begun, self._ended = time.monotonic(), 0.0
        self._retries_before = sum(teacher.retries for teacher in self.teachers)
        self._stream = Stream(plan, rows, journal, finished, target)
        self._future = background.submit(self._go(plan, self._stream, journal))
        return self

    resume = start

    def _begin(self, plan: Plan, journal: Journal) -> Mapping[int, Mapping[str, int]]:
        """A session in the journal, once it is sure that this folder is for this job; says what changed."""
        config, previous = plan.config(), journal.newest()
        if previous is not None and not self._reuse:
            refuse_another_job(previous.config, config, self.out)
        recorded = journal.count_replies()
        if journal.note:
            self._say(journal.note)
        finished = journal.begin(config)
        if previous is not None:
            changed = ", ".join(changes(previous.config, config))
            told = (
                f"changed since the last session: {changed}"
                if changed
                else "going on where it stopped"
            )
            told += f"; {recorded} recorded replies serve where they fit"
            if len(finished) == len(plan.rows) and plan.target is None:
                told = "it is finished; nothing is left to ask"
            self._say(f"{self.out or 'This run'}: {told}.")
        if self.out is not None:
            write_start(self.out, plan)
        return finished if plan.target is None else {}

    async def _go(self, plan: Plan, stream: Stream, journal: Journal) -> None:
        if (
            self.out is not None
        ):  # the files are written with it: loaded while the teacher works, it delays nothing
            asyncio.get_running_loop().run_in_executor(None, import_module, "pyarrow.parquet")
        beat = asyncio.create_task(self._beat(plan, stream, journal))
        try:
            await stream.run()
            self._state = "cancelled" if stream.is_cancelled else "done"
            beat.cancel()
            await asyncio.wait([beat])  # it may be looking at them just now
            await self._look_at_judges(stream)
        except BaseException as error:
            self.error, self._state = error, "failed"
        finally:
            beat.cancel()
        self._ended = time.monotonic()
        self._progress = {
            "fraction": 1.0 if self._state == "done" else self._progress.get("fraction", 0.0)
        }
        if self._state == "cancelled":
            where = f"kept in {self.out}" if self.out else "kept"
            self._say(f"Stopped; what is finished is {where}. Run the same again to go on.")
        elif journal.session > 1 and (stream.usage.reused or stream.usage.requests):
            self._say(
                f"{stream.usage.reused} recorded replies used again, {stream.usage.requests} asked."
            )
        await asyncio.to_thread(self._finish, plan, stream, journal)

    def _finish(self, plan: Plan, stream: Stream, journal: Journal) -> None:
        """Take the last steps, write the last beat and the files, and let go of the folder. Runs in a thread of its
        own: it may take a moment."""
        try:
            with closing(journal) if self.out else nullcontext():
                target = stream.target if self._state == "done" else None
                self._funnel, said = last_steps(plan, target, stream.tally, journal)
                for sentence in said:
                    self._say(sentence)
                self._write_beat(stream, journal)
                if self.out is not None:
                    write_folder(self.out, self.summary, journal)
                if (
                    self._state == "done"
                    and len(self._funnel) > 1
                    and not self._funnel[-1].rows_out
                ):
                    self._say(EMPTY)
        except Exception as error:  # the first error counts
            self.error = self.error or as_sdgkit_error(
                error, f"Writing {self.out or 'the journal'} failed"
            )
            self._state = "failed"
        if self.out is not None:
            self._journal = None

    async def _look_at_judges(self, stream: Stream) -> None:
        """Warn, once, if a judge turned down most of the first rows that it saw."""
        for stage, line in zip(stream.stages, self._stages(), strict=False):
            dropped = line.dropped.get("score", 0)
            judged = dropped + line.rows_out
            doubtful = (
                stage.drops_by_score and judged >= FIRST and dropped > DOUBTFUL_SHARE * judged
            )
            if self.warning is not None or not doubtful:
                continue
            if self.pause_on_warning:
                stream.flowing.clear()
            self.warning = await asyncio.to_thread(self.explain)
            self._warned = (
                f"{stage.name}: the judge turned down {dropped} of the first {judged} rows. "
                "Is it right? run.explain(), or `sdgkit explain RUN`, shows examples."
            )
            self._say(self._warned)

    async def _beat(self, plan: Plan, stream: Stream, journal: Journal) -> None:
        """Write down now and then how far it is, and say what the teachers have to say."""
        notes: deque[tuple[float, int, int, float]] = deque(maxlen=PACE_BEATS)
        known = {
            about: said for about, said in self._heard().items() if not said[1]
        }  # the notes of before
        while True:
            await asyncio.sleep(BEAT_S)
            target, stages = stream.target, self._stages()
            done = (
                target.kept / target.number
                if target
                else fraction(plan.pipeline, stages, len(plan.rows))
            )
            notes.append(
                (
                    time.monotonic(),
                    stream.usage.requests,
                    stream.usage.completion_tokens,
                    min(1.0, done),
                )
            )
            self._progress = pace(notes)
            try:
                self._write_beat(stream, journal)
                await self._look_at_judges(stream)
            except Exception as error:
                stream.fail(as_sdgkit_error(error, "Writing down how far the run is failed"))
                return
            now = self._heard()
            begun = [now[about][0] for about in now if about not in known]
            ended = [known[about][1] for about in known if about not in now]
            for sentence in begun + ended:
                self._say(sentence)
            known = now

    def _heard(self) -> dict[Any, tuple[str, str]]:
        """What there is to say of the teachers, and what once it is over: their notes, and who does not answer."""
        said: dict[Any, tuple[str, str]] = {}
        for teacher in self.teachers:
            said |= {(teacher, note): (note, "") for note in teacher.notes}
            if teacher.state == "away":
                words = (
                    f"Paused: {teacher.away_reason}. It goes on by itself when the teacher answers."
                )
                said[teacher] = words, "The teacher answers again; going on."
            for url, why in teacher.left_out.items():
                said[teacher, url] = (
                    f"Going on without {url} ({why}) until it answers again.",
                    f"{url} answers again.",
                )
        return said

    def _write_beat(self, stream: Stream, journal: Journal) -> None:
        snapshot = self.snapshot()
        counts = {
            "reused": snapshot.reused,
            "retries": snapshot.retries,
            "refused": stream.usage.refused,
        }
        journal.beat(self._state, **counts, snapshot=snapshot.as_json())

    def wait(self, timeout: float | None = None) -> "Run":
        """Until the run is over. Raises what stopped it; Ctrl-C cancels it first, and leaves what is finished.

        timeout: seconds after which to return all the same, default never.
        """
        if self._future is None:
            return self
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        try:
            while self.going and time.monotonic() < deadline:
                concurrent.futures.wait(
                    [self._future], min(NOTES_S, max(0.0, deadline - time.monotonic()))
                )
                self._tell()
        except KeyboardInterrupt:
            self.cancel()
            concurrent.futures.wait([self._future], timeout=CANCEL_S)
            raise
        finally:
            self._tell()
        if self._future.done():
            self._future.result()
            if self.error is not None:
                raise self.error
        return self

    def cancel(self) -> None:
        """Stop within a moment. What is finished is kept and written; `start` goes on."""
        if self._stream is not None and self.going:
            background.loop().call_soon_threadsafe(self._stream.cancel)

    def go_on(self) -> None:
        """Go on after a pause on a warning; it is not asked again."""
        if self._stream is not None:
            background.loop().call_soon_threadsafe(self._stream.flowing.set)

    # Looking ----------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """new, running, paused (the teacher is away, or a warning is to be read), done, cancelled or failed."""
        return self.snapshot().state

    @property
    def finished(self) -> bool:
        """Whether it is over, its files written."""
        return not self.going and self.state not in ("new", "running", "paused")

    @property
    def going(self) -> bool:
        """Whether this process is doing it now."""
        return self._future is not None and not self._future.done()

    def snapshot(self) -> Snapshot:
        """Where the run stands now. Cheap; call it as often as you like, from any thread."""
        stream = self._stream
        if stream is None or self.plan is None:
            return self._recorded_snapshot()
        running, slots = (
            self._state == "running",
            sum(teacher.slots.total for teacher in self.teachers),
        )
        away = next(
            (teacher.away_reason for teacher in self.teachers if teacher.state == "away"), ""
        )
        asks = running and bool(self._warned) and not stream.flowing.is_set()
        stages = self._stages()
        return Snapshot(
            state="paused" if running and (away or asks) else self._state,
            stages=stages,
            samples=samples_kept(stages),
            seeds=len(self.plan.rows),
            requests=stream.usage.requests,
            reused=stream.usage.reused,
            retries=sum(teacher.retries for teacher in self.teachers) - self._retries_before,
            completion_tokens=stream.usage.completion_tokens,
            # A reply that is just being recorded has given its slot back already.
            in_flight=min(slots, stream.in_flight),
            slots=slots,
            wall_s=(self._ended or time.monotonic()) - self._begun,
            **self._progress,
            message=away or (self._warned if asks else self._short(str(self.error or ""))),
            newest=tuple(stream.newest),
            asks=asks,
        )

    def _recorded_snapshot(self) -> Snapshot:
        """The last snapshot that the writing process left in the journal."""
        session = None
        if self.out is not None and (self.out / JOURNAL_FILE).exists():
            with self._reading() as journal:
                session = journal.last_session()
        if session is None:
            return Snapshot(state=self._state)
        values = session.snapshot or {"state": session.state}
        snapshot = Snapshot.from_json(values)
        if snapshot.is_going and _is_gone(session):
            words = "The process that wrote this run is gone; run it again to go on."
            return replace(snapshot, state="interrupted", message=words)
        return snapshot

    @property
    def teachers(self) -> list[Teacher]:
        """Those whom it asks: the teacher, and the judge if that is another. None for a run that was opened."""
        asked = (self.plan.teacher, self.plan.judge) if self.plan is not None else ()
        return list(dict.fromkeys(teacher for teacher in asked if teacher is not None))

    def _stages(self) -> list[StageLine]:
        """The funnel's lines as they stand."""
        assert self._stream is not None and self.plan is not None
        return self._funnel or funnel_of(
            self.plan.pipeline, self._stream.tally, len(self.plan.rows)
        )

    @property
    def summary(self) -> Summary:
        """The numbers of the run over all its sessions, as summary.json holds them."""
        plan = self.plan
        if plan is None:
            assert self.out is not None
            return read_summary(self.out)
        from sdgkit import __version__

        with self._reading() as journal:
            totals = journal.totals()
        judge = plan.judge or plan.teacher
        return Summary(
            state=self._state,
            stages=list(self._funnel),
            **vars(totals),
            teacher=plan.teacher.kind if plan.teacher else None,
            model=public_model_name(plan.teacher.model) if plan.teacher else None,
            judge=public_model_name(judge.model) if judge else None,
            sdgkit_version=__version__,
            seeds=len(plan.rows),
            target=plan.target,
            notes=list(self.notes),
        )

    @property
    def funnel(self) -> Funnel:
        """Rows in, tried, out and dropped by reason, stage by stage."""
        return Funnel(self.snapshot().stages)

    def explain(self) -> Explanation:
        """Where the samples went: the biggest causes in plain words, an example of each, and what to change."""
        return explain(self.snapshot(), self)

    def export(self, format: str, path: str | Path, *, test_share: float | None = None) -> int:
        """Write the samples that the review lets through in a training format; returns how many.

        format: messages, instructlab, alpaca, sharegpt, preference (pairs of what the review edited), parquet, or
        datasets: a folder with card. test_share: how many of the contexts are kept apart, as a split of their own in a
        folder (default 0.1), left out of anything else (default none). An export inside the run's folder is written
        again when the review goes on. Raises SettingsError, RunError.
        """
        written = TrainingSet(self.part()).write(format, path, test_share=test_share)
        if self.out is not None and Path(path).resolve().is_relative_to(self.out.resolve()):
            inside = Path(path).resolve().relative_to(self.out.resolve())
            noted = format if test_share is None else f"{format}={test_share}"
            self.decision_book().note_export(inside.as_posix(), noted)
        return written

    def part(self) -> Part:
        """What this run gives to a training set."""
        folder = self.out.resolve() if self.out else Path("samples")
        config = (
            config_of(self.plan, folder.name) if self.plan else read_values(folder, "config.json")
        )
        if self.plan is not None or (folder / "summary.json").exists():
            summary = self.summary
        else:  # another process is still at work on it
            snapshot = self.snapshot()
            summary = Summary(
                state=snapshot.state,
                stages=snapshot.stages,
                seeds=snapshot.seeds,
                teacher=config["teacher"],
                model=config["model"],
                judge=config["judge"],
            )
        return Part(
            self.samples, self.decisions, config["system"], config["name"], summary, folder.name
        )

    # Saying -----------------------------------------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        sentence = self._short(visible(sentence))  # a server's words may be in it
        self.notes.append(sentence)
        if self._on_note is not None:
            self._on_note(sentence)

    def _short(self, sentence: str) -> str:
        """With the folder's name where it names the folder's path: notes stand in the folder's files."""
        absolute = self.out is not None and self.out.is_absolute()
        return (
            sentence.replace(str(self.out), self.out.name)
            if self.out is not None and absolute
            else sentence
        )

    def _tell(self) -> None:
        """Print the notes that are new, in the thread of whoever waits: in a notebook, below the cell that waits."""
        while self._on_note is None and self._told < len(self.notes):
            note = self.notes[self._told]
            print(f"{note}\n\n{self.explain()}\n" if note == (self._warned or EMPTY) else note)
            self._told += 1

    def __repr__(self) -> str:
        snapshot = self.snapshot()
        return (
            f"Run({str(self.out or 'in memory')!r}, {snapshot.state}, {snapshot.samples} samples)"
        )


def open_run(folder: str | Path) -> Run:
    """The run in a folder, to look at: finished, cancelled, or being written by another process just now.

    Raises RunError if the folder holds no run.
    """
    folder = Path(folder)
    if not (folder / JOURNAL_FILE).exists():
        raise RunError(
            f"There is no run in {folder}: {JOURNAL_FILE} is missing. Name a folder that a run wrote."
        )
    return Run(None, folder)


def _is_gone(session: Session) -> bool:
    """Whether the process of a session is dead (on this machine), or has not been heard of for long."""
    if session.host == socket.gethostname():
        try:
            os.kill(session.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # it is somebody else's, and alive
    return time.time() - session.seen > SILENT_S
