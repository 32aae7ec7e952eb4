"""The whole story of one sample or drop: what was sent, what came back, what became of it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sdgkit.errors import RunError
from sdgkit.journal import Journal, Outcome


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

    def __str__(self) -> str:
        return "\n".join(f"{'#' * 3} {title}\n{text}\n" for title, text in self._sections())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = []
        for title, text in self._sections():
            body = f'<pre style="white-space:pre-wrap;margin:.3em 0 1em 1em">{html.escape(text, quote=True)}</pre>'
            parts.append(f"<details><summary>{html.escape(title, quote=True)}</summary>{body}</details>")
        return "".join(parts)

    def _sections(self) -> list[tuple[str, str]]:
        """(title, text) of each thing that happened, in order."""
        sections = []
        for exchange in self.exchanges:
            again = f", attempt {exchange['attempt']}" if exchange["attempt"] > 1 else ""
            for message in exchange["messages"]:
                sections.append((f"{exchange['stage']}{again}: {message['role']} message", message["content"]))
            cut = ", cut off" if exchange["finish_reason"] == "length" else ""
            if exchange["reasoning"]:
                sections.append((f"{exchange['stage']}{again}: the teacher's reasoning", exchange["reasoning"]))
            tokens = f"{exchange['completion_tokens']} tokens, {exchange['seconds']:.2f} s{cut}"
            sections.append((f"{exchange['stage']}{again}: reply ({tokens})", exchange["text"]))
        columns = "\n".join(f"{name}: {value}" for name, value in self.row.items())
        if self.stage:
            sections.append((f"{self.id}: dropped by {self.stage} ({self.reason})", f"{self.message}\n\n{columns}"))
        else:
            sections.append((f"{self.id}: a sample", columns))
        return sections
