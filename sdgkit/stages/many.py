"""The kinds of stage that make several rows from one."""

import dataclasses
import hashlib
import math
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sdgkit.keywords import known_keywords_throughout
from sdgkit.prompts import Prompt
from sdgkit.samples import Row, normalized
from sdgkit.seeds import row_key
from sdgkit.stages.loops import is_loop
from sdgkit.stages.reading import Reading, is_truncated, refuse_if_final
from sdgkit.stages.reasoning import REASONING, with_reasoning
from sdgkit.stages.stage import ATTEMPTS, Stage
from sdgkit.stages.step import Drop, Step
from sdgkit.teachers.teacher import Reply

ASKED_FURTHER = ("malformed", "no_answer")
"""The reasons of drops for which a row causes a further request."""


@known_keywords_throughout
@dataclass(frozen=True, kw_only=True)
class GenerateMany(Stage):
    """Asks the teacher for several new rows for each row.

    Of equal rows the one with the lowest ordinal stays, whichever arrived first.

    Attributes:
        columns: The columns of a new row, one for each pair of the prompt's tags, in order.
        letter: What the ordinals are called in the lineage: the "c" of `s3/c7`.
        per_row: How many new rows to make for each row.
        together: Whether one request asks for all of them in one reply (`num_samples` in the
            prompt), so that they differ from each other; otherwise each has a request of its own.
        most_together: The most that one request asks for: more are asked for in several requests,
            each with its own draw of `vary`. None for all in one.
        extra_tries: How many extra requests a row may cause at most, one for each duplicate or
            malformed reply. Not used if all are asked for in one request.
        vary: Lists from which each request draws one value (`vary` in the prompt and in the new
            row).
        draw_starts: Where the draws for each row begin, by its `row_key`, so that all rows together
            draw each value about equally often. A run sets it. Without, each row draws for itself.
        keep_reasoning: Whether to keep the teacher's reasoning, in the column `reasoning`.
    """

    columns: Sequence[str] = ("context",)
    letter: str = "c"
    per_row: int = 10
    together: bool = False
    most_together: int | None = None
    extra_tries: int = 0
    vary: Mapping[str, Sequence[Any]] | None = None
    draw_starts: Mapping[str, int] | None = field(default=None, repr=False)
    keep_reasoning: bool = False
    role = "teacher"
    fans_out = True

    @property
    def requests_per_row(self) -> int:
        return math.ceil(self.per_row / self._most_per_request)

    @property
    def rows_per_request(self) -> int:
        return math.ceil(self.per_row / self.requests_per_row)

    @property
    def _most_per_request(self) -> int:
        if not self.together:
            return 1
        return self.most_together or self.per_row

    @property
    def has_separate_requests(self) -> bool:
        return not self.together

    @property
    def written_columns(self) -> frozenset[str]:
        columns = set(self.columns)
        if self.vary:
            columns.add("vary")
        if self.keep_reasoning:
            columns.add(REASONING)
        return frozenset(columns)

    @property
    def prompt_variables(self) -> frozenset[str]:
        names = []
        if self.together:
            names.append("num_samples")
        if self.vary:
            names.append("vary")
        return frozenset(names)

    def varied(self, row: Row, request: int) -> dict[str, Any]:
        """What a request for a row draws, as the column `vary`; nothing without lists.

        Args:
            row: The row of which new rows are made.
            request: Which of its requests it is, from 1.
        """
        if not self.vary:
            return {}
        start = None
        if self.draw_starts:
            start = self.draw_starts.get(row_key(row))
        return {"vary": draw(self.vary, row, request, start)}

    def with_single_request(self) -> Stage:
        if self.requests_per_row == 1:
            return self
        return dataclasses.replace(self, per_row=self.rows_per_request, extra_tries=0)

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        reading = super().read(prompt, row, reply)
        if not self.keep_reasoning:
            return reading
        return with_reasoning(reading, prompt, self.columns, reply)

    def spread(self, step: Step, round_: int | None = None) -> None:
        if round_ is not None:
            _Requests(self, step, further=()).start(round_, self._rows_of_round(round_))
            return
        last = self.requests_per_row
        tries = 0 if self.together and last == 1 else self.extra_tries
        requests = _Requests(self, step, further=range(last + 1, last + tries + 1))
        for request in range(1, last + 1):
            rows = self._rows_of_round(request)
            requests.start(request, range(rows.start, min(rows.stop, self.per_row + 1)))

    def _rows_of_round(self, round_: int) -> range:
        """The ordinals of the rows that are made in a round of a target."""
        size = self.rows_per_request
        first = (round_ - 1) * size + 1
        return range(first, first + size)


