"""The kinds of stage: what happens to one row.

A stage is a frozen dataclass with a name. Most kinds change one row (`change`); `GenerateMany` and `Given` make
several rows of one (`spread`). A row is a mapping of columns. A row that must not reach the next stage is dropped, with
a reason.

A stage knows nothing of the stream that moves the rows: all it works with is a `Step`.

A stage of your own is a subclass with a `change` method, or a function given to `Check`:

    class Shout(Stage):
        async def change(self, step):
            return {**step.row, "response": step.row["response"].upper()}
"""

import dataclasses
import hashlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from sdgkit import fingerprint
from sdgkit.errors import SettingsError
from sdgkit.prompts import Prompt, read_score
from sdgkit.prompts.structured_output import Form
from sdgkit.samples import Row, normalized
from sdgkit.seeds import row_key
from sdgkit.teachers.teacher import Reply

Role = Literal["teacher", "judge"]

ASK_AGAIN = 3
"""How many times a malformed reply is asked again."""

ATTEMPTS = range(1, ASK_AGAIN + 2)

VERDICT = ("evaluation", "score")
"""The columns of a judge's verdict: its words, and a number of its scale."""


class Drop(Exception):
    """Raised by a stage: the row leaves the stream.

    Attributes:
        reason: `score`, `duplicate`, `malformed`, `truncated`, `teacher_error`, or the name of a check.
        message: The same in a sentence.
        reply: The raw text that shows why; by default the newest reply in the row's history.
    """

    def __init__(self, reason: str, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.reply = reply


class Step(Protocol):
    """One row at one stage: all that a stage has to work with."""

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
    ) -> Reply:
        """Ask for a reply to the stage's prompt.

        The reply is recorded in the journal before it is returned, and taken from there if the same request was made
        before.

        Args:
            values: Variables for the prompt beside the row's columns.
            ordinal: Which of several requests for the same row this is, from 1.
            attempt: 1, or higher when a malformed reply is asked again.
            form: What the reply must look like, for a server that can enforce it.

        Raises:
            Drop: The teacher refused the request ("teacher_error").
        """

    def last_reply(self) -> str:
        """The raw text of the newest reply in the row's history; empty if there is none."""

    def branch(self, work: Callable[["Step"], Awaitable[None]]) -> None:
        """Start a piece of work on the same row, with a history of its own.

        Of several branches each makes its own requests, which lead to different rows.
        """

    def offer(self, ordinal: int, columns: Row, names: Sequence[str]) -> bool:
        """Send a new row on to the next stage: this row with these columns added.

        Of new rows that are equal in the columns `names`, the one with the lowest ordinal stays, whichever came first;
        the others are dropped as duplicates.

        Returns:
            True if there is now one row more than before.
        """

    def drop(self, ordinal: int, drop: Drop) -> None:
        """Record that the new row of this ordinal could not be made."""


@dataclass(frozen=True)
class Reading:
    """What a stage reads in one reply.

    Attributes:
        texts: The complete records in the reply, by column, as their texts stand there.
        rows: The columns that the stage makes of each record. Empty for a malformed reply, which is asked again.
    """

    texts: Sequence[Mapping[str, str]]
    rows: Sequence[Row]


