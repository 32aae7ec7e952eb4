"""The requests of a stream that wait for a slot of their teacher."""

import asyncio
from collections import deque
from dataclasses import dataclass

from sdgkit.errors import RequestRefused
from sdgkit.teachers.teacher import Origin, Reply, Request, Teacher

NEAREST_EVERY = 8
"""Once all rows are admitted, every eighth slot still goes to the row nearest to its end."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for a slot, and then for its reply.

    Attributes:
        at: The place of its stage in the pipeline, from 0.
        origin: Its stage, and the seed of the first row that asks.
        request: The request.
        key: The request's key in the journal.
        answer: The reply, or the teacher's refusal of this one request.
        rows: How many rows wait for the answer.
    """

    at: int
    origin: Origin
    request: Request
    key: str
    answer: asyncio.Future[Reply | RequestRefused]
    rows: int = 0


class Lane:
    """The jobs for one teacher.

    Attributes:
        teacher: The teacher; None in a pipeline of which no stage asks.
        in_flight: How many jobs the teacher is working on.
        changed: Set when something has changed that may let a job or a row begin.
    """

    def __init__(self, teacher: Teacher | None, stages: int, changed: asyncio.Event) -> None:
        self.teacher = teacher
        self.in_flight = 0
        self.changed = changed
        self._waiting: list[deque[Job]] = [deque() for _ in range(stages)]
        self._turned_slots = 0  # slots given since the last row was admitted

    @property
    def size(self) -> int:
        """How many jobs wait for a slot."""
        return sum(map(len, self._waiting))

    def add(self, job: Job) -> None:
        """Let a job wait: a repeated request goes before the new ones of its stage."""
        queue = self._waiting[job.at]
        if job.request.attempt > 1:
            queue.appendleft(job)
        else:
            queue.append(job)

    def take(self, *, rows_remain: bool) -> Job:
        """Take the next job: nearest to its end while rows are to be admitted, then farthest."""
        nearest = rows_remain
        if not rows_remain:
            self._turned_slots += 1
            nearest = self._turned_slots % NEAREST_EVERY == 0
        queues = reversed(self._waiting) if nearest else self._waiting
        return next(queue for queue in queues if queue).popleft()
