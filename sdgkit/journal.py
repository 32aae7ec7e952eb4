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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sdgkit.errors import FolderInUse, RunError
from sdgkit.teachers.teacher import Reply, Request

FILE = "journal.sqlite"
LOCK = ".journal.lock"
FORMAT = 1
PAGE = 500  # outcomes that are read at a time
SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, session INTEGER, stage TEXT, model TEXT, ordinal INTEGER, attempt INTEGER, messages TEXT,
    sampling TEXT, text TEXT, reasoning TEXT, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    seconds REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS editions (id TEXT PRIMARY KEY, begun REAL, config TEXT);
CREATE TABLE IF NOT EXISTS rows (
    edition TEXT, id TEXT, place TEXT, seed INTEGER, unit INTEGER, kind TEXT, stage TEXT, reason TEXT, message TEXT,
    reply TEXT, columns TEXT, trail TEXT, PRIMARY KEY (edition, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finished (
    edition TEXT, seed INTEGER, counts TEXT, PRIMARY KEY (edition, seed)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, edition TEXT, process INTEGER, host TEXT, begun REAL, seen REAL, state TEXT, reused INTEGER,
    retries INTEGER, refused INTEGER, snapshot TEXT);
CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY, content TEXT, id TEXT, verdict TEXT, reason TEXT, edits TEXT, made REAL);
CREATE TABLE IF NOT EXISTS exports (path TEXT PRIMARY KEY, format TEXT) WITHOUT ROWID;
"""
# File systems on which WAL's shared memory does not work (https://sqlite.org/wal.html, "all processes must be on the
# same host"): there, the journal is written without it.
NETWORK_FILE_SYSTEMS = tuple(
    "nfs cifs smb 9p afs lustre gpfs ceph gluster sshfs beegfs davfs s3fs gcsfuse rclone juicefs weka".split()
)
MOUNTS = Path("/proc/self/mounts")


class Recorded(NamedTuple):
    """A reply as the journal holds it. session: the number of the session that recorded it."""

    reply: Reply
    session: int


@dataclass(frozen=True)
class Outcome:
    """What became of a row: a sample (`stage` is "") or a drop.

    id: its lineage. place: sorts rows in lineage order. seed, unit: which admitted row and which round of it, both
    from 1. columns: the row as it stood. trail: (stage, key) of every reply in its history.
    """

    id: str
    place: str
    seed: int
    unit: int
    columns: Mapping[str, Any]
    trail: Sequence[tuple[str, str]]
    stage: str = ""
    reason: str = ""
    message: str = ""
    reply: str = ""

    def as_drop(self) -> dict[str, Any]:
        """The line of dropped.jsonl."""
        own = {"id": self.id, "stage": self.stage, "reason": self.reason, "message": self.message, "reply": self.reply}
        return {**own, **{name: value for name, value in self.columns.items() if name not in own}}


class Journal:
    """The journal of one run. folder=None keeps it in memory.

    Raises FolderInUse if another process is writing the folder, RunError if it cannot be written or is no journal.
    """

    def __init__(self, folder: Path | None = None, *, read_only: bool = False) -> None:
        self.folder, self.read_only = folder, read_only
        self.session = 0
        self.note = ""
        self._lock: Any = None
        self._waiting: list[asyncio.Future[None]] = []
        self._unsaved = False
        self._edition = ""
        self._sql: Any = None
        if folder is not None and not read_only:
            self._take(folder)
        try:
            self._sql = self._open()
        except sqlite3.Error as error:
            self.close()
            raise RunError(f"{self._where()} cannot be used as a journal: {error}.") from None
        except RunError:
            self.close()
            raise

    # Opening ----------------------------------------------------------------------------------------------------------

    def _where(self) -> str:
        return str(self.folder / FILE) if self.folder else "The journal in memory"

    def _take(self, folder: Path) -> None:
        import filelock

        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(folder / LOCK, thread_local=False)
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            self._lock = None
            raise FolderInUse(
                f"{folder} is being written by another process{_holder(folder)}. "
                "Wait for it, stop it, or use another --out."
            ) from None
        except (OSError, NotImplementedError) as error:  # the latter: a file system that cannot lock
            self._lock = None
            words = getattr(error, "strerror", None) or error
            raise RunError(f"Cannot write the folder {folder}: {words}. Use one that you may write to.") from None

    def _open(self) -> sqlite3.Connection:
        if self.folder is None:
            sql = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        elif self.read_only:
            sql = _reader(self.folder / FILE)
        else:
            sql = sqlite3.connect(self.folder / FILE, check_same_thread=False, isolation_level=None, timeout=10)
        sql.row_factory = sqlite3.Row
        if self.read_only:
            return sql
        sql.execute("PRAGMA synchronous=NORMAL")
        network = _network_file_system(self.folder) if self.folder else ""
        mode = "MEMORY" if self.folder is None else "TRUNCATE" if network else "WAL"
        got = sql.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
        if network or (self.folder and got != "wal"):
            self.note = (
                f"{self.folder} is on a {network or 'file system'} where the journal works without its write-ahead "
                "log: each reply is recorded more slowly. An --out on a local disk is faster."
            )
            sql.execute("PRAGMA synchronous=FULL")
        if self.folder and sql.execute("PRAGMA user_version").fetchone()[0] not in (0, FORMAT):
            raise RunError(f"{self._where()} was written by another version of sdgkit. Use a new --out.")
        sql.executescript(SCHEMA)
        sql.execute(f"PRAGMA user_version={FORMAT}")
        return sql

    def close(self) -> None:
        """Commit what is waiting and let go of the folder."""
        try:
            self.flush()
            if self._sql is not None and not self.read_only:
                # Leaves one file, which can be read and copied alone; readers who are in it just now keep the log.
                with contextlib.suppress(sqlite3.OperationalError):
                    self._sql.execute("PRAGMA busy_timeout=100")
                    self._sql.execute("PRAGMA journal_mode=DELETE")
        finally:
            if self._sql is not None:
                self._sql.close()
                self._sql = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    # Replies ----------------------------------------------------------------------------------------------------------

    def reply(self, key: str) -> Recorded | None:
        """The recorded reply to a request, by its key."""
        row = self._sql.execute(
            "SELECT text, finish_reason, reasoning, prompt_tokens, completion_tokens, seconds, session FROM replies "
            "WHERE key=?",
            (key,),
        ).fetchone()
        return Recorded(Reply(*row[:6]), row[6]) if row else None

    def count_replies(self) -> int:
        """How many replies are recorded."""
        return int(self._sql.execute("SELECT COUNT(*) FROM replies").fetchone()[0])

    def exchange(self, key: str) -> dict[str, Any] | None:
        """The request and reply of a key as plain values: what was really sent, what came back."""
        row = self._sql.execute("SELECT * FROM replies WHERE key=?", (key,)).fetchone()
        if row is None:
            return None
        return {**dict(row), "messages": json.loads(row["messages"]), "sampling": json.loads(row["sampling"])}

    async def record(self, key: str, stage: str, model: str, request: Request, reply: Reply) -> None:
        """Record a reply; returns when it is committed. Replies of one turn of the event loop share a commit."""
        asked = (request.ordinal, request.attempt, _json(list(request.messages)), _json(dict(request.sampling)))
        said = (reply.text, reply.reasoning, reply.finish_reason)
        cost = (reply.prompt_tokens, reply.completion_tokens, reply.seconds)
        values = (key, self.session, stage, model, *asked, *said, *cost)
        self._write("INSERT OR IGNORE INTO replies VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", values)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self.flush)
        committed = loop.create_future()
        self._waiting.append(committed)
        await committed

    def _write(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Carry out a statement. It is committed with the next reply or beat."""
        if not self._unsaved:
            self._sql.execute("BEGIN IMMEDIATE")
            self._unsaved = True
        cursor: sqlite3.Cursor = self._sql.execute(statement, values)
        return cursor

    def flush(self) -> None:
        """Commit what was written since the last time, and wake whoever waits for it.

        Raises RunError if it cannot be written and nobody waits, who would have the error otherwise.
        """
        waiting, self._waiting = self._waiting, []
        error = self._commit()
        for future in waiting:
            if not future.done():
                if error:
                    future.set_exception(error)
                else:
                    future.set_result(None)
        if error and not waiting:
            raise error

    def _commit(self) -> RunError | None:
        if not self._unsaved or self._sql is None:
            return None
        self._unsaved = False
        try:
            self._sql.execute("COMMIT")
        except sqlite3.Error as error:
            if self._sql.in_transaction:
                self._sql.execute("ROLLBACK")
            words = f"{self._where()} cannot be written: {error}. Make room, then run the same command again."
            return RunError(words)
        return None

    # Editions and sessions --------------------------------------------------------------------------------------------

    def newest(self) -> tuple[str, dict[str, Any]] | None:
        """(id, config) of the edition that was begun last."""
        row = self._sql.execute(
            "SELECT id, config FROM editions WHERE id=(SELECT edition FROM sessions ORDER BY sessions.id DESC LIMIT 1)"
        ).fetchone()
        return (row["id"], json.loads(row["config"])) if row else None

    def begin(self, config: Mapping[str, Any]) -> dict[int, dict[str, int]]:
        """Begin a session of the edition with this config; returns the counts of the seeds that are finished in it.

        Rows of unfinished seeds are forgotten: they come again from the recorded replies.
        """
        self._edition = edition_of(config)
        now = time.time()
        self._write(
            "INSERT INTO editions VALUES (?,?,?) ON CONFLICT (id) DO UPDATE SET begun=excluded.begun",
            (self._edition, now, _json(config)),
        )
        self._write(
            "DELETE FROM rows WHERE edition=? AND seed NOT IN (SELECT seed FROM finished WHERE edition=?)",
            (self._edition, self._edition),
        )
        cursor = self._write(
            "INSERT INTO sessions (edition, process, host, begun, seen, state, reused, retries, refused) "
            "VALUES (?,?,?,?,?,'running',0,0,0)",
            (self._edition, os.getpid(), socket.gethostname(), now, now),
        )
        self.session = int(cursor.lastrowid or 0)
        self.flush()
        rows = self._sql.execute("SELECT seed, counts FROM finished WHERE edition=?", (self._edition,))
        return {row["seed"]: json.loads(row["counts"]) for row in rows}

    def beat(self, state: str, *, reused: int, retries: int, refused: int, snapshot: Mapping[str, Any]) -> None:
        """Write down how far this session is, for readers and for the totals over all sessions."""
        self._write(
            "UPDATE sessions SET seen=?, state=?, reused=?, retries=?, refused=?, snapshot=? WHERE id=?",
            (time.time(), state, reused, retries, refused, _json(snapshot), self.session),
        )
        self.flush()

    def totals(self) -> dict[str, Any]:
        """Requests, tokens, retries, reused replies, seconds and sessions of all sessions together."""
        replies = self._sql.execute(
            "SELECT COUNT(*), COALESCE(SUM(prompt_tokens),0), COALESCE(SUM(completion_tokens),0) FROM replies"
        ).fetchone()
        session = self._sql.execute(
            "SELECT COUNT(*), COALESCE(SUM(reused),0), COALESCE(SUM(retries),0), COALESCE(SUM(refused),0), "
            "COALESCE(SUM(MAX(seen-begun,0)),0) FROM sessions"
        ).fetchone()
        return {
            "sessions": session[0],
            "requests": replies[0] + session[3],
            "retries": session[2],
            "reused": session[1],
            "prompt_tokens": replies[1],
            "completion_tokens": replies[2],
            "wall_s": round(session[4], 3),
        }

    def last_session(self) -> dict[str, Any] | None:
        """The newest session: state, process, host, when it was last seen, and its snapshot."""
        row = self._sql.execute("SELECT * FROM sessions ORDER BY id DESC LIMIT 1").fetchone()
        if row is None:
            return None
        return {**dict(row), "snapshot": json.loads(row["snapshot"]) if row["snapshot"] else None}

    def select(self, query: str) -> list[sqlite3.Row]:
        """The rows of a query."""
        return list(self._sql.execute(query))

    def change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Carry a statement out for each of these rows; for a journal in memory, where a reader may write as well."""
        self._sql.executemany(statement, rows)

    # Samples and drops ------------------------------------------------------------------------------------------------

    def put(self, outcome: Outcome) -> None:
        """Write down what became of a row."""
        where = (self._edition, outcome.id, outcome.place, outcome.seed, outcome.unit)
        why = (outcome.stage, outcome.reason, _sound(outcome.message), _sound(outcome.reply))
        values = (*where, "drop" if outcome.stage else "sample", *why, _json(outcome.columns), _json(outcome.trail))
        self._write("INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", values)

    def forget(self, place: str) -> None:
        """Take back the outcome at this place and all below it."""
        self._write(
            "DELETE FROM rows WHERE edition=? AND (place=? OR (place>=? AND place<?))",
            (self._edition, place, place + ".", place + "/"),
        )

    def forget_units_after(self, unit: int) -> None:
        """Take back what came of the units beyond the one that reached the target."""
        self._write("DELETE FROM rows WHERE edition=? AND unit>?", (self._edition, unit))

    def restore(self, stage: str) -> None:
        """Make samples again of what this stage dropped: it will go through all of them anew."""
        self._write(
            "UPDATE rows SET kind='sample', stage='', reason='', message='' WHERE edition=? AND stage=?",
            (self._edition, stage),
        )

    def drop_samples(self, stage: str, drops: Iterable[tuple[str, str, str]]) -> None:
        """Turn samples into drops of a stage that goes through all of them at the end: (place, reason, message)."""
        for place, reason, message in drops:
            self._write(
                "UPDATE rows SET kind='drop', stage=?, reason=?, message=? WHERE edition=? AND place=?",
                (stage, reason, message, self._edition, place),
            )
        self.flush()

    def finish_seed(self, seed: int, counts: Mapping[str, int]) -> None:
        """Write down that a seed is finished in this edition."""
        self._write("INSERT OR REPLACE INTO finished VALUES (?,?,?)", (self._edition, seed, _json(counts)))

    def outcomes(self, kind: str) -> Iterator[Outcome]:
        """The samples (kind "sample") or drops ("drop") of the newest edition in lineage order, read as they are used.

        Page by page, so that whoever stops in the middle keeps nobody from writing, also where there is no log.
        """
        last = ""
        while page := self._outcomes("kind=? AND place>? ORDER BY place LIMIT ?", kind, last, PAGE):
            yield from page
            last = page[-1].place

    def outcome(self, id_: str) -> Outcome | None:
        """What became of the row with this id in the newest edition."""
        return next(iter(self._outcomes("id=?", id_)), None)

    def _outcomes(self, which: str, *values: Any) -> list[Outcome]:
        names = "id, place, seed, unit, columns, trail, stage, reason, message, reply"
        edition = self._edition or (self.newest() or ("",))[0]
        rows = self._sql.execute(f"SELECT {names} FROM rows WHERE edition=? AND {which}", (edition, *values)).fetchall()
        return [_outcome(row) for row in rows]

    def samples(self) -> Iterator[dict[str, Any]]:
        """The lines of dataset.jsonl, of the newest edition."""
        return (dict(outcome.columns) for outcome in self.outcomes("sample"))

    def drops(self) -> Iterator[dict[str, Any]]:
        """The lines of dropped.jsonl, of the newest edition."""
        return (outcome.as_drop() for outcome in self.outcomes("drop"))


def _outcome(row: sqlite3.Row) -> Outcome:
    trail = [(stage, key) for stage, key in json.loads(row["trail"])]
    values = (*row[:4], json.loads(row["columns"]), trail, *row[6:])
    return Outcome(*values)


def edition_of(config: Mapping[str, Any]) -> str:
    """The id of the edition that a config makes: a hash of it."""
    return hashlib.sha256(_json(config, sort=True).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _json(value: Any, *, sort: bool = False) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort)
    return text if _sound(text) == text else json.dumps(value, separators=(",", ":"), sort_keys=sort)


def _sound(text: str) -> str:
    """The text with what no file can hold (half of a surrogate pair) replaced."""
    return text.encode("utf-8", "replace").decode()


def _reader(path: Path) -> sqlite3.Connection:
    """A connection that reads only. In a folder where nothing can be written, the file is read as it stands."""
    if not path.exists():
        raise RunError(f"There is no run in {path.parent}: {path.name} is missing. Name a folder that a run wrote.")
    address = path.resolve().as_uri()
    for mode in ("mode=ro", "immutable=1"):
        sql = sqlite3.connect(f"{address}?{mode}", uri=True, check_same_thread=False, isolation_level=None, timeout=10)
        try:
            sql.execute("SELECT COUNT(*) FROM sessions").fetchone()
            return sql
        except sqlite3.DatabaseError as error:
            sql.close()
            if "no such table" in str(error):
                raise RunError(f"The run in {path.parent} is just beginning. Look again in a moment.") from None
            if mode == "immutable=1" or "open" not in str(error):
                raise
    raise AssertionError("unreachable")


def _holder(folder: Path) -> str:
    """ " (process 123 on host)" for the process that holds the folder, as far as its journal tells."""
    try:
        with contextlib.closing(Journal(folder, read_only=True)) as journal:
            session = journal.last_session()
    except (RunError, sqlite3.Error):
        return ""
    return f" (process {session['process']} on {session['host']})" if session else ""


def _network_file_system(folder: Path) -> str:
    """The kind of network file system that the folder is on, "" if it is local (or the system does not say)."""
    try:
        mounts = MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    here, best, kind = str(folder.resolve()), "", ""
    for line in mounts:
        _, point, system, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)  # a space is written as \040
        inside = here == point or here.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, system
    return kind if kind.removeprefix("fuse.").startswith(NETWORK_FILE_SYSTEMS) else ""
