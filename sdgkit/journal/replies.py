"""The replies in a journal, kept permanently by the key of their request."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sdgkit.journal import statements
from sdgkit.journal.columns import as_json_text, bytes_of
from sdgkit.journal.journal_file import JournalFile, SqlValue
from sdgkit.journal.packing import Packer, base_of, unpack
from sdgkit.journal.reading import damaged, read_row, read_value
from sdgkit.journal.reply_counts import (
    COUNT_REPLIES,
    INSERT_COUNT,
    SELECT_COUNTS,
    NewReplies,
    StageReplies,
)
from sdgkit.journal.values import RecordedExchange, RecordedReply
from sdgkit.teachers.teacher import Reply, Request

EARLIER = 0
"""The session of a reply that comes from an earlier journal; those of a journal count from 1."""

MOST_BASES = 8
"""Requests whose messages are needed to read those of another one. One, where nothing is copied."""


class Replies:
    """The replies in a journal.

    Args:
        file: The journal's file.
        earlier: The replies in another journal, which are looked up as well and never recorded.
    """

    def __init__(self, file: JournalFile, earlier: "Replies | None" = None) -> None:
        self._file = file
        self._earlier = earlier
        self._packer = Packer()
        self._new = NewReplies()
        file.on_commit = self._write_counts
        file.on_rollback = self._forget_lost

    def _forget_lost(self) -> None:
        """Forget what is lost: new replies, among them bases to pack messages against."""
        self._packer = Packer()
        self._new = NewReplies()

    def reply(self, key: str) -> RecordedReply | None:
        """The recorded reply to a request, by its key."""
        row = self._file.first(statements.SELECT_REPLY, key=key)
        if row is None:
            return self._earlier_reply(key)
        values = read_row(row)
        session = values.pop("session")
        return RecordedReply(Reply(**values), session)

    def _earlier_reply(self, key: str) -> RecordedReply | None:
        recorded = self._earlier.reply(key) if self._earlier is not None else None
        return replace(recorded, session=EARLIER) if recorded is not None else None

    def count(self) -> int:
        """How many replies are recorded."""
        return sum(self.count_by_stage().values())

    def count_by_stage(self) -> dict[str, int]:
        """How many replies are recorded, by the name of the stage that asked."""
        return {stage.stage: stage.number for stage in self.counts()}

    def counts(self) -> list[StageReplies]:
        """How many replies are recorded and their tokens, stage by stage."""
        self._write_counts()
        query = SELECT_COUNTS if self._file.has_table("reply_counts") else COUNT_REPLIES
        return [StageReplies(**read_row(row)) for row in self._file.select(query)]

    def _write_counts(self) -> None:
        """Bring the counts up to date, in the transaction of the replies that they count."""
        for counts in self._new.take():
            self._file.connection.execute(INSERT_COUNT, vars(counts))

    def exchange(self, key: str) -> RecordedExchange | None:
        """The request and the reply of a key: what was really sent, what came back."""
        row = self._file.first("SELECT * FROM replies WHERE key=:key", key=key)
        if row is None:
            return None
        messages = self._messages_of(row["messages"], MOST_BASES)
        return RecordedExchange(**read_row({**row, "messages": messages}))

    def _messages_of(self, stored: SqlValue, bases: int) -> SqlValue:
        """The messages of a request as JSON.

        Args:
            stored: The content of the column; the JSON itself in an older journal.
            bases: How many bases there may be, each packed against the next.

        Raises:
            RunError: They cannot be unpacked.
        """
        if not isinstance(stored, bytes):
            return stored
        base_key = base_of(stored)
        base: SqlValue = ""
        if base_key is not None:
            row = self._file.first(statements.SELECT_MESSAGES, key=base_key)
            if row is None or not bases:
                raise damaged("the messages of a request need those of another one to be read")
            base = self._messages_of(row["messages"], bases - 1)
        try:
            return unpack(stored, bytes_of(str(base))).decode("utf-8", "surrogatepass")
        except ValueError as error:
            raise damaged(f"the messages of a request: {error}") from None

    async def record(
        self, key: str, stage: str, model: str, request: Request, reply: Reply, *, session: int
    ) -> None:
        """Record a reply and return when it is committed.

        Args:
            key: The key of the request.
            stage: The name of the stage that asked.
            model: The model that answered.
            request: What was sent.
            reply: What came back.
            session: The number of the session that asked.

        Raises:
            RunError: The journal cannot be written.
        """
        inserted = self._file.write(
            statements.INSERT_REPLY,
            key=key,
            session=session,
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
        if inserted.rowcount:
            self._new.add(stage, reply.prompt_tokens, reply.completion_tokens)
        await self._file.committed()

    def take_over(self, replies: Iterable[Mapping[str, Any]]) -> None:
        """Record replies of another journal, all of them or none; what is here already stays.

        Args:
            replies: The columns of each.

        Raises:
            RunError: They cannot be written, or one of them is damaged.
        """
        for reply in replies:
            if self._file.write(statements.INSERT_REPLY, **reply).rowcount:
                self._new.add(
                    reply["stage"],
                    read_value("prompt_tokens", reply["prompt_tokens"]),
                    read_value("completion_tokens", reply["completion_tokens"]),
                )
        self._file.flush()