class StageTraits:
    """What others may ask of a stage; the answers here are those of a stage that changes one row and asks nobody.

    Attributes:
        columns: The columns that the stage makes, in the order of its prompt's pairs of tags.
        role: Whom the stage asks; None if it asks nobody.
        fans_out: Whether the stage makes several rows of one (`spread`) instead of changing it (`change`).
        per_row: How many rows the stage sets out to make of one.
        letter: What the ordinals of those rows are called in their lineage: the "c" of `s3/c7`.
        vary: Lists from which each of those rows draws its `vary` values.
        scale: The scores that a judge may give; empty for a stage that is not a judge.
        drops_by_score: Whether the stage drops rows because of their score (`passes`).
    """

    columns: Sequence[str] = ()
    role: Role | None = None
    fans_out: bool = False
    per_row: int = 1
    letter: str = "r"
    vary: Mapping[str, Sequence[Any]] | None = None
    scale: Sequence[float] = ()
    drops_by_score: bool = False

    @property
    def requests_per_row(self) -> int:
        """How many requests the stage makes for one row, malformed and duplicate replies left aside."""
        return 1 if self.role else 0

    @property
    def has_separate_requests(self) -> bool:
        """Whether the stage makes several rows of one, each by a request of its own."""
        return False

    @property
    def total_rows(self) -> int | None:
        """How many rows the stage makes in all, whatever comes in; None if that depends on what comes in."""
        return None

    def rounds(self, passes: int) -> int:
        """In how many rounds of a target the stage can make rows, one request for each row a round.

        Args:
            passes: How many times the usual number of rows it may make.
        """
        return passes * self.requests_per_row if self.fans_out else 0

    @property
    def writes(self) -> frozenset[str]:
        """The columns that a row has after this stage, whether it had them before or not."""
        return frozenset(self.columns)

    @property
    def removes(self) -> frozenset[str]:
        """The columns that the stage takes off."""
        return frozenset()

    @property
    def variables(self) -> frozenset[str]:
        """The variables that the stage gives its prompt beside the row's columns."""
        return frozenset()

    @property
    def declares_columns(self) -> bool:
        """Whether `writes`, `removes` and `variables` are complete.

        They are for the kinds in this file; a class of your own may do more than it declares.
        """
        return type(self).__module__ == __name__

    def passes(self, row: Row) -> bool:
        """Whether the score in this row lets it pass the stage; always, unless the stage `drops_by_score`."""
        return True


@dataclass(frozen=True, kw_only=True)
class Stage(StageTraits):
    """One station of a pipeline.

    Attributes:
        name: The stage's name, unique in its pipeline. Its prompt and the prompt's file have the same name.
    """

    name: str

    async def change(self, step: Step) -> Mapping[str, Any]:
        """Change the row.

        Returns:
            The row's columns for the next stage.

        Raises:
            Drop: The row leaves the stream here.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a `change` method, which says what it does"
        )

    def spread(self, step: Step, round_: int | None = None) -> None:
        """Begin to make several rows of one. Only called on a stage that fans out.

        Args:
            step: The row; each new one is given to its `offer`.
            round_: Which round of a target this is, from 1; None for all rows at once.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a `spread` method, since it makes several rows of one"
        )

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        """Read a reply, as a run does.

        Args:
            prompt: The prompt that was answered.
            row: The row that it was rendered with.
            reply: The teacher's reply.
        """
        records = prompt.parse(
            reply.text,
            self.columns,
            cut_off=is_truncated(reply),
            keep_fences=_has_code_fence(row),
        ).rows
        return Reading(texts=records, rows=records)

    def form(self, prompt: Prompt, records: int = 1) -> Form | None:
        """What a reply with so many records must look like; None if any text will do."""
        return Form.of(prompt, self.columns, records=records, scale=self.scale)

    def describe(self) -> dict[str, Any]:
        """What the stage does, as JSON values. When they change, the run is another edition."""
        description: dict[str, Any] = fingerprint.as_json(self, [])
        return description

    def has_setting(self, name: str) -> bool:
        """Whether the stage has a field of this name that can be changed (`Pipeline.change`)."""
        return name in {field.name for field in dataclasses.fields(self)}

    def with_single_request(self) -> "Stage":
        """The stage with one request a row, if it makes a request for each new row; otherwise unchanged."""
        return self

    def with_all_columns(self) -> "Stage":
        """The same stage without taking columns off."""
        return self

    async def _ask_for_columns(self, step: Step) -> Row:
        """The columns in the teacher's reply, which is asked again while it is malformed. Raises Drop."""
        form = self.form(step.prompt)
        for attempt in ATTEMPTS:
            reply = await step.ask(attempt=attempt, form=form)
            reading = self.read(step.prompt, step.row, reply)
            if reading.rows:
                return reading.rows[0]
            refuse_if_truncated(reply)
        raise self.malformed(step.prompt)

    def malformed(self, prompt: Prompt) -> Drop:
        """The drop of a row for which no attempt gave a reply with the prompt's tags."""
        pairs = zip(prompt.start_tags, prompt.end_tags, strict=True)
        marked = [f"{start} … {end}" for start, end in pairs if start]
        expected = " and ".join(marked) or "any text"
        if self.scale:
            scores = ", ".join(f"{score:g}" for score in self.scale)
            expected = f"{expected} with a score of {scores}"
        return Drop("malformed", f"Asked {len(ATTEMPTS)} times, the reply never held {expected}.")

    def _value(self, row: Row, column: str) -> Any:
        """The row's value in a column. Raises SettingsError if it has no such column."""
        if column not in row:
            raise SettingsError(
                f"{self.name} needs the column {column!r}; there are {', '.join(row)}. "
                "Run the stage that writes it before this one."
            )
        return row[column]


