"""Rows moving through the stages of a pipeline."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sdgkit.errors import RunStopped, as_sdgkit_error
from sdgkit.funnel import FAILURES
from sdgkit.journal import Journal, Outcome
from sdgkit.prompts.structured_output import Form
from sdgkit.samples import Row
from sdgkit.stages import Drop, Stage
from sdgkit.stream.admission import Admission
from sdgkit.stream.lanes import Lane
from sdgkit.stream.plan import StreamPlan
from sdgkit.stream.requests import Requests, Usage
from sdgkit.stream.row import StreamStep, Withdrawn
from sdgkit.stream.tally import Tally
from sdgkit.stream.target import Target
from sdgkit.stream.tasks import Tasks
from sdgkit.teachers.teacher import Reply, Request, Teacher

FIRST_FAILURES = 20
"""The run stops if this many first rows of a stage all fail alike."""

CROWD = 4
"""No row is admitted while more than four requests wait for each slot of the teacher, as they do
where a judge cannot keep up."""

TURNS_TO_ASK = 4
"""So many turns of the event loop after its admission, a row has sent its first requests."""

NEWEST = 20
"""How many of the newest samples are kept at hand."""

NEWEST_TEXTS = 3
"""How many of the newest texts of each stage are kept at hand."""

LONGEST_TEXT = 1_000
"""Characters of each of them."""


@dataclass(frozen=True)
class StageText:
    """What a stage has just made of a row, or why it dropped it.

    Attributes:
        stage: The stage's name.
        id: The row's lineage id.
        texts: What it wrote, by column; empty for a drop.
        reason: The reason of the drop, or "".
        message: The reason in words.
    """

    stage: str
    id: str
    texts: Mapping[str, str]
    reason: str = ""
    message: str = ""


class Stream:
    """One pass of rows through the stages of a pipeline, on the background event loop.

    Its public attributes may be read from another thread at any time.

    Args:
        plan: The stages, the prompts, and the teachers to ask.
        rows: The rows to admit, in order, each with its id.
        journal: Where replies, samples and drops are recorded.
        finished: The tallies of the units that need no admission, as the journal stores them.
        target: How many samples to keep; None for one pass. With a target, each row's part of a
            round is a unit, otherwise each row is one.

    Attributes:
        stages: The stages, in order.
        prompts: Their prompts, by name.
        target: How far the target is.
        newest: The newest samples, the latest last.
        newest_texts: The newest texts and drops of each stage, the latest last.
        is_cancelled: Whether the stream was cancelled.
        stops_early: Whether it stops once the first rows of a stage have all failed alike; a
            part of a run does not know whether they are the first.
    """

    def __init__(
        self,
        plan: StreamPlan,
        rows: Sequence[tuple[str, Row]],
        journal: Journal,
        finished: Mapping[int, Mapping[str, int]],
        target: Target | None,
    ) -> None:
        self.stages = plan.pipeline.stages
        self.prompts = plan.prompts
        self.target = target
        self.newest: deque[dict[str, Any]] = deque(maxlen=NEWEST)
        self.newest_texts: dict[str, deque[StageText]] = {}
        for stage in self.stages:
            self.newest_texts[stage.name] = deque(maxlen=NEWEST_TEXTS)
        self.is_cancelled = False
        self.stops_early = True
        self._plan = plan
        self._journal = journal
        self._tasks = Tasks(self._is_done)
        self._requests = Requests(plan, journal, self._tasks)
        self._admission = Admission(rows, self.stages, finished, target)
        self._first_failures: list[dict[tuple[str, str] | str, str]] = [{} for _ in self.stages]
        self._top = StreamStep(self, {})
        for numbers in finished.values():
            self._top.tally.add(Tally.from_json(numbers))

    @property
    def tally(self) -> Tally:
        """What became of all rows so far."""
        return self._top.tally

    @property
    def usage(self) -> Usage:
        """The requests and tokens so far."""
        return self._requests.usage

    @property
    def in_flight(self) -> int:
        """How many requests the teachers are working on."""
        return self._requests.in_flight

    @property
    def flowing(self) -> asyncio.Event:
        """Cleared while nothing new may be asked."""
        return self._requests.flowing

    async def run(self) -> None:
        """Run until all rows are finished, the target is reached, or `cancel` is called.

        Raises:
            SdgkitError: What stopped the stream otherwise.
        """
        pumps = [asyncio.create_task(self._pump(lane)) for lane in self._requests.lanes]
        self._tasks.notify()
        try:
            await self._tasks.ended.wait()
        finally:
            if not self._tasks.ended.is_set():
                self.is_cancelled = True
            for pump in pumps:
                pump.cancel()
            # A request that was handed a slot begins, so that it can give the slot back.
            await asyncio.sleep(0)
            await self._tasks.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._journal.flush()
        if self._tasks.error is not None:
            raise self._tasks.error

    def cancel(self) -> None:
        """Stop now; what is recorded stays. Call it on the background loop."""
        self.is_cancelled = True
        self._tasks.ended.set()

    def fail(self, error: BaseException) -> None:
        """Stop because of an error. Of several, the first counts."""
        self._tasks.fail(error)

    def _is_done(self) -> bool:
        if self.target is not None:
            return self.target.is_over
        return not self._admission.rows_remain and not self._top.open

    # Admission ------------------------------------------------------------------------------------

    async def _pump(self, lane: Lane) -> None:
        """Give each free slot of a teacher to the right job, and admit rows when one would stay
        empty."""
        while True:
            await self.flowing.wait()
            if lane.size and lane.teacher is not None:
                await self._fill_slot(lane, lane.teacher)
            elif self._may_admit(lane):
                self._admit()
                for _ in range(TURNS_TO_ASK):
                    await asyncio.sleep(0)  # its requests are out, and count as waiting
            else:
                lane.changed.clear()
                await lane.changed.wait()

    async def _fill_slot(self, lane: Lane, teacher: Teacher) -> None:
        await teacher.slots.acquire()
        if self.flowing.is_set():
            rows_remain = self._admission.rows_remain
            self._requests.serve_next(lane, teacher, rows_remain=rows_remain)
        else:
            teacher.slots.release()

    def _may_admit(self, lane: Lane) -> bool:
        """Whether a slot would stay empty without a further row."""
        if lane is not self._requests.lanes[0]:
            return False
        if not self._admission.needs_more():
            return False
        runnable = self._tasks.runnable
        if lane.teacher is None:
            return not runnable
        if self._requests.is_idle and not runnable:
            return True  # no reply is on its way that would bring the pump back here
        if lane.teacher.state != "present":
            return False
        slots = lane.teacher.slots
        if self._admission.is_closing(slots.total):
            return not runnable
        is_crowded = self._requests.waiting > CROWD * slots.total
        if lane.size or is_crowded:
            return False
        empty = slots.total - max(slots.in_use, lane.in_flight)
        if not runnable:
            return empty > 0
        # With many slots, some row is always about to ask.
        return empty >= self._admission.widest * runnable + self._admission.first_requests

    def _admit(self) -> None:
        admitted = self._admission.admit_next(self._top)
        self.start(admitted.step, partial(self.move, round_=admitted.round))

    # Rows -----------------------------------------------------------------------------------------

    def start(self, step: StreamStep, work: Callable[[StreamStep], Awaitable[None]]) -> None:
        """Let a piece of work for a row run beside the others."""
        for above in step.ancestry():
            above.open += 1
        self._tasks.runnable += 1
        self._tasks.spawn(self._work(step, work))

    async def _work(self, step: StreamStep, work: Callable[[StreamStep], Awaitable[None]]) -> None:
        try:
            with contextlib.suppress(Withdrawn):
                await work(step)
            self._close(step)
        except Exception as error:
            self._fail_at(step, error)
        self._tasks.runnable -= 1
        self._tasks.notify()

    def _close(self, step: StreamStep) -> None:
        """Note that a piece of work for a row is done, and record the units that this finishes."""
        for above in step.ancestry():
            above.open -= 1
            if above.unit and not above.open:
                above.new_rows = {}  # or rows would hold each other in memory
                if above.is_unit:
                    self._finish(above)

    def _finish(self, unit: StreamStep) -> None:
        if self.target is not None:
            self.target.finish(unit.unit, unit.tally)
        elif not unit.tally.has_drops("teacher_error"):
            # A unit with a refused request is not finished: the next run makes the request again.
            self._journal.finish(unit.unit, unit.tally.as_json())

    def _fail_at(self, step: StreamStep, error: Exception) -> None:
        if step.at == len(self.stages):
            failed = f"Recording the sample failed at {step.id}"
            self.fail(as_sdgkit_error(error, failed, row=step.id))
        else:
            failed = f"The stage {step.stage.name} failed at {step.id}"
            self.fail(as_sdgkit_error(error, failed, stage=step.stage.name, row=step.id))

    async def move(self, step: StreamStep, round_: int | None = None) -> None:
        """Move a row on from stage to stage, until it is a sample, dropped, or several rows.

        Args:
            step: The row.
            round_: The round of a target for which the row's first new rows are made, from 1.
        """
        if step.ordinal and step.at and self.stages[step.at - 1].fans_out:
            self._note_texts(step, self.stages[step.at - 1])
        while step.at < len(self.stages):
            stage = step.stage
            if stage.fans_out:
                stage.spread(step, round_)
                return
            try:
                row = dict(await stage.change(step))
            except Drop as drop:
                self.drop(step, drop)
                return
            step.count(None)
            step.row = row
            step.at += 1
            self._note_texts(step, stage)
        step.raise_if_withdrawn()
        self._record_sample(step)

    def _note_texts(self, step: StreamStep, stage: Stage) -> None:
        """Keep at hand what a stage that asks has written."""
        if not stage.role:
            return
        texts = {}
        for column in sorted(stage.written_columns):
            if column in step.row:
                texts[column] = _shown_text(step.row[column])
        self.newest_texts[stage.name].append(StageText(stage.name, step.id, texts))

    def _record_sample(self, step: StreamStep) -> None:
        # The lineage comes first, and replaces any column named id in the user's own rows.
        sample = {"id": step.id, **step.row}
        sample["id"] = step.id
        self._record(Outcome(step.id, step.place, step.unit, sample, step.trail))
        self.newest.append(sample)

    def _record(self, outcome: Outcome) -> None:
        self._journal.put(outcome)
        if self.target is not None:
            self.target.note(outcome)

    def drop(self, step: StreamStep, drop: Drop) -> None:
        """Record that a row left the stream at its stage."""
        step.count(drop.reason)
        outcome = Outcome(
            id=step.id,
            place=step.place,
            unit=step.unit,
            columns=step.row,
            trail=step.trail,
            stage=step.stage.name,
            reason=drop.reason,
            message=drop.message,
            reply=drop.reply or step.last_reply(),
        )
        self._record(outcome)
        dropped = StageText(step.stage.name, step.id, {}, drop.reason, _shown_text(drop.message))
        self.newest_texts[step.stage.name].append(dropped)
        if self.stops_early and drop.reason in FAILURES and not self.tally.rows_out(step.at):
            self._stop_if_all_fail_alike(step, drop)

    def _stop_if_all_fail_alike(self, step: StreamStep, drop: Drop) -> None:
        """Stop once the first rows of a stage have all failed for one reason."""
        origin = step.trail[-1] if step.trail else step.id  # the rows of one reply fail together
        failures = self._first_failures[step.at]
        failures[origin] = drop.reason
        if len(failures) >= FIRST_FAILURES and len(set(failures.values())) == 1:
            stage = step.stage.name
            self.fail(
                RunStopped(
                    f"The first {FIRST_FAILURES} rows of {stage} all failed the same way "
                    f"({drop.reason}): {drop.message}",
                    stage=stage,
                    row=step.id,
                )
            )

    def forget(self, step: StreamStep) -> None:
        """Take back what is recorded of a row and of everything that came from it."""
        self._journal.forget(step.place)
        if self.target is not None:
            self.target.forget(step.place)
        for sample in list(self.newest):
            if f"{sample['id']}/".startswith(f"{step.id}/"):
                self.newest.remove(sample)

    # Requests -------------------------------------------------------------------------------------

    def variables_of(self, row: Row) -> Mapping[str, Any]:
        """The variables of the whole run, as the prompts for this row see them."""
        return self._plan.variables_of(row)

    async def reply_to(self, step: StreamStep, request: Request, form: Form | None) -> Reply:
        """The reply to a request of a row; see `Requests.reply_to`."""
        return await self._requests.reply_to(step, request, form)

    def recorded_text(self, key: str) -> str:
        """The text of the reply that is recorded under a key; empty if there is none.

        Of a reply without text, what the server put into its reasoning.
        """
        recorded = self._journal.reply(key)
        if recorded is None:
            return ""
        return recorded.reply.text or recorded.reply.reasoning


def _shown_text(value: object) -> str:
    """A value of a row as it is shown while the run works.

    Example:
        >>> _shown_text({"kind": "a letter", "size": "short"})
        'kind: a letter · size: short'
        >>> _shown_text(3.0)
        '3'
    """
    if isinstance(value, Mapping):
        text = " · ".join(f"{name}: {entry}" for name, entry in value.items())
    elif isinstance(value, float):
        text = f"{value:g}"
    else:
        text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
