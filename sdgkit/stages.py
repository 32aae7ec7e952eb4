"""The kinds of stage: what happens to one row.

A stage is a frozen dataclass with a name. Most kinds turn one row into one row (`change`); `GenerateMany` and `Given`
make several rows of one (`spread`). A row is a plain dictionary of columns. What must not go on is dropped, with a
reason.

A stage of your own is a subclass with a `change` method, or just a function given to `Check`:

    class Shout(Stage):
        async def change(self, step):
            return {**step.row, "response": step.row["response"].upper()}
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from sdgkit import fingerprint
from sdgkit.errors import SettingsError
from sdgkit.prompts import Prompt, read_score
from sdgkit.prompts.structured_output import Form
from sdgkit.samples import Row, normalized
from sdgkit.seeds import row_key
from sdgkit.teachers.teacher import Reply

if TYPE_CHECKING:
    from sdgkit.stream.row import Step

T = TypeVar("T")
ASK_AGAIN = 3  # times that a malformed reply is asked again
AGAIN_TEMPERATURE = 0.3  # at least, when asking again: a greedy model would repeat itself


class Drop(Exception):
    """The row leaves the stream. reason: score, duplicate, malformed, truncated, teacher_error or a check's name.
    reply: the raw text that tells why; by default the newest reply in the row's history."""

    def __init__(self, reason: str, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reason, self.message, self.reply = reason, message, reply


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One station of the method. name: unique in its pipeline, and the name of its prompt's file."""

    name: str
    columns: ClassVar[Sequence[str]] = ()
    many: ClassVar[bool] = False
    role: ClassVar[Literal["teacher", "judge"] | None] = None  # whom it asks

    async def change(self, step: "Step") -> dict[str, Any]:
        """The row as it goes on. Raises Drop if it does not."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a `change` method, which says what it does"
        )

    async def _ask(
        self,
        step: "Step",
        read: Callable[[Reply], T | None],
        values: Row | None = None,
        ordinal: int = 1,
    ) -> T:
        """What `read` finds in the teacher's reply, which is asked again as long as it finds nothing. Raises Drop."""
        prompt, scale = step.prompt, getattr(self, "scale", ())
        for attempt in range(1, ASK_AGAIN + 2):
            form = Form.of(
                prompt, self.columns, records=(values or {}).get("num_samples", 1), scale=scale
            )
            reply = await step.ask(values, ordinal=ordinal, attempt=attempt, form=form)
            if found := read(reply):
                return found
            refuse_if_truncated(reply)
        pairs = zip(prompt.start_tags, prompt.end_tags, strict=True)
        wanted = " and ".join(f"{start} … {end}" for start, end in pairs if start) or "any text"
        scores = f" with a score of {', '.join(f'{score:g}' for score in scale)}" if scale else ""
        raise Drop(
            "malformed", f"Asked {ASK_AGAIN + 1} times, the reply never held {wanted}{scores}."
        )

    def _of(self, row: Row, column: str) -> Any:
        """The row's value in a column. Raises SettingsError if it has no such column."""
        if column not in row:
            there = f"there are {', '.join(row)}. Run the stage that writes it before this one."
            raise SettingsError(f"{self.name} needs the column {column!r}; {there}")
        return row[column]

    def describe(self) -> dict[str, Any]:
        """What the stage does, as JSON values; a change of it is a change of the run."""
        return fingerprint.as_json(self, [])


@dataclass(frozen=True, kw_only=True)
class Generate(Stage):
    """Asks the teacher once a row and adds the columns that the prompt's tags mark."""

    columns: Sequence[str] = ("response",)  # type: ignore[misc]
    role: ClassVar[Literal["teacher", "judge"] | None] = "teacher"

    async def change(self, step: "Step") -> dict[str, Any]:
        rows = await self._ask(step, lambda reply: _read(step, reply, self.columns))
        return {**step.row, **rows[0]}


@dataclass(frozen=True, kw_only=True)
class GenerateMany(Stage):
    """Makes `per_row` new rows of each row, alike or each by a request of its own.

    per_row: how many. together: one request asks for all of them in one reply (`num_samples` in the prompt), so that
    they differ from each other. letter: what their ordinals are called in the lineage ("c7"). extra_tries: further
    requests at most, one for each duplicate or malformed one (only if not together). vary: lists from which each row
    draws its `vary` values. Of equal rows the lowest ordinal stays, whichever arrived first.
    """

    columns: Sequence[str] = ("context",)  # type: ignore[misc]
    letter: str = "c"
    per_row: int = 10
    together: bool = False
    extra_tries: int = 0
    vary: Mapping[str, Sequence[Any]] | None = None
    many: ClassVar[bool] = True
    role: ClassVar[Literal["teacher", "judge"] | None] = "teacher"

    def spread(self, step: "Step", round_: int | None = None) -> None:
        """Start the requests for one row: all of them, or the one of this round (rounds count from 1)."""
        last = 1 if self.together else self.per_row
        tries = 0 if self.together or round_ is not None else self.extra_tries
        further = iter(range(last + 1, last + tries + 1))
        for ordinal in range(1, last + 1) if round_ is None else [round_]:
            step.stream.start(step.branch(), self._request, ordinal, further)

    async def _request(self, step: "Step", ordinal: int, further: Iterator[int]) -> None:
        """One request, for as many rows as it has to bring; then the next of the further ones if that brought none."""
        width = self.per_row if self.together else 1
        missing = list(range((ordinal - 1) * width + 1, ordinal * width + 1))
        lost = False
        varied = {"vary": draw(self.vary, step.row, ordinal)} if self.vary else {}
        values: dict[str, Any] = {**varied, "num_samples": width} if self.together else varied
        known: set[str] = (
            set()
        )  # what the replies held so far: repeated by a further one, it is no news

        def take(reply: Reply) -> bool:
            nonlocal lost
            rows = [
                row
                for row in _read(step, reply, self.columns)
                if normalized(row, self.columns) not in known
            ]
            for row in rows[: len(missing)]:
                known.add(normalized(row, self.columns))
                lost = not step.offer(missing.pop(0), {**row, **varied}, self.columns)
            if self.together:
                values["num_samples"] = len(missing)
            return not missing

        try:
            await self._ask(step, take, values, ordinal)
        except Drop as drop:
            lost = drop.reason == "malformed"
            for number in missing:
                step.drop(number, drop)
        if lost and (again := next(further, None)) is not None:
            step.stream.start(step.parent.branch(), self._request, again, further)


@dataclass(frozen=True, kw_only=True)
class Given(Stage):
    """Hands out what the user brought, in the place of a `GenerateMany`: equal ones once only, the first of them.

    rows: for each seed (by its `row_key`), the ordinals and columns that are its.
    """

    columns: Sequence[str] = ("context",)  # type: ignore[misc]
    letter: str = "x"
    rows: Mapping[str, Sequence[tuple[int, Row]]]
    many: ClassVar[bool] = True

    def spread(self, step: "Step", round_: int | None = None) -> None:
        mine = self.rows.get(row_key(step.row), ())
        for ordinal, columns in mine if round_ is None else mine[round_ - 1 : round_]:
            step.offer(ordinal, columns, self.columns)


@dataclass(frozen=True, kw_only=True)
class Judge(Stage):
    """Asks the judge about the row: its words in `evaluation`, a number of the scale in `score`."""

    scale: Sequence[float] = (0.0, 1.0)
    columns: ClassVar[Sequence[str]] = ("evaluation", "score")
    role: ClassVar[Literal["teacher", "judge"] | None] = "judge"

    async def change(self, step: "Step") -> dict[str, Any]:
        judged = await self._ask(step, lambda reply: self.verdict(step.prompt, reply))
        return {**step.row, **judged}

    def read(self, text: str) -> float | None:
        """The number that stands for the judge's score; None unless it is certain and on the scale."""
        return read_score(text, self.scale)

    def verdict(self, prompt: Prompt, reply: Reply) -> dict[str, Any] | None:
        """The evaluation and score in a reply; None unless there is one score, certain and on the scale."""
        rows, stray = prompt.parse(
            reply.text, self.columns, cut_off=reply.finish_reason == "length"
        )
        scores: set[Any] = {self.read(row["score"]) for row in rows}
        if (
            stray or len(scores) != 1 or None in scores
        ):  # another score, or half of one, may be the sample's own
            return None
        return {"evaluation": rows[0]["evaluation"], "score": float(scores.pop())}


@dataclass(frozen=True, kw_only=True)
class Keep(Stage):
    """Lets on the rows whose number in `column` is equal to, or at least, `value`; then takes the `remove` columns
    off."""

    column: str = "score"
    equals: float | None = None
    at_least: float | None = None
    remove: Sequence[str] = ()

    async def change(self, step: "Step") -> dict[str, Any]:
        value = self._of(step.row, self.column)
        if not self.lets_on(value):
            rule = (
                f"exactly {self.equals:g}"
                if self.equals is not None
                else f"{self.at_least:g} or more"
            )
            words = step.last_reply() or str(step.row.get("evaluation", ""))
            raise Drop("score", f"The judge gave {value:g}; {rule} is kept.", words)
        return {name: value for name, value in step.row.items() if name not in self.remove}

    def lets_on(self, value: float) -> bool:
        """Whether a row with this number goes on."""
        return value == self.equals if self.equals is not None else value >= (self.at_least or 0.0)


@dataclass(frozen=True, kw_only=True)
class Check(Stage):
    """Lets on the rows for which a Python function of the row (async or not) returns something true, or None.

    False drops the row; so does a text, which then says why. The stage's name is the reason.
    """

    function: Callable[[Row], Any]

    async def change(self, step: "Step") -> dict[str, Any]:
        verdict = self.function(dict(step.row))
        if isinstance(verdict, Awaitable):
            verdict = await verdict
        if verdict is None or (verdict and not isinstance(verdict, str)):
            return dict(step.row)
        raise Drop(self.name, verdict or f"The check {self.name} says no.")


@dataclass(frozen=True, kw_only=True)
class Combine(Stage):
    """Writes the texts of several columns, joined, into one."""

    column: str = "question"
    parts: Sequence[str] = ("context", "question")
    separator: str = "\n\n"

    async def change(self, step: "Step") -> dict[str, Any]:
        texts = [str(self._of(step.row, part)) for part in self.parts]
        return {**step.row, self.column: self.separator.join(texts)}


def refuse_if_truncated(reply: Reply) -> None:
    """Raises Drop if the reply was cut off at max_tokens: asking again would give the same, at the same price."""
    if reply.finish_reason == "length":
        cut = f"The reply was cut off after {reply.completion_tokens} tokens. Raise max_tokens, or ask for"
        raise Drop(
            "truncated", f"{cut} less text or less thinking (extra_body: chat_template_kwargs)."
        )


def draw(vary: Mapping[str, Sequence[Any]], row: Row, ordinal: int) -> dict[str, Any]:
    """One value of each list for the row's ordinal-th context.

    Deterministic, and balanced: as many ordinals as a list has values use each of them once, in an order of the seed's
    own, so that two lists of one length do not go in step.
    """
    drawn = {}
    identity = "\x1f".join(
        str(row.get(column, "")) for column in ("seed_context", "seed_question", "seed_response")
    )
    for name, values in vary.items():
        block, place = divmod(ordinal - 1, len(values))
        order = list(values)
        random.Random(hashlib.sha256(f"{identity}\x1f{name}\x1f{block}".encode()).digest()).shuffle(
            order
        )
        drawn[name] = order[place]
    return drawn


def _read(step: "Step", reply: Reply, columns: Sequence[str]) -> list[dict[str, str]]:
    """The complete records in a reply; a code fence stays on if the seed has one."""
    fenced = any(
        isinstance(v, str) and "```" in v
        for name, v in step.row.items()
        if name.startswith("seed_")
    )
    return step.prompt.parse(
        reply.text, columns, cut_off=reply.finish_reason == "length", keep_fences=fenced
    ).rows


# Describing -----------------------------------------------------------------------------------------------------------
