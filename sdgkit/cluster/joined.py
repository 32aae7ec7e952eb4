"""A cluster that this process is connected to."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.cluster.absent import absent_teacher
from sdgkit.cluster.calls import Calls, error_of
from sdgkit.cluster.dealing import part_of
from sdgkit.cluster.messages import Look, Serving, Shard, Teachers
from sdgkit.cluster.stream import ClusterStream, Order
from sdgkit.errors import SettingsError
from sdgkit.files import JOURNAL_FILE, write_atomically
from sdgkit.journal import Journal, refuse_busy
from sdgkit.run.elsewhere import RowStream, TeacherLimits
from sdgkit.run.plan import Plan
from sdgkit.run.profiles import with_folders_profile
from sdgkit.run.shards import shard_folder

if TYPE_CHECKING:
    from sdgkit.cluster.ray_cluster import RayCluster

MOST_ON_A_MACHINE = 64
"""Workers on a machine if they need neither CPU cores nor GPUs."""


class JoinedCluster:
    """A cluster that this process is connected to. Get one from `RayCluster.join`.

    It is what `sdgkit.Run(…, elsewhere=…)` takes.

    Args:
        settings: How to use it.

    Attributes:
        notes: Sentences that the user should read before a run starts.
    """

    def __init__(self, settings: "RayCluster") -> None:
        self.settings = settings
        self.notes: list[str] = []
        self._calls = Calls(settings)
        self._serving: Serving | None = None

    @property
    def starts_teachers(self) -> bool:
        """Whether the workers start teachers for themselves."""
        return self.settings.serve is not None

    def prepared(self, plan: Plan, out: Path | None, limits: TeacherLimits) -> Plan:
        """The plan as this cluster can carry it out.

        Where the workers start their teachers, one of them starts first, to learn its model, and to
        study the seeds if the plan wants that.

        Args:
            plan: The plan.
            out: The run's folder.
            limits: How the workers ask a teacher that they start.

        Raises:
            SettingsError: A cluster cannot do what the plan asks for.
            SdgkitError: The teacher cannot be started, or the seeds not be studied.
        """
        if out is None:
            raise SettingsError(
                "A run on a cluster needs a folder: give out (--out).", setting="out"
            )
        command = self.settings.serve
        if command is None:
            plan.require_teachers()
            return plan
        if plan.teacher is not None:
            raise SettingsError(
                "The workers start their teachers by themselves (serve, --serve), so leave out the "
                "teacher.",
                setting="teacher",
            )
        self._serving = Serving(
            command=command,
            patience=self.settings.serve_patience,
            model=limits.model,
            concurrency=limits.concurrency,
            timeout=limits.timeout,
            teacher_patience=limits.patience,
        )
        refuse_busy(out)
        return self._after_look(with_folders_profile(plan, out), out, limits)

    def _after_look(self, plan: Plan, out: Path, limits: TeacherLimits) -> Plan:
        look = self._look(plan, out)
        if look.failure is not None:
            raise error_of(look.failure)
        if look.journal is not None:
            # The run takes it over like what a lost worker has recorded.
            with write_atomically(shard_folder(out, 0) / JOURNAL_FILE) as file:
                file.write(look.journal)
        self.notes += look.study_notes
        teacher = absent_teacher(look, limits)
        if look.plan is None:
            return replace(plan, teacher=teacher)
        return replace(
            plan,
            teacher=teacher,
            pipeline=look.plan.pipeline,
            variables=look.plan.variables,
            profile=look.plan.profile,
            study=None,
        )

    def _look(self, plan: Plan, out: Path) -> Look:
        part = part_of(plan, [{**row, "id": id_} for id_, row in plan.admitted])
        shard = Shard(
            number=0,
            plan=part,
            seeds={},
            units={},
            is_of_target=False,
            folder=out,
            proof=out,
            secret="",
            run_name="",
            recorded=None,
            host=platform.node(),
        )
        teachers = Teachers(judge=_introduction_of_judge(plan), serving=self._serving)
        reference = self._calls.start("look", shard, teachers, [], None)
        look: Look = self._calls.result(reference)
        return look

    def stream(
        self,
        plan: Plan,
        out: Path,
        journal: Journal,
        finished: Mapping[int, Mapping[str, int]],
    ) -> RowStream:
        """The rows of a plan, to be moved by the workers; see `sdgkit.run.elsewhere.Elsewhere`."""
        order = Order(self._workers(), self._serving, platform.node())
        return ClusterStream(self._calls, order, plan, out, journal, finished)

    def look_for_room(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Look whether any machine has what a worker needs.

        Args:
            nodes: The machines, as `ray.nodes` describes them.

        Raises:
            SettingsError: None has, and it is not said how many workers there will be.
        """
        settings = self.settings
        if any(_rooms(nodes, settings)):
            return
        sentence = f"No machine of the cluster has what a worker needs: {_needs(settings)}"
        if settings.workers is not None:
            self.notes.append(f"{sentence}. The run waits until such a machine joins.")
            return
        raise SettingsError(
            f"{sentence}. If the cluster grows on demand, say how many workers you want (workers, "
            "--workers).",
            setting="gpus_per_worker" if settings.gpus_per_worker else "cpus_per_worker",
        )

    def _workers(self) -> int:
        """How many workers the cluster is to have."""
        settings = self.settings
        if settings.workers is not None:
            return settings.workers
        import ray

        rooms = _rooms(ray.nodes(), settings)
        if settings.gpus_per_worker:
            return max(1, sum(rooms))
        machines = [room for room in rooms if room]
        return max(1, len(machines))


def _rooms(nodes: Sequence[Mapping[str, Any]], settings: "RayCluster") -> list[int]:
    """How many workers each machine can hold at the same time."""
    return [_room_for_workers(node, settings) for node in nodes]


def _room_for_workers(node: Mapping[str, Any], settings: "RayCluster") -> int:
    """How many workers a machine can hold at the same time."""
    if not node["Alive"]:
        return 0
    room = MOST_ON_A_MACHINE
    for resource, needed in _resources(settings).items():
        if needed:
            room = min(room, int(node["Resources"].get(resource, 0.0) / needed))
    return room


def _resources(settings: "RayCluster") -> dict[str, float]:
    """What a worker needs, under Ray's names."""
    return {"GPU": settings.gpus_per_worker, "CPU": settings.cpus_per_worker}


def _needs(settings: "RayCluster") -> str:
    """What a worker needs, in words."""
    needs = []
    if settings.gpus_per_worker:
        gpus = "GPU" if settings.gpus_per_worker == 1 else "GPUs"
        needs.append(f"{settings.gpus_per_worker:g} {gpus} (gpus_per_worker, --gpus-per-worker)")
    if settings.cpus_per_worker:
        cores = "CPU core" if settings.cpus_per_worker == 1 else "CPU cores"
        needs.append(f"{settings.cpus_per_worker:g} {cores} (cpus_per_worker)")
    return " and ".join(needs)


def _introduction_of_judge(plan: Plan) -> Any:
    return plan.judge.introduction if plan.judge is not None else None
