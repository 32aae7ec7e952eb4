"""`concurrency="auto"` beside fixed levels: replies in the same time, side by side.

Teachers with 8, 64 and 512 slots, and one whose slots change while it works. Each level has a
simulated teacher of its own, which draws the reply time from the request; all levels ask at once,
so that what else the machine does slows all of them alike. "Auto" is measured with a teacher that
has vLLM's page /metrics and with one that has not.

python tests/benchmarks/concurrency.py                    # all teachers, twelve minutes
python tests/benchmarks/concurrency.py --simulated-time   # no sockets and no waiting: seconds
python tests/benchmarks/concurrency.py "8 slots" --turns 30
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulated import bodies, simulated
from simulated_time import Simulation

import sdgkit as sk
from sdgkit.errors import TeacherError
from sdgkit.teachers import Request, Teacher, background
from sdgkit.teachers.auto_concurrency import AutoConcurrency

AUTO = "auto"
AUTO_BY_REPLY_TIMES = "auto, no metrics"


@dataclass(frozen=True)
class Case:
    """A teacher, and the fixed levels to try with it.

    Attributes:
        slots: Its slots, as `simulated` takes them; seconds count in turns.
        mean_s: Its mean reply time: a turn.
        levels: The fixed levels.
    """

    slots: tuple[tuple[float, int], ...]
    mean_s: float
    levels: tuple[int, ...]

    @property
    def schedule(self) -> str:
        """The slots by the second."""
        return ",".join(f"{turns * self.mean_s}:{slots}" for turns, slots in self.slots)


CASES = {
    "8 slots": Case(((0, 8),), 1.0, (4, 8, 16, 64)),
    "64 slots": Case(((0, 64),), 1.0, (16, 64, 128, 256)),
    "512 slots": Case(((0, 512),), 4.0, (64, 512, 1024)),
    "64, then 16, then 256 slots": Case(((0, 64), (35, 16), (70, 256)), 1.0, (16, 64, 256, 512)),
}


@dataclass
class Asked:
    """What one level got.

    Attributes:
        name: The level.
        teacher: The teacher with it.
        replies: Replies that came in time.
        levels: The level in force, at each tenth of the time.
    """

    name: str
    teacher: Teacher
    replies: int = 0
    levels: list[int] = field(default_factory=list)


def measure(name: str, case: Case, turns: float) -> None:
    """All levels with one kind of teacher, at once."""
    settings: dict[str, tuple[int | str, bool]] = {AUTO: (AUTO, True)}
    settings[AUTO_BY_REPLY_TIMES] = (AUTO, False)
    for level in case.levels:
        settings[str(level)] = (level, True)
    with ExitStack() as stack:
        levels = []
        for label, (concurrency, has_metrics) in settings.items():
            url = stack.enter_context(
                simulated(case.schedule, case.mean_s, has_metrics=has_metrics)
            )
            teacher = sk.connect("vllm", base_url=url, concurrency=concurrency)
            levels.append(Asked(label, stack.enter_context(teacher)))
        background.wait(ask_all(levels, seconds=turns * case.mean_s))
    best = max(asked.replies for asked in levels if asked.name not in (AUTO, AUTO_BY_REPLY_TIMES))
    for asked in levels:
        ratio = asked.replies / best
        moves = " ".join(map(str, asked.levels))
        print(f"{name}: {asked.name:<17} {asked.replies:>6} replies, {ratio:.2f} ({moves})")
    print(flush=True)


async def ask_all(levels: list[Asked], seconds: float) -> None:
    """Let all levels ask for some seconds, as much as each allows."""
    end = time.monotonic() + seconds
    tasks = []
    for asked in levels:
        texts = bodies("request")
        # As many as could ever be in flight: the slots decide how many are.
        tasks += [asyncio.create_task(keep_asking(asked, texts, end)) for _ in range(1_100)]
    for _ in range(10):
        for asked in levels:
            asked.levels.append(asked.teacher.slots.total)
        await asyncio.sleep(seconds / 10)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def keep_asking(asked: Asked, texts: Iterator[str], end: float) -> None:
    """One request after the other, until time is over."""
    while time.monotonic() < end:
        request = Request(({"role": "user", "content": next(texts)},), {})
        try:
            await asked.teacher.reply(request)
        except TeacherError as error:
            raise SystemExit(f"{asked.name}: {error}") from error
        if time.monotonic() < end:
            asked.replies += 1


def measure_in_simulated_time(name: str, case: Case, turns: float) -> None:
    """The same without sockets: how long as many replies take as the best level gets in time."""

    def slots_at(seconds: float) -> int:
        return [slots for at, slots in case.slots if at <= seconds][-1]

    times = itertools.pairwise([*case.slots, (turns, 0)])
    replies = int(sum(slots * (end - begin) for (begin, slots), (end, _) in times))
    best = min(Simulation(slots_at, replies, level).run().seconds for level in case.levels)
    by_reports = Simulation(slots_at, replies, AutoConcurrency(), reports=True).run()
    by_times = Simulation(slots_at, replies, AutoConcurrency()).run()
    print(
        f"{name}: {replies} replies, {AUTO} {best / by_reports.seconds:.2f} of the best fixed "
        f"level's throughput, {AUTO_BY_REPLY_TIMES} {best / by_times.seconds:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("teachers", nargs="*", metavar="TEACHER", default=[*CASES])
    parser.add_argument("--turns", type=float, default=105, help="mean reply times to ask for")
    parser.add_argument("--simulated-time", action="store_true", help="use no sockets")
    options = parser.parse_args()
    for name in options.teachers:
        if options.simulated_time:
            measure_in_simulated_time(name, CASES[name], options.turns)
        else:
            measure(name, CASES[name], options.turns)


if __name__ == "__main__":
    main()
