"""What a stage works with: one row at one stage."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sdgkit.keywords import known_keywords_throughout
from sdgkit.prompts import Prompt
from sdgkit.prompts.structured_output import Form
from sdgkit.samples import Row
from sdgkit.teachers.teacher import Reply


@known_keywords_throughout
class Drop(Exception):
    """Raised by a stage: the row leaves the stream.

    Attributes:
        reason: `score`, `duplicate`, `malformed`, `no_answer`, `loop`, `truncated`, `refused`,
            `teacher_error`, or the name of a check.
        message: The same in a sentence.
        reply: The raw text that shows why; by default the newest reply in the row's history.
    """

    def __init__(self, reason: str, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.reply = reply


class Step(Protocol):
    """One row at one stage: everything that a stage has to work with."""

    @property
    def row(self) -> Row:
        """The row's columns."""

    @property
    def id(self) -> str:
        """The row's lineage, such as `s3/c7/q2`."""

    @property
    def prompt(self) -> Prompt:
        """The stage's prompt."""

    async def ask(
        self,
        values: Row | None = None,
        *,
        ordinal: int = 1,
        attempt: int = 1,
        form: Form | None = None,
        after_loop: bool = False,
    ) -> Reply:
        """Ask for a reply to the stage's prompt.

        The reply is recorded in the journal before it is returned, and taken from there if the same
        request was made before.

        Args:
            values: Variables for the prompt beside the row's columns.
            ordinal: Which of several requests for the same row this is, from 1.
            attempt: 1, or higher when a malformed reply is requested again.
            form: What the reply must look like, for a server that can enforce it.
            after_loop: An earlier attempt ended in a loop: ask with settings that lead out of it.

        Raises:
            Drop: The teacher refused the request (`teacher_error`), or a filter withheld the reply
                (`refused`).
        """

    def last_reply(self) -> str:
        """The raw text of the newest reply in the row's history; empty if there is none."""

    def branch(self, work: Callable[["Step"], Awaitable[None]]) -> None:
        """Start a piece of work on the same row, with a history of its own.

        A stage that makes several rows of one starts a branch for each request.
        """

    def offer(self, ordinal: int, columns: Row, names: Sequence[str]) -> bool:
        """Send a new row on to the next stage: this row with further columns.

        Of new rows that are equal in some columns, the one with the lowest ordinal stays, whichever
        came first; the others are dropped as duplicates.

        Args:
            ordinal: Which of the row's new rows this is, from 1.
            columns: The further columns.
            names: The columns in which equal rows are recognized.

        Returns:
            True if there is now one row more than before.
        """

    def drop(self, ordinal: int, drop: Drop) -> None:
        """Record that the new row of this ordinal could not be made."""