class _Requests:
    """The requests by which a `GenerateMany` makes several rows from one.

    A new row that was not added (a duplicate, or malformed to the last attempt) causes one further
    request for one row, as long as there are further ordinals.
    """

    def __init__(self, stage: GenerateMany, step: Step, further: Iterable[int]) -> None:
        self._stage = stage
        self._step = step
        self._further = deque(further)

    def start(self, request: int, rows: range) -> None:
        """Make a request.

        Args:
            request: Which of the row's requests it is, from 1.
            rows: The ordinals of the new rows that it has to bring.
        """
        self._step.branch(partial(self._fill, request, rows))

    async def _fill(self, request: int, rows: range, step: Step) -> None:
        batch = _Batch(self._stage, step, request, rows)
        await batch.fill()
        for _ in range(batch.rows_lost):
            if self._further:
                self._start_further(self._further.popleft())

    def _start_further(self, request: int) -> None:
        row = self._stage.per_row + request - self._stage.requests_per_row
        self.start(request, range(row, row + 1))


class _Batch:
    """The new rows that one request has to bring.

    A further request has to bring one.

    Attributes:
        rows_lost: How many of them were duplicates or malformed.
    """

    def __init__(self, stage: GenerateMany, step: Step, request: int, rows: range) -> None:
        self.rows_lost = 0
        self._stage = stage
        self._step = step
        self._request = request
        self._missing = deque(rows)  # the ordinals of rows still to come
        self._varied = stage.varied(step.row, request)
        self._texts: dict[str, str] = {}  # of the replies so far, by what makes them equal

    async def fill(self) -> None:
        """Ask until no row is missing, and drop those that stay missing."""
        try:
            await self._ask()
        except Drop as drop:
            if drop.reason in ASKED_FURTHER:
                self.rows_lost += len(self._missing)
            for ordinal in self._missing:
                self._step.drop(ordinal, drop)

    async def _ask(self) -> None:
        prompt = self._step.prompt
        attempt = 0
        attempts_left = len(ATTEMPTS)
        after_loop = False
        while attempts_left:
            attempt += 1
            attempts_left -= 1
            reply = await self._step.ask(
                self._values(),
                ordinal=self._request,
                attempt=attempt,
                form=self._stage.reply_form(prompt, records=len(self._missing)),
                after_loop=after_loop,
            )
            reading = self._stage.read(prompt, self._step.row, reply)
            offered = self._offer(reading.rows)
            if not self._missing:
                return
            if not offered:
                refuse_if_final(reply)
            elif is_truncated(reply):
                # The list was cut off, not malformed: its rest has all attempts before it.
                attempts_left = len(ATTEMPTS)
            after_loop = after_loop or is_loop(reply)
        raise self._stage.malformed(prompt, reply, reading)

    def _values(self) -> Row:
        """The variables for the prompt beside the row's columns."""
        values: dict[str, Any] = {**self._varied}
        if self._stage.together:
            values["num_samples"] = len(self._missing)
        if self._texts:
            values["already_written"] = list(self._texts.values())
        return values

    def _offer(self, rows: Sequence[Row]) -> int:
        """Send the rows of one reply on, as far as they are new and still missing.

        Returns:
            How many were.
        """
        columns = self._stage.columns
        new_rows = []
        for row in rows:
            if normalized(row, columns) not in self._texts:
                new_rows.append(row)
        wanted = new_rows[: len(self._missing)]
        for row in wanted:
            self._texts[normalized(row, columns)] = "\n".join(str(row[name]) for name in columns)
            ordinal = self._missing.popleft()
            is_added = self._step.offer(ordinal, {**row, **self._varied}, columns)
            if not is_added:
                self.rows_lost += 1
        return len(wanted)


