"""A pipeline is a list of stages; a stream moves rows through them.

No stage waits for another: each row goes on as soon as it can. A row is admitted only when a slot of the teacher
would otherwise stand empty; while rows remain to be admitted, the one nearest to its end is served first; afterwards
the one with the most stages ahead, except for every eighth slot, so that no long chain starts late and samples keep
coming.
"""

import asyncio
import contextlib
import sqlite3
from collections import Counter, deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import RequestRefused, RunError, RunStopped, SdgkitError, SettingsError
from sdgkit.flows import read_flow
from sdgkit.journal import Journal, Outcome
from sdgkit.prompts import Prompt
from sdgkit.stages import AGAIN_TEMPERATURE, Drop, GenerateMany, Row, Stage
from sdgkit.structure import WAYS, Form, Way, has_own_form
from sdgkit.teachers.teacher import Reply, Request, Teacher

ALIKE = 20  # rows of a stage that all fail alike before the run stops
FAILURES = ("malformed", "truncated", "teacher_error")
TURNED_EVERY = 8  # once all are admitted, every eighth slot goes to the row nearest its end
# The last rows are admitted together, as soon as they would keep the slots busy for no longer than two chains of
# replies: admitted one by one, the last of them would have the teacher wait for its chain alone.
CLOSING = 2
EMPTY_ROUNDS = 10  # rounds without one new sample after which a target is given up
OUT = "\0"  # in counts, where other rows stand under the reason of their drop
Trail = list[tuple[str, str]]  # (stage, key) of every reply in a row's history


@dataclass(frozen=True)
class Pipeline:
    """Stages in order, under a name. Every method gives a new pipeline.

    name: "grounded" or "freeform" (whose shipped prompts its stages use), or one of your own. prompts: those that it
    brings along, by stage name. model: the one that it is meant for, a default for `connect(model=)`.
    """

    name: str
    stages: tuple[Stage, ...]
    prompts: Mapping[str, Prompt] = field(default_factory=dict, hash=False)
    model: str = ""

    @classmethod
    def from_flow(cls, path: str | Path) -> "Pipeline":
        """The pipeline in a flow file of sdg_hub 0.1, by its path or, where sdg_hub is installed, its name.

        Raises SettingsError, PromptError. What is read differently: `sdgkit.flows`.
        """
        return cls(*read_flow(path))

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise SettingsError(
                f"Two stages of the pipeline {self.name} are called {twice[0]!r}. Name one differently."
            )

    def after(self, name: str, stage: Stage) -> "Pipeline":
        """With this stage put in after the one of that name."""
        return self._with(name, self.stages[self._index(name)], stage)

    def before(self, name: str, stage: Stage) -> "Pipeline":
        """With this stage put in before the one of that name."""
        return self._with(name, stage, self.stages[self._index(name)])

    def without(self, *names: str) -> "Pipeline":
        """Without the stages of these names."""
        less = self
        for name in names:
            less = less._with(name)
        return less

    def put(self, name: str, stage: Stage) -> "Pipeline":
        """With this stage in the place of the one of that name."""
        return self._with(name, stage)

    def change(self, name: str, **fields: Any) -> "Pipeline":
        """With some fields of the stage of that name changed: `change("gen_contexts", per_row=5)`."""
        return self.put(name, replace(self.stages[self._index(name)], **fields))

    @property
    def prompted(self) -> list[str]:
        """The names of the stages that ask a teacher, in order; their prompts have the same names."""
        return [stage.name for stage in self.stages if stage.role]

    def _with(self, name: str, *stages: Stage) -> "Pipeline":
        at = self._index(name)
        return replace(self, stages=(*self.stages[:at], *stages, *self.stages[at + 1 :]))

    def _index(self, name: str) -> int:
        for at, stage in enumerate(self.stages):
            if stage.name == name:
                return at
        raise SettingsError(f"There is no stage {name!r}. There are {', '.join(s.name for s in self.stages)}.")


