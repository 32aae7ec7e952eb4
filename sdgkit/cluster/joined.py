"""A cluster that this process is connected to."""

import platform
from collections.abc import Mapping
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
        shard = Shard(0, part, {}, {}, False, out, out, "", None, platform.node())
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

    def _workers(self) -> int:
        """How many workers the cluster is to have.

        Raises:
            SettingsError: It has too few GPUs for a single one.
        """
        if self.settings.workers is not None:
            return self.settings.workers
        import ray

        gpus_per_worker = self.settings.gpus_per_worker
        if gpus_per_worker:
            gpus = ray.cluster_resources().get("GPU", 0.0)
            workers = int(gpus / gpus_per_worker)
            if workers < 1:
                raise SettingsError(
                    f"The cluster has {gpus:g} GPUs, and a worker needs {gpus_per_worker:g} "
                    "(gpus_per_worker, --gpus-per-worker). If it grows on demand, say how many "
                    "workers you want (workers, --workers).",
                    setting="gpus_per_worker",
                )
            return workers
        machines = [node for node in ray.nodes() if _can_work(node)]
        return max(1, len(machines))


def _can_work(node: Mapping[str, Any]) -> bool:
    return bool(node["Alive"]) and node["Resources"].get("CPU", 0) > 0


def _introduction_of_judge(plan: Plan) -> Any:
    return plan.judge.introduction if plan.judge is not None else None
