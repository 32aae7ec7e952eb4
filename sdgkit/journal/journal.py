"""The record of a run: one SQLite file, written by one process and read by any number.

Replies are kept permanently, by their key; a reply is committed before anything is built on it.
Samples and drops belong to an *edition*: a hash of everything that decides them (seeds, prompts,
settings, stages, model).
"""

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sdgkit.errors import RunError
from sdgkit.files import JOURNAL_FILE
from sdgkit.journal import statements
from sdgkit.journal.columns import as_json_text, edition_of, read_export, read_outcome, storable
from sdgkit.journal.folder_lock import lock_folder
from sdgkit.journal.journal_file import JournalFile, SqlValue
from sdgkit.journal.reading import read_row
from sdgkit.journal.replies import Replies
from sdgkit.journal.times import SessionTimes, Times
from sdgkit.journal.values import (
    Edition,
    Export,
    Outcome,
    RecordedExchange,
    RecordedReply,
    Session,
    Totals,
)
from sdgkit.teachers.teacher import Reply, Request

COPY = "~"
"""What follows an edition's id where its rows are a copy."""


class Journal:
    """The journal of one run.

    Args:
        folder: The run's folder; None keeps the journal in memory.
        read_only: Only read. Any number of processes may read while one writes.
        replies_in: Another journal, in which replies are looked up and recorded instead: for a run
            whose replies serve another one and whose rows do not.
        shown_as: The folder as the user gave it, for messages (default: `folder`).
        earlier: Another journal, in which replies are looked up as well and never recorded: for a
            part of a run whose other part was recorded there.

    Attributes:
        folder: The run's folder, absolute, so that it stays right when the working folder changes.
        file: The SQLite file that holds it.
        session: The number of the session that `begin` began.

    Raises:
        FolderInUse: Another process is writing the folder.
        RunError: The folder cannot be written, or holds something that is not a journal.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        read_only: bool = False,
        replies_in: "Journal | None" = None,
        shown_as: Path | None = None,
        earlier: "Journal | None" = None,
    ) -> None:
        shown_folder = shown_as or folder
        if folder is not None:
            folder = folder.absolute()
        self.folder = folder
        self.read_only = read_only
        self.session = 0
        self.file = JournalFile(folder, shown_folder, _writer_of, read_only=read_only)
        self._replies_in = replies_in
        self._replies: Replies = Replies(self.file, earlier._replies if earlier else None)
        self._edition = ""

    @property
    def note(self) -> str:
        """What the user should know about how the journal is written; empty if nothing."""
        return self.file.note

    def close(self) -> None:
        """Commit what is waiting and release the folder."""
        self.file.close()

    # Statements -----------------------------------------------------------------------------------

    def select(self, query: str, **values: SqlValue) -> list[sqlite3.Row]:
        """The rows of a query."""
        return self.file.select(query, **values)

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute a statement for each of these rows; for a journal in memory."""
        self.file.connection.executemany(statement, rows)

    def take_over(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows of another journal, all of them or none."""
        self.file.write_all(statement, rows)

    def take_over_replies(self, replies: Iterable[Mapping[str, Any]]) -> None:
        """Record replies of another journal, all of them or none; what is here already stays.

        Args:
            replies: The columns of each.
        """
        self._replies.take_over(replies)

    def flush(self) -> None:
        """Commit what was written since the last time, and wake everything that waits for it.

        Raises:
            RunError: It cannot be written, and nothing waits for it that would get the error
                instead.
        """
        self.file.flush()

    def _write(self, statement: str, **values: SqlValue) -> sqlite3.Cursor:
        """Execute a statement about this edition. It is committed with the next reply or beat."""
        return self.file.write(statement, edition=self._edition, **values)

    # Replies --------------------------------------------------------------------------------------

    def reply(self, key: str) -> RecordedReply | None:
        """The recorded reply to a request, by its key."""
        if self._replies_in is not None:
            return self._replies_in.reply(key)
        return self._replies.reply(key)

    def count_replies(self) -> int:
        """How many replies are recorded."""
        return self._replies.count()

    def count_replies_by_stage(self) -> dict[str, int]:
        """How many replies are recorded, by the name of the stage that asked."""
        return self._replies.count_by_stage()

    def exchange(self, key: str) -> RecordedExchange | None:
        """The request and the reply of a key: what was really sent, what came back."""
        if self._replies_in is not None:
            return self._replies_in.exchange(key)
        return self._replies.exchange(key)

    async def record(
        self, key: str, stage: str, model: str, request: Request, reply: Reply
    ) -> None:
        """Record a reply and return when it is committed.

        Replies of one turn of the event loop share a commit.

        Args:
            key: The key of the request.
            stage: The name of the stage that asked.
            model: The model that answered.
            request: What was sent.
            reply: What came back.

        Raises:
            RunError: The journal cannot be written.
        """
        if self._replies_in is not None:
            await self._replies_in.record(key, stage, model, request, reply)
            return
        await self._replies.record(key, stage, model, request, reply, session=self.session)

    # Editions and sessions ------------------------------------------------------------------------

    @property
    def edition(self) -> str:
        """The id of the edition that this session writes; of a reader, of the newest one."""
        return self._edition or self._newest_edition_id()

    def newest(self) -> Edition | None:
        """The edition that was begun last; None in a new journal."""
        row = self.file.first(statements.SELECT_NEWEST_EDITION)
        if row is None:
            return None
        return Edition(**read_row(row))

    def configs(self) -> list[Any]:
        """What decided the rows of each edition that was ever begun, as JSON values."""
        rows = self.select(statements.SELECT_CONFIGS)
        return [read_row(row)["config"] for row in rows]

    def begin(
        self, config: Mapping[str, Any], *, from_start: bool = False
    ) -> dict[int, dict[str, int]]:
        """Begin a session of the edition with this config.

        Rows of unfinished units come again from the recorded replies. Those that the files show
        are kept as a copy until `note_files`.

        Args:
            config: Everything that decides the rows.
            from_start: Let the rows of all units come again.

        Returns:
            The counts of the units that are finished in this edition, by unit.
        """
        self._begin_edition(config, from_start=from_start)
        now = time.time()
        cursor = self._write(
            statements.INSERT_SESSION,
            process=os.getpid(),
            host=socket.gethostname(),
            begun=now,
            seen=now,
        )
        self.session = int(cursor.lastrowid or 0)
        self.flush()
        return self.finished_units()

    def change_edition(
        self, config: Mapping[str, Any], *, from_start: bool = False
    ) -> dict[int, dict[str, int]]:
        """Continue this session in the edition with this config; see `begin`."""
        self._begin_edition(config, from_start=from_start)
        self._write(statements.UPDATE_EDITION, id=self.session)
        self.flush()
        return self.finished_units()

    def _begin_edition(self, config: Mapping[str, Any], *, from_start: bool) -> None:
        shown = self._noted_edition()
        if shown is None:  # written before there were notes
            shown = self._newest_edition_id()
        self._edition = edition_of(config)
        self._write(statements.INSERT_EDITION, id=self._edition, config=as_json_text(config))
        if from_start:
            self._write("DELETE FROM finished WHERE edition=:edition")
        if shown == self._edition and self._has_unfinished_rows():
            shown = f"{self._edition}{COPY}"
            self._write(statements.COPY_ROWS, copy=shown)
        self._write(statements.INSERT_SHOWN, shown=shown)
        self._write(statements.DELETE_UNFINISHED_ROWS)

    def finished_units(self) -> dict[int, dict[str, int]]:
        """The counts of the units that are finished in the newest edition, by unit."""
        edition = self._edition or self._newest_edition_id()
        rows = self.select(statements.SELECT_FINISHED, edition=edition)
        counts = {}
        for row in rows:
            finished = read_row(row)
            counts[finished["unit"]] = finished["counts"]
        return counts

    def note_files(self) -> None:
        """Note that the files in the folder show the rows of this session from now on."""
        self._write(statements.INSERT_SHOWN, shown=self._edition)
        self._write("DELETE FROM rows WHERE edition=:copy", copy=f"{self._edition}{COPY}")
        self.flush()

    def look_at_files(self) -> None:
        """Read the rows that the files in the folder show, not those of the newest session."""
        self._edition = self._edition_in_files()

    def _has_unfinished_rows(self) -> bool:
        row = self.file.first(statements.SELECT_UNFINISHED_ROW, edition=self._edition)
        return row is not None

    def beat(
        self,
        state: str,
        *,
        snapshot: Mapping[str, Any],
        reused: int = 0,
        retries: int = 0,
        refused: int = 0,
    ) -> None:
        """Record how far this session has got, for readers and for the totals of all sessions.

        Args:
            state: What the run is doing.
            snapshot: Its progress, as JSON values.
            reused: Recorded replies that it used.
            retries: Requests that it sent again after an error.
            refused: Requests that the teacher refused.
        """
        self.file.refuse_lost()
        self._write(
            statements.UPDATE_SESSION,
            id=self.session,
            seen=time.time(),
            state=state,
            snapshot=as_json_text(snapshot),
            reused=reused,
            retries=retries,
            refused=refused,
        )
        self.flush()

    def totals(self) -> Totals:
        """The numbers of all sessions together."""
        values = read_row(self.file.first(statements.SELECT_SESSION_TOTALS))
        refused = values.pop("refused")
        counts = self._replies.counts()
        sessions = []
        for row in self.select(statements.SELECT_SESSION_TIMES):
            sessions.append(SessionTimes(**read_row(row)))
        return Totals(
            requests=refused + sum(stage.number for stage in counts),
            prompt_tokens=sum(stage.prompt_tokens for stage in counts),
            completion_tokens=sum(stage.completion_tokens for stage in counts),
            **values,
            **vars(Times.of(sessions)),
        )

    def last_session(self) -> Session | None:
        """The newest session; None in a new journal."""
        row = self.file.first(statements.SELECT_LAST_SESSION)
        return None if row is None else Session(**read_row(row))

    def exports(self) -> list[Export]:
        """The training files that were exported into the folder, in the order of their paths."""
        rows = self.select("SELECT path, format FROM exports ORDER BY path")
        return [read_export(**read_row(row)) for row in rows]

    # Samples and drops ----------------------------------------------------------------------------

    def put(self, outcome: Outcome) -> None:
        """Record what became of a row."""
        self._write(
            statements.INSERT_ROW,
            id=outcome.id,
            place=outcome.place,
            unit=outcome.unit,
            stage=outcome.stage,
            reason=outcome.reason,
            message=storable(outcome.message),
            reply=storable(outcome.reply),
            columns=as_json_text(outcome.columns),
            trail=as_json_text(outcome.trail),
        )

    def forget(self, place: str) -> None:
        """Take back the outcome at this place and all below it."""
        self._write(statements.DELETE_ROWS_AT, place=place)

    def forget_units_after(self, unit: int) -> None:
        """Take back the outcomes of the units after the one that reached the target."""
        self._write("DELETE FROM rows WHERE edition=:edition AND unit>:unit", unit=unit)

    def restore(self, stage: str) -> None:
        """Turn what this stage dropped into samples again, before it looks at all of them again."""
        self._write(statements.UNDROP_ROWS, stage=stage)

    def drop_samples(self, stage: str, drops: Iterable[tuple[str, str, str]]) -> None:
        """Turn samples into drops of a stage that looks at all samples at the end.

        Args:
            stage: The name of the stage.
            drops: The place, the reason and the message of each.
        """
        for place, reason, message in drops:
            self._write(
                statements.DROP_ROW, stage=stage, place=place, reason=reason, message=message
            )
        self.flush()

    def finish(self, unit: int, counts: Mapping[str, int]) -> None:
        """Record that a unit is finished in this edition."""
        self._write(statements.INSERT_FINISHED, unit=unit, counts=as_json_text(counts))

    def outcomes(self, kind: Literal["sample", "drop"]) -> Iterator[Outcome]:
        """The samples or the drops of the newest edition, in lineage order.

        They are read page by page, so that a reader who stops in the middle blocks no writer,
        even where the journal cannot use its log.
        """
        query = statements.SELECT_SAMPLES if kind == "sample" else statements.SELECT_DROPS
        return map(read_outcome, self._rows(query, self._edition_to_read()))

    def outcome(self, id_: str) -> Outcome | None:
        """What became of a row, by its id; None if the newest edition has no such row."""
        row = self.file.first(statements.SELECT_OUTCOME, edition=self._edition_to_read(), id=id_)
        return read_outcome(row) if row is not None else None

    def _edition_to_read(self) -> str:
        """Whose rows readers see: the session's own, or once it is over, those in the files."""
        if self._edition:
            return self._edition
        session = self.last_session()
        if session is not None and session.is_over:
            return self._edition_in_files()
        return self._newest_edition_id()

    def _newest_edition_id(self) -> str:
        newest = self.newest()
        return newest.id if newest is not None else ""

    def _edition_in_files(self) -> str:
        """Whose rows the files in the folder show; the newest edition's where there is no note."""
        return self._noted_edition() or self._newest_edition_id()

    def _noted_edition(self) -> str | None:
        """Whose rows the files show, as `note_files` noted it; empty while there are no files.

        None in a journal that was written before there were notes.
        """
        if not self.file.has_table("shown"):
            return None
        note = self.file.first("SELECT edition FROM shown")
        return None if note is None else str(note[0])

    def samples(self) -> Iterator[dict[str, Any]]:
        """The lines of `dataset.jsonl`, of the newest edition."""
        return self._columns_of_samples(self._edition_to_read())

    def samples_in_files(self) -> Iterator[dict[str, Any]]:
        """The samples that the files in the folder show, which may be an earlier session's."""
        return self._columns_of_samples(self._edition_in_files())

    def drops(self) -> Iterator[dict[str, Any]]:
        """The lines of `dropped.jsonl`, of the newest edition."""
        rows = self._rows(statements.SELECT_DROP_LINES, self._edition_to_read())
        return (Outcome(**read_row(row), unit=0, trail=()).as_drop() for row in rows)

    def _columns_of_samples(self, edition: str) -> Iterator[dict[str, Any]]:
        for row in self._rows(statements.SELECT_SAMPLE_COLUMNS, edition):
            yield read_row(row)["columns"]

    def _rows(self, query: str, edition: str) -> Iterator[sqlite3.Row]:
        """The rows of a query about an edition, read page by page."""
        for page in self.file.pages(query, edition=edition):
            yield from page


def refuse_busy(folder: Path) -> None:
    """Refuse a folder that another process is writing; one without a journal is not.

    Raises:
        FolderInUse: Another process is writing it.
        RunError: The folder cannot be written.
    """
    if (folder / JOURNAL_FILE).exists():
        lock_folder(folder.absolute(), folder, _writer_of).release()


def _writer_of(folder: Path) -> str:
    """Which process is writing a folder, in brackets; empty if that cannot be read."""
    with (
        contextlib.suppress(RunError),
        contextlib.closing(Journal(folder, read_only=True)) as journal,
    ):
        session = journal.last_session()
        if session is not None:
            return f" (process {session.process} on {session.host})"
    return ""
