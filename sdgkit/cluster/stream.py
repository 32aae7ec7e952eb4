"""The rows of a run, moved by the workers of a cluster."""

import asyncio
import hashlib
import platform
import secrets
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.cluster.calls import Calls, Watch, Withdrawn, error_of
from sdgkit.cluster.dealing import deal, share
from sdgkit.cluster.messages import Serving, Shard, ShardReport, ShardResult, Teachers
from sdgkit.cluster.waves import Waves
from sdgkit.errors import RunStopped
from sdgkit.files import JOURNAL_FILE, write_atomically
from sdgkit.funnel import FAILURES
from sdgkit.journal import Journal, copy_replies, copy_rows
from sdgkit.run.plan import Plan
from sdgkit.run.session import target_of
from sdgkit.run.shards import FOLDER, shard_folder, take_over_shards
from sdgkit.stream import Tally, Target, Usage
from sdgkit.stream.stream import FIRST_FAILURES, NEWEST, NEWEST_TEXTS, StageText
from sdgkit.teachers.introduction import Introduction
from sdgkit.teachers.teacher import Teacher

LOOK_S = 0.5
"""Seconds between two looks at the workers."""

STOP_S = 20.0
"""Seconds in which cancelled workers write down what they have."""

PROOF_FILE = "seen.txt"
RECORDED = "recorded"


def _name_of_run(folder: Path) -> str:
    """A name that only this folder has, among all runs of all machines, and has in each session."""
    place = f"{platform.node()} {folder.resolve()}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Order:
    """What a cluster is to do for one run.

    Attributes:
        workers: How many workers there can be.
        serving: How each starts a teacher of its own; None if all ask that of the run.
        host: The name of this machine.
    """

    workers: int
    serving: Serving | None
    host: str


