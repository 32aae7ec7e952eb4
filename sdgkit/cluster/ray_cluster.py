"""`RayCluster`: which cluster a run is to use, and how."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sdgkit.cluster.joined import JoinedCluster
from sdgkit.cluster.serving import words_of
from sdgkit.errors import RunError, SettingsError
from sdgkit.keywords import known_keywords_throughout
from sdgkit.method.options import check_number

NO_RAY = (
    "Ray is not installed. Install the extra on every machine of the cluster: "
    "pip install 'sdgkit[cluster]'."
)

HOST_AND_PORT = re.compile(r"(?P<host>[^/\s]+):(?P<port>\d+)")
"""The address of a cluster."""

CONNECT_S = 10.0
"""Seconds in which the cluster has to accept a connection."""

VERSION_MISMATCH = "Version mismatch"
"""How Ray says that the versions of Ray or Python are not those of the cluster."""


@known_keywords_throughout
@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster that works on a run: `sk.generate(…, cluster=sk.RayCluster(…))`.

    The seeds are divided among workers. Each worker is a Ray task, which Ray starts again if it or
    its machine is lost.

    Attributes:
        address: Where Ray is: "auto" (the cluster that this machine belongs to), "local" (start one
            on this machine), or the address of a cluster, such as "10.0.0.5:6379".
        workers: How many workers share the seeds (default: one for each machine; with `serve` and
            GPUs, as many as the cluster's GPUs allow).
        serve: A command that starts a separate teacher for each worker, with `{port}` where the
            port belongs: "vllm serve MODEL --port {port}". By default all workers ask the teacher
            of the run.
        gpus_per_worker: How many GPUs a worker gets from Ray, for its teacher (default none).
        cpus_per_worker: How many CPU cores Ray reserves for a worker (default 1).
        retries: How many times Ray starts a worker again that it has lost (default 3).
        serve_patience: Seconds to wait until a worker's own teacher answers (default 1800).

    Raises:
        SettingsError: A value cannot be used.

    Example:
        >>> import sdgkit as sk
        >>> cluster = sk.RayCluster("auto", workers=4)
        >>> cluster.workers
        4
    """

    address: str = "auto"
    workers: int | None = None
    serve: str | None = None
    gpus_per_worker: float = 0.0
    cpus_per_worker: float = 1.0
    retries: int = 3
    serve_patience: float = 1800.0

    def __post_init__(self) -> None:
        if self.address not in ("auto", "local") and not HOST_AND_PORT.fullmatch(self.address):
            raise SettingsError(
                'The address of a Ray cluster (address, --ray) must be "auto", "local" or '
                f'HOST:PORT, such as "10.0.0.5:6379", not {self.address!r}.',
                setting="address",
            )
        if self.workers is not None:
            check_number("workers", self.workers, 1)
        check_number("retries", self.retries, 0)
        for name in ("gpus_per_worker", "cpus_per_worker", "serve_patience"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
                raise SettingsError(
                    f"{name} must be a number of at least 0, not {value!r}.", setting=name
                )
        if self.serve is not None:
            words_of(self.serve)
        elif self.gpus_per_worker:
            raise SettingsError(
                "gpus_per_worker (--gpus-per-worker) is for the teachers that the workers start: "
                "give serve (--serve) as well.",
                setting="gpus_per_worker",
            )

    @contextmanager
    def join(self) -> Iterator[JoinedCluster]:
        """Connect to the cluster, and start one if the address is "local".

        Yields:
            The cluster, for `sdgkit.Run(…, elsewhere=…)`.

        Raises:
            SettingsError: Ray is not installed, or no machine has what a worker needs.
            RunError: There is no such cluster, or it runs other versions.
        """
        ray = _import_ray()
        is_ours = not ray.is_initialized()
        if is_ours:
            connect(ray, self.address)
        try:
            cluster = JoinedCluster(self)
            cluster.look_for_room(ray.nodes())
            yield cluster
        finally:
            if is_ours:
                ray.shutdown()


def _import_ray() -> Any:
    # Ray sends figures about its use to its makers unless this is set before it starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise SettingsError(NO_RAY, setting="cluster") from None
    return ray


def connect(ray: Any, address: str) -> None:
    """Connect this process to a cluster.

    Args:
        ray: The module of that name.
        address: As `RayCluster` has it.

    Raises:
        RunError: There is no such cluster, or it runs other versions.
    """
    _refuse_silent(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options["include_dashboard"] = False
    try:
        ray.init(address=address, **options)
    except Exception as error:  # Ray raises Exception itself where its processes start too slowly
        first_line = str(error).strip().partition("\n")[0]
        if address == "local":
            raise RunError(
                f"Ray could not be started on this machine: {first_line} Run the same command "
                "again, when the machine is less busy."
            ) from None
        where = "on this machine" if address == "auto" else f"at {address}"
        if VERSION_MISMATCH in str(error):
            raise RunError(versions_differ(where, str(error))) from None
        raise RunError(
            f"There is no Ray cluster {where} ({first_line}). Start one with `ray start --head`, "
            'give its address, or use "local" for one on this machine alone.'
        ) from None


def _refuse_silent(address: str) -> None:
    """Refuse an address at which nobody listens, for which Ray itself waits for minutes."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    named = HOST_AND_PORT.fullmatch(address)
    if named is None:
        return
    try:
        with socket.create_connection((named["host"].strip("[]"), int(named["port"])), CONNECT_S):
            pass
    except (OSError, OverflowError) as error:
        raise RunError(
            f"Nothing answers at {address} ({error}). Give the address that `ray start --head` "
            "shows on the first machine of the cluster (--ray HOST:PORT), and check that the "
            "cluster runs (`ray status`)."
        ) from None


def versions_differ(where: str, message: str) -> str:
    """Ray's message about versions that differ, as a sentence with what to do."""
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", message)
    detail = ""
    if len(versions) == 2:
        (their_ray, their_python), (own_ray, own_python) = versions
        detail = (
            f" (Ray {their_ray} and Python {their_python} there; Ray {own_ray} and Python "
            f"{own_python} here)"
        )
    return (
        f"The Ray cluster {where} runs other versions than this process{detail}. Install the same "
        "versions of Ray and Python on every machine of the cluster and on this one."
    )
