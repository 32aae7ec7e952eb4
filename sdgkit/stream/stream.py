"""Rows moving through the stages of a pipeline."""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sdgkit.errors import RequestRefused, RunError, RunStopped, SdgkitError, SettingsError
from sdgkit.journal import Journal, Outcome
from sdgkit.prompts.structured_output import WAYS, Form, Way, has_own_form
from sdgkit.samples import Row
from sdgkit.stages import Drop, Stage
from sdgkit.stream.lanes import Job, Lane
from sdgkit.stream.row import OUT, Step, Withdrawn
from sdgkit.stream.target import Target
from sdgkit.teachers.teacher import Reply, Request, Teacher

ALIKE = 20  # rows of a stage that all fail alike before the run stops

FAILURES = ("malformed", "truncated", "teacher_error")

# The last rows are admitted together, as soon as they would keep the slots busy for no longer than two chains of
# replies: admitted one by one, the last of them would have the teacher wait for its chain alone.
CLOSING = 2

Finished = Mapping[int, Mapping[str, int]]  # counts, by unit


def _closing(stages: Sequence[Stage]) -> float:
    """How many rows keep one slot busy for so long as CLOSING chains of replies take, drops left aside."""
    depth, requests, width = 0, 0, 1
    for stage in stages:
        depth += bool(stage.role)
        requests += width * stage.requests_per_row
        width *= stage.per_row
    return CLOSING * depth / max(1, requests)


def explained(error: Exception, what: str) -> SdgkitError:
    """An error as one of ours. what: failed, if it is nobody's we know."""
    if isinstance(error, SdgkitError):
        return error
    if isinstance(error, sqlite3.Error):
        return RunError(
            f"The journal cannot be written: {error}. Make room, then run the same command again."
        )
    stopped = RunStopped(f"{what}: {type(error).__name__}: {error}.")
    stopped.__cause__ = error
    return stopped


def forced(request: Request, form: Form, way: Way) -> Request:
    """The request with its form enforced. The settings for it are part of what is sent, and so of its key."""
    extra = {**(request.sampling.get("extra_body") or {}), **form.settings(way)}
    return replace(request, sampling={**request.sampling, "extra_body": extra})


