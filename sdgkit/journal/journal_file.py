"""The SQLite file of a journal: opened, read, and written in transactions that share a commit."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sdgkit.errors import RunBeginning, RunError
from sdgkit.files import JOURNAL_FILE, network_file_system
from sdgkit.journal.connection import FORMAT, SCHEMA, UNREADABLE, WAIT_S, connect
from sdgkit.journal.folder_lock import lock_folder
from sdgkit.journal.reply_counts import COUNT_ONCE
from sdgkit.limits import writing_remedy

SqlValue = str | int | float | bytes | None
"""What a column of the journal can hold."""

PAGE_SIZE = 500
"""Rows read at a time."""

PAGE_BYTES = 16_384
"""Bytes of a page of a new file. A reply and a sample fit into a quarter of it; a row larger than
that gets pages of its own, which are mostly empty."""

FREE_SPACE = "Free some disk space"


class JournalFile:
    """The SQLite file of a journal.

    What is written waits for the next `flush`, which commits all of it at once.

    Args:
        folder: The run's folder, absolute; None keeps the file in memory.
        shown_folder: The same as the user gave it, for messages.
        name_writer: Names the process that is writing a folder, in brackets.
        read_only: Only read.

    Attributes:
        connection: The connection to SQLite.
        note: What the user should know about how the file is written; empty if there is nothing.
        on_commit: Called before what was written is committed, to write what goes with it.
        on_rollback: Called when what was written could not be committed and is lost.

    Raises:
        FolderInUse: Another process is writing the folder.
        RunError: The folder cannot be written, or holds something that is not a journal.
    """

    def __init__(
        self,
        folder: Path | None,
        shown_folder: Path | None,
        name_writer: Callable[[Path], str],
        *,
        read_only: bool,
    ) -> None:
        self.note = ""
        self.on_commit: Callable[[], None] = _nothing
        self.on_rollback: Callable[[], None] = _nothing
        self._folder = folder
        self._shown_folder = shown_folder
        self._read_only = read_only
        self._name = "The journal in memory"
        if shown_folder is not None:
            self._name = str(shown_folder / JOURNAL_FILE)
        self._unsaved = False
        self._failure: RunError | None = None  # of a commit that nobody waited for
        self._commit: asyncio.Future[None] | None = None  # of what was written since the last one
        with contextlib.ExitStack() as resources:
            if folder is not None and not read_only:
                resources.callback(lock_folder(folder, shown_folder or folder, name_writer).release)
            try:
                self.connection = connect(folder, "ro" if read_only else "rwc")
                resources.callback(self.connection.close)
                self._check_format()
                if not read_only:
                    self._prepare()
            except UNREADABLE as error:
                raise self._unusable(error) from None
            self._identity = _identity_of(folder)
            self._resources = resources.pop_all()

    # Opening and closing --------------------------------------------------------------------------

    def _check_format(self) -> None:
        version = self.first("PRAGMA user_version")[0]
        is_empty = version == 0  # the version is set once all tables are there
        if is_empty and self._read_only:
            raise RunBeginning(
                f"The run in {self._shown_folder} has only just started. Try again in a moment.",
                folder=self._folder,
            )

    def _prepare(self) -> None:
        """Create the tables, in the safest way of writing that the folder's file system allows."""
        self.connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a new file only
        if self._folder is not None:
            self._choose_mode(self._folder)
        self.connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA}; {COUNT_ONCE}; PRAGMA user_version={FORMAT}; COMMIT"
        )

    def _choose_mode(self, folder: Path) -> None:
        file_system = network_file_system(folder)
        if file_system:
            mode = self._set_mode("PRAGMA journal_mode=TRUNCATE")
        else:
            mode = self._set_mode("PRAGMA journal_mode=WAL")
        if mode == "wal":
            self.connection.execute("PRAGMA synchronous=NORMAL")
            return
        self.connection.execute("PRAGMA synchronous=FULL")
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
                return str(self.connection.execute(pragma).fetchone()[0])
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """Commit what is waiting and release the folder."""
        with self._resources:
            self.flush()
            if not self._read_only:
                # This leaves one file, which can be read and copied alone. A reader who is in it
                # just now keeps the log.
                with contextlib.suppress(sqlite3.Error):
                    self.connection.executescript(
                        "PRAGMA busy_timeout=100; PRAGMA journal_mode=DELETE"
                    )

    def refuse_lost(self) -> None:
        """Notice a file that was removed or replaced: what is written to it is lost.

        Raises:
            RunError: It is not the file that was opened.
        """
        if self._folder is not None and _identity_of(self._folder) != self._identity:
            raise RunError(
                f"{self._name} was removed or replaced while the run was writing it, so the run "
                "stopped: its replies could not be kept. Restore the folder, or choose another "
                "--out.",
                folder=self._folder,
            )

    def _unusable(self, error: Exception) -> RunError:
        reason = str(error)
        if isinstance(error, UnicodeDecodeError):
            reason = "a name in it is not UTF-8 text"
        sentence = f"{self._name} cannot be used as a journal: {reason}."
        remedy = writing_remedy(error)
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            remedy = FREE_SPACE
        if remedy:
            sentence = f"{sentence} {remedy}, then run the same command again."
        return RunError(sentence, folder=self._folder)

    def has_table(self, name: str) -> bool:
        """Whether there is a table; a file that was written before has not all of today's."""
        return self.first("SELECT 1 FROM sqlite_schema WHERE name=:name", name=name) is not None

    # Reading --------------------------------------------------------------------------------------

    def select(self, query: str, **values: SqlValue) -> list[sqlite3.Row]:
        """The rows of a query."""
        try:
            self.connection.begin_statement()
            return self.connection.execute(query, values).fetchall()
        except UNREADABLE as error:
            raise self._unusable(error) from None

    def first(self, query: str, **values: SqlValue) -> Any:
        """The first row of a query, None if there is none."""
        try:
            self.connection.begin_statement()
            return self.connection.execute(query, values).fetchone()
        except UNREADABLE as error:
            raise self._unusable(error) from None

    def pages(self, query: str, **values: SqlValue) -> Iterator[list[sqlite3.Row]]:
        """The rows of a query in the order of their places, page by page.

        A reader who stops in the middle blocks no writer, even where the journal cannot use its
        log.

        Args:
            query: A query that takes `:last`, the place of the row before, and `:page_size`.
            **values: Its other values.
        """
        page = self.select(query, last="", page_size=PAGE_SIZE, **values)
        while page:
            yield page
            page = self.select(query, last=page[-1]["place"], page_size=PAGE_SIZE, **values)

    # Writing --------------------------------------------------------------------------------------

    def write(self, statement: str, **values: SqlValue) -> sqlite3.Cursor:
        """Execute a statement. It is committed with the next `flush`."""
        self._begin_transaction()
        return self.connection.execute(statement, values)

    def write_all(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute a statement for each of these rows, and commit it: for all of them or none."""
        self._begin_transaction()
        self.connection.executemany(statement, rows)
        self.flush()

    def _begin_transaction(self) -> None:
        if not self._unsaved:
            self.connection.execute("BEGIN IMMEDIATE")
            self._unsaved = True
        self.connection.begin_statement()

    async def committed(self) -> None:
        """Return when what was written is committed.

        What is written in one turn of the event loop shares a commit.

        Raises:
            RunError: It cannot be written.
        """
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
                self.on_commit()
                self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            failure = self._rolled_back(error)
        if waiting is None or waiting.done():
            if failure is not None:
                raise failure
        elif failure is not None:
            waiting.set_exception(failure)
        else:
            waiting.set_result(None)

    def _rolled_back(self, error: sqlite3.Error) -> RunError:
        """Roll a failed commit back, and return the error that says so."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.on_rollback()
        remedy = writing_remedy(error) or FREE_SPACE
        return RunError(
            f"{self._name} cannot be written: {error}. "
            f"{remedy}, then run the same command again to resume.",
            folder=self._folder,
        )


def _nothing() -> None:
    """Nobody has asked to be called."""


def _identity_of(folder: Path | None) -> tuple[int, int] | None:
    """Which file on this machine a journal is; None if there is none."""
    if folder is None:
        return None
    try:
        status = (folder / JOURNAL_FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