@dataclass(frozen=True, kw_only=True)
class Generate(Stage):
    """Asks the teacher once for each row and adds the columns that the prompt's tags mark.

    Attributes:
        columns: The columns, one for each pair of the prompt's tags, in order.
    """

    columns: Sequence[str] = ("response",)
    role = "teacher"

    async def change(self, step: Step) -> Mapping[str, Any]:
        columns = await self._ask_for_columns(step)
        return {**step.row, **columns}


@dataclass(frozen=True, kw_only=True)
class GenerateMany(Stage):
    """Asks the teacher for several new rows of each row.

    Of equal rows the one with the lowest ordinal stays, whichever arrived first.

    Attributes:
        columns: The columns of a new row, one for each pair of the prompt's tags, in order.
        letter: What the ordinals are called in the lineage: the "c" of `s3/c7`.
        per_row: How many new rows to make of each row.
        together: Whether one request asks for all of them in one reply (`num_samples` in the prompt), so that they
            differ from each other; otherwise each has a request of its own.
        extra_tries: How many further requests a row may cause at most, one for each duplicate or malformed reply. Not
            used if `together`.
        vary: Lists from which each request draws one value (`vary` in the prompt and in the new row).
    """

    columns: Sequence[str] = ("context",)
    letter: str = "c"
    per_row: int = 10
    together: bool = False
    extra_tries: int = 0
    vary: Mapping[str, Sequence[Any]] | None = None
    role = "teacher"
    fans_out = True

    @property
    def requests_per_row(self) -> int:
        return 1 if self.together else self.per_row

    @property
    def has_separate_requests(self) -> bool:
        return not self.together

    @property
    def writes(self) -> frozenset[str]:
        return frozenset([*self.columns, "vary"] if self.vary else self.columns)

    @property
    def variables(self) -> frozenset[str]:
        names = []
        if self.together:
            names.append("num_samples")
        if self.vary:
            names.append("vary")
        return frozenset(names)

    def with_single_request(self) -> Stage:
        if self.together:
            return self
        return dataclasses.replace(self, per_row=1, extra_tries=0)

    def spread(self, step: Step, round_: int | None = None) -> None:
        if round_ is not None:
            _Requests(self, step, further=()).start(round_)
            return
        last = self.requests_per_row
        tries = 0 if self.together else self.extra_tries
        requests = _Requests(self, step, further=range(last + 1, last + tries + 1))
        for ordinal in range(1, last + 1):
            requests.start(ordinal)


class _Requests:
    """The requests by which a `GenerateMany` makes several rows of one row.

    A request whose row was lost (a duplicate, or malformed to the last attempt) causes one further request, as long as
    further ordinals are left.
    """

    def __init__(self, stage: GenerateMany, step: Step, further: Iterable[int]) -> None:
        self._stage = stage
        self._step = step
        self._further = deque(further)

    def start(self, ordinal: int) -> None:
        self._step.branch(partial(self._request, ordinal))

    async def _request(self, ordinal: int, step: Step) -> None:
        batch = _Batch(self._stage, step, ordinal)
        await batch.fill()
        if batch.lost and self._further:
            self.start(self._further.popleft())


