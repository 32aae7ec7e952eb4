"""Which rows are still to be admitted to a stream."""

from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sdgkit.samples import Row
from sdgkit.stages import Stage
from sdgkit.stream.row import StreamStep
from sdgkit.stream.target import Target

CLOSING = 2
"""The last rows are admitted together, as soon as they would keep the slots busy for no longer than
two chains of replies: admitted one by one, the last of them would leave the teacher with a single
chain to work on."""


class Admitted(NamedTuple):
    """A row that is admitted.

    Attributes:
        step: The row.
        round: The round of a target that it is admitted for, from 1; None without a target.
    """

    step: StreamStep
    round: int | None


class Admission:
    """The units that are still to be admitted, in order.

    Args:
        rows: The rows, in order, each with its id.
        stages: The stages that they will go through.
        finished: The numbers of the units that need no admission; with a target, none.
        target: The target; with one, the rows are admitted again in each round.

    Attributes:
        first_requests: How many requests a row sends as soon as it is admitted.
        widest: How many requests a reply may lead to at once, at most.
    """

    def __init__(
        self,
        rows: Sequence[tuple[str, Row]],
        stages: Sequence[Stage],
        finished: Collection[int],
        target: Target | None,
    ) -> None:
        self._rows = rows
        self._target = target
        units = range(1, len(rows) + 1)
        self._units = deque(unit for unit in units if unit not in finished)
        self._closing_rows = closing_rows(stages)
        self.first_requests = stages[0].requests_per_row if stages else 0
        self.widest = max((stage.per_row for stage in stages[1:]), default=1)
        self._seeds: dict[int, StreamStep] = {}  # with a target: the rows of all rounds, by place

    @property
    def rows_remain(self) -> bool:
        """Whether a row is still to be admitted."""
        if self._target is not None:
            return bool(self._rows) and self._target.units_remain
        return bool(self._units)

    def needs_more(self) -> bool:
        """Whether a further row is needed."""
        return self.rows_remain and (self._target is None or self._target.needs_more())

    def is_closing(self, slots: int) -> bool:
        """Whether the remaining rows are so few that they are admitted together."""
        return self._target is None and len(self._units) <= self._closing_rows * slots

    def admit_next(self, top: StreamStep) -> Admitted:
        """Admit the next row.

        Args:
            top: The top of the stream's rows.
        """
        if self._target is None:
            unit = self._units.popleft()
            id, row = self._rows[unit - 1]
            return Admitted(top.admit(id, unit, row, unit), round=None)
        self._target.begun += 1
        unit = self._target.begun
        finished_rounds, place = divmod(unit - 1, len(self._rows))
        id, row = self._rows[place]
        if place not in self._seeds:
            self._seeds[place] = top.admit(id, place + 1, row)
        seed = self._seeds[place]
        return Admitted(seed.same_row(unit), round=finished_rounds + 1)


def closing_rows(stages: Sequence[Stage]) -> float:
    """How many rows keep one slot busy for as long as `CLOSING` chains of replies take.

    Drops are not taken into account.
    """
    depth = 0
    requests = 0
    width = 1
    for stage in stages:
        if stage.role:
            depth += 1
        requests += width * stage.requests_per_row
        width *= stage.per_row
    return CLOSING * depth / max(1, requests)
