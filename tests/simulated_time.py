"""A teacher with slots and a queue, in simulated time: what a level of concurrency makes of it."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sdgkit.teachers.auto_concurrency import AutoConcurrency
from sdgkit.teachers.load import ServerLoad

# Stages, and how long their replies take, in mean reply times.
STAGES = {"contexts": 1.9, "questions": 1.4, "judge": 0.4, "responses": 1.0, "judge_pair": 0.3}
LOOK = 1.0


@dataclass
class Outcome:
    """What a simulated teacher saw.

    Attributes:
        seconds: When the last reply came.
        failures: How many requests were refused.
        levels: Each level, with the second at which it began.
    """

    seconds: float = 0.0
    failures: int = 0
    levels: list[tuple[float, int]] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[int]:
        """The levels that were in force between two moments."""
        before = [level for at, level in self.levels if at <= begin]
        return before[-1:] + [level for at, level in self.levels if begin < at < end]


class Simulation:
    """A teacher with slots and a queue, in simulated time; replies take a second on average.

    Args:
        slots: How many requests it works on at once, by the second.
        replies: How many are asked of it.
        level: Who decides how many are sent at once: an AutoConcurrency, or a number.
        reports: Whether it says how busy it is.
        limit: More requests than this are refused.
        others: Other people's requests in flight, by the second.
    """

    def __init__(
        self,
        slots: Callable[[float], int],
        replies: int,
        level: AutoConcurrency | int,
        *,
        reports: bool = False,
        limit: int = 10**9,
        others: Callable[[float], int] = lambda _: 0,
        random_failures: float = 0.0,
        dice: int = 0,
    ) -> None:
        self._slots = slots
        self._replies = replies
        self._auto = level if isinstance(level, AutoConcurrency) else None
        self._fixed = 0 if isinstance(level, AutoConcurrency) else level
        self._limit = limit
        self._others = others
        self._random_failures = random_failures
        self._dice = random.Random(dice)
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()
        self._running = 0
        self._in_use = 0
        self._others_in_use = 0
        self._sent = 0
        self._answered = 0
        self._outcome = Outcome()
        if reports:
            self._later(LOOK, self._report)

    def run(self) -> Outcome:
        """Ask until all is answered."""
        self._later(LOOK, self._tick)
        while self._answered < self._replies:
            while self._in_use < self._level and self._sent < self._replies:
                self._send()
            self._start()
            self._now, _, event = heapq.heappop(self._events)
            event()
            self._note_level()
        self._outcome.seconds = self._now
        return self._outcome

    @property
    def _level(self) -> int:
        return self._auto.level if self._auto is not None else self._fixed

    def _note_level(self) -> None:
        levels = self._outcome.levels
        if not levels or levels[-1][1] != self._level:
            levels.append((self._now, self._level))

    def _later(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._order), event))

    def _tick(self) -> None:
        """Once a second: other people send as many requests as they want in flight."""
        while self._others_in_use < self._others(self._now):
            self._others_in_use += 1
            self._queue.append((self._service("responses"), self._end_of_others))
        self._later(LOOK, self._tick)

    def _end_of_others(self) -> None:
        self._others_in_use -= 1
        if self._others_in_use < self._others(self._now):
            self._others_in_use += 1
            self._queue.append((self._service("responses"), self._end_of_others))

    def _service(self, stage: str) -> float:
        return STAGES[stage] * self._dice.lognormvariate(-0.32, 0.8)

    def _send(self) -> None:
        stage = self._dice.choice([*STAGES])
        sent_at = self._now
        self._in_use += 1
        in_use = self._in_use
        if in_use > self._limit or self._dice.random() < self._random_failures:
            self._later(0.02, lambda: self._refuse(sent_at))
            return
        self._sent += 1
        answer = (self._service(stage), lambda: self._answer(sent_at, in_use, stage))
        self._queue.append(answer)

    def _refuse(self, sent_at: float) -> None:
        self._in_use -= 1
        self._outcome.failures += 1
        if self._auto is not None:
            self._auto.note_failure(sent_at=sent_at, now=self._now)

    def _answer(self, sent_at: float, in_use: int, stage: str) -> None:
        self._in_use -= 1
        self._answered += 1
        if self._auto is not None:
            self._auto.note_reply(sent_at=sent_at, now=self._now, in_use=in_use, stage=stage)

    def _start(self) -> None:
        while self._queue and self._running < self._slots(self._now):
            seconds, event = self._queue.popleft()
            self._running += 1
            self._later(seconds, lambda event=event: self._end(event))  # type: ignore[misc]

    def _end(self, event: Callable[[], None]) -> None:
        self._running -= 1
        event()

    def _report(self) -> None:
        assert self._auto is not None
        load = ServerLoad(running=self._running, waiting=len(self._queue))
        self._auto.note_load(load, self._in_use, self._now)
        self._later(LOOK, self._report)
