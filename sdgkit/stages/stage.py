"""A stage: what it does to a row, and what other code may ask it."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sdgkit import fingerprint
from sdgkit.errors import SettingsError
from sdgkit.prompts import Prompt
from sdgkit.prompts.structured_output import Form
from sdgkit.samples import Row
from sdgkit.stages.loops import is_loop
from sdgkit.stages.reading import (
    Reading,
    can_be_read,
    drop_of_loop,
    has_code_fence,
    has_thoughts,
    is_end_unsaid,
    is_truncated,
    refuse_if_final,
    why_unanswered,
)
from sdgkit.stages.step import Drop, Step
from sdgkit.teachers.teacher import Reply

if TYPE_CHECKING:
    from sdgkit.stages.rules import Check

Role = Literal["teacher", "judge"]

ASK_AGAIN = 3
"""How many times a malformed reply, or one that ended in a loop, is requested again."""

LATER_FIELDS = ("most_together", "keep_reasoning")
"""Fields of stages that editions recorded before do not have."""

ATTEMPTS = range(1, ASK_AGAIN + 2)


class StageTraits:
    """What other code may ask a stage, so that it need not know the stage's kind.

    The answers here are those of a stage that changes one row and asks no teacher.

    Attributes:
        columns: The columns that the stage makes, in the order of its prompt's pairs of tags.
        role: Which teacher the stage asks; None if it asks none.
        fans_out: Whether the stage makes several rows of one (`spread`) instead of changing it
            (`change`).
        per_row: How many rows the stage sets out to make of one.
        most_together: The most rows that one request asks for, if the stage asks for several at
            once; None for all of them.
        letter: What the ordinals of those rows are called in their lineage: the "c" of `s3/c7`.
        vary: Lists from which each of those rows draws its `vary` values.
        draw_starts: Where the draws for each row begin, by its key; see `draw`.
        scale: The scores that a judge may give; empty for a stage that is not a judge.
        drops_by_score: Whether the stage drops rows because of their score (see `passes`).
        asks_every_row: Whether the stage asks about every row; one that repairs asks about some.
        repeats_judge: The name of an earlier judge whose prompt the stage uses as well.
        keep_reasoning: Whether the stage adds what the teacher thought first, as the column
            `reasoning`.
    """

    columns: Sequence[str] = ()
    role: Role | None = None
    fans_out: bool = False
    per_row: int = 1
    most_together: int | None = None
    letter: str = "r"
    vary: Mapping[str, Sequence[Any]] | None = None
    draw_starts: Mapping[str, int] | None = None
    scale: Sequence[float] = ()
    drops_by_score: bool = False
    asks_every_row: bool = True
    repeats_judge: str = ""
    keep_reasoning: bool = False

    @property
    def requests_per_row(self) -> int:
        """How many requests the stage makes for one row, if every reply is good and new."""
        return 1 if self.role else 0

    @property
    def rows_per_request(self) -> int:
        """How many rows the stage sets out to make by one request."""
        return self.per_row

    @property
    def has_separate_requests(self) -> bool:
        """Whether the stage makes several rows from one, each with a separate request."""
        return False

    @property
    def total_rows(self) -> int | None:
        """How many rows the stage makes in all; None if that depends on the rows that come in."""
        return None

    @property
    def target_rounds(self) -> int | None:
        """In how many rounds of a target the stage can make new rows.

        None for any number of rounds; 0 if it makes no new rows.
        """
        makes_rows = self.fans_out and self.requests_per_row > 0
        if makes_rows:
            return None
        return 0

    @property
    def written_columns(self) -> frozenset[str]:
        """The columns that the stage writes, whether the row had them before or not."""
        return frozenset(self.columns)

    @property
    def removed_columns(self) -> frozenset[str]:
        """The columns that the stage removes."""
        return frozenset()

    @property
    def prompt_variables(self) -> frozenset[str]:
        """The variables that the stage gives its prompt beside the row's columns."""
        return frozenset()

    @property
    def declares_columns(self) -> bool:
        """Whether the answers about columns and variables are complete.

        They are for the kinds that come with sdgkit; a class of your own may do more than they say.
        """
        return type(self).__module__.startswith("sdgkit.stages.")

    def passes(self, row: Row) -> bool:
        """Whether the row's score lets it pass. Always true, unless the stage `drops_by_score`."""
        return True


