"""The journal: what is recorded is committed, and who may write and read it."""

import asyncio
import hashlib
import json
import re
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sdgkit import files
from sdgkit.errors import FolderInUse, RunError
from sdgkit.journal import JOURNAL_FILE, Edition, Journal, Outcome, copy_replies, edition_of
from sdgkit.teachers import Reply, Request

CONFIG = {"stages": ["a"], "seeds": ["x", "y"]}
REQUEST = Request(({"role": "user", "content": "Hello"},), {"temperature": 0.5}, ordinal=3)
REPLY = Reply("Good day", "stop", "hm", 10, 20, 0.5)


def record(journal: Journal, *texts: str) -> None:
    async def all_at_once() -> None:
        requests = [Request(({"role": "user", "content": text},), {}) for text in texts]
        await asyncio.gather(*(journal.record(r.key("m"), "s", "m", r, REPLY) for r in requests))

    asyncio.run(all_at_once())


def outcome(number: int, **more: Any) -> Outcome:
    fields: dict[str, Any] = {
        "id": f"s{number}",
        "place": f"{number:06}",
        "unit": number,
        "columns": {"n": number},
    }
    return Outcome(**{**fields, "trail": [("s", "key")], **more})


def test_a_reply_is_committed_before_record_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(CONFIG)
    reader = Journal(tmp_path, read_only=True)

    async def record_and_look() -> None:
        await journal.record(REQUEST.key("m"), "stage", "m", REQUEST, REPLY)
        recorded = reader.reply(REQUEST.key("m"))
        assert recorded is not None
        assert recorded.reply == REPLY

    asyncio.run(record_and_look())
    exchange = reader.exchange(REQUEST.key("m"))
    assert exchange is not None
    assert exchange.messages == list(REQUEST.messages)
    assert exchange.sampling == {"temperature": 0.5}
    assert (exchange.ordinal, exchange.attempt, exchange.stage) == (3, 1, "stage")
    reader.close()
    journal.close()


def long_prompt(number: int) -> Request:
    """A request whose prompt is mostly what all requests of its stage say."""
    rules = " ".join(
        f"Rule {rule}: {hashlib.sha256(bytes([rule])).hexdigest()}" for rule in range(60)
    )
    own = hashlib.sha256(f"{number}".encode()).hexdigest()
    return Request(({"role": "user", "content": f"{rules} Now write about {own}."},), {})


async def record_each(journal: Journal, *requests: Request) -> None:
    for request in requests:
        await journal.record(request.key("m"), "s", "m", request, REPLY)


def messages_in(journal: Journal, request: Request) -> Any:
    exchange = journal.exchange(request.key("m"))
    assert exchange is not None
    return exchange.messages


def test_what_all_prompts_of_a_stage_say_is_in_the_journal_once(tmp_path: Path) -> None:
    requests = [long_prompt(number) for number in range(400)]
    said = sum(len(request.messages[0]["content"]) for request in requests)
    with closing(Journal(tmp_path)) as journal:
        journal.begin(CONFIG)
        asyncio.run(record_each(journal, *requests))
    assert (tmp_path / JOURNAL_FILE).stat().st_size < said / 4
    with closing(Journal(tmp_path, read_only=True)) as journal:
        for request in requests:
            assert messages_in(journal, request) == list(request.messages)


def test_broken_text_in_a_prompt_is_recorded_as_it_was_sent(tmp_path: Path) -> None:
    broken = Request(({"role": "user", "content": "half \ud83d a pair, Größe, 表"},), {})
    with closing(Journal(tmp_path)) as journal:
        journal.begin(CONFIG)
        asyncio.run(record_each(journal, long_prompt(1), broken, long_prompt(2)))
        for request in (broken, long_prompt(1), long_prompt(2)):
            assert messages_in(journal, request) == list(request.messages)


