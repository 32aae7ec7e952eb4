"""The record of a run: one SQLite file, written by one process, read by anybody.

Replies are kept for ever, by key; a reply is committed before anything is built on it. Samples and drops belong to an
*edition*, which is the hash of everything that decides them (seeds, prompts, settings, stages, model).
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from sdgkit.errors import FolderInUse, RunError
from sdgkit.teachers.teacher import Reply, Request

FILE = "journal.sqlite"
LOCK = ".journal.lock"
FORMAT = 2
PAGE = 500  # outcomes that are read at a time
WAIT_S = 10.0  # for whoever is just in the same journal
SCHEMA = Path(__file__).with_suffix(".sql").read_text("utf-8")
SAID = (
    "text",
    "finish_reason",
    "reasoning",
    "prompt_tokens",
    "completion_tokens",
    "seconds",
)  # of a Reply, in order
# File systems on which WAL's shared memory does not work (https://sqlite.org/wal.html, "all processes must be on the
# same host"): there, the journal is written without it.
NETWORK = re.compile(
    r"(fuse\.)?(nfs|cifs|smb|9p|afs|lustre|gpfs|ceph|gluster|sshfs|beegfs|davfs|s3fs|gcsfuse|rclone|juicefs|weka)"
)
MOUNTS = Path("/proc/self/mounts")


class Recorded(NamedTuple):
    """A reply as the journal holds it. session: the number of the session that recorded it."""

    reply: Reply
    session: int


@dataclass(frozen=True)
class Outcome:
    """What became of a row: a sample (`stage` is "") or a drop.

    id: its lineage. place: sorts rows in lineage order. unit: the seed that it came from, or the seed's part of a round
    of a target, counted from 1. columns: the row as it stood. trail: (stage, key) of every reply in its history.
    """

    id: str
    place: str
    unit: int
    columns: Mapping[str, Any]
    trail: Sequence[tuple[str, str]]
    stage: str = ""
    reason: str = ""
    message: str = ""
    reply: str = ""

    def as_drop(self) -> dict[str, Any]:
        """The line of dropped.jsonl."""
        own = {
            "id": self.id,
            "stage": self.stage,
            "reason": self.reason,
            "message": self.message,
            "reply": self.reply,
        }
        return {**own, **{name: value for name, value in self.columns.items() if name not in own}}


class Journal:
    """The journal of one run. folder=None keeps it in memory.

    replies_in: another journal, in which the replies are looked up and recorded instead: for a run whose replies serve
    another one and whose rows do not.

    Raises FolderInUse if another process is writing the folder, RunError if it cannot be written or is no journal.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        read_only: bool = False,
        replies_in: "Journal | None" = None,
    ) -> None:
        self.folder, self.read_only = folder, read_only
        self._replies_in = replies_in
        self.session = 0
        self.note = ""
        self._file = folder / FILE if folder is not None else "The journal in memory"
        self._committed: asyncio.Future[None] | None = (
            None  # when what was written since the last commit is
        )
        self._unsaved = False
        self._edition = ""
        with contextlib.ExitStack() as opened:
            if folder is not None and not read_only:
                opened.callback(_lock(folder).release)
            mode = "memory" if folder is None else "ro" if read_only else "rwc"
            address = f"{(folder or Path('/')).resolve().as_uri()}/{FILE}?mode={mode}"
            try:
                self._sql = sqlite3.connect(
                    address, uri=True, check_same_thread=False, isolation_level=None, timeout=WAIT_S
                )
                opened.callback(self._sql.close)
                self._sql.row_factory = sqlite3.Row
                format_ = self._one("PRAGMA user_version")[0]
                if format_ == 0 and read_only:  # it is set once all tables are there
                    raise RunError(
                        f"The run in {folder} is just beginning. Look again in a moment."
                    )
                if format_ not in (0, FORMAT):
                    raise RunError(
                        f"{self._file} was written by another version of sdgkit. Use a new --out."
                    )
                if not read_only:
                    self._prepare()
            except sqlite3.Error as error:
                raise RunError(f"{self._file} cannot be used as a journal: {error}.") from None
            self._opened = opened.pop_all()

    def _prepare(self) -> None:
        """Make the tables, in the safest way of writing that the folder's file system allows."""
        if self.folder is not None:
            network = _network_file_system(self.folder)
            mode = self._enter("TRUNCATE" if network else "WAL")
            self._sql.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
            if mode != "wal":
                where = f"{self.folder} is on a {network or 'file system'} where the journal does without its log"
                self.note = f"{where}: each reply is recorded more slowly. An --out on a local disk is faster."
        self._sql.executescript(f"{SCHEMA}; PRAGMA user_version={FORMAT}")

    def _enter(self, mode: str) -> str:
        """Change how the file is written; returns how it is. Of all statements this one does not wait for others by
        itself: readers, or a decision that is just being written."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return str(self._one(f"PRAGMA journal_mode={mode}")[0])
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """Commit what is waiting and let go of the folder."""
        with self._opened:
            self.flush()
            if not self.read_only:
                # Leaves one file, which can be read and copied alone; readers who are in it just now keep the log.
                with contextlib.suppress(sqlite3.Error):
                    self._sql.executescript("PRAGMA busy_timeout=100; PRAGMA journal_mode=DELETE")

    # Statements -------------------------------------------------------------------------------------------------------

    def select(self, query: str, **values: Any) -> list[sqlite3.Row]:
        """The rows of a query."""
        return self._sql.execute(query, values).fetchall()

    def _one(self, query: str, **values: Any) -> Any:
        return self._sql.execute(query, values).fetchone()

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Carry a statement out for each of these rows; for a journal in memory, where a reader may write as well."""
        self._sql.executemany(statement, rows)

    def _write(self, statement: str, **values: Any) -> sqlite3.Cursor:
        """Carry out a statement about this edition. It is committed with the next reply or beat."""
        if not self._unsaved:
            self._sql.execute("BEGIN IMMEDIATE")
            self._unsaved = True
        return self._sql.execute(statement, {"edition": self._edition, **values})

    def _insert(self, table: str, otherwise: str, **row: Any) -> sqlite3.Cursor:
        """Put in a row. otherwise: IGNORE it or REPLACE the old one, if it is there already."""
        marks = ", ".join(f":{name}" for name in row)
        return self._write(
            f"INSERT OR {otherwise} INTO {table} ({', '.join(row)}) VALUES ({marks})", **row
        )

    def flush(self) -> None:
        """Commit what was written since the last time, and wake whoever waits for it.

        Raises RunError if it cannot be written and nobody waits, who would have the error otherwise.
        """
        waiting, self._committed = self._committed, None
        try:
            if self._unsaved:
                self._unsaved = False
                self._sql.execute("COMMIT")
        except sqlite3.Error as error:
            if self._sql.in_transaction:
                self._sql.execute("ROLLBACK")
            words = f"{self._file} cannot be written: {error}. Make room, then run the same command again."
            if waiting is None or waiting.done():
                raise RunError(words) from None
            waiting.set_exception(RunError(words))
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    # Replies ----------------------------------------------------------------------------------------------------------

    def reply(self, key: str) -> Recorded | None:
        """The recorded reply to a request, by its key."""
        if self._replies_in is not None:
            return self._replies_in.reply(key)
        row = self._one(f"SELECT {', '.join(SAID)}, session FROM replies WHERE key=:key", key=key)
        return Recorded(Reply(*row[:-1]), row[-1]) if row else None

    def count_replies(self) -> int:
        """How many replies are recorded."""
        return int(self._one("SELECT COUNT(*) FROM replies")[0])

    def exchange(self, key: str) -> dict[str, Any] | None:
        """The request and reply of a key as plain values: what was really sent, what came back."""
        if self._replies_in is not None:
            return self._replies_in.exchange(key)
        row = self._one("SELECT * FROM replies WHERE key=:key", key=key)
        return _read(row, "messages", "sampling") if row else None

    async def record(
        self, key: str, stage: str, model: str, request: Request, reply: Reply
    ) -> None:
        """Record a reply; returns when it is committed. Replies of one turn of the event loop share a commit."""
        if self._replies_in is not None:
            await self._replies_in.record(key, stage, model, request, reply)
            return
        asked = {
            "key": key,
            "session": self.session,
            "stage": stage,
            "model": model,
            "ordinal": request.ordinal,
        }
        sent = {
            "messages": _json(request.messages),
            "sampling": _json(request.sampling),
            "attempt": request.attempt,
        }
        self._insert(
            "replies", "IGNORE", **asked, **sent, **{name: getattr(reply, name) for name in SAID}
        )
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            loop.call_soon(self.flush)
        await self._committed

    # Editions and sessions --------------------------------------------------------------------------------------------

    def newest(self) -> tuple[str, dict[str, Any]] | None:
        """(id, config) of the edition that was begun last."""
        row = self._one(
            "SELECT id, config FROM editions WHERE id=(SELECT edition FROM sessions ORDER BY id DESC LIMIT 1)"
        )
        return (row[0], json.loads(row[1])) if row else None

    def begin(self, config: Mapping[str, Any]) -> dict[int, dict[str, int]]:
        """Begin a session of the edition with this config; returns the counts of the units that are finished in it.

        Rows of unfinished units are forgotten: they come again from the recorded replies.
        """
        self._edition = edition_of(config)
        self._insert("editions", "IGNORE", id=self._edition, config=_json(config))
        finished = "SELECT unit, counts FROM finished WHERE edition=:edition"
        self._write(
            f"DELETE FROM rows WHERE edition=:edition AND unit NOT IN (SELECT unit FROM ({finished}))"
        )
        here = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "begun": time.time(),
            "seen": time.time(),
        }
        cursor = self._insert("sessions", "REPLACE", edition=self._edition, state="running", **here)
        self.session = int(cursor.lastrowid or 0)
        self.flush()
        return {
            row["unit"]: json.loads(row["counts"])
            for row in self.select(finished, edition=self._edition)
        }

    def beat(self, state: str, *, snapshot: Mapping[str, Any], **counts: int) -> None:
        """Write down how far this session is, for readers and for the totals over all sessions.

        counts: reused, retries, refused.
        """
        values = {"seen": time.time(), "state": state, "snapshot": _json(snapshot), **counts}
        places = ", ".join(f"{name}=:{name}" for name in values)
        self._write(f"UPDATE sessions SET {places} WHERE id=:id", id=self.session, **values)
        self.flush()

    def totals(self) -> dict[str, Any]:
        """Requests, tokens, retries, reused replies, seconds and sessions of all sessions together."""
        return dict(self._one("SELECT * FROM totals"))

    def last_session(self) -> dict[str, Any] | None:
        """The newest session: state, process, host, when it was last seen, and its snapshot."""
        row = self._one("SELECT * FROM sessions ORDER BY id DESC LIMIT 1")
        return _read(row, "snapshot") if row else None

    # Samples and drops ------------------------------------------------------------------------------------------------

    def put(self, outcome: Outcome) -> None:
        """Write down what became of a row."""
        stored = {"columns": _json(outcome.columns), "trail": _json(outcome.trail)}
        # Half of a surrogate pair is nothing that a file can hold.
        sound = {
            name: getattr(outcome, name).encode("utf-8", "replace").decode()
            for name in ("message", "reply")
        }
        self._insert(
            "rows", "REPLACE", edition=self._edition, **{**vars(outcome), **stored, **sound}
        )

    def forget(self, place: str) -> None:
        """Take back the outcome at this place and all below it."""
        below = "place BETWEEN :place || '.' AND :place || '/'"
        self._write(
            f"DELETE FROM rows WHERE edition=:edition AND (place=:place OR {below})", place=place
        )

    def forget_units_after(self, unit: int) -> None:
        """Take back what came of the units beyond the one that reached the target."""
        self._write("DELETE FROM rows WHERE edition=:edition AND unit>:unit", unit=unit)

    def restore(self, stage: str) -> None:
        """Make samples again of what this stage dropped: it will go through all of them anew."""
        self._write(
            "UPDATE rows SET stage='', reason='', message='' WHERE edition=:edition AND stage=:stage",
            stage=stage,
        )

    def drop_samples(self, stage: str, drops: Iterable[tuple[str, str, str]]) -> None:
        """Turn samples into drops of a stage that goes through all of them at the end: (place, reason, message)."""
        drop = "UPDATE rows SET stage=:stage, reason=:reason, message=:message WHERE edition=:edition AND place=:place"
        for place, reason, message in drops:
            self._write(drop, stage=stage, place=place, reason=reason, message=message)
        self.flush()

    def finish(self, unit: int, counts: Mapping[str, int]) -> None:
        """Write down that a unit is finished in this edition."""
        self._insert("finished", "REPLACE", edition=self._edition, unit=unit, counts=_json(counts))

    def outcomes(self, kind: str) -> Iterator[Outcome]:
        """The samples (kind "sample") or drops ("drop") of the newest edition in lineage order, read as they are used.

        Page by page, so that whoever stops in the middle keeps nobody from writing, also where there is no log.
        """
        last, which = (
            "",
            f"stage{'=' if kind == 'sample' else '<>'}'' AND place>:last ORDER BY place LIMIT {PAGE}",
        )
        while page := self._outcomes(which, last=last):
            yield from page
            last = page[-1].place

    def outcome(self, id_: str) -> Outcome | None:
        """What became of the row with this id in the newest edition."""
        return next(iter(self._outcomes("id=:id", id=id_)), None)

    def _outcomes(self, which: str, **values: Any) -> list[Outcome]:
        edition = self._edition or (self.newest() or ("",))[0]
        names = ", ".join(field.name for field in fields(Outcome))
        found = self.select(
            f"SELECT {names} FROM rows WHERE edition=:edition AND {which}",
            edition=edition,
            **values,
        )
        rows = (_read(row, "columns", "trail") for row in found)
        return [Outcome(**{**row, "trail": [*map(tuple, row["trail"])]}) for row in rows]

    def samples(self) -> Iterator[dict[str, Any]]:
        """The lines of dataset.jsonl, of the newest edition."""
        return (dict(outcome.columns) for outcome in self.outcomes("sample"))

    def drops(self) -> Iterator[dict[str, Any]]:
        """The lines of dropped.jsonl, of the newest edition."""
        return (outcome.as_drop() for outcome in self.outcomes("drop"))


