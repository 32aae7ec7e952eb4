"""Opens the SQLite file of a journal, which may come from a stranger.

A database can hold more than data: views and triggers run with every statement, and a few pages can
stand for endless work. So the tables are compared with our own before anything else is read, what a
file says about functions is not trusted, and no statement works longer than a file of that size can
need.
"""

import re
import sqlite3
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

from sdgkit.errors import RunError
from sdgkit.files import JOURNAL_FILE, refuse_way_out
from sdgkit.formatting import visible

FORMAT = 2
"""The version of the file's format, in SQLite's `user_version`."""

WAIT_S = 10.0
"""Seconds to wait for another process that is just using the same journal."""

LARGEST_VALUE = 256 * 2**20
"""Bytes of one value: a run's config with a million seeds is 60 MB."""

STEPS_PER_CHECK = 200_000
FREE_STEPS = 20_000_000
STEPS_PER_BYTE = 20
"""Steps of SQLite's machine that a statement may take. Our own need fewer than 2 a byte."""

SCHEMA = Path(__file__).with_name("journal.sql").read_text("utf-8")

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What Python raises where a statement fails; the second, where a text is not UTF-8."""

FILES_OF_SQLITE = ("", "-wal", "-shm", "-journal")


class Connection(sqlite3.Connection):
    """A connection whose statements do bounded work."""

    file: Path | None = None
    _steps = 0

    def __del__(self) -> None:
        """Close it with the last object that reads from it: a run has nothing else to close."""
        with suppress(sqlite3.ProgrammingError):  # it could not be opened
            self.close()

    def begin_statement(self) -> None:
        """Restart the count of the work, for the next statement."""
        self._steps = 0

    def check_work(self) -> int:
        """Called by SQLite every so many steps; anything but 0 ends the statement."""
        self._steps += STEPS_PER_CHECK
        return int(self._steps > FREE_STEPS + STEPS_PER_BYTE * _size_of(self.file))


def connect(folder: Path | None, mode: Literal["ro", "rw", "rwc"] = "rwc") -> Connection:
    """Open the journal in a folder.

    Args:
        folder: The run's folder; None for a journal in memory.
        mode: To read, to read and write, or to create it where there is none.

    Raises:
        RunError: The file is not a journal, or leads out of the folder.
        sqlite3.Error: SQLite cannot use it.
        UnicodeDecodeError: The name of a table in it is not UTF-8.
    """
    file = None
    address = f"file:{JOURNAL_FILE}?mode=memory"
    if folder is not None:
        file = folder / JOURNAL_FILE
        for suffix in FILES_OF_SQLITE:
            refuse_way_out(file.with_name(file.name + suffix))
        address = f"{folder.resolve().as_uri()}/{JOURNAL_FILE}?mode={mode}"
    connection = sqlite3.connect(
        address,
        uri=True,
        check_same_thread=False,
        isolation_level=None,
        timeout=WAIT_S,
        factory=Connection,
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        connection.execute("PRAGMA trusted_schema=OFF")
        if file is not None:
            connection.file = file
            connection.set_progress_handler(connection.check_work, STEPS_PER_CHECK)
            _refuse_other_tables(connection, file)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_other_tables(connection: sqlite3.Connection, file: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, FORMAT):
        raise RunError(
            f"{file} was written by another version of sdgkit, or by another program. "
            "Choose a new --out.",
            folder=file.parent,
        )
    ours = _our_tables()
    rows = connection.execute("SELECT name, sql FROM sqlite_schema LIMIT 1000").fetchall()
    for name, sql in rows:
        is_index_of_ours = sql is None and str(name).startswith("sqlite_autoindex_")
        if not is_index_of_ours and ours.get(name) != _normal(sql):
            shown = visible(str(name))[:60]
            raise RunError(
                f"{file} is not a journal that sdgkit wrote: {shown!r} in it is not part of one. "
                "Choose another --out, or remove the file.",
                folder=file.parent,
            )


@cache
def _our_tables() -> dict[str, str]:
    """The statement that makes each of our tables and views, by name."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL").fetchall()
    connection.close()
    return {name: _normal(sql) for name, sql in rows}


def _normal(sql: object) -> str:
    """A statement without what only lays it out."""
    return re.sub(r"\s+", " ", str(sql)).strip()


def _size_of(file: Path | None) -> int:
    """Bytes of a journal, its log included; 0 where it cannot be told."""
    size = 0
    if file is not None:
        for suffix in ("", "-wal"):
            path = file.with_name(file.name + suffix)
            with suppress(OSError):  # SQLite removes its log at any moment
                size += path.stat().st_size
    return size