def test_messages_that_an_older_version_recorded_can_be_read(tmp_path: Path) -> None:
    old = long_prompt(1)
    with closing(Journal(tmp_path)) as journal:
        journal.begin(CONFIG)
        asyncio.run(record_each(journal, old))
    with closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as sql, sql:
        sql.execute("UPDATE replies SET messages=?", [json.dumps(old.messages)])
    with closing(Journal(tmp_path)) as journal:
        journal.begin(CONFIG)
        recorded = journal.reply(old.key("m"))
        assert recorded is not None and recorded.reply == REPLY
        asyncio.run(record_each(journal, long_prompt(2)))
        for request in (old, long_prompt(2)):
            assert messages_in(journal, request) == list(request.messages)


def test_replies_copied_into_another_journal_keep_their_messages(tmp_path: Path) -> None:
    requests = [long_prompt(number) for number in range(5)]
    for name, order in (("a", requests), ("b", requests[::-1])):
        with closing(Journal(tmp_path / name)) as journal:
            journal.begin(CONFIG)
            asyncio.run(record_each(journal, *order[:4]))
    with closing(sqlite3.connect(tmp_path / "a" / JOURNAL_FILE)) as sql, sql:
        sql.execute("ATTACH ? AS other", [str(tmp_path / "b" / JOURNAL_FILE)])
        sql.execute("INSERT OR IGNORE INTO replies SELECT * FROM other.replies")
    with closing(Journal(tmp_path / "a", read_only=True)) as journal:
        for request in requests:
            assert messages_in(journal, request) == list(request.messages)


def damaged_messages() -> dict[str, bytes]:
    bomb = zlib.compressobj(9, wbits=-15)
    endless = bomb.compress(bytes(200 * 2**20)) + bomb.flush()
    own_key = bytes.fromhex(REQUEST.key("m"))
    return {
        "short": b"x",
        "noise": bytes(32) + b"noise",
        "bomb": bytes(32) + endless,
        "unknown base": bytes([7]) * 32 + b"x",
        "its own base": own_key + b"x",
        "not JSON": bytes(32) + zlib.compress(b"[", wbits=-15),
    }


@pytest.mark.parametrize("damage", damaged_messages().values(), ids=damaged_messages())
def test_damaged_messages_are_refused(tmp_path: Path, damage: bytes) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.begin(CONFIG)
        asyncio.run(record_each(journal, REQUEST))
    with closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as sql, sql:
        sql.execute("UPDATE replies SET messages=?", [damage])
    journal = Journal(tmp_path, read_only=True)
    with closing(journal), pytest.raises(RunError, match="damaged"):
        journal.exchange(REQUEST.key("m"))


