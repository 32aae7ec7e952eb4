"""What is recorded of a run, in its folder or in memory, to be looked at: samples, drops, traces, the review."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.decisions import DecisionBook, Decisions, read_decisions
from sdgkit.errors import RunError
from sdgkit.export import as_stored
from sdgkit.journal import Journal, Outcome, RecordedExchange
from sdgkit.pages import fill

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class Trace(Outcome):
    """One row's history: what became of it, and how.

    exchanges: in order, each with stage, attempt, messages, sampling, text, reasoning, finish_reason, tokens and
    seconds.
    """

    exchanges: Sequence[RecordedExchange] = ()

    @property
    def row(self) -> dict[str, Any]:
        """The row's columns as they stand, or stood when it was dropped."""
        return dict(self.columns)

    @classmethod
    def of(cls, journal: Journal, id_: str) -> "Trace":
        """The trace of the row with this id. Raises RunError if there is none."""
        outcome = journal.outcome(id_)
        if outcome is None:
            raise RunError(
                f"No row of this run has the id {id_!r}. Ids are like s3/c7/q2: see dataset and dropped."
            )
        exchanges = [
            found for _, key in outcome.trail if (found := journal.exchange(key)) is not None
        ]
        return cls(**vars(outcome), exchanges=exchanges)

    def __repr__(self) -> str:
        return "".join(fill("trace.txt", trace=self))

    def _repr_html_(self) -> str:
        return "".join(fill("trace.html", trace=self))


class Record:
    """The record of a run. out: its folder; without one, journal: the one in memory, None before the run begins."""

    def __init__(self, out: str | Path | None, journal: Journal | None = None) -> None:
        self.out = Path(out) if out is not None else None
        self._journal = journal

    def samples(self) -> Iterator[dict[str, Any]]:
        """The samples so far, in lineage order, read one by one."""
        with self._reading() as journal:
            yield from journal.samples()

    def drops(self) -> Iterator[dict[str, Any]]:
        """The drops so far, in lineage order, read one by one: the lines of dropped.jsonl."""
        with self._reading() as journal:
            yield from journal.drops()

    def let_through(self) -> Iterator[dict[str, Any]]:
        """The samples to train on: without those that the review rejected, with the texts that it edited."""
        yield from self.decisions.let_through(self.samples())

    @property
    def dataset(self) -> "datasets.Dataset":
        """The samples so far as a `datasets.Dataset`, in lineage order."""
        return _dataset(self.samples(), "id")

    @property
    def dropped(self) -> "datasets.Dataset":
        """The drops so far as a `datasets.Dataset`: id, stage, reason, message, reply and the columns as they stood."""
        return _dataset(self.drops(), "id", "stage", "reason", "message", "reply")

    @property
    def decisions(self) -> Decisions:
        """What the review decided so far."""
        with self._reading() as journal:
            return read_decisions(journal)

    def decision_book(self) -> DecisionBook:
        """Where the review's decisions are written down."""
        return DecisionBook(self.out, self._journal)

    def trace(self, id: str) -> Trace:
        """The whole story of one sample or drop: every message sent, every reply, the judge's words, the reason.

        Raises RunError if no row of this run has that id.
        """
        with self._reading() as journal:
            return Trace.of(journal, id)

    @contextmanager
    def _reading(self) -> Iterator[Journal]:
        """A journal to read from: the run's own if it is in memory, else one that is opened for the moment."""
        if self.out is not None:
            with closing(Journal(self.out, read_only=True)) as journal:
                yield journal
        elif self._journal is not None:
            yield self._journal
        else:
            raise RunError("This run has not been started. Call start() first.")


def _dataset(found: Iterator[dict[str, Any]], *columns: str) -> "datasets.Dataset":
    import datasets

    rows = list(map(as_stored, found))
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    return datasets.Dataset.from_dict({name: [row.get(name) for row in rows] for name in names})