def edition_of(config: Mapping[str, Any]) -> str:
    """The id of the edition that a config makes: a hash of it."""
    return hashlib.sha256(_json(config, sort_keys=True).encode()).hexdigest()[:16]


def _json(value: Any, **options: Any) -> str:
    return json.dumps(value, separators=(",", ":"), **options)


def _read(row: sqlite3.Row, *names: str) -> dict[str, Any]:
    """A row as a dictionary, with the columns of these names read from JSON."""
    return {**dict(row), **{name: json.loads(row[name]) for name in names}}


def _lock(folder: Path) -> Any:
    """The lock of a folder, taken. Raises FolderInUse, RunError."""
    import filelock

    lock = filelock.FileLock(folder / LOCK, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        holder = ""
        with (
            contextlib.suppress(RunError),
            contextlib.closing(Journal(folder, read_only=True)) as journal,
        ):
            if session := journal.last_session():
                holder = f" (process {session['process']} on {session['host']})"
        raise FolderInUse(
            f"{folder} is being written by another process{holder}. Wait for it, stop it, or use another --out."
        ) from None
    except (OSError, NotImplementedError) as error:  # the latter: a file system that cannot lock
        words = getattr(error, "strerror", None) or error
        raise RunError(
            f"Cannot write the folder {folder}: {words}. Use one that you may write to."
        ) from None
    return lock


def _network_file_system(folder: Path) -> str:
    """The kind of network file system that the folder is on, "" if it is local (or the system does not say)."""
    mounts = MOUNTS.read_text("utf-8", "replace").splitlines() if MOUNTS.exists() else []
    here, best, kind = folder.resolve(), Path("/"), ""
    for line in mounts:
        _, point, system, *_ = line.split(" ")
        place = Path(
            re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
        )  # a space is written as \040
        if here.is_relative_to(place) and place.is_relative_to(best):
            best, kind = place, system
    return kind if NETWORK.match(kind) else ""