class Stream:
    """One pass of rows through the stages of a pipeline, on the background event loop.

    plan: what decides the run (`run.plans.Plan`). rows: what is admitted, in order, as (id, row). finished: those of
    them, counted from 1, that need no admission, with their counts. target: stop once so many samples are kept, in
    rounds of which each row's part is a unit of its own.
    The public attributes may be read from another thread at any time.
    """

    def __init__(
        self,
        plan: Any,
        rows: Sequence[tuple[str, Row]],
        journal: Journal,
        finished: Finished,
        target: "Target | None",
    ) -> None:
        self.stages: tuple[Stage, ...] = plan.pipeline.stages
        self.prompts, self.structure = plan.prompts, plan.structure
        self.rows, self.journal, self.target = rows, journal, target
        self.top = Step(self, None, {})
        for counts in finished.values():
            self.top.counts.update(counts)
        self.reused = self.requests = self.refused = self.prompt_tokens = self.completion_tokens = 0
        self.newest: deque[dict[str, Any]] = deque(maxlen=20)
        self.cancelled = False
        self.flowing = asyncio.Event()  # cleared while nothing new may be asked
        self.flowing.set()
        teachers: Iterable[Teacher | None] = dict.fromkeys(
            [plan.teacher, plan.judge or plan.teacher]
        )
        self.lanes = [Lane(teacher, len(self.stages)) for teacher in teachers]
        rounds = target.rounds if target is not None else 1
        self._units = deque(
            unit for unit in range(1, rounds * len(rows) + 1) if unit not in finished
        )  # to be admitted
        self._roots: dict[int, Step] = {}  # with a target: the rows that come again in each round
        self._closing = _closing(self.stages)  # rows, for each slot of the teacher
        self._jobs: dict[str, Job] = {}  # by key, until they have their reply
        self._tasks: set[asyncio.Task[None]] = set()
        self._runnable = (
            0  # pieces of work that could go on at once, and might yet ask for something
        )
        self._failed_first: list[dict[Any, str]] = [{} for _ in self.stages]  # reason by reply
        self._ended = asyncio.Event()
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Until all rows are through, the target is reached or `cancel` is called. Raises what stopped it otherwise."""
        pumps = [asyncio.create_task(self._pump(lane)) for lane in self.lanes]
        self._stir()
        try:
            await self._ended.wait()
        finally:
            self.cancelled = self.cancelled or not self._ended.is_set()
            for pump in pumps:
                pump.cancel()
            await asyncio.sleep(
                0
            )  # a request that was handed a slot begins, so that it can give the slot back
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*pumps, *self._tasks, return_exceptions=True)
            self.journal.flush()
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """Stop now. What is recorded stays. Call it on the background loop."""
        self.cancelled = True
        self._ended.set()

    def fail(self, error: BaseException) -> None:
        """Stop because of an error; the first one counts."""
        self._error = self._error or error
        self._ended.set()

    # Admission --------------------------------------------------------------------------------------------------------

    def _may_admit(self, lane: Lane) -> bool:
        """Whether a slot would stand empty without a further row."""
        wanted = bool(self._units) and (self.target is None or self.target.wants_more())
        if not wanted or self._runnable or lane is not self.lanes[0]:
            return False
        if lane.teacher is None or not self._jobs:
            return (
                True  # nothing of ours is on its way, so nothing but this would bring us back here
            )
        slots = lane.teacher.slots
        empty = slots.in_use < slots.total and lane.outstanding < slots.total and not lane.size
        crowded = (
            sum(other.size for other in self.lanes) > 4 * slots.total
        )  # a judge that cannot follow
        closing = self.target is None and len(self._units) <= self._closing * slots.total
        return lane.teacher.state == "present" and (closing or (empty and not crowded))

    def _admit(self) -> None:
        unit = self._units.popleft()
        round_, at = divmod(unit - 1, len(self.rows))
        id_, row = self.rows[at]
        if self.target is None:
            self.start(Step(self, self.top, row, id_, at + 1, unit), self.flow)
            return
        self.target.begun += 1
        root = self._roots.setdefault(at, Step(self, self.top, row, id_, at + 1))
        self.start(Step(self, root, row, unit=unit), self.flow, round_ + 1)

    # Rows -------------------------------------------------------------------------------------------------------------

    def start(self, step: Step, work: Callable[..., Awaitable[None]], *more: Any) -> None:
        """Let a piece of work for this row go on by itself."""
        for above in step.line():
            above.open += 1
        self._runnable += 1
        self._spawn(self._work(step, work, *more))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, step: Step, work: Callable[..., Awaitable[None]], *more: Any) -> None:
        try:
            with contextlib.suppress(Withdrawn):
                await work(step, *more)
            for above in step.line():
                above.open -= 1
                if not above.open and above.unit:
                    above.seen = {}  # or rows would hold each other in memory
                    if not above.parent.unit:
                        self._finish(above)
        except Exception as error:
            stage = (
                f"The stage {self.stages[step.at].name}"
                if step.at < len(self.stages)
                else "Recording the sample"
            )
            self.fail(explained(error, f"{stage} failed at {step.id}"))
        self._runnable -= 1
        self._stir()

    def _finish(self, unit: Step) -> None:
        """Nothing is open any more in a row, or in its part of a round."""
        if self.target is not None:
            self.target.finish(unit.unit, unit.counts, f"{len(self.stages) - 1}:{OUT}")
        elif not any(unit.counts[name] for name in unit.counts if name.endswith(":teacher_error")):
            self.journal.finish(
                unit.unit, +unit.counts
            )  # a refused request is asked again by the next run

    async def flow(self, step: Step, round_: int | None = None) -> None:
        """Move a row on from stage to stage, until it is a sample, is dropped, or has become several rows."""
        while step.at < len(self.stages):
            stage = self.stages[step.at]
            if stage.fans_out:
                stage.spread(step, round_)
                return
            try:
                row = dict(await stage.change(step))
            except Drop as drop:
                self.drop(step, drop)
                return
            step.count(OUT)
            step.row = row
            step.at += 1
        step.stay()
        sample = {"id": step.id, **step.row} | {
            "id": step.id
        }  # what the user's own rows call id is not the lineage
        self.journal.put(Outcome(step.id, step.place, step.unit, sample, step.trail))
        self.newest.append(sample)

    def drop(self, step: Step, drop: Drop) -> None:
        """Record that a row left the stream at its stage."""
        step.count(drop.reason)
        name, reply = self.stages[step.at].name, drop.reply or step.last_reply()
        where = (step.id, step.place, step.unit, step.row, step.trail)
        self.journal.put(Outcome(*where, name, drop.reason, drop.message, reply))
        if drop.reason not in FAILURES or self.top.counts[f"{step.at}:{OUT}"]:
            return
        failed = self._failed_first[step.at]
        failed[step.trail[-1] if step.trail else step.id] = (
            drop.reason
        )  # the rows of one reply fail together
        if len(failed) >= ALIKE and len(set(failed.values())) == 1:
            self.fail(
                RunStopped(
                    f"The first {ALIKE} rows of {name} all failed alike ({drop.reason}): {drop.message}"
                )
            )

    def forget(self, step: Step) -> None:
        """Take back what a row and all that came of it became."""
        self.journal.forget(step.place)
        for sample in [
            sample for sample in self.newest if f"{sample['id']}/".startswith(f"{step.id}/")
        ]:
            self.newest.remove(sample)

    # Requests ---------------------------------------------------------------------------------------------------------

    async def ask(self, step: Step, request: Request, form: Form | None) -> Reply:
        """The reply to a request of this row, in this form where it is enforced."""
        stage = self.stages[step.at]
        lane = self.lanes[-1 if stage.role == "judge" else 0]
        assert lane.teacher is not None  # `Run.start` has seen to it
        step.stay()
        ways: dict[Way | None, Request] = {None: request}
        way, forces = (
            None,
            self.structure == "always" or (self.structure == "auto" and request.attempt > 1),
        )
        if form is not None and forces and not has_own_form(request.sampling):
            free = ways if self.structure == "auto" else {}
            ways = {**{way: forced(request, form, way) for way in WAYS}, **free}
            recorded = [
                way
                for way in ways
                if self.journal.reply(ways[way].key(lane.teacher.model)) is not None
            ]
            if not recorded:  # that would decide: the server may have been another then
                await self.flowing.wait()
            way = recorded[0] if recorded else await lane.teacher.structured_output_way(request)
            if way not in ways:
                words = "cannot enforce the form of a reply, as far as it shows when asked"
                raise SettingsError(
                    f'The server at {lane.teacher.base_url} {words}. Leave structure at "auto".'
                )
        request, key = ways[way], ways[way].key(lane.teacher.model)
        step.trail.append((stage.name, key))
        known = self.journal.reply(key)
        if known is not None:
            self.reused += known.session != self.journal.session
        reply = known.reply if known is not None else await self._asked(lane, step, request, key)
        return (
            replace(reply, text=form.tagged(reply.text)) if form and way == "json_schema" else reply
        )

    async def _asked(self, lane: Lane, step: Step, request: Request, key: str) -> Reply:
        """The reply to a request that is on its way already, or asked for now."""
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = Job(
                step.at, request, key, asyncio.get_running_loop().create_future()
            )
            queue = lane.waiting[step.at]
            (queue.appendleft if request.attempt > 1 else queue.append)(job)
        job.waiting += 1
        self._runnable -= 1
        self._stir()
        answer = await job.reply
        step.stay()
        if isinstance(answer, RequestRefused):
            raise Drop("teacher_error", str(answer))
        return answer

    def _stir(self) -> None:
        """Let the pumps look again: something has come, or gone."""
        for lane in self.lanes:
            lane.stirred.set()
        if self.target.over if self.target is not None else not (self._units or self.top.open):
            self._ended.set()

    async def _pump(self, lane: Lane) -> None:
        """Hand the waiting jobs to the teacher, the right one first, whenever it has a slot."""
        while True:
            await self.flowing.wait()
            if lane.size and lane.teacher is not None:
                await lane.teacher.slots.acquire()
                if self.flowing.is_set():
                    lane.outstanding += 1
                    self._spawn(
                        self._serve(lane, lane.teacher, lane.take(remain=bool(self._units)))
                    )
                else:
                    lane.teacher.slots.release()
            elif self._may_admit(lane):
                self._admit()
            else:
                lane.stirred.clear()
                await lane.stirred.wait()

    async def _serve(self, lane: Lane, teacher: Teacher, job: Job) -> None:
        """One request: ask, record, hand on. The teacher gives the slot back."""
        answer: Reply | RequestRefused
        try:
            answer = await teacher.reply(job.request, slot_held=True)
            await self.journal.record(
                job.key, self.stages[job.at].name, teacher.model, job.request, answer
            )
            self.requests += 1
            self.prompt_tokens += answer.prompt_tokens
            self.completion_tokens += answer.completion_tokens
        except RequestRefused as refused:
            self.refused += 1
            answer = refused
        except Exception as error:
            self.fail(explained(error, f"A request of {self.stages[job.at].name} failed"))
            return
        finally:
            lane.outstanding -= 1
        del self._jobs[job.key]
        self._runnable += job.waiting
        job.reply.set_result(answer)
        self._stir()
