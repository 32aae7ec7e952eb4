"""What is recorded of a run, in its folder or in memory: samples, drops, traces, the review."""

import hashlib
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.decisions import DecisionBook, Decisions, read_decisions
from sdgkit.errors import RunError
from sdgkit.export import arrow_table
from sdgkit.journal import JOURNAL_FILE, Journal, Outcome, RecordedExchange, Session
from sdgkit.pages import fill
from sdgkit.recorded import read_values
from sdgkit.run.snapshot import Snapshot
from sdgkit.samples import Row

if TYPE_CHECKING:
    import datasets

SILENT_S = 10.0
"""Seconds of silence after which a process on another machine counts as gone."""

DROP_COLUMNS = ("id", "stage", "reason", "message", "reply")


@dataclass(frozen=True)
class Trace(Outcome):
    """One row's history: what became of it, and how.

    Attributes:
        exchanges: Every request and reply in its history, in order.
    """

    exchanges: Sequence[RecordedExchange] = ()

    @property
    def row(self) -> dict[str, Any]:
        """The row's columns as they stand, or stood when it was dropped."""
        return dict(self.columns)

    @classmethod
    def of(cls, journal: Journal, id_: str) -> "Trace":
        """The trace of the row with this id.

        Raises:
            RunError: There is no such row.
        """
        outcome = journal.outcome(id_)
        if outcome is None:
            raise RunError(
                f"No row of this run has the id {id_!r}. "
                "Ids look like s3/c7/q2: see `dataset` and `dropped`.",
                folder=journal.folder,
            )
        recorded = []
        for _, key in outcome.trail:
            exchange = journal.exchange(key)
            if exchange is not None:
                recorded.append(exchange)
        return cls(**vars(outcome), exchanges=recorded)

    def __repr__(self) -> str:
        return "".join(fill("trace.txt", trace=self))

    def _repr_html_(self) -> str:
        return "".join(fill("trace.html", trace=self))


class Record:
    """The record of a run.

    Args:
        out: The run's folder; None for a run in memory.
        journal: The journal of a run in memory, None before it is started.

    Attributes:
        out: The run's folder as the user passed it, for messages.
        folder: The same, absolute: files are still found after the working folder has changed.
    """

    def __init__(self, out: str | Path | None, journal: Journal | None = None) -> None:
        self.out: Path | None = None
        self.folder: Path | None = None
        if out is not None:
            self.out = Path(out)
            self.folder = self.out.absolute()
        self._journal = journal

    def open_for_writing(self) -> Journal:
        """The journal to write: of the folder, or the one in memory.

        Raises:
            FolderInUse: Another process is writing the folder.
            RunError: The folder cannot be written.
        """
        if self.folder is not None:
            return Journal(self.folder, shown_as=self.out)
        if self._journal is None:
            self._journal = Journal()
        return self._journal

    @contextmanager
    def reading(self) -> Iterator[Journal]:
        """A journal to read: the one in memory, or the folder's, opened for the moment."""
        if self.folder is not None:
            with closing(Journal(self.folder, read_only=True, shown_as=self.out)) as journal:
                yield journal
        elif self._journal is not None:
            yield self._journal
        else:
            raise RunError("This run has not been started. Call start() first.")

    def samples(self) -> Iterator[dict[str, Any]]:
        """The samples so far, in lineage order, read one by one."""
        with self.reading() as journal:
            yield from journal.samples()

    def drops(self) -> Iterator[dict[str, Any]]:
        """The drops so far, in lineage order, read one by one: the lines of `dropped.jsonl`."""
        with self.reading() as journal:
            yield from journal.drops()

    def let_through(self) -> Iterator[dict[str, Any]]:
        """The samples to train on: without those the review rejected, and with its edits."""
        yield from self.decisions.let_through(self.samples())

    @property
    def dataset(self) -> "datasets.Dataset":
        """The samples so far, in lineage order."""
        return _dataset(self.samples(), ["id"])

    @property
    def dropped(self) -> "datasets.Dataset":
        """The drops so far: id, stage, reason, message, reply, and the columns as they stood."""
        return _dataset(self.drops(), DROP_COLUMNS)

    @property
    def decisions(self) -> Decisions:
        """What the review has decided so far."""
        with self.reading() as journal:
            return read_decisions(journal)

    def decision_book(self) -> DecisionBook:
        """Where the review's decisions are recorded."""
        return DecisionBook(self.folder, self._journal)

    def trace(self, id: str) -> Trace:
        """The history of one sample or drop.

        Raises:
            RunError: No row of this run has that id.
        """
        with self.reading() as journal:
            return Trace.of(journal, id)

    def lists_drawn_from(self) -> dict[str, list[Any]]:
        """The lists from which the rows of the newest edition drew, by name."""
        with self.reading() as journal:
            newest = journal.newest()
        lists: dict[str, list[Any]] = {}
        if newest is None:
            return lists
        for stage in newest.config.get("stages", ()):
            lists |= stage.get("vary") or {}
        return lists

    def last_snapshot(self) -> Snapshot | None:
        """The last snapshot that a writing process left in the folder; None if there is none.

        Of a run that is over, with the numbers of all its sessions: the last one may have had
        nothing left to ask.
        """
        if self.folder is None or not (self.folder / JOURNAL_FILE).exists():
            return None
        with self.reading() as journal:
            session = journal.last_session()
            totals = journal.totals()
        if session is None:
            return None
        snapshot = Snapshot(session.state)
        if session.snapshot is not None:
            snapshot = read_values(
                Snapshot, session.snapshot, f"The journal in {self.out}", self.out
            )
        if snapshot.is_active and _is_gone(session):
            message = (
                "The process that wrote this run is gone. Run the same command again to resume."
            )
            snapshot = replace(snapshot, state="interrupted", message=message)
        if snapshot.is_active:
            return snapshot
        return replace(
            snapshot,
            requests=totals.requests,
            reused=totals.reused,
            retries=totals.retries,
            completion_tokens=totals.completion_tokens,
            wall_s=totals.wall_s,
        )


def _dataset(rows: Iterable[Row], first_columns: Sequence[str]) -> "datasets.Dataset":
    import datasets

    digest = hashlib.sha256()
    table = arrow_table(_digested(rows, digest), first_columns)
    # datasets would copy the whole table twice to find a fingerprint.
    return datasets.Dataset(table, fingerprint=digest.hexdigest()[:16])


def _digested(rows: Iterable[Row], digest: "hashlib._Hash") -> Iterator[Row]:
    """The same rows, each added to a digest on its way.

    Equal rows give an equal digest in every process, and nobody has to read the table for it.
    """
    for row in rows:
        digest.update(repr(row).encode("utf-8", "surrogatepass"))
        yield row


def _is_gone(session: Session) -> bool:
    """Whether the process of a session has ended (on this machine), or has been silent for long."""
    is_ours = session.host == socket.gethostname()
    if is_ours and 0 < session.process < 2**31:
        try:
            os.kill(session.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # it belongs to another user, and is alive
    return time.time() - session.seen > SILENT_S
