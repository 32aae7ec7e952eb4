"""The record of a run: one SQLite file, written by one process and read by any number.

Replies are kept permanently, by their key; a reply is committed before anything is built on it.
Samples and drops belong to an *edition*: a hash of everything that decides them (seeds, prompts,
settings, stages, model).
"""

import asyncio
import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from sdgkit.errors import RunBeginning, RunError
from sdgkit.files import JOURNAL_FILE, network_file_system
from sdgkit.journal import statements
from sdgkit.journal.columns import (
    as_json_text,
    bytes_of,
    edition_of,
    read_export,
    read_outcome,
    storable,
)
from sdgkit.journal.connection import FORMAT, SCHEMA, WAIT_S, connect
from sdgkit.journal.folder_lock import lock_folder
from sdgkit.journal.packing import Packer, base_of, unpack
from sdgkit.journal.reading import damaged, read_row
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
from sdgkit.limits import writing_remedy
from sdgkit.teachers.teacher import Reply, Request

COPY = "~"
"""What follows an edition's id where its rows are a copy."""

SqlValue = str | int | float | bytes | None
"""What a column of the journal can hold."""

PAGE_SIZE = 500
"""Outcomes read at a time."""

PAGE_BYTES = 16_384
"""Bytes of a page of a new file. A reply and a sample fit into a quarter of it; a row larger than
that gets pages of its own, which are mostly empty."""

MOST_BASES = 8
"""Requests whose messages are needed to read those of another one. One, where nothing is copied."""

FREE_SPACE = "Free some disk space"

