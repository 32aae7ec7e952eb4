"""What a run needs of other machines that work on its rows; `sdgkit.cluster` has them."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sdgkit.journal import Journal
from sdgkit.run.plan import Plan
from sdgkit.stream import Tally, Target, Usage
from sdgkit.stream.stream import StageText


class RowStream(Protocol):
    """Rows moving through the stages of a plan: `sdgkit.stream.Stream`, or one on other machines.

    `sdgkit.stream.Stream` explains each of these names.
    """

    is_cancelled: bool

    @property
    def target(self) -> Target | None:
        """How far the target is; None without one."""

    @property
    def newest(self) -> deque[dict[str, Any]]:
        """The newest samples, the latest last."""

    @property
    def newest_texts(self) -> dict[str, deque[StageText]]:
        """The newest texts and drops of each stage, the latest last."""

    @property
    def tally(self) -> Tally:
        """What became of all rows so far."""

    @property
    def usage(self) -> Usage:
        """The requests and tokens so far."""

    @property
    def in_flight(self) -> int:
        """How many requests the teachers are working on."""

    @property
    def flowing(self) -> asyncio.Event:
        """Cleared while nothing new may be asked."""

    async def run(self) -> None:
        """Run until all rows are finished, or `cancel` is called."""

    def cancel(self) -> None:
        """Stop now; what is recorded stays."""

    def fail(self, error: BaseException) -> None:
        """Stop because of an error."""


@dataclass(frozen=True)
class TeacherLimits:
    """How other machines ask a teacher that they start for themselves; see `sdgkit.connect`."""

    model: str = ""
    concurrency: int | str | None = None
    timeout: float = 600.0
    patience: float = 1800.0


class Elsewhere(Protocol):
    """Other machines that can work on the rows of a run."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences that the user should read before a run starts."""

    @property
    def starts_teachers(self) -> bool:
        """Whether they start teachers for themselves."""

    def prepared(self, plan: Plan, out: Path | None, limits: TeacherLimits) -> Plan:
        """The plan as these machines can carry it out.

        Args:
            plan: The plan.
            out: The run's folder.
            limits: How they ask a teacher that they start for themselves.

        Raises:
            SettingsError: They cannot do what the plan asks for.
        """

    def stream(
        self,
        plan: Plan,
        out: Path,
        journal: Journal,
        finished: Mapping[int, Mapping[str, int]],
    ) -> RowStream:
        """The rows of a plan, to be moved by these machines.

        Args:
            plan: What to do.
            out: The run's folder.
            journal: The run's journal, which gets what the machines record.
            finished: The tallies of the units that are finished, as the journal stores them.

        Raises:
            SettingsError: They cannot do what the plan asks for.
        """


class Cluster(Protocol):
    """A cluster to which this process can be connected; `sdgkit.RayCluster` is one."""

    def join(self) -> AbstractContextManager[Elsewhere]:
        """Connect to it."""