def _chain(stages: Sequence[Stage]) -> tuple[int, int]:
    """(requests one after the other, requests in all) that one admitted row brings at most, drops left aside."""
    depth, total, width = 0, 0, 1
    for stage in stages:
        width *= stage.per_row if isinstance(stage, GenerateMany) and not stage.together else 1
        total += width if stage.role else 0
        width *= stage.per_row if isinstance(stage, GenerateMany) and stage.together else 1
        depth += bool(stage.role)
    return max(1, depth), max(1, total)


def explained(error: Exception, what: str) -> SdgkitError:
    """An error as one of ours. what: failed, if it is nobody's we know."""
    if isinstance(error, SdgkitError):
        return error
    if isinstance(error, sqlite3.Error):
        return RunError(f"The journal cannot be written: {error}. Make room, then run the same command again.")
    stopped = RunStopped(f"{what}: {type(error).__name__}: {error}.")
    stopped.__cause__ = error
    return stopped


class Withdrawn(Exception):
    """An earlier row with the same text has taken this one's place."""


class Node:
    """A row in the stream, or a seed, or one round of a seed: what is still open below it, and what came of it."""

    __slots__ = ("counts", "gone", "label", "open", "parent", "place", "seed", "trail", "unit")

    def __init__(self, parent: "Node | None", label: str, ordinal: int, *, seed: int = 0, unit: int = 0) -> None:
        self.parent, self.label = parent, label
        self.open = 0  # its own pieces of work, and its open children
        self.gone = False
        self.counts: Counter[str] = Counter()  # f"{stage}:{OUT}" and "stage:reason", of this node and all below it
        self.trail: Trail = list(parent.trail) if parent else []
        self.seed: int = seed or (parent.seed if parent else 0)
        self.unit: int = unit or (parent.unit if parent else 0)
        own = f"{ordinal:06}" if label else ""
        self.place: str = ".".join(part for part in (parent.place if parent else "", own) if part)

    @property
    def id(self) -> str:
        above = self.parent.id if self.parent else ""
        return f"{above}/{self.label}" if above and self.label else above or self.label

    def is_withdrawn(self) -> bool:
        return self.gone or (self.parent is not None and self.parent.is_withdrawn())

    def count(self, stage: int, what: str, number: int = 1) -> None:
        node: Node | None = self
        while node is not None:
            node.counts[f"{stage}:{what}"] += number
            node = node.parent


class Lane:
    """The requests that wait for one teacher, by stage."""

    def __init__(self, teacher: Teacher | None, stages: int) -> None:
        self.teacher = teacher
        self.waiting: list[deque[Job]] = [deque() for _ in range(stages)]
        self.size = self.outstanding = self.granted = 0
        self.stirred = asyncio.Event()

    def put(self, job: "Job") -> None:
        queue = self.waiting[job.stage]
        (queue.appendleft if job.request.attempt > 1 else queue.append)(job)
        self.size += 1

    def take(self, *, remain: bool) -> "Job | None":
        """The next request: nearest to its end while rows remain to be admitted, farthest afterwards."""
        if not remain:
            self.granted += 1
        nearest = remain or self.granted % TURNED_EVERY == 0
        for queue in reversed(self.waiting) if nearest else self.waiting:
            if queue:
                self.size -= 1
                return queue.popleft()
        return None


@dataclass(frozen=True, slots=True)
class Job:
    """A request that waits for a slot."""

    stage: int
    request: Request
    key: str
    reply: asyncio.Future[Reply]


def forced(request: Request, form: Form, way: Way) -> Request:
    """The request with its form enforced. The settings for it are part of what is sent, and so of its key."""
    extra = {**(request.sampling.get("extra_body") or {}), **form.settings(way)}
    return replace(request, sampling={**request.sampling, "extra_body": extra})