EARLIER = 0
"""The session of a reply that comes from an earlier journal; those of a journal count from 1."""


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
        session: The number of the session that `begin` began.
        note: What the user should know about how the journal is written; empty if there is nothing.

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
        self.note = ""
        self._replies_in = replies_in
        self._earlier = earlier
        self._shown_folder = shown_folder
        self._name = "The journal in memory"
        if shown_folder is not None:
            self._name = str(shown_folder / JOURNAL_FILE)
        self._edition = ""
        self._packer = Packer()
        self._unsaved = False
        self._failure: RunError | None = None  # of a commit that nobody waited for
        self._commit: asyncio.Future[None] | None = None  # of what was written since the last one
        with contextlib.ExitStack() as resources:
            if folder is not None and not read_only:
                resources.callback(lock_folder(folder, shown_folder or folder, _writer_of).release)
            try:
                self._sql = connect(folder, "ro" if read_only else "rwc")
                resources.callback(self._sql.close)
                self._check_format()
                if not read_only:
                    self._prepare()
            except sqlite3.Error as error:
                raise self._unusable(error) from None
            self._identity = _identity_of(folder)
            self._resources = resources.pop_all()

    def _check_format(self) -> None:
        version = self._first("PRAGMA user_version")[0]
        is_empty = version == 0  # the version is set once all tables are there
        if is_empty and self.read_only:
            raise RunBeginning(
                f"The run in {self._shown_folder} is just beginning. Look again in a moment.",
                folder=self.folder,
            )

    def _prepare(self) -> None:
        """Create the tables, in the safest way of writing that the folder's file system allows."""
        self._sql.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a new file only
        if self.folder is not None:
            self._choose_mode(self.folder)
        self._sql.executescript(f"{SCHEMA}; PRAGMA user_version={FORMAT}")

    def _choose_mode(self, folder: Path) -> None:
        file_system = network_file_system(folder)
        if file_system:
            mode = self._set_mode("PRAGMA journal_mode=TRUNCATE")
        else:
            mode = self._set_mode("PRAGMA journal_mode=WAL")
        if mode == "wal":
            self._sql.execute("PRAGMA synchronous=NORMAL")
            return
        self._sql.execute("PRAGMA synchronous=FULL")
        self.note = (
            f"{self._shown_folder} is on a {file_system or 'file system'} where the journal cannot "
            "use its write-ahead log, so replies are recorded more slowly. "
            "Put --out on a local disk."
        )

    def _set_mode(self, pragma: str) -> str:
        """Change how the file is written and return how it is.

        This is the one statement that does not wait for other users of the file on its own.
        """
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return str(self._sql.execute(pragma).fetchone()[0])
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """Commit what is waiting and release the folder."""
        with self._resources:
            self.flush()
            if not self.read_only:
                # This leaves one file, which can be read and copied alone. A reader who is in it
                # just now keeps the log.
                with contextlib.suppress(sqlite3.Error):
                    self._sql.executescript("PRAGMA busy_timeout=100; PRAGMA journal_mode=DELETE")

    # Statements -----------------------------------------------------------------------------------

    def select(self, query: str, **values: SqlValue) -> list[sqlite3.Row]:
        """The rows of a query."""
        try:
            self._sql.begin_statement()
            return self._sql.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute a statement for each of these rows; for a journal in memory."""
        self._sql.executemany(statement, rows)

    def _first(self, query: str, **values: SqlValue) -> Any:
        """The first row of a query, None if there is none."""
        try:
            self._sql.begin_statement()
            return self._sql.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _unusable(self, error: sqlite3.Error) -> RunError:
        sentence = f"{self._name} cannot be used as a journal: {error}."
        remedy = writing_remedy(error)
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            remedy = FREE_SPACE
        if remedy:
            sentence = f"{sentence} {remedy}, then run the same command again."
        return RunError(sentence, folder=self.folder)

    @property
    def edition(self) -> str:
        """The id of the edition that this session writes; of a reader, of the newest one."""
        return self._edition or self._newest_edition_id()

    def take_over(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows of another journal, all of them or none."""
        if not self._unsaved:
            self._sql.execute("BEGIN IMMEDIATE")
            self._unsaved = True
        self._sql.begin_statement()
        self._sql.executemany(statement, rows)
        self.flush()

    def _write(self, statement: str, **values: SqlValue) -> sqlite3.Cursor:
        """Execute a statement about this edition. It is committed with the next reply or beat."""
        if not self._unsaved:
            self._sql.execute("BEGIN IMMEDIATE")
            self._unsaved = True
        self._sql.begin_statement()
        return self._sql.execute(statement, {"edition": self._edition, **values})

    def flush(self) -> None:
        """Commit what was written since the last time, and wake everything that waits for it.

        Raises:
            RunError: It cannot be written, and nothing waits for it that would get the error
                instead.
        """
        waiting = self._commit
        failure = self._failure
        self._commit = None
        self._failure = None
        try:
            if self._unsaved:
                self._unsaved = False
                self._sql.execute("COMMIT")
        except sqlite3.Error as error:
            if self._sql.in_transaction:
                self._sql.execute("ROLLBACK")
            self._packer = Packer()  # a base may be among what is lost
            remedy = writing_remedy(error) or FREE_SPACE
            failure = RunError(
                f"{self._name} cannot be written: {error}. "
                f"{remedy}, then run the same command again to resume.",
                folder=self.folder,
            )
        if waiting is None or waiting.done():
            if failure is not None:
                raise failure
        elif failure is not None:
            waiting.set_exception(failure)
        else:
            waiting.set_result(None)

    # Replies --------------------------------------------------------------------------------------

    def reply(self, key: str) -> RecordedReply | None:
        """The recorded reply to a request, by its key."""
        if self._replies_in is not None:
            return self._replies_in.reply(key)
        row = self._first(statements.SELECT_REPLY, key=key)
        if row is None:
            return self._earlier_reply(key)
        values = read_row(row)
        session = values.pop("session")
        return RecordedReply(Reply(**values), session)

    def _earlier_reply(self, key: str) -> RecordedReply | None:
        recorded = self._earlier.reply(key) if self._earlier is not None else None
        return replace(recorded, session=EARLIER) if recorded is not None else None

    def count_replies(self) -> int:
        """How many replies are recorded."""
        return int(self._first("SELECT COUNT(*) FROM replies")[0])

    def count_replies_by_stage(self) -> dict[str, int]:
        """How many replies are recorded, by the name of the stage that asked."""
        rows = self.select("SELECT stage, COUNT(*) AS number FROM replies GROUP BY stage")
        counts = [read_row(row) for row in rows]
        return {count["stage"]: count["number"] for count in counts}

    def exchange(self, key: str) -> RecordedExchange | None:
        """The request and the reply of a key: what was really sent, what came back."""
        if self._replies_in is not None:
            return self._replies_in.exchange(key)
        row = self._first("SELECT * FROM replies WHERE key=:key", key=key)
        if row is None:
            return None
        messages = self._messages_of(row["messages"], MOST_BASES)
        return RecordedExchange(**read_row({**row, "messages": messages}))

    def _messages_of(self, stored: SqlValue, bases: int) -> SqlValue:
        """The messages of a request as JSON.

        Args:
            stored: What stands in the column; the JSON itself in a journal written before.
            bases: How many bases there may be, each packed against the next.

        Raises:
            RunError: They cannot be unpacked.
        """
        if not isinstance(stored, bytes):
            return stored
        base_key = base_of(stored)
        base: SqlValue = ""
        if base_key is not None:
            row = self._first(statements.SELECT_MESSAGES, key=base_key)
            if row is None or not bases:
                raise damaged("the messages of a request need those of another one to be read")
            base = self._messages_of(row["messages"], bases - 1)
        try:
            return unpack(stored, bytes_of(str(base))).decode("utf-8", "surrogatepass")
        except ValueError as error:
            raise damaged(f"the messages of a request: {error}") from None

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
        self._write(
            statements.INSERT_REPLY,
            key=key,
            session=self.session,
            stage=stage,
            model=model,
            ordinal=request.ordinal,
            attempt=request.attempt,
            messages=self._packer.pack(stage, key, bytes_of(request.messages_json)),
            sampling=as_json_text(request.sampling),
            text=reply.text,
            reasoning=reply.reasoning,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            seconds=reply.seconds,
        )
        if self._commit is None:
            loop = asyncio.get_running_loop()
            self._commit = loop.create_future()
            loop.call_soon(self._flush_later)
        await self._commit

    def _flush_later(self) -> None:
        """Commit from the event loop; what nobody waits for any more fails the next commit."""
        try:
            self.flush()
        except RunError as failure:
            self._failure = failure

    # Editions and sessions ------------------------------------------------------------------------

    def newest(self) -> Edition | None:
        """The edition that was begun last; None in a new journal."""
        row = self._first(statements.SELECT_NEWEST_EDITION)
        if row is None:
            return None
        return Edition(**read_row(row))

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
        shown = self._edition_in_files()
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
        finished = [read_row(row) for row in rows]
        return {unit["unit"]: unit["counts"] for unit in finished}

    def note_files(self) -> None:
        """Note that the files in the folder show the rows of this session from now on."""
        self._write(statements.INSERT_SHOWN, shown=self._edition)
        self._write("DELETE FROM rows WHERE edition=:copy", copy=f"{self._edition}{COPY}")
        self.flush()

    def look_at_files(self) -> None:
        """Read the rows that the files in the folder show, not those of the newest session."""
        self._edition = self._edition_in_files()

    def _has_unfinished_rows(self) -> bool:
        row = self._first(statements.SELECT_UNFINISHED_ROW, edition=self._edition)
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
        self._refuse_lost_file()
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

    def _refuse_lost_file(self) -> None:
        """Notice a file that was removed or replaced: what is written to it is lost.

        Raises:
            RunError: It is not the file that was opened.
        """
        if self.folder is not None and _identity_of(self.folder) != self._identity:
            raise RunError(
                f"{self._name} was removed or replaced while the run was writing it, so the run "
                "stopped: its replies could not be kept. Restore the folder, or choose another "
                "--out.",
                folder=self.folder,
            )

    def totals(self) -> Totals:
        """The numbers of all sessions together."""
        values = read_row(self._first("SELECT * FROM totals"))
        sessions = [
            SessionTimes(**read_row(row)) for row in self.select(statements.SELECT_SESSION_TIMES)
        ]
        # The view takes the machine's clock, which may have been set anew.
        return Totals(**{**values, **vars(Times.of(sessions))})

    def last_session(self) -> Session | None:
        """The newest session; None in a new journal."""
        row = self._first(statements.SELECT_LAST_SESSION)
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
        """Turn what this stage dropped into samples again, before it looks at all of them anew."""
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
        return self._pages(query, self._edition_to_read())

    def _pages(self, query: str, edition: str) -> Iterator[Outcome]:
        page = self._outcomes(query, edition, last="", page_size=PAGE_SIZE)
        while page:
            yield from page
            page = self._outcomes(query, edition, last=page[-1].place, page_size=PAGE_SIZE)

    def outcome(self, id_: str) -> Outcome | None:
        """What became of a row, by its id; None if the newest edition has no such row."""
        outcomes = self._outcomes(statements.SELECT_OUTCOME, self._edition_to_read(), id=id_)
        return outcomes[0] if outcomes else None

    def _outcomes(self, query: str, edition: str, **values: SqlValue) -> list[Outcome]:
        rows = self.select(query, edition=edition, **values)
        return [read_outcome(row) for row in rows]

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
        """Whose rows the files in the folder show, as `note_files` noted it.

        Journals written before have no note; there it is the newest edition.
        """
        has_note = self._first("SELECT 1 FROM sqlite_schema WHERE name='shown'") is not None
        note = self._first("SELECT edition FROM shown") if has_note else None
        return str(note[0]) if note is not None and note[0] else self._newest_edition_id()

    def samples(self) -> Iterator[dict[str, Any]]:
        """The lines of `dataset.jsonl`, of the newest edition."""
        return self._columns_of_samples(self._edition_to_read())

    def samples_in_files(self) -> Iterator[dict[str, Any]]:
        """The samples that the files in the folder show, which may be an earlier session's."""
        return self._columns_of_samples(self._edition_in_files())

    def drops(self) -> Iterator[dict[str, Any]]:
        """The lines of `dropped.jsonl`, of the newest edition."""
        rows = self._rows(statements.SELECT_DROP_LINES, self._edition_to_read())
        return (Outcome(**row, unit=0, trail=()).as_drop() for row in rows)

    def _columns_of_samples(self, edition: str) -> Iterator[dict[str, Any]]:
        rows = self._rows(statements.SELECT_SAMPLE_COLUMNS, edition)
        return (row["columns"] for row in rows)

    def _rows(self, query: str, edition: str) -> Iterator[dict[str, Any]]:
        """The values of rows, read page by page: without those that the query leaves out."""
        last = ""
        while rows := self.select(query, edition=edition, last=last, page_size=PAGE_SIZE):
            for row in rows:
                yield read_row(row)
            last = rows[-1]["place"]


def _identity_of(folder: Path | None) -> tuple[int, int] | None:
    """Which file on this machine a journal is; None if there is none."""
    if folder is None:
        return None
    try:
        status = (folder / JOURNAL_FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


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
