"""The whole story of one sample or drop: what was sent, what came back, what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sdgkit.errors import RunError
from sdgkit.journal import Journal, Outcome
from sdgkit.pages import fill


@dataclass(frozen=True)
class Trace(Outcome):
    """One row's history: what became of it, and how.

    exchanges: in order, each with stage, attempt, messages, sampling, text, reasoning, finish_reason, tokens and
    seconds.
    """

    exchanges: Sequence[dict[str, Any]] = ()

    @property
    def row(self) -> dict[str, Any]:
        """The row's columns as they stand, or stood when it was dropped."""
        return dict(self.columns)

    @classmethod
    def of(cls, journal: Journal, id_: str) -> "Trace":
        """The trace of the row with this id. Raises RunError if there is none."""
        outcome = journal.outcome(id_)
        if outcome is None:
            some = [found.id for kind in ("sample", "drop") for found in islice(journal.outcomes(kind), 3)]
            known = f" Ids here are like {', '.join(some)}." if some else " It has no rows yet."
            raise RunError(f"No row of this run has the id {id_!r}.{known}")
        exchanges = [found for _, key in outcome.trail if (found := journal.exchange(key)) is not None]
        return cls(**vars(outcome), exchanges=exchanges)

    def __repr__(self) -> str:
        return "".join(fill("trace.txt", trace=self))

    def _repr_html_(self) -> str:
        return "".join(fill("trace.html", trace=self))
