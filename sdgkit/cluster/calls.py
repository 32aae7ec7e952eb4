"""Calls functions on the workers of a Ray cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sdgkit
from sdgkit.cluster import entrance
from sdgkit.cluster.messages import Failure
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
class Calls:
    """Calls functions of `sdgkit.cluster.worker` on the workers of a cluster.

    Attributes:
        settings: How to use the cluster.
    """

    settings: "RayCluster"

    def watch(self) -> Any:
        """A new actor to which workers report; it lives on the machine of this process."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = ray.get_runtime_context().get_node_id()
        _send_by_value(ray)
        return (
            ray.remote(entrance.Watch)
            .options(
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=-1,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True),
            )
            .remote()
        )

    def start(
        self, function: str, job: object, teachers: object, recorded: list[Any], watch: Any
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
            watch,
        )

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


def _send_by_value(ray: Any) -> None:
    """Send the entrance itself to the workers, so that it can say that it finds no sdgkit."""
    ray.cloudpickle.register_pickle_by_value(entrance)


def error_of(failure: Failure) -> SdgkitError:
    """The error that stopped a worker, with the name of its machine."""
    sentence = f"{failure.sentence.rstrip('.')}. (It happened on {failure.node}.)"
    for kind in KINDS:
        if kind.__name__ == failure.kind:
            return kind(sentence)
    return RunStopped(sentence)