class LiveStep:
    """One row in one stage (`stages.Step`). trail: where its replies are noted, by default in the row's own history."""

    def __init__(self, stream: "Stream", stage: int, node: Node, row: Row) -> None:
        self._stream, self._stage, self._node = stream, stage, node
        self.row = row
        self.seen: dict[str, int] = {}
        self._children: dict[int, Node] = {}
        self._born: dict[int, tuple[Node, Trail]] = {}
        self._trail = node.trail

    @property
    def prompt(self) -> Prompt:
        return self._stream.prompts[self._stream.stages[self._stage].name]

    def branch(self, node: Node | None = None) -> "LiveStep":
        """The same row, with a history of its own for one of the rows that come of it."""
        step = LiveStep(self._stream, self._stage, node or self._node, self.row)
        step.seen, step._children, step._born = self.seen, self._children, self._born
        step._trail = list(self._node.trail)
        return step

    async def ask(
        self, values: Row | None = None, *, ordinal: int = 1, attempt: int = 1, form: Form | None = None
    ) -> Reply:
        sampling = dict(self.prompt.sampling)
        if attempt > 1:
            sampling["temperature"] = max(AGAIN_TEMPERATURE, sampling.get("temperature", 0.0))
        messages = self.prompt.render({**self.row, **values} if values else self.row)
        request = Request(tuple(messages), sampling, ordinal, attempt)
        way = await self._stream.way_to_force(self._stage, request, form) if form is not None else None
        if form is None or way is None:
            return await self._stream.reply(self._stage, self._node, self._trail, request)
        reply = await self._stream.reply(self._stage, self._node, self._trail, forced(request, form, way))
        return replace(reply, text=form.tagged(reply.text)) if way == "json_schema" else reply

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self._stream.start(self._node, work)

    def out(self, ordinal: int, columns: Row) -> None:
        if self._node.is_withdrawn():
            return
        child = self._children[ordinal] = self._child(ordinal, self._node, self._trail)
        self._born[ordinal] = self._node, list(self._trail)
        child.count(self._stage, OUT)
        self._stream.start(child, self._stream.flow(child, {**self.row, **columns}, self._stage + 1))

    def drop(self, ordinal: int, drop: Drop) -> None:
        if self._node.is_withdrawn():
            return
        child = self._child(ordinal, *self._born.pop(ordinal, (self._node, self._trail)))
        drop.reply = drop.reply or self._stream.last_reply(child.trail)
        self._stream.drop(child, self._stage, drop, self.row)

    def withdraw(self, ordinal: int) -> None:
        self._stream.withdraw(self._children.pop(ordinal))

    def last_reply(self) -> str:
        return self._stream.last_reply(self._trail)

    def _child(self, ordinal: int, parent: Node, trail: Trail) -> Node:
        child = Node(parent, f"{getattr(self._stream.stages[self._stage], 'letter', 'r')}{ordinal}", ordinal)
        child.trail = list(trail)
        return child