class _Batch:
    """The new rows that one request has to bring: all of a row if they are asked for together, otherwise one.

    Attributes:
        lost: Whether the last row was a duplicate or malformed, and so did not add to the rows there are.
    """

    def __init__(self, stage: GenerateMany, step: Step, ordinal: int) -> None:
        self.lost = False
        self._stage = stage
        self._step = step
        self._ordinal = ordinal
        width = stage.per_row if stage.together else 1
        first = (ordinal - 1) * width + 1
        self._missing = deque(range(first, first + width))
        self._varied = {"vary": draw(stage.vary, step.row, ordinal)} if stage.vary else {}
        self._texts: set[str] = set()  # in earlier replies; what a later one repeats is not new

    async def fill(self) -> None:
        """Ask until no row is missing, and drop those that stay missing."""
        try:
            await self._ask()
        except Drop as drop:
            self.lost = drop.reason == "malformed"
            for ordinal in self._missing:
                self._step.drop(ordinal, drop)

    async def _ask(self) -> None:
        prompt = self._step.prompt
        for attempt in ATTEMPTS:
            reply = await self._step.ask(
                self._values(),
                ordinal=self._ordinal,
                attempt=attempt,
                form=self._stage.form(prompt, records=len(self._missing)),
            )
            self._offer(self._stage.read(prompt, self._step.row, reply).rows)
            if not self._missing:
                return
            refuse_if_truncated(reply)
        raise self._stage.malformed(prompt)

    def _values(self) -> Row:
        if self._stage.together:
            return {**self._varied, "num_samples": len(self._missing)}
        return self._varied

    def _offer(self, rows: Sequence[Row]) -> None:
        """Send the rows of one reply on, as far as they are new and still missing."""
        columns = self._stage.columns
        new_rows = [row for row in rows if normalized(row, columns) not in self._texts]
        for row in new_rows[: len(self._missing)]:
            self._texts.add(normalized(row, columns))
            ordinal = self._missing.popleft()
            self.lost = not self._step.offer(ordinal, {**row, **self._varied}, columns)


@dataclass(frozen=True, kw_only=True)
class Given(Stage):
    """Hands out rows that the user brought, in the place of a `GenerateMany`; of equal ones only the first.

    Attributes:
        columns: The columns in which equal rows are recognized.
        letter: What the ordinals are called in the lineage: the "x" of `s3/x17`.
        rows: For each seed, by its `row_key`, the rows that belong to it: their ordinals and columns.
    """

    columns: Sequence[str] = ("context",)
    letter: str = "x"
    rows: Mapping[str, Sequence[tuple[int, Row]]]
    fans_out = True

    @property
    def total_rows(self) -> int | None:
        return sum(len(rows) for rows in self.rows.values())

    def rounds(self, passes: int) -> int:
        return max((len(rows) for rows in self.rows.values()), default=0)

    @property
    def declares_columns(self) -> bool:
        return False  # the user's rows may have columns of any name

    def spread(self, step: Step, round_: int | None = None) -> None:
        rows = self.rows.get(row_key(step.row), ())
        if round_ is not None:
            rows = rows[round_ - 1 : round_]
        for ordinal, columns in rows:
            step.offer(ordinal, columns, self.columns)


@dataclass(frozen=True, kw_only=True)
class Judge(Stage):
    """Asks the judge about the row: its words go into `evaluation`, a number of the scale into `score`.

    Attributes:
        scale: The scores that the judge may give.
    """

    scale: Sequence[float] = (0.0, 1.0)
    columns = VERDICT
    role = "judge"

    async def change(self, step: Step) -> Mapping[str, Any]:
        verdict = await self._ask_for_columns(step)
        return {**step.row, **verdict}

    def score_in(self, text: str) -> float | None:
        """The score that a judge's text means; None unless it is certain and on the scale."""
        return read_score(text, self.scale)

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        """Read the verdict in a reply.

        More than one score, or a part of another record, makes the reply malformed: a score in it may be the sample's
        own.
        """
        parsed = prompt.parse(reply.text, self.columns, cut_off=is_truncated(reply))
        scores = {self.score_in(record["score"]) for record in parsed.rows}
        if parsed.stray or len(scores) != 1:
            return Reading(texts=parsed.rows, rows=())
        score = scores.pop()
        if score is None:
            return Reading(texts=parsed.rows, rows=())
        verdict = {"evaluation": parsed.rows[0]["evaluation"], "score": float(score)}
        return Reading(texts=parsed.rows, rows=[verdict])