@dataclass(frozen=True, kw_only=True)
class Stage(StageTraits):
    """One step of a pipeline.

    Attributes:
        name: The stage's name, unique in its pipeline. Its prompt and the prompt's file have the
            same name.
    """

    name: str

    async def change(self, step: Step) -> Mapping[str, Any]:
        """Change the row.

        Args:
            step: The row, and what can be done with it.

        Returns:
            The row's columns for the next stage.

        Raises:
            Drop: The row leaves the stream here.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a `change` method, which says what it does"
        )

    def spread(self, step: Step, round_: int | None = None) -> None:
        """Begin to make several rows from one. Only called if the stage `fans_out`.

        Args:
            step: The row. Each new row is given to its `offer`.
            round_: Which round of a target this is, from 1; None for all rows at once.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a `spread` method, since it makes several rows from one"
        )

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        """Read a reply. A run and the trial of a prompt both use this method.

        Args:
            prompt: The prompt that was answered.
            row: The row that it was rendered with.
            reply: The teacher's reply.
        """
        if not can_be_read(reply):
            return Reading(texts=(), rows=())
        parsed = prompt.parse(
            reply.text,
            self.columns,
            cut_off=is_truncated(reply),
            end_unsaid=is_end_unsaid(reply),
            keep_fences=has_code_fence(row),
            keep_thoughts=has_thoughts(row),
        )
        return Reading(parsed.rows, parsed.rows, parsed.is_thought_only)

    def reply_columns(self, prompt: Prompt) -> Sequence[str]:
        """The columns that the stage reads by this prompt's pairs of tags, in their order."""
        return self.columns

    def reply_form(self, prompt: Prompt, records: int = 1) -> Form | None:
        """What a reply with this many records must look like; None if any text will do."""
        columns = self.reply_columns(prompt)
        return Form.of(prompt, columns, records=records, scale=self.scale)

    def malformed(self, prompt: Prompt, reply: Reply, reading: Reading) -> Drop:
        """The drop of a row for which no attempt brought a reply with the prompt's tags.

        Args:
            prompt: The prompt.
            reply: The last reply.
            reading: What was read in it.
        """
        if is_loop(reply):
            return drop_of_loop(reply, len(ATTEMPTS))
        why = why_unanswered(reply, reading)
        if why:
            return Drop("no_answer", f"None of {len(ATTEMPTS)} replies contained an answer: {why}.")
        marked = []
        for tag in prompt.tags:
            if tag.start:
                marked.append(f"{tag.start} … {tag.end}")
        expected = " and ".join(marked) or "any text"
        if self.scale:
            scores = ", ".join(f"{score:g}" for score in self.scale)
            expected = f"{expected} with a score of {scores}"
        return Drop("malformed", f"None of {len(ATTEMPTS)} replies contained {expected}.")

    def describe(self) -> dict[str, Any]:
        """What the stage does, as JSON values. When they change, the run is another edition.

        What was added after the first version is left out where it says nothing, so that the
        edition of a run that does without it stays the same.
        """
        described = fingerprint.describe(self)
        described.pop("draw_starts", None)  # an edition has them beside its seeds
        for name in LATER_FIELDS:
            if name in described and not described[name]:
                del described[name]
        return described

    @property
    def field_names(self) -> list[str]:
        """The names of the fields that `Pipeline.change` can change."""
        return [field.name for field in dataclasses.fields(self)]

    def with_single_request(self) -> "Stage":
        """The stage with one new row for each row, if each has its own request.

        Any other stage is returned as it is.
        """
        return self

    def with_all_columns(self) -> "Stage":
        """The same stage, except that it removes no columns."""
        return self

    def with_check(self, check: "Check") -> "Stage":
        """The stage, if it writes what a check reads by itself, with that check.

        Args:
            check: The check, a stage of the kind `Check`, which follows the writer of its column.
        """
        return self

    async def _ask_for_columns(self, step: Step) -> Row:
        """The columns in the teacher's reply, which is requested again while it is malformed.

        Raises:
            Drop: The reply was malformed or a loop to the last attempt, cut off, refused, or no
                answer.
        """
        form = self.reply_form(step.prompt)
        after_loop = False
        for attempt in ATTEMPTS:
            reply = await step.ask(attempt=attempt, form=form, after_loop=after_loop)
            reading = self.read(step.prompt, step.row, reply)
            if reading.rows:
                return reading.rows[0]
            refuse_if_final(reply)
            after_loop = after_loop or is_loop(reply)
        raise self.malformed(step.prompt, reply, reading)

    def _value(self, row: Row, column: str) -> Any:
        """The row's value in a column that the stage needs.

        Raises:
            SettingsError: The row has no such column.
        """
        if column not in row:
            raise SettingsError(
                f"{self.name} needs the column {column!r}; there are {', '.join(row)}. Run the "
                "stage that writes it before this one.",
                choices=list(row),
            )
        return row[column]
