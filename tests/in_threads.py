"""Workers of a cluster that are threads of this process: everything of a cluster but Ray."""

import pickle
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sdgkit as sk
from sdgkit.cluster import worker
from sdgkit.cluster.calls import Calls, Watch
from sdgkit.cluster.joined import JoinedCluster
from sdgkit.cluster.messages import ShardReport, ShardResult


class ThreadWatch(Watch):
    """A watch to which threads report."""

    def __init__(self) -> None:
        super().__init__(actor=None)
        self.newest: dict[int, ShardReport] = {}
        self.stopped = threading.Event()

    def reports(self, is_stopped: bool) -> dict[int, ShardReport]:
        if is_stopped:
            self.stopped.set()
        return dict(self.newest)

    def close(self) -> None:
        self.stopped.set()


class ThreadCalls(Calls):
    """Calls functions in threads, with what they are given as other processes would get it."""

    def __init__(
        self, settings: sk.RayCluster, pool: ThreadPoolExecutor, sees_folder: bool
    ) -> None:
        super().__init__(settings)
        self.pool = pool
        self.sees_folder = sees_folder
        self.waves = 0

    def watch(self) -> ThreadWatch:
        self.waves += 1
        return ThreadWatch()

    def shared(self, content: bytes) -> list[Any]:
        return [content]

    def start(
        self, function: str, job: object, teachers: object, recorded: list[Any], watch: Watch | None
    ) -> Any:
        assert isinstance(watch, ThreadWatch)
        shard, others = pickle.loads(pickle.dumps((job, teachers)))
        if not self.sees_folder:
            shard = replace(shard, proof=shard.proof.with_name("nothing.txt"))

        def tell(report: ShardReport) -> bool:
            watch.newest[report.number] = report
            return watch.stopped.is_set()

        def call() -> ShardResult:
            return worker.run_shard(shard, others, lambda: bytes(recorded[0]), tell)

        return self.pool.submit(call)

    def ended(self, references: Sequence["Future[ShardResult]"], seconds: float) -> Sequence[Any]:
        done, _ = wait(references, seconds, FIRST_COMPLETED)
        return list(done)

    def withdraw(self, reference: "Future[ShardResult]") -> None:
        reference.cancel()

    def result(self, reference: "Future[ShardResult]") -> Any:
        return reference.result()


class ThreadCluster:
    """A cluster of threads, for `sk.generate(…, cluster=…)`.

    Args:
        workers: How many shards there may be.
        threads: How many of them can work at the same time.
        sees_folder: Whether they see the run's folder.
    """

    def __init__(self, workers: int = 3, threads: int = 3, *, sees_folder: bool = True) -> None:
        self.settings = sk.RayCluster(workers=workers)
        self.threads = threads
        self.sees_folder = sees_folder
        self.waves = 0

    @contextmanager
    def join(self) -> Iterator[JoinedCluster]:
        with ThreadPoolExecutor(self.threads) as pool:
            joined = JoinedCluster(self.settings)
            calls = ThreadCalls(self.settings, pool, self.sees_folder)
            joined._calls = calls
            yield joined
            self.waves = calls.waves