@dataclass(frozen=True, kw_only=True)
class Keep(Stage):
    """Keeps the rows with the right number in a column, and drops the others.

    Attributes:
        column: The column with the number.
        equals: Keep the rows whose number is exactly this.
        at_least: Keep the rows whose number is this or more. Not used if `equals` is given.
        remove: Columns to take off the rows that are kept.
    """

    column: str = "score"
    equals: float | None = None
    at_least: float | None = None
    remove: Sequence[str] = ()
    drops_by_score = True

    @property
    def removes(self) -> frozenset[str]:
        return frozenset(self.remove)

    def with_all_columns(self) -> Stage:
        return dataclasses.replace(self, remove=())

    def passes(self, row: Row) -> bool:
        number = self._value(row, self.column)
        if self.equals is not None:
            return bool(number == self.equals)
        return bool(number >= (self.at_least or 0.0))

    async def change(self, step: Step) -> Mapping[str, Any]:
        row = step.row
        if self.passes(row):
            return {name: value for name, value in row.items() if name not in self.remove}
        reply = step.last_reply() or str(row.get("evaluation", ""))
        raise Drop("score", f"The judge gave {row[self.column]:g}; {self._rule} is kept.", reply)

    @property
    def _rule(self) -> str:
        if self.equals is not None:
            return f"exactly {self.equals:g}"
        return f"{self.at_least or 0.0:g} or more"


@dataclass(frozen=True, kw_only=True)
class Check(Stage):
    """Keeps the rows for which a function returns something true, or None.

    A row for which it returns something false is dropped; so is one for which it returns a text, which says why. The
    stage's name is the reason of the drop.

    Attributes:
        function: The function of a row, async or not.
    """

    function: Callable[[Row], Any]

    @property
    def column(self) -> str:
        """The column that the function looks at: its own attribute `column`, by default `response`."""
        return str(getattr(self.function, "column", "response"))

    async def change(self, step: Step) -> Mapping[str, Any]:
        verdict = self.function(dict(step.row))
        if isinstance(verdict, Awaitable):
            verdict = await verdict
        if isinstance(verdict, str) and verdict:
            raise Drop(self.name, verdict)
        if verdict is None or verdict:
            return dict(step.row)
        raise Drop(self.name, f"The check {self.name} says no.")


@dataclass(frozen=True, kw_only=True)
class Combine(Stage):
    """Joins the texts of several columns into one.

    Attributes:
        column: The column to write.
        parts: The columns to join, in order.
        separator: The text between them.
    """

    column: str = "question"
    parts: Sequence[str] = ("context", "question")
    separator: str = "\n\n"

    @property
    def writes(self) -> frozenset[str]:
        return frozenset([self.column])

    async def change(self, step: Step) -> Mapping[str, Any]:
        texts = [str(self._value(step.row, part)) for part in self.parts]
        return {**step.row, self.column: self.separator.join(texts)}


def is_truncated(reply: Reply) -> bool:
    """Whether the reply was cut off at `max_tokens`."""
    return reply.finish_reason == "length"


def refuse_if_truncated(reply: Reply) -> None:
    """Raise Drop if the reply was cut off: asking again would give the same, at the same price."""
    if is_truncated(reply):
        raise Drop(
            "truncated",
            f"The reply was cut off after {reply.completion_tokens} tokens. Raise max_tokens, or ask for less text or "
            "less thinking (extra_body: chat_template_kwargs).",
        )


def draw(vary: Mapping[str, Sequence[Any]], row: Row, ordinal: int) -> dict[str, Any]:
    """Draw one value of each list.

    The draw is deterministic and balanced: as many ordinals as a list has values use each of them once, in an order
    that belongs to the seed and the list, so that two lists of one length do not go in step.

    Args:
        vary: The lists, by name.
        row: The row from which new rows are made; its seed columns decide the order.
        ordinal: Which of the new rows this is, from 1.
    """
    seed_columns = ("seed_context", "seed_question", "seed_response")
    identity = "\x1f".join(str(row.get(column, "")) for column in seed_columns)
    drawn = {}
    for name, values in vary.items():
        block, place = divmod(ordinal - 1, len(values))
        order = list(values)
        shuffle_seed = hashlib.sha256(f"{identity}\x1f{name}\x1f{block}".encode()).digest()
        random.Random(shuffle_seed).shuffle(order)
        drawn[name] = order[place]
    return drawn


def _has_code_fence(row: Row) -> bool:
    """Whether a text of the seed holds a code fence; then a fence in a reply belongs to the text."""
    return any(
        isinstance(value, str) and "```" in value
        for name, value in row.items()
        if name.startswith("seed_")
    )
