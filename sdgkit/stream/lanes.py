"""The requests of a stream that wait for a slot of their teacher."""

import asyncio
from collections import deque
from dataclasses import dataclass

from sdgkit.errors import RequestRefused
from sdgkit.teachers.teacher import Reply, Request, Teacher

TURNED_EVERY = 8  # once all are admitted, every eighth slot goes to the row nearest its end


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for a slot, and then for its reply. at: its stage. waiting: rows that wait for it."""

    at: int
    request: Request
    key: str
    reply: asyncio.Future[Reply | RequestRefused]
    waiting: int = 0


class Lane:
    """The jobs for one teacher: those that wait, by stage, and how many are on their way."""

    def __init__(self, teacher: Teacher | None, stages: int) -> None:
        self.teacher = teacher
        self.waiting: list[deque[Job]] = [deque() for _ in range(stages)]
        self.outstanding = self.turned = 0
        self.stirred = asyncio.Event()

    @property
    def size(self) -> int:
        """How many jobs wait for a slot."""
        return sum(map(len, self.waiting))

    def take(self, *, remain: bool) -> Job:
        """The next job: nearest to its end while rows remain to be admitted, farthest afterwards."""
        self.turned += not remain
        nearest = remain or self.turned % TURNED_EVERY == 0
        queues = reversed(self.waiting) if nearest else self.waiting
        return next(queue for queue in queues if queue).popleft()