class Stream:
    """One pass of rows through the stages of a pipeline, on the background event loop.

    rows: what is admitted, in order, as (id, row). prompts: by stage name. teacher, judge: whom the stages ask (None if
    none of them asks). finished: the rows, counted from 1, that need no admission, with their counts. target: stop once
    so many samples are kept; then, rounds is the number of rounds at most. structure: when the form of a reply is
    enforced (auto, always, never).
    The public attributes may be read from another thread at any time.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        rows: Sequence[tuple[str, Row]],
        *,
        prompts: Mapping[str, Prompt],
        teacher: Teacher | None,
        judge: Teacher | None,
        journal: Journal,
        finished: Mapping[int, Mapping[str, int]],
        target: "Target | None" = None,
        structure: str = "auto",
    ) -> None:
        self.stages, self.prompts, self.journal = pipeline.stages, prompts, journal
        self.structure = structure
        self.rows, self.target = rows, target
        self.top = Node(None, "", 0)
        for counts in finished.values():
            self.top.counts.update(counts)
        self.done = len(finished)
        self.reused = self.requests = self.refused = self.prompt_tokens = self.completion_tokens = 0
        self.newest: deque[dict[str, Any]] = deque(maxlen=20)
        self.cancelled = False
        self.flowing = asyncio.Event()  # cleared while nothing new may be asked
        self.flowing.set()
        lanes = {id(t): Lane(t, len(self.stages)) for t in (teacher, judge)}
        self._roles = {"teacher": lanes[id(teacher)], "judge": lanes[id(judge)]}
        self.lanes = list(lanes.values())
        self._inflight: dict[str, asyncio.Future[Reply]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runnable = 0  # pieces of work that could go on at once, and might yet ask for something
        self._failed_first: list[dict[Any, str]] = [{} for _ in self.stages]  # reason by reply
        self._ended = asyncio.Event()
        self._error: BaseException | None = None
        self._roots: dict[int, LiveStep] = {}
        self._units = self._to_admit(finished)
        self._next = next(self._units, None)
        self._unadmitted = 0 if target is not None else len(rows) - len(finished)
        depth, per_row = _chain(self.stages)
        self._closing = CLOSING * depth / per_row  # rows, for each slot of the teacher

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
            await asyncio.sleep(0)  # a request that was handed a slot begins, so that it can give the slot back
            working = [*pumps, *self._tasks]
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
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

    def _to_admit(self, finished: Mapping[int, Any]) -> Iterator[tuple[int, int | None]]:
        """(seed, round) in the order of admission; the round is None where each seed is admitted once."""
        seeds = range(1, len(self.rows) + 1)
        if self.target is None:
            yield from ((seed, None) for seed in seeds if seed not in finished)
        else:
            yield from ((seed, round_) for round_ in range(1, self.target.rounds + 1) for seed in seeds)

    def _admit(self) -> None:
        assert self._next is not None
        (seed, round_), self._next = self._next, next(self._units, None)
        self._unadmitted -= 1
        id_, row = self.rows[seed - 1]
        if round_ is None:
            node = Node(self.top, id_, seed, seed=seed)
            self.start(node, self.flow(node, row, 0))
            return
        if seed not in self._roots:
            self._roots[seed] = LiveStep(self, 0, Node(self.top, id_, seed, seed=seed), row)
        assert self.target is not None
        self.target.begun += 1
        root = self._roots[seed]
        unit = Node(root._node, "", 0, unit=(round_ - 1) * len(self.rows) + seed)
        self.start(unit, self._round(root.branch(unit), round_))

    async def _round(self, step: LiveStep, round_: int) -> None:
        self.stages[0].spread(step, round_)  # type: ignore[attr-defined]

    def _may_admit(self, lane: Lane) -> bool:
        """Whether a slot would stand empty without a further row."""
        if self._next is None or self._runnable or lane is not self.lanes[0]:
            return False
        if self.target is not None and not self.target.wants_more():
            return False
        teacher = lane.teacher
        if teacher is None or not any(other.size or other.outstanding for other in self.lanes):
            return True  # nothing of ours is on its way, so nothing but this would bring us back here
        slots = teacher.slots
        if self._unadmitted <= self._closing * slots.total and self.target is None:
            return teacher.state == "present"
        empty = slots.in_use < slots.total and lane.outstanding < slots.total and not lane.size
        crowded = sum(other.size for other in self.lanes) > 4 * slots.total  # a judge that cannot follow
        return empty and not crowded and teacher.state == "present"

    # Rows -------------------------------------------------------------------------------------------------------------

    def start(self, node: Node, work: Coroutine[Any, Any, None]) -> None:
        """Let a piece of work of this node go on by itself."""
        if not node.open and node.parent is not None:
            node.parent.open += 1
        node.open += 1
        self._runnable += 1
        task = asyncio.get_running_loop().create_task(self._work(node, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled before it began

    async def _work(self, node: Node, work: Coroutine[Any, Any, None]) -> None:
        try:
            with contextlib.suppress(Withdrawn):  # whoever took its place has accounted for it
                await work
            self._close(node)
        except Exception as error:
            self.fail(explained(error, f"A stage's own code failed at {node.id}"))
        self._runnable -= 1
        self._stir()

    def _close(self, node: Node) -> None:
        """One piece of work less; a node without any is finished, and its parent has one open child less."""
        node.open -= 1
        if node.open or self._error is not None or node.parent is None:
            return
        if self.target is None and node.parent is self.top:
            counts = {name: count for name, count in node.counts.items() if count}
            if not any(name.endswith(":teacher_error") for name in counts):  # those are asked again by the next run
                self.journal.finish_seed(node.seed, counts)
            self.done += 1
        if self.target is not None and node.unit and not node.label:
            self.target.finish(node.unit, node.counts, f"{len(self.stages) - 1}:{OUT}")
        self._close(node.parent)

    async def flow(self, node: Node, row: Row, stage: int) -> None:
        """Move a row from this stage on, until it is a sample, is dropped, or has become several rows."""
        if node.is_withdrawn():  # between its birth and now
            return
        for at in range(stage, len(self.stages)):
            kind, step = self.stages[at], LiveStep(self, at, node, row)
            if kind.many:
                kind.spread(step)  # type: ignore[attr-defined]
                return
            try:
                row = await kind.change(step)
            except Drop as drop:
                if not node.is_withdrawn():
                    self.drop(node, at, drop, row)
                return
            if node.is_withdrawn():
                return
            node.count(at, OUT)
        sample = {"id": node.id, **row} | {"id": node.id}  # what the user's own rows call id is not the lineage
        self.journal.put(Outcome(node.id, node.place, node.seed, node.unit, sample, node.trail))
        self.newest.append(sample)

    def drop(self, node: Node, stage: int, drop: Drop, row: Row) -> None:
        """Record that a row left the stream at this stage."""
        node.count(stage, drop.reason)
        name, place = self.stages[stage].name, (node.id, node.place, node.seed, node.unit)
        self.journal.put(Outcome(*place, row, node.trail, name, drop.reason, drop.message, drop.reply))
        if drop.reason not in FAILURES or self.top.counts[f"{stage}:{OUT}"]:
            return
        failed = self._failed_first[stage]
        failed[node.trail[-1] if node.trail else node.id] = drop.reason  # the rows of one reply fail together
        if len(failed) >= ALIKE and len(set(failed.values())) == 1:
            self.fail(RunStopped(f"The first {ALIKE} rows of {name} all failed alike ({drop.reason}): {drop.message}"))

    def withdraw(self, node: Node) -> None:
        """Take back a row and all that came of it; what it has asked stays recorded."""
        node.gone = True
        parent = node.parent
        while parent is not None:
            parent.counts.subtract(node.counts)
            parent = parent.parent
        self.journal.forget(node.place)
        for sample in [sample for sample in self.newest if f"{sample['id']}/".startswith(f"{node.id}/")]:
            self.newest.remove(sample)

    # Requests ---------------------------------------------------------------------------------------------------------

    async def way_to_force(self, stage: int, request: Request, form: Form) -> Way | None:
        """How this request's form is enforced; None if it is not. What is recorded decides, before the server is asked.

        Raises SettingsError where it must be and the server cannot.
        """
        teacher = self._roles[self.stages[stage].role or "teacher"].teacher
        free = self.structure == "never" or (self.structure == "auto" and request.attempt == 1)
        if teacher is None or free or has_own_form(request.sampling):
            return None
        for recorded in WAYS:
            if self.journal.reply(forced(request, form, recorded).key(teacher.model)) is not None:
                return recorded
        if self.structure == "auto" and self.journal.reply(request.key(teacher.model)) is not None:
            return None
        await self.flowing.wait()
        way = await teacher.way_to_force(request)
        if way is None and self.structure == "always":
            raise SettingsError(
                f"The server at {teacher.base_url} cannot enforce the form of a reply, as far as it shows when asked. "
                'Leave structure at "auto".'
            )
        return way

    async def reply(self, stage: int, node: Node, trail: Trail, request: Request) -> Reply:
        """The reply to a request of this row: recorded before, on its way already, or asked for now."""
        lane = self._roles[self.stages[stage].role or "teacher"]
        if lane.teacher is None:
            raise SettingsError(f"The stage {self.stages[stage].name} asks a teacher. Give teacher=sk.connect(...).")
        if node.is_withdrawn():
            raise Withdrawn
        key = request.key(lane.teacher.model)
        trail.append((self.stages[stage].name, key))
        recorded = self.journal.reply(key)
        if recorded is not None:
            self.reused += recorded.session != self.journal.session
            return recorded.reply
        future = self._inflight.get(key)
        if future is None:
            future = self._inflight[key] = asyncio.get_running_loop().create_future()
            lane.put(Job(stage, request, key, future))
        self._runnable -= 1
        future.add_done_callback(self._wake)
        self._stir()
        try:
            reply = await asyncio.shield(future)
        except RequestRefused as refused:
            raise Drop("teacher_error", str(refused)) from None
        if node.is_withdrawn():
            raise Withdrawn
        return reply

    def last_reply(self, trail: Trail) -> str:
        """The raw text of the newest reply in a history."""
        recorded = self.journal.reply(trail[-1][1]) if trail else None
        return recorded.reply.text if recorded else ""

    def _wake(self, _: asyncio.Future[Reply]) -> None:
        self._runnable += 1

    def _stir(self) -> None:
        """Let the pumps look again: something has come, or gone."""
        for lane in self.lanes:
            lane.stirred.set()
        over = self._next is None and not self.top.open if self.target is None else self.target.over
        if over:
            self._ended.set()

    async def _pump(self, lane: Lane) -> None:
        """Hand the waiting requests to the teacher, the right one first, whenever it has a slot."""
        while True:
            await self.flowing.wait()
            if lane.size and lane.teacher is not None:
                await lane.teacher.slots.acquire()
                job = lane.take(remain=self._next is not None) if self.flowing.is_set() else None
                if job is None:
                    lane.teacher.slots.release()
                    continue
                lane.outstanding += 1
                task = asyncio.create_task(self._serve(lane, lane.teacher, job))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif self._may_admit(lane):
                self._admit()
            else:
                lane.stirred.clear()
                await lane.stirred.wait()

    async def _serve(self, lane: Lane, teacher: Teacher, job: Job) -> None:
        """One request: ask, record, hand on. The teacher gives the slot back."""
        try:
            reply = await teacher.reply(job.request, slot_held=True)
            await self.journal.record(job.key, self.stages[job.stage].name, teacher.model, job.request, reply)
        except RequestRefused as refused:
            self.refused += 1
            job.reply.set_exception(refused)
            job.reply.exception()  # there may be nobody left who waits for it
        except Exception as error:
            self.fail(explained(error, f"A request of {self.stages[job.stage].name} failed"))
        else:
            self.requests += 1
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens
            job.reply.set_result(reply)
        finally:
            lane.outstanding -= 1
            del self._inflight[job.key]
            self._stir()


class Target:
    """Goes on in rounds until so many samples are kept; counts them in (round, seed) order, so that timing decides
    nothing.

    number: samples to keep. seeds: rows in a round. rounds: at most so many. brings: what one unit (a seed's part of a
    round) may be expected to bring before anything is known. limit: the words for having used up all rounds.
    """

    def __init__(self, number: int, *, seeds: int, rounds: int, brings: float, limit: str) -> None:
        self.number, self.seeds, self.rounds, self.limit = number, seeds, rounds, limit
        self.counts: Counter[str] = Counter()  # of the units that count
        self.kept = self.last_unit = 0
        self.reason = ""  # why it ended short of the number
        self.over = not seeds
        self._brings = brings
        self._finished: dict[int, Counter[str]] = {}
        self._samples = ""  # the name of the samples in a unit's counts
        self.begun = self._ended = self._empty = 0

    @property
    def surplus(self) -> int:
        """Samples of the last unit beyond the number."""
        return max(0, self.kept - self.number)

    def wants_more(self) -> bool:
        """Whether what is on its way may fall short of the number."""
        kept = self.kept + sum(counts[self._samples] for counts in self._finished.values())
        rate = (self._brings + kept) / (1 + self._ended)
        return not self.over and kept + (self.begun - self._ended) * rate < self.number

    def finish(self, unit: int, counts: Counter[str], samples: str) -> None:
        """A unit is finished; units are counted from 1, in order. samples: the name of its samples in its counts.

        While an earlier unit is not finished the counts may change: its rows may take the place of equal ones here.
        """
        self._finished[unit], self._samples = counts, samples
        self._ended += 1
        while not self.over and self.last_unit + 1 in self._finished:
            self.last_unit += 1
            counts = self._finished.pop(self.last_unit)
            kept = counts[samples]
            self.counts.update(counts)
            self.kept += kept
            self._empty = 0 if kept else self._empty + 1
            if self.kept >= self.number:
                self.over = True
            elif self.last_unit >= self.rounds * self.seeds:
                self.over, self.reason = True, self.limit
            elif self._empty >= EMPTY_ROUNDS * self.seeds:
                self.over, self.reason = True, f"the last {EMPTY_ROUNDS} rounds brought no new sample"