class ClusterStream:
    """One pass of rows through the stages of a plan, on the workers of a cluster.

    It has the attributes of `sdgkit.stream.Stream`. Each worker moves the rows of a shard and
    records them in a journal of its own; what it has recorded is merged into the journal of
    the whole when it is done.

    Args:
        calls: How to reach the workers.
        order: What to do.
        plan: The plan of the run.
        out: Its folder.
        journal: Its journal.
        finished: The tallies of the units that are finished.

    Raises:
        SettingsError: A cluster cannot do what the plan asks for.
    """

    def __init__(
        self,
        calls: Calls,
        order: Order,
        plan: Plan,
        out: Path,
        journal: Journal,
        finished: Mapping[int, Mapping[str, int]],
    ) -> None:
        self.newest: deque[dict[str, Any]] = deque(maxlen=NEWEST)
        self.newest_texts: dict[str, deque[StageText]] = {}
        for name in plan.pipeline.names:
            self.newest_texts[name] = deque(maxlen=NEWEST_TEXTS)
        self.is_cancelled = False
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._calls = calls
        self._order = order
        self._plan = plan
        self._out = out.resolve()
        self._journal = journal
        seeds = range(1, len(plan.rows) + 1)
        self._seeds = [seed for seed in seeds if seed not in finished]
        target = target_of(plan, journal)
        self._waves: Waves | None = None
        if target is not None:
            self._waves = Waves(plan, journal, target)
        self._before = Tally()
        self._usage_before = Usage()
        for numbers in finished.values():
            self._before.add(Tally.from_json(numbers))
        self._reports: dict[int, ShardReport] = {}
        self._running: dict[Any, Shard] = {}
        self._error: BaseException | None = None
        self._stop_at: float | None = None
        self._retries = 0

    # Looking --------------------------------------------------------------------------------------

    @property
    def target(self) -> Target | None:
        """How far the target is; None without one."""
        if self._waves is None:
            return None
        return self._waves.target

    @property
    def tally(self) -> Tally:
        """What became of all rows so far."""
        if self._waves is None:
            return self._tally_of_workers
        return self._waves.shown(self._tally_of_workers)

    @property
    def _tally_of_workers(self) -> Tally:
        tally = self._before.copy()
        for report in list(self._reports.values()):
            tally.add(Tally.from_json(report.tally))
        return tally

    @property
    def usage(self) -> Usage:
        """The requests and tokens so far."""
        usage = Usage()
        for report in list(self._reports.values()):
            usage = usage.plus(report.usage)
        before = self._usage_before
        # What an earlier wave of this session was answered is no reply of an earlier session.
        reused = max(before.reused, usage.reused - before.requests)
        return replace(before.plus(usage), reused=reused)

    @property
    def in_flight(self) -> int:
        """How many requests the teachers are working on."""
        running = [shard.number for shard in list(self._running.values())]
        reports = list(self._reports.values())
        return sum(report.in_flight for report in reports if report.number in running)

    # Working --------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop now; what is recorded stays."""
        self.is_cancelled = True
        self._stop()

    def fail(self, error: BaseException) -> None:
        """Stop because of an error. Of several, the first counts."""
        if self._error is None:
            self._error = error
        self._stop()

    def _stop(self) -> None:
        if self._stop_at is None:
            self._stop_at = time.monotonic() + STOP_S

    async def run(self) -> None:
        """Run until all rows are finished, or `cancel` is called.

        Raises:
            SdgkitError: What stopped the workers otherwise.
        """
        if self._waves is not None:
            await self._pursue_target(self._waves)
        elif self._seeds and self._stop_at is None:
            await self._work(self._seeds)
        # What a worker recorded that was lost for good.
        try:
            take_over_shards(self._out, self._journal)
        except Exception as error:
            self.fail(error)
        if self._error is not None:
            raise self._error

    async def _pursue_target(self, waves: Waves) -> None:
        while not waves.target.is_over and self._stop_at is None:
            self._usage_before = self.usage
            self._reports = {}
            self._retries = 0
            units = waves.begin(self._slots())
            await self._work(self._seeds[:units], target_units=units)
            try:
                waves.end(self._tally_of_workers, is_whole=self._stop_at is None)
            except Exception as error:
                self.fail(error)

    async def _work(self, seeds: Sequence[int], *, target_units: int | None = None) -> None:
        watch = await asyncio.to_thread(self._calls.watch)
        try:
            self._running = await self._start(watch, seeds, target_units)
            while self._running:
                ended = await asyncio.to_thread(self._calls.ended, list(self._running), LOOK_S)
                await self._take_reports(watch)
                for reference in ended:
                    await self._end(reference)
                self._withdraw_if_stopped()
        finally:
            for reference in self._running:
                self._calls.withdraw(reference)
            self._running = {}
            watch.close()

    async def _start(
        self, watch: Watch, seeds: Sequence[int], target_units: int | None
    ) -> dict[Any, Shard]:
        """Start a worker for each shard."""
        proof = self._out / FOLDER / PROOF_FILE
        secret = secrets.token_hex(16)
        with write_atomically(proof) as file:
            file.write(secret.encode())
        recorded = self._recorded()
        file_of_recorded = []
        if recorded is not None:
            content = (recorded / JOURNAL_FILE).read_bytes()
            file_of_recorded = await asyncio.to_thread(self._calls.shared, content)
        workers = self._workers(len(seeds))
        hands = deal(self._plan, seeds, workers, target_units=target_units)
        running = {}
        for number, hand in enumerate(hands, 1):
            shard = Shard(
                number=number,
                plan=hand.plan,
                seeds=hand.seeds,
                units=hand.units,
                is_of_target=target_units is not None,
                folder=shard_folder(self._out, number),
                proof=proof,
                secret=secret,
                run_name=_name_of_run(self._out),
                recorded=recorded,
                host=self._order.host,
            )
            teachers = self._teachers(len(hands), number - 1)
            reference = self._calls.start("run_shard", shard, teachers, file_of_recorded, watch)
            running[reference] = shard
        return running

    def _recorded(self) -> Path | None:
        """The folder with what earlier sessions have recorded, for the workers; None if nothing."""
        if not self._journal.count_replies():
            return None
        folder = self._out / FOLDER / RECORDED
        shutil.rmtree(folder, ignore_errors=True)
        with closing(Journal(folder)) as recorded:
            copy_replies(self._journal, recorded)
        return folder

    def _slots(self) -> int:
        """How many requests can be in flight."""
        slots = 1
        if self._plan.teacher is not None:
            slots = self._plan.teacher.slots.total
        if self._order.serving is not None:
            slots *= self._order.workers
        return slots

    def _workers(self, seeds: int) -> int:
        """How many workers share so many seeds: none of them without a seed, or a slot."""
        workers = min(self._order.workers, seeds)
        for introduction in self._introductions():
            workers = min(workers, introduction.concurrency)
        return workers

    def _introductions(self) -> list[Introduction]:
        teachers = self._plan.teachers
        return [teacher.introduction for teacher in teachers if teacher.introduction is not None]

    def _teachers(self, shards: int, shard: int) -> Teachers:
        """Whom a shard asks; all shards together have as many slots as the run."""
        return Teachers(
            teacher=_with_share(self._plan.teacher, shards, shard),
            judge=_with_share(self._plan.judge, shards, shard),
            serving=self._order.serving,
        )

    async def _take_reports(self, watch: Watch) -> None:
        """Take the newest reports of the workers, and pass on whether they are to stop."""
        is_stopped = self._stop_at is not None
        try:
            reports = await asyncio.to_thread(watch.reports, is_stopped)
        except RunStopped as error:
            self.fail(error)
            return
        running = [shard.number for shard in self._running.values()]
        for number in running:
            if number in reports:
                self._take(reports[number])
        self._tell_about_teachers(running)
        if self._waves is not None:
            self._waves.note_progress(self._tally_of_workers)
        if not is_stopped:
            self._stop_if_all_fail_alike()

    def _take(self, report: ShardReport) -> None:
        self._reports[report.number] = report
        for sample in report.newest[-1:]:
            if sample not in self.newest:
                self.newest.append(dict(sample))
        for text in report.texts:
            texts = self.newest_texts[text.stage]
            if text not in texts:
                texts.append(text)

    def _tell_about_teachers(self, running: list[int]) -> None:
        """Pass on what the workers say about the teacher."""
        teacher = self._plan.teacher
        if teacher is None:
            return
        reports = list(self._reports.values())
        for report in reports:
            for note in report.notes:
                if note not in teacher.notes:
                    teacher.notes.append(note)
        retries = sum(report.retries for report in reports)
        teacher.elsewhere.retries += retries - self._retries  # other runs may ask it as well
        self._retries = retries
        reasons = [report.away_reason for report in reports if report.number in running]
        is_away = bool(reasons) and all(reasons)
        teacher.elsewhere.away_reason = reasons[0] if is_away else ""

    def _stop_if_all_fail_alike(self) -> None:
        """Stop once the first rows of a stage have all failed for one reason."""
        names = self._plan.pipeline.names
        for name, counts in zip(names, self.tally.by_stage(len(names)), strict=True):
            reasons = list(counts.dropped)
            rows = sum(counts.dropped.values())
            is_alike = len(reasons) == 1 and reasons[0] in FAILURES
            if is_alike and rows >= FIRST_FAILURES and not counts.rows_out:
                messages = [text.message for text in self.newest_texts[name] if text.message]
                message = messages[-1] if messages else "no message"
                self.fail(
                    RunStopped(
                        f"The first {rows} rows of {name} all failed the same way ({reasons[0]}): "
                        f"{message}",
                        stage=name,
                    )
                )

    # Ending ---------------------------------------------------------------------------------------

    def _withdraw_if_stopped(self) -> None:
        """Cancel what has not begun, and in the end the workers that do not stop by themselves."""
        if self._stop_at is None:
            return
        is_late = time.monotonic() > self._stop_at
        for reference, shard in self._running.items():
            if is_late or shard.number not in self._reports:
                self._calls.withdraw(reference)

    async def _end(self, reference: object) -> None:
        """Take over the result of a shard."""
        shard = self._running.pop(reference)
        try:
            result: ShardResult = await asyncio.to_thread(self._calls.result, reference)
        except Withdrawn:
            self._forget_rows(shard)
            return
        except Exception as error:
            self._forget_rows(shard)
            self.fail(error)
            return
        self._take(result.report)
        self._tell_about_teachers([shard.number for shard in self._running.values()])
        if result.failure is not None:
            self.fail(error_of(result.failure))
        try:
            self._take_over(shard, result)
        except Exception as error:
            self.fail(error)

    def _forget_rows(self, shard: Shard) -> None:
        """Of a lost shard only the replies are kept: its rows come again from them."""
        report = self._reports.get(shard.number)
        if report is not None:
            self._reports[shard.number] = replace(report, tally={}, in_flight=0)

    def _take_over(self, shard: Shard, result: ShardResult) -> None:
        for name, content in result.files.items():
            shard.folder.mkdir(parents=True, exist_ok=True)
            with write_atomically(shard.folder / name) as file:
                file.write(content)
        if not (shard.folder / JOURNAL_FILE).exists():
            return
        with closing(Journal(shard.folder, read_only=True)) as recorded:
            copy_replies(recorded, self._journal)
            if self._waves is not None:
                self._waves.add(shard, result)
                return
            copy_rows(recorded, self._journal, shard.seeds, shard.units)
        shutil.rmtree(shard.folder)


def _with_share(teacher: Teacher | None, shards: int, shard: int) -> Introduction | None:
    if teacher is None or teacher.introduction is None:
        return None
    introduction = teacher.introduction
    concurrency = share(introduction.concurrency, shards, shard)
    return replace(introduction, concurrency=concurrency)
