"""Calls functions on the workers of a Ray cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import sdgkit
from sdgkit.cluster import entrance
from sdgkit.cluster.messages import Failure, ShardReport
from sdgkit.errors import (
    FolderInUse,
    RunError,
    RunStopped,
    SdgkitError,
    SettingsError,
    TeacherRefused,
    TeacherUnreachable,
)

if TYPE_CHECKING:
    from sdgkit.cluster.ray_cluster import RayCluster

KINDS: tuple[type[SdgkitError], ...] = (
    FolderInUse,
    RunError,
    SettingsError,
    TeacherRefused,
    TeacherUnreachable,
)
"""The errors of a worker that are raised here as what they are; others stop the run as well."""


class CannotEnter(RunError):
    """A machine of the cluster on which sdgkit does not run."""


class Lost(RunError):
    """A worker that Ray lost once too often."""


class Withdrawn(Exception):
    """A call that was taken back before it was over."""


@dataclass(frozen=True)
class Watch:
    """What the workers report, and whether they are to stop.

    Attributes:
        actor: The actor to which they report.
    """

    actor: Any

    def reports(self, is_stopped: bool) -> dict[int, ShardReport]:
        """The newest report of each shard, by its number.

        Args:
            is_stopped: Whether the workers are to stop.

        Raises:
            RunStopped: The cluster does not answer.
        """
        import pickle

        import ray

        try:
            reports = ray.get(self.actor.reports.remote(is_stopped))
        except ray.exceptions.RayError as error:
            raise RunStopped(f"The connection to the cluster broke: {error}") from None
        return {number: pickle.loads(report) for number, report in reports.items()}

    def close(self) -> None:
        """End it."""
        import ray

        ray.kill(self.actor)


@dataclass(frozen=True)
class Calls:
    """Calls functions of `sdgkit.cluster.worker` on the workers of a cluster.

    Attributes:
        settings: How to use the cluster.
    """

    settings: "RayCluster"

    def watch(self) -> Watch:
        """A new watch; its actor lives on the machine of this process."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = ray.get_runtime_context().get_node_id()
        _send_by_value(ray)
        actor = (
            ray.remote(entrance.Watch)
            .options(
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=-1,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True),
            )
            .remote()
        )
        return Watch(actor)

    def shared(self, content: bytes) -> list[Any]:
        """A reference to what many workers may want to read; in a list, so that none has to."""
        import ray

        return [ray.put(content)]

    def start(
        self, function: str, job: object, teachers: object, recorded: list[Any], watch: Watch | None
    ) -> Any:
        """Start a call, and return Ray's reference to its result."""
        import ray

        _send_by_value(ray)
        settings = self.settings
        task = ray.remote(entrance.enter).options(
            num_cpus=settings.cpus_per_worker,
            num_gpus=settings.gpus_per_worker,
            max_retries=settings.retries,
            scheduling_strategy="SPREAD",
            name=f"sdgkit.{function}",
        )
        return task.remote(
            function,
            sdgkit.__version__,
            ray.cloudpickle.dumps(job),
            ray.cloudpickle.dumps(teachers),
            recorded,
            watch.actor if watch is not None else None,
        )

    def ended(self, references: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Wait until one of several calls has ended, but no longer than this. Returns which."""
        import ray

        ended: Sequence[Any]
        ended, _ = ray.wait(list(references), num_returns=1, timeout=seconds)
        return ended

    def withdraw(self, reference: Any) -> None:
        """Take a call back, and end its worker."""
        import ray

        ray.cancel(reference, force=True)

    def result(self, reference: Any) -> Any:
        """The result of a call. Waits for it.

        Raises:
            CannotEnter: sdgkit does not run on that machine.
            Lost: Ray lost the worker once too often.
            RunStopped: It failed in a way that is not foreseen.
            Withdrawn: It was taken back.
        """
        import pickle

        import ray

        try:
            state, node, answer = ray.get(reference)
        except ray.exceptions.TaskCancelledError:
            raise Withdrawn from None
        except ray.exceptions.RayTaskError as error:
            last_line = str(error).strip().splitlines()[-1]
            raise RunStopped(f"A worker failed: {last_line}") from error
        except ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:300]
            raise Lost(
                f"Ray lost a worker more than {self.settings.retries} times (retries): {reason} "
                "Every recorded reply is kept. Run the same command again to resume."
            ) from None
        if state != "done":
            raise CannotEnter(
                f"The worker on {node} {answer}. Install sdgkit[cluster] {sdgkit.__version__} on "
                "every machine of the cluster, for the Python that runs Ray there."
            )
        return pickle.loads(answer)


def _send_by_value(ray: ModuleType) -> None:
    """Send the entrance itself to the workers, so that it can say that it finds no sdgkit."""
    ray.cloudpickle.register_pickle_by_value(entrance)


def error_of(failure: Failure) -> SdgkitError:
    """The error that stopped a worker, with the name of its machine."""
    sentence = f"{failure.sentence.rstrip('.')}. (It happened on {failure.node}.)"
    for kind in KINDS:
        if kind.__name__ == failure.kind:
            return kind(sentence)
    return RunStopped(sentence)
