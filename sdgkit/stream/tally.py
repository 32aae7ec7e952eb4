"""How many rows left each stage, and how."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

_MOVED_ON = "\0"  # in the journal, replaces the reason where rows were not dropped


class Exit(NamedTuple):
    """How a row left a stage.

    Attributes:
        stage: The place of the stage in its pipeline, from 0.
        reason: The reason of the drop; None for a row that moved on.
    """

    stage: int
    reason: str | None = None


@dataclass(frozen=True)
class StageCounts:
    """The numbers of one stage.

    Attributes:
        rows_out: Rows that moved on to the next stage.
        dropped: Rows that were dropped here, by reason.
    """

    rows_out: int
    dropped: Mapping[str, int]


class Tally:
    """The rows that left each stage. May be read from another thread while the stream counts."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: Counter[Exit] = Counter()

    def count(self, exit: Exit) -> None:
        """Count one row more."""
        self._rows[exit] += 1

    def add(self, other: "Tally") -> None:
        """Also count what the other tally has counted."""
        self._rows.update(other._rows)

    def subtract(self, other: "Tally") -> None:
        """Take back what the other tally has counted."""
        self._rows.subtract(other._rows)

    def copy(self) -> "Tally":
        """A tally with the same numbers."""
        copied = Tally()
        copied.add(self)
        return copied

    def rows_out(self, stage: int) -> int:
        """How many rows moved on from a stage."""
        return self._rows[Exit(stage)]

    def has_drops(self, reason: str) -> bool:
        """Whether a row was dropped for this reason at any stage."""
        return any(exit.reason == reason for exit, rows in self._rows.items() if rows)

    def by_stage(self, stages: int) -> list[StageCounts]:
        """The numbers of each stage of a pipeline with this many stages, all at the same moment."""
        dropped: list[dict[str, int]] = [{} for _ in range(stages)]
        rows_out = [0] * stages
        moment = dict(self._rows)
        for exit, rows in moment.items():
            if exit.reason is None:
                rows_out[exit.stage] = rows
            elif rows:
                dropped[exit.stage][exit.reason] = rows
        return [StageCounts(rows_out[at], dropped[at]) for at in range(stages)]

    def as_json(self) -> dict[str, int]:
        """The numbers above zero as the journal stores them: `{"3:score": 2, "3:\\0": 7}`."""
        numbers = {}
        for exit, rows in self._rows.items():
            reason = _MOVED_ON if exit.reason is None else exit.reason
            if rows > 0:
                numbers[f"{exit.stage}:{reason}"] = rows
        return numbers

    @classmethod
    def from_json(cls, numbers: Mapping[str, int]) -> "Tally":
        """The tally that `as_json` gave."""
        tally = cls()
        for key, rows in numbers.items():
            stage, _, reason = key.partition(":")
            exit = Exit(int(stage), None if reason == _MOVED_ON else reason)
            tally._rows[exit] = rows
        return tally
