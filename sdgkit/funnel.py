"""The funnel of a run: what came into each stage, what left it, and what was dropped on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StageLine:
    """The numbers of one stage, as `summary.json` lists them.

    Attributes:
        name: The stage's name.
        rows_in: Rows that reached the stage: the `rows_out` of the stage before.
        tried: Rows that the stage set out to make, `rows_out` plus all drops.
        rows_out: Rows that moved on to the next stage.
        dropped: Rows that left the stream here, by reason, in alphabetical order.
    """

    name: str
    rows_in: int
    tried: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_drops(
        cls, name: str, rows_in: int, dropped: Mapping[str, int], tried: int | None = None
    ) -> "StageLine":
        """The line of a stage that dropped these rows.

        Args:
            name: The stage's name.
            rows_in: Rows that reached it.
            dropped: Rows dropped, by reason.
            tried: Rows that it set out to make, by default one for each that came in.
        """
        attempted = rows_in if tried is None else tried
        rows_out = attempted - sum(dropped.values())
        return cls(name, rows_in, attempted, rows_out, dict(sorted(dropped.items())))

    @property
    def dropped_rows(self) -> int:
        """All rows dropped here, whatever the reason."""
        return sum(self.dropped.values())

    def as_json(self) -> dict[str, Any]:
        """The line as it stands in `summary.json`."""
        return {
            "name": self.name,
            "rows_in": self.rows_in,
            "tried": self.tried,
            "rows_out": self.rows_out,
            "dropped": dict(self.dropped),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StageLine":
        """The line that `as_json` gave; keys that this version does not know are ignored."""
        return cls(
            name=values["name"],
            rows_in=values["rows_in"],
            tried=values["tried"],
            rows_out=values["rows_out"],
            dropped=dict(values["dropped"]),
        )
