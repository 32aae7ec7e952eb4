"""The options of a cluster, and how a command joins it."""

import functools
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdgkit.cli.commands import option
from sdgkit.cli.option_groups import OptionGroup, option_group
from sdgkit.cli.options import LimitOptions, TeacherOptions
from sdgkit.cli.terminal import tell
from sdgkit.cli.value_types import AMOUNT, COUNT
from sdgkit.errors import SettingsError

if TYPE_CHECKING:
    from sdgkit.run.elsewhere import Elsewhere
    from sdgkit.run.plan import Plan


@dataclass(frozen=True)
class ClusterOptions(OptionGroup):
    """Which cluster works on the run: arguments of `sdgkit.RayCluster`."""

    ray: str | None = None
    workers: int | None = None
    serve: str | None = None
    gpus_per_worker: float | None = None


_cluster_option = functools.partial(option, section="A cluster")
cluster_options = option_group(
    "cluster",
    ClusterOptions,
    _cluster_option(
        "--ray",
        metavar="ADDRESS",
        help="run on a Ray cluster: auto (the one that this machine belongs to), local (one on "
        "this machine alone) or HOST:PORT; needs sdgkit[cluster]",
    ),
    _cluster_option(
        "--workers",
        metavar="N",
        type=COUNT,
        help="how many workers share the seeds (default: one for each machine, or as many as "
        "there are GPUs for)",
    ),
    _cluster_option(
        "--serve",
        metavar="COMMAND",
        help="start a separate teacher for each worker, such as 'vllm serve MODEL --port {port}'",
    ),
    _cluster_option(
        "--gpus-per-worker",
        metavar="N",
        type=AMOUNT,
        help="how many GPUs Ray reserves for a worker and its teacher (default 0)",
    ),
)


def join(connections: ExitStack, options: ClusterOptions) -> "Elsewhere | None":
    """Connect to the cluster that was typed; None if none was.

    Raises:
        SettingsError: An option of a cluster was typed, and no cluster.
    """
    arguments = options.typed()
    if not arguments:
        return None
    address = arguments.pop("ray", None)
    if address is None:
        raise SettingsError(
            "--workers, --serve and --gpus-per-worker are for a cluster: give --ray as well.",
            setting="ray",
        )
    from sdgkit.cluster import RayCluster

    cluster = RayCluster(address, **arguments)
    tell(f"Connecting to the cluster ({address}).")
    return connections.enter_context(cluster.join())


def prepared(
    elsewhere: "Elsewhere",
    planned: "Plan",
    out: Path,
    teacher: TeacherOptions,
    limits: LimitOptions,
) -> "Plan":
    """The plan as the cluster can carry it out."""
    from sdgkit.run.elsewhere import TeacherLimits

    return elsewhere.prepared(
        planned, out, TeacherLimits(model=teacher.model or "", **limits.typed())
    )


def refuse_teacher(teacher: TeacherOptions) -> None:
    """Refuse a teacher beside those that the workers start.

    Raises:
        SettingsError: One was typed.
    """
    if teacher.kind or teacher.base_url:
        raise SettingsError(
            "--serve starts the teachers: leave out --teacher and --base-url.", setting="serve"
        )
