"""The kinds of stage that make several rows of one."""

import dataclasses
import hashlib
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sdgkit.samples import Row, normalized
from sdgkit.seeds import row_key
from sdgkit.stages.reading import refuse_if_truncated
from sdgkit.stages.stage import ATTEMPTS, Stage
from sdgkit.stages.step import Drop, Step


@dataclass(frozen=True, kw_only=True)
class GenerateMany(Stage):
    """Asks the teacher for several new rows of each row.

    Of equal rows the one with the lowest ordinal stays, whichever arrived first.

    Attributes:
        columns: The columns of a new row, one for each pair of the prompt's tags, in order.
        letter: What the ordinals are called in the lineage: the "c" of `s3/c7`.
        per_row: How many new rows to make of each row.
        together: Whether one request asks for all of them in one reply (`num_samples` in the
            prompt), so that they differ from each other; otherwise each has a request of its own.
        extra_tries: How many further requests a row may cause at most, one for each duplicate or
            malformed reply. Not used if `together`.
        vary: Lists from which each request draws one value (`vary` in the prompt and in the new
            row).
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
    def written_columns(self) -> frozenset[str]:
        own = frozenset(self.columns)
        return own | {"vary"} if self.vary else own

    @property
    def prompt_variables(self) -> frozenset[str]:
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

    A request that did not add a row (a duplicate, or malformed to the last attempt) causes one
    further request, as long as there are further ordinals.
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
        if batch.is_short and self._further:
            self.start(self._further.popleft())


class _Batch:
    """The new rows that one request has to bring: all of a row's if together, otherwise one.

    Attributes:
        is_short: Whether the batch's last row was a duplicate or malformed.
    """

    def __init__(self, stage: GenerateMany, step: Step, ordinal: int) -> None:
        self.is_short = False
        self._stage = stage
        self._step = step
        self._ordinal = ordinal
        rows = stage.per_row if stage.together else 1
        first = (ordinal - 1) * rows + 1
        self._missing = deque(range(first, first + rows))  # the ordinals of rows still to come
        self._varied = {"vary": draw(stage.vary, step.row, ordinal)} if stage.vary else {}
        self._texts: set[str] = set()  # of the replies so far: what a further one repeats

    async def fill(self) -> None:
        """Ask until no row is missing, and drop those that stay missing."""
        try:
            await self._ask()
        except Drop as drop:
            self.is_short = drop.reason == "malformed"
            for ordinal in self._missing:
                self._step.drop(ordinal, drop)

    async def _ask(self) -> None:
        prompt = self._step.prompt
        for attempt in ATTEMPTS:
            reply = await self._step.ask(
                self._values(),
                ordinal=self._ordinal,
                attempt=attempt,
                form=self._stage.reply_form(prompt, records=len(self._missing)),
            )
            self._offer(self._stage.read(prompt, self._step.row, reply).rows)
            if not self._missing:
                return
            refuse_if_truncated(reply)
        raise self._stage.malformed(prompt)

    def _values(self) -> Row:
        """The variables for the prompt beside the row's columns."""
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
            is_added = self._step.offer(ordinal, {**row, **self._varied}, columns)
            self.is_short = not is_added


@dataclass(frozen=True, kw_only=True)
class Given(Stage):
    """Hands out rows that the user brought, in the place of a `GenerateMany`.

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
        return sum(len(rows) for rows in self.rows.values())

    def target_rounds(self, passes: int) -> int:
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


def draw(vary: Mapping[str, Sequence[Any]], row: Row, ordinal: int) -> dict[str, Any]:
    """Draw one value of each list.

    The draw is deterministic and balanced: as many ordinals as a list has values use each of them
    once, in an order that depends on the seed and the list, so that two lists of one length do not
    go in step.

    Args:
        vary: The lists, by name.
        row: The row of which new rows are made; its seed columns decide the order.
        ordinal: Which of the new rows this is, from 1.

    Example:
        >>> lists = {"audience": ["children", "experts", "lawyers"]}
        >>> row = {"seed_question": "What is a hash?"}
        >>> drawn = [draw(lists, row, ordinal)["audience"] for ordinal in (1, 2, 3)]
        >>> sorted(drawn)
        ['children', 'experts', 'lawyers']
    """
    seed_columns = ("seed_context", "seed_question", "seed_response")
    identity = "\x1f".join(str(row.get(column, "")) for column in seed_columns)
    drawn = {}
    for name, values in vary.items():
        block, place = divmod(ordinal - 1, len(values))
        shuffle_seed = hashlib.sha256(f"{identity}\x1f{name}\x1f{block}".encode()).digest()
        order = list(values)
        random.Random(shuffle_seed).shuffle(order)
        drawn[name] = order[place]
    return drawn