@dataclass(frozen=True, kw_only=True)
class Given(Stage):
    """Hands out rows that the user supplied, in place of a `GenerateMany`.

    Of equal rows the first stays.

    Attributes:
        columns: The columns in which equal rows are recognized.
        letter: What the ordinals are called in the lineage: the "x" of `s3/x17`.
        rows: For each seed, by its `row_key`, the ordinals and columns of the rows that belong to
            it.
    """

    columns: Sequence[str] = ("context",)
    letter: str = "x"
    rows: Mapping[str, Sequence[tuple[int, Row]]]
    fans_out = True

    @property
    def total_rows(self) -> int | None:
        number = 0
        for rows in self.rows.values():
            number += len(rows)
        return number

    @property
    def target_rounds(self) -> int | None:
        return max((len(rows) for rows in self.rows.values()), default=0)

    @property
    def declares_columns(self) -> bool:
        return False  # the user's rows may have any columns

    def spread(self, step: Step, round_: int | None = None) -> None:
        rows = self.rows.get(row_key(step.row), ())
        if round_ is not None:
            rows = rows[round_ - 1 : round_]
        for ordinal, columns in rows:
            step.offer(ordinal, columns, self.columns)


def draw(
    vary: Mapping[str, Sequence[Any]], row: Row, ordinal: int, start: int | None = None
) -> dict[str, Any]:
    """Draw one value of each list.

    The draw is deterministic and balanced: as many ordinals as a list has values use each of them
    once. Two lists do not go in step.

    Args:
        vary: The lists, by name.
        row: The row of which new rows are made; without a start, its seed columns decide the order.
        ordinal: Which of the new rows this is, from 1.
        start: Where the row begins in the order in which all rows draw: if the first row makes two
            new rows, the second starts at 2. None if each row has an order of its own.

    Example:
        >>> lists = {"audience": ["children", "experts", "lawyers"]}
        >>> row = {"seed_question": "What is a hash?"}
        >>> drawn = [draw(lists, row, ordinal)["audience"] for ordinal in (1, 2, 3)]
        >>> sorted(drawn)
        ['children', 'experts', 'lawyers']
    """
    if start is not None:
        return _draw_in_turn(vary, start + ordinal - 1)
    seed_columns = ("seed_context", "seed_question", "seed_response")
    identity = "\x1f".join(str(row.get(column, "")) for column in seed_columns)
    drawn = {}
    for name, values in vary.items():
        block, place = divmod(ordinal - 1, len(values))
        drawn[name] = _shuffled(values, f"{identity}\x1f{name}\x1f{block}")[place]
    return drawn


def _draw_in_turn(vary: Mapping[str, Sequence[Any]], number: int) -> dict[str, Any]:
    """The draw of this number, from 0, of the one order in which all rows draw.

    It goes through each list again and again. From one time to the next the first list stays, the
    second moves on by one entry, the third by two: so their entries meet in every combination.
    """
    drawn = {}
    for steps, (name, values) in enumerate(vary.items()):
        times, place = divmod(number, len(values))
        order = _shuffled(values, f"{name}\x1f{times // len(values)}")
        drawn[name] = order[(place + times * steps) % len(values)]
    return drawn


def _shuffled(values: Sequence[Any], dice: str) -> list[Any]:
    order = list(values)
    random.Random(hashlib.sha256(dice.encode()).digest()).shuffle(order)
    return order
