"""The requests of a stream: answered from the journal, or by a teacher as soon as it has a slot."""

import asyncio
from dataclasses import dataclass, replace

from sdgkit.errors import RequestRefused, RequestWithheld, SettingsError, as_sdgkit_error
from sdgkit.journal import Journal
from sdgkit.prompts.structured_output import RECORDED_WAYS, WAYS, Form, Way, has_own_form
from sdgkit.stages import Drop, Stage
from sdgkit.stream.lanes import Job, Lane
from sdgkit.stream.plan import StreamPlan
from sdgkit.stream.row import StreamStep
from sdgkit.stream.tasks import Tasks
from sdgkit.teachers.teacher import Origin, Reply, Request, Teacher


@dataclass
class Usage:
    """What a stream has used so far.

    Attributes:
        requests: Requests that were answered.
        refused: Requests that the teacher refused individually.
        reused: Replies that an earlier session had recorded.
        prompt_tokens: Tokens that the teachers read.
        completion_tokens: Tokens that they wrote.
    """

    requests: int = 0
    refused: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, reply: Reply) -> None:
        """Count an answered request."""
        self.requests += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens

    def plus(self, other: "Usage") -> "Usage":
        """What the two have taken together."""
        return Usage(
            requests=self.requests + other.requests,
            refused=self.refused + other.refused,
            reused=self.reused + other.reused,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class Requests:
    """The requests of a stream.

    Attributes:
        lanes: The jobs of each teacher: the teacher's first, the judge's last (often the same).
        flowing: Cleared while nothing new may be asked.
        usage: What has been used so far.
    """

    def __init__(self, plan: StreamPlan, journal: Journal, tasks: Tasks) -> None:
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.usage = Usage()
        self._structure = plan.structure
        self._journal = journal
        self._tasks = tasks
        self._jobs: dict[str, Job] = {}  # by key, until they have their answer
        stages = len(plan.pipeline.stages)
        teachers = dict.fromkeys([plan.teacher, plan.judge or plan.teacher])
        self.lanes = [Lane(teacher, stages, tasks.watch()) for teacher in teachers]

    @property
    def is_idle(self) -> bool:
        """Whether no request waits for its answer."""
        return not self._jobs

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return sum(lane.size for lane in self.lanes)

    @property
    def in_flight(self) -> int:
        """How many requests the teachers are working on."""
        return sum(lane.in_flight for lane in self.lanes)

    async def reply_to(self, step: StreamStep, request: Request, form: Form | None) -> Reply:
        """The reply to a request of a row.

        Args:
            step: The row.
            request: The request, without structured output.
            form: What the reply must look like, where that is enforced.

        Raises:
            Drop: The teacher refused the request.
            Withdrawn: The row was taken back.
            SettingsError: The reply's form must be enforced, and the server cannot do it.
        """
        lane = self._lane(step.stage)
        assert lane.teacher is not None, "a run without a teacher that it needs is refused"
        step.raise_if_withdrawn()
        way: Way | None = None
        if form is not None and self._is_enforced(request):
            way = await self._way_to_enforce(lane.teacher, request, form)
            request = enforced(request, form, way)
        reply = await self._recorded_or_asked(lane, lane.teacher.model, step, request)
        if form is not None and way == "json_schema":
            return replace(reply, text=form.tagged(reply.text))
        return reply

    def _lane(self, stage: Stage) -> Lane:
        return self.lanes[-1] if stage.role == "judge" else self.lanes[0]

    def _is_enforced(self, request: Request) -> bool:
        """Whether the form of the reply is to be enforced, if the server can do that."""
        if has_own_form(request.sampling):
            return False
        is_asked_again = request.attempt > 1
        return self._structure == "always" or (self._structure == "auto" and is_asked_again)

    async def _way_to_enforce(self, teacher: Teacher, request: Request, form: Form) -> Way | None:
        """How the reply's form is enforced; None if the server cannot do that and need not.

        A recorded reply decides, since the server may have been another one when it was recorded.
        """
        ways: list[Way | None] = [*WAYS]
        recorded_ways: list[Way | None] = [*RECORDED_WAYS]
        if self._structure == "auto":
            ways.append(None)
            recorded_ways.append(None)
        for way in recorded_ways:
            key = enforced(request, form, way).key(teacher.model)
            if self._journal.reply(key) is not None:
                return way
        await self.flowing.wait()
        way = await teacher.structured_output_way(request)
        if way not in ways:
            raise SettingsError(
                f"The server at {teacher.base_url} did not enforce the form of a reply when "
                'sdgkit tested it. Set structure to "auto".',
                setting="structure",
            )
        return way

    async def _recorded_or_asked(
        self, lane: Lane, model: str, step: StreamStep, request: Request
    ) -> Reply:
        key = request.key(model)
        step.trail.append((step.stage.name, key))
        recorded = self._journal.reply(key)
        if recorded is None:
            return await self._ask(lane, step, request, key)
        if recorded.session != self._journal.session:
            self.usage.reused += 1
        return recorded.reply

    async def _ask(self, lane: Lane, step: StreamStep, request: Request, key: str) -> Reply:
        """The reply to a request that is already on its way, or is sent now."""
        job = self._jobs.get(key)
        if job is None:
            answer = asyncio.get_running_loop().create_future()
            origin = Origin(step.seed, step.stage.name)
            job = Job(step.at, origin, request, key, answer)
            self._jobs[key] = job
            lane.add(job)
        job.rows += 1
        self._tasks.runnable -= 1
        self._tasks.notify()
        reply = await job.answer
        step.raise_if_withdrawn()
        if isinstance(reply, RequestWithheld):
            raise Drop("refused", str(reply), str(reply))
        if isinstance(reply, RequestRefused):
            raise Drop("teacher_error", str(reply))
        return reply

    def serve_next(self, lane: Lane, teacher: Teacher, *, rows_remain: bool) -> None:
        """Give the slot that was acquired from a teacher to the next job of its lane."""
        lane.in_flight += 1
        job = lane.take(rows_remain=rows_remain)
        self._tasks.spawn(self._serve(lane, teacher, job))

    async def _serve(self, lane: Lane, teacher: Teacher, job: Job) -> None:
        """Ask, record, and hand the answer to the rows that wait. The teacher releases the slot."""
        try:
            answer = await self._answer(teacher, job)
        except Exception as error:
            stage = job.origin.stage
            self._tasks.fail(as_sdgkit_error(error, f"A request of {stage} failed", stage=stage))
            return
        finally:
            lane.in_flight -= 1
        del self._jobs[job.key]
        self._tasks.runnable += job.rows
        job.answer.set_result(answer)
        self._tasks.notify()

    async def _answer(self, teacher: Teacher, job: Job) -> Reply | RequestRefused:
        try:
            reply = await teacher.reply(job.request, slot_held=True, origin=job.origin)
            stage = job.origin.stage
            await self._journal.record(job.key, stage, teacher.model, job.request, reply)
        except RequestRefused as refusal:
            self.usage.refused += 1
            return refusal
        self.usage.add(reply)
        return reply


def enforced(request: Request, form: Form, way: Way | None) -> Request:
    """The request with its reply's form enforced in this way; unchanged without one.

    The settings for it are part of what is sent, and so of the request's key.
    """
    if way is None:
        return request
    extra_body = {**(request.sampling.get("extra_body") or {}), **form.settings(way)}
    return replace(request, sampling={**request.sampling, "extra_body": extra_body})