def test_replies_of_one_moment_share_a_commit(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(CONFIG)
    commits = []
    journal.file.connection.set_trace_callback(
        lambda sql: commits.append(sql) if sql == "COMMIT" else None
    )
    record(journal, *map(str, range(50)))
    assert len(commits) == 1
    assert journal.count_replies() == 50
    journal.close()


def test_an_equal_reply_is_kept_once_and_the_first_stays(tmp_path: Path) -> None:
    journal = Journal()
    journal.begin(CONFIG)
    record(journal, "one", "one")
    assert journal.count_replies() == 1


def test_an_unknown_key_has_no_reply() -> None:
    journal = Journal()
    assert journal.reply("nothing") is None
    assert journal.exchange("nothing") is None


def test_rows_of_unfinished_seeds_are_forgotten_when_a_session_begins(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.begin(CONFIG) == {}
    journal.put(outcome(1))
    journal.put(outcome(2))
    journal.finish(2, {"0:x": 1})
    journal.close()
    journal = Journal(tmp_path)
    assert journal.begin(CONFIG) == {2: {"0:x": 1}}
    assert [one.id for one in journal.outcomes("sample")] == ["s2"]
    journal.close()


def test_each_edition_has_rows_of_its_own_and_the_last_begun_is_shown(tmp_path: Path) -> None:
    other = {**CONFIG, "seeds": ["z"]}
    for config, number in ((CONFIG, 1), (other, 2), (CONFIG, None)):
        journal = Journal(tmp_path)
        journal.begin(config)
        if number:
            journal.put(outcome(number))
            journal.finish(number, {})
        journal.close()
    reader = Journal(tmp_path, read_only=True)
    assert reader.newest() == Edition(edition_of(CONFIG), CONFIG)
    assert [one.id for one in reader.outcomes("sample")] == ["s1"]
    reader.close()


def test_an_edition_is_the_hash_of_its_config_whatever_the_order_of_its_names() -> None:
    assert edition_of({"a": 1, "b": [2]}) == edition_of({"b": [2], "a": 1})
    assert edition_of({"a": 1}) != edition_of({"a": 2})


def test_rows_come_in_lineage_order() -> None:
    journal = Journal()
    journal.begin(CONFIG)
    for place in ("000010", "000002.000010", "000002.000009", "000002"):
        journal.put(outcome(1, place=place, id=place))
    assert [one.place for one in journal.outcomes("sample")] == [
        "000002",
        "000002.000009",
        "000002.000010",
        "000010",
    ]


def test_taking_a_row_back_takes_all_below_it_and_nothing_beside_it() -> None:
    journal = Journal()
    journal.begin(CONFIG)
    places = [
        "000001",
        "000001.000001",
        "000001.000001.000002",
        "000001.000010",
        "000002",
        "0000010",
    ]
    for place in places:
        journal.put(outcome(1, place=place, id=place))
    journal.forget("000001.000001")
    assert {one.place for one in journal.outcomes("sample")} == {
        "000001",
        "000001.000010",
        "000002",
        "0000010",
    }


def test_a_drop_carries_its_reason_and_the_row_as_it_stood() -> None:
    drop = outcome(
        1, stage="s", reason="score", message="why", reply="raw", columns={"n": 1, "stage": "mine"}
    )
    assert drop.as_drop() == {
        "id": "s1",
        "stage": "s",
        "reason": "score",
        "message": "why",
        "reply": "raw",
        "n": 1,
    }


def test_a_second_writer_is_refused_and_may_write_when_the_first_is_gone(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.begin(CONFIG)
    with pytest.raises(FolderInUse, match="being written by another process"):
        Journal(tmp_path)
    first.close()
    Journal(tmp_path).close()


def test_readers_see_only_what_is_committed(tmp_path: Path) -> None:
    writer = Journal(tmp_path)
    writer.begin(CONFIG)
    reader = Journal(tmp_path, read_only=True)
    writer.put(outcome(1))
    assert not [*reader.samples()]
    writer.flush()
    assert len([*reader.samples()]) == 1
    reader.close()
    writer.close()


def test_a_folder_without_a_journal_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be used as a journal"):
        Journal(tmp_path, read_only=True)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Cannot write the folder"):
        Journal(tmp_path / "file" / "run")


def test_a_journal_that_cannot_be_opened_lets_go_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_FILE).write_bytes(b"no database at all, but some bytes" * 100)
    for _ in range(2):
        with pytest.raises(RunError, match="cannot be used as a journal"):
            Journal(tmp_path)
    with sqlite3.connect(tmp_path / JOURNAL_FILE.replace("journal", "other")) as sql:
        sql.execute("PRAGMA user_version=7")
    sql.close()
    (tmp_path / JOURNAL_FILE.replace("journal", "other")).replace(tmp_path / JOURNAL_FILE)
    for _ in range(2):
        with pytest.raises(RunError, match="another version"):
            Journal(tmp_path)
    with pytest.raises(RunError, match="another version"):
        Journal(tmp_path, read_only=True)


def test_a_reader_that_comes_before_the_tables_is_asked_to_look_again(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as sql:
        sql.execute("PRAGMA journal_mode=WAL")
        with pytest.raises(RunError, match="only just started"):
            Journal(tmp_path, read_only=True)


# A full disk --------------------------------------------------------------------------------------


def fill_up(journal: Journal) -> None:
    """From now on the file may not grow, as on a full disk."""
    pages = journal.file.connection.execute("PRAGMA page_count").fetchone()[0]
    journal.file.connection.execute(f"PRAGMA max_page_count={pages}")


def test_a_full_disk_is_told_to_whoever_records_and_loses_nothing_that_was_recorded(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    journal.begin(CONFIG)
    record(journal, "before")
    fill_up(journal)
    with pytest.raises((RunError, sqlite3.OperationalError), match="full"):
        for number in range(200):
            record(journal, f"{number}" * 400)
    journal.file._unsaved = False
    journal.close()
    reader = Journal(tmp_path, read_only=True)
    assert reader.reply(Request(({"role": "user", "content": "before"},), {}).key("m")) is not None
    reader.close()


def test_what_nobody_waits_for_is_not_lost_in_silence(tmp_path: Path) -> None:
    """A sample is committed with the next reply or beat; if that fails, the run must hear of it."""
    journal = Journal(tmp_path)
    journal.begin(CONFIG)
    journal.put(outcome(1))
    journal.file.connection.execute("COMMIT")  # as if the database had given it up by itself
    with pytest.raises(RunError, match="cannot be written"):
        journal.flush()
    journal.close()


def test_a_reply_that_nobody_waits_for_any_more_is_not_lost_in_silence(tmp_path: Path) -> None:
    """The wait for a commit is cancelled as a run stops; the run must still hear that it failed."""
    journal = Journal(tmp_path)
    journal.begin(CONFIG)
    told: list[dict[str, object]] = []

    async def stop_waiting() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        waiting = asyncio.create_task(journal.record("key", "s", "m", REQUEST, REPLY))
        await asyncio.sleep(0)
        journal.file.connection.execute("COMMIT")  # as if the database had given it up by itself
        waiting.cancel()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(stop_waiting())
    assert not told  # no traceback from the event loop
    with pytest.raises(RunError, match="cannot be written"):
        journal.flush()
    journal.close()


# Network file systems -----------------------------------------------------------------------------

MOUNTS = """\
overlay / overlay rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sda1 /home/me/local ext4 rw 0 0
//nas/share /mnt/with\\040space cifs rw 0 0
me@host:/ /mnt/ssh fuse.sshfs rw 0 0
gluster:/v /mnt/gluster fuse.glusterfs rw 0 0
vol /mnt/ceph fuse.ceph-fuse rw 0 0
share /mnt/vm 9p rw 0 0
first /mnt/twice ext4 rw 0 0
second:/x /mnt/twice nfs rw 0 0
fuse-overlayfs /mnt/podman fuse.fuse-overlayfs rw 0 0
/dev/sdb /homework ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/tmp/run", ""),
        ("/home", "nfs4"),
        ("/home/me/runs/one", "nfs4"),
        ("/home/me/local/run", ""),
        ("/homework/run", ""),
        ("/mnt/with space/run", "cifs"),
        ("/mnt/ssh/run", "fuse.sshfs"),
        ("/mnt/gluster/run", "fuse.glusterfs"),
        ("/mnt/ceph/run", "fuse.ceph-fuse"),
        ("/mnt/vm/run", "9p"),
        ("/mnt/twice/run", "nfs"),
        ("/mnt/podman/run", ""),
    ],
)
def test_a_network_file_system_is_known_by_the_mount_that_the_folder_is_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, kind: str
) -> None:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS)
    monkeypatch.setattr(files, "MOUNTS", table)
    assert files.network_file_system(Path(folder)) == kind


def test_where_the_system_does_not_tell_its_mounts_a_folder_counts_as_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOUNTS", tmp_path / "nothing")
    assert files.network_file_system(tmp_path) == ""


def test_on_a_network_file_system_the_journal_does_without_its_log_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"server:/x {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(files, "MOUNTS", table)
    journal = Journal(tmp_path / "run")
    journal.begin(CONFIG)
    record(journal, "one", "two")
    assert "nfs4" in journal.note
    assert "local disk" in journal.note
    assert not list((tmp_path / "run").glob("*-wal"))
    reader = Journal(tmp_path / "run", read_only=True)
    assert reader.count_replies() == 2
    reader.close()
    journal.close()
    assert Journal(tmp_path / "other").note == journal.note.replace("/run", "/other")


def test_a_reader_who_stops_in_the_middle_keeps_nobody_from_writing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"server:/x {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(files, "MOUNTS", table)
    journal = Journal(tmp_path / "run")
    journal.begin(CONFIG)
    for unit in range(1, 1_200):
        journal.put(outcome(unit, place=f"{unit:06}"))
    journal.flush()
    reader = Journal(tmp_path / "run", read_only=True)
    rows = reader.outcomes("sample")
    assert next(rows).unit == 1
    record(journal, "one")
    assert [one.unit for one in rows] == list(range(2, 1_200))
    reader.close()
    journal.close()


def test_on_a_local_disk_nothing_is_said(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.note == ""
    journal.close()


def test_what_is_stored_is_json_that_others_can_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(CONFIG)
    journal.put(
        outcome(
            1, columns={"text": "Grüße \ud800", "vary": {"a": [1, None]}}, message="half \udfff"
        )
    )
    journal.close()
    with sqlite3.connect(tmp_path / JOURNAL_FILE) as sql:
        columns, trail = sql.execute("SELECT columns, trail FROM rows").fetchone()
    sql.close()
    assert json.loads(columns) == {"text": "Grüße \ud800", "vary": {"a": [1, None]}}
    assert json.loads(trail) == [["s", "key"]]


# How many replies there are -----------------------------------------------------------------------


def test_replies_are_counted_by_stage_once_each(tmp_path: Path) -> None:
    requests = [Request(({"role": "user", "content": f"{number}"},), {}) for number in range(6)]

    async def record_all(journal: Journal) -> None:
        for number, request in enumerate([*requests, *requests]):
            await journal.record(request.key("m"), f"stage {number % 2}", "m", request, REPLY)

    for _ in range(2):
        with closing(Journal(tmp_path)) as journal:
            journal.begin(CONFIG)
            asyncio.run(record_all(journal))
            assert journal.count_replies_by_stage() == {"stage 0": 3, "stage 1": 3}
    with closing(Journal(tmp_path, read_only=True)) as reader:
        totals = reader.totals()
    assert totals.requests == 6
    assert totals.prompt_tokens == 6 * REPLY.prompt_tokens
    assert totals.completion_tokens == 6 * REPLY.completion_tokens


def test_replies_taken_over_are_counted_unless_they_are_there_already(tmp_path: Path) -> None:
    part = Journal(tmp_path / "part")
    part.begin(CONFIG)
    record(part, "one", "two", "three")
    whole = Journal(tmp_path / "whole")
    whole.begin(CONFIG)
    record(whole, "two", "four")
    copy_replies(part, whole)
    assert whole.count_replies() == 4
    assert whole.totals().completion_tokens == 4 * REPLY.completion_tokens
    part.close()
    whole.close()


def test_the_replies_of_a_journal_written_before_are_counted(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.begin(CONFIG)
        record(journal, "one", "two")
        before = journal.totals()
    with closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as sql, sql:
        sql.execute("DROP TABLE reply_counts")
        sql.execute("DROP INDEX rows_by_unit")
    with closing(Journal(tmp_path, read_only=True)) as reader:
        assert reader.totals() == before
    for _ in range(2):
        with closing(Journal(tmp_path)) as journal:
            assert journal.totals() == before
            assert journal.count_replies_by_stage() == {"s": 2}


def ways_of(journal: Journal, work: Callable[[], object]) -> list[str]:
    """How SQLite gets at the replies and rows that some work asks for, a line each."""
    queries: list[str] = []
    journal.file.connection.set_trace_callback(queries.append)
    work()
    journal.file.connection.set_trace_callback(None)
    ways = []
    for query in queries:
        if query.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "\n")):
            for step in journal.file.connection.execute(f"EXPLAIN QUERY PLAN {query}"):
                ways.append(step["detail"])
    return [way for way in ways if re.search(r"\b(replies|rows)\b", way)]


def test_a_killed_run_resumes_without_going_through_all_replies_and_rows(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.begin(CONFIG)
        record(journal, *map(str, range(50)))
        for unit in range(1, 6):
            journal.put(outcome(unit))
        journal.finish(1, {"0:x": 1})

    with closing(Journal(tmp_path)) as journal:
        ways = ways_of(journal, lambda: journal.begin(CONFIG))
        ways += ways_of(journal, journal.totals)
        ways += ways_of(journal, journal.count_replies)
    assert ways
    for way in ways:
        assert "USING COVERING INDEX rows_by_unit" in way
    with closing(Journal(tmp_path, read_only=True)) as journal:
        assert [row.id for row in journal.outcomes("sample")] == ["s1"]
