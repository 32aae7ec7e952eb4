"""The kinds of stage: what happens to one row.

A stage is a frozen dataclass with a name. Most kinds turn one row into one row (`change`); `GenerateMany` and `Given`
make several rows of one (`spread`). A row is a plain dictionary of columns. What must not go on is dropped, with a
reason.

A stage of your own is a subclass with a `change` method, or just a function given to `Check`:

    class Shout(Stage):
        async def change(self, step):
            return {**step.row, "response": step.row["response"].upper()}
"""

import functools
import hashlib
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from sdgkit.errors import RunStopped, SettingsError
from sdgkit.prompts import Prompt, read_score
from sdgkit.seeds import row_key
from sdgkit.structure import Form
from sdgkit.teachers.teacher import Reply

Row = Mapping[str, Any]
T = TypeVar("T")
ASK_AGAIN = 3  # times that a malformed reply is asked again
AGAIN_TEMPERATURE = 0.3  # at least, when asking again: a greedy model would repeat itself


class Drop(Exception):
    """The row leaves the stream. reason: score, duplicate, malformed, truncated, teacher_error or a check's name."""

    def __init__(self, reason: str, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reason, self.message, self.reply = reason, message, reply


class Step(Protocol):
    """One row in one stage: what a stage works with. The pipeline makes it."""

    row: Row
    seen: dict[str, int]

    @property
    def prompt(self) -> Prompt:
        """The stage's prompt."""

    async def ask(
        self, values: Row | None = None, *, ordinal: int = 1, attempt: int = 1, form: Form | None = None
    ) -> Reply:
        """The teacher's reply to the stage's prompt, rendered with the row and these further values.

        Recorded in the journal before it is returned, and taken from there if it was asked before. ordinal: which of
        the n this is for its row; attempt: 1, or higher when a malformed reply is asked again. form: what the
        reply must look like, for a server that can be held to it. Raises Drop ("teacher_error").
        """

    def branch(self) -> "Step":
        """The same row with a history of its own, for one of several requests that lead to different rows."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let this go on beside the caller; the row is not finished before it is."""

    def out(self, ordinal: int, columns: Row) -> None:
        """Send on a new row: this row with these columns added."""

    def drop(self, ordinal: int, drop: Drop) -> None:
        """Record that the row of this ordinal never came to be, or is no more."""

    def withdraw(self, ordinal: int) -> None:
        """Take back the row of this ordinal and all that came of it."""

    def last_reply(self) -> str:
        """The raw text of the newest reply in this row's history, "" if there is none."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One station of the method. name: unique in its pipeline, and the name of its prompt's file."""

    name: str
    columns: ClassVar[Sequence[str]] = ()
    many: ClassVar[bool] = False
    role: ClassVar[Literal["teacher", "judge"] | None] = None  # whom it asks

    async def change(self, step: Step) -> dict[str, Any]:
        """The row as it goes on. Raises Drop if it does not."""
        raise RunStopped(f"The stage {self.name} says nowhere what it does: give its class a `change` method.")

    def describe(self) -> dict[str, Any]:
        """What the stage does, as JSON values; a change of it is a change of the run."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        users = [kind for kind in type(self).__mro__ if kind.__module__ not in (__name__, "builtins")]
        code = [part for kind in users for name, part in vars(kind).items() if name[:2] != "__" and callable(part)]
        values |= {"code": code} if code else {}  # a stage of the user's own: its code decides the rows as well
        return {"kind": type(self).__name__, **{name: _as_json(value) for name, value in values.items()}}


@dataclass(frozen=True, kw_only=True)
class Generate(Stage):
    """Asks the teacher once a row and adds the columns that the prompt's tags mark."""

    columns: Sequence[str] = ("response",)  # type: ignore[misc]
    role: ClassVar[Literal["teacher", "judge"] | None] = "teacher"

    async def change(self, step: Step) -> dict[str, Any]:
        rows = await _ask(step, Form.of(step.prompt, self.columns), lambda reply: _read(step, reply, self.columns))
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

    def spread(self, step: Step, round_: int | None = None) -> None:
        """Start the requests for one row: all of them, or the one of this round (rounds count from 1)."""
        if self.together:
            step.start(self._all_in_one(step, 1 if round_ is None else round_))
        elif round_ is not None:
            step.start(self._one(step, round_, None))
        else:
            asked = _Asked(self.per_row, self.per_row + self.extra_tries)
            for ordinal in range(1, self.per_row + 1):
                step.start(self._one(step, ordinal, asked))

    async def _one(self, step: Step, ordinal: int, asked: "_Asked | None") -> None:
        step, values = step.branch(), self._vary(step.row, ordinal)
        form = Form.of(step.prompt, self.columns)
        try:
            rows = await _ask(step, form, lambda reply: _read(step, reply, self.columns), values, ordinal)
            lost = not self._offer(step, ordinal, {**rows[0], **values})
        except Drop as drop:
            lost = drop.reason == "malformed"
            step.drop(ordinal, drop)
        if lost and asked is not None and asked.last < asked.limit:
            asked.last += 1
            step.start(self._one(step, asked.last, asked))

    async def _all_in_one(self, step: Step, round_: int) -> None:
        first = (round_ - 1) * self.per_row + 1
        missing = list(range(first, first + self.per_row))
        step, values = step.branch(), self._vary(step.row, round_)
        here: set[str] = set()  # what this round's replies held so far: repeated by a second reply, it is no news
        try:
            for attempt in range(1, ASK_AGAIN + 2):
                wanted = {"num_samples": len(missing), **values}
                form = Form.of(step.prompt, self.columns, records=len(missing))
                reply = await step.ask(wanted, ordinal=round_, attempt=attempt, form=form)
                before = set(here)
                for row in _read(step, reply, self.columns):
                    text = _plain(row)
                    if missing and text not in before:
                        here.add(text)
                        self._offer(step, missing.pop(0), {**row, **values})
                if not missing:
                    return
                refuse_if_truncated(reply)
            raise malformed(step.prompt, reply)
        except Drop as drop:
            for ordinal in missing:
                step.drop(ordinal, drop)

    def _offer(self, step: Step, ordinal: int, columns: dict[str, Any]) -> bool:
        """Send the row on unless it is a duplicate. True if the set has grown by it."""
        text = _plain({name: columns[name] for name in self.columns})
        holder = step.seen.get(text)
        if holder is None:
            step.seen[text] = ordinal
            step.out(ordinal, columns)
            return True
        later = max(holder, ordinal)
        if later == holder:  # a later one was on its way: the earlier takes its place, by the same recorded replies
            step.withdraw(holder)
            step.seen[text] = ordinal
        what = " and ".join(self.columns)
        step.drop(later, Drop("duplicate", f"The same {what} as an earlier one of the same row."))
        if later == holder:
            step.out(ordinal, columns)
        return False

    def _vary(self, row: Row, ordinal: int) -> dict[str, Any]:
        return {"vary": draw(self.vary, row, ordinal)} if self.vary else {}


@dataclass
class _Asked:
    """How far the ordinals of one row have come, and how far they may go."""

    last: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class Given(Stage):
    """Hands out what the user brought, in the place of a `GenerateMany`: equal ones once only, the first of them.

    rows: for each seed (by its `row_key`), the ordinals and columns that are its.
    """

    columns: Sequence[str] = ("context",)  # type: ignore[misc]
    letter: str = "x"
    rows: Mapping[str, Sequence[tuple[int, Row]]]
    many: ClassVar[bool] = True

    def spread(self, step: Step, round_: int | None = None) -> None:
        mine = self.rows.get(row_key(step.row), ())
        for ordinal, columns in mine if round_ is None else mine[round_ - 1 : round_]:
            text = _plain({name: columns[name] for name in self.columns})
            if step.seen.setdefault(text, ordinal) == ordinal:
                step.out(ordinal, columns)
            else:
                step.drop(ordinal, Drop("duplicate", f"The same {self.columns[0]} stands earlier in your file."))


@dataclass(frozen=True, kw_only=True)
class Judge(Stage):
    """Asks the judge about the row: its words in `evaluation`, a number of the scale in `score`."""

    scale: Sequence[float] = (0.0, 1.0)
    columns: ClassVar[Sequence[str]] = ("evaluation", "score")
    role: ClassVar[Literal["teacher", "judge"] | None] = "judge"

    async def change(self, step: Step) -> dict[str, Any]:
        form = Form.of(step.prompt, self.columns, scale=self.scale)
        wanted = f" with a score of {', '.join(f'{score:g}' for score in self.scale)}"
        return {**step.row, **await _ask(step, form, lambda reply: self.verdict(step.prompt, reply), wanted=wanted)}

    def read(self, text: str) -> float | None:
        """The number that stands for the judge's score; None unless it is certain and on the scale."""
        return read_score(text, self.scale)

    def verdict(self, prompt: Prompt, reply: Reply) -> dict[str, Any] | None:
        """The evaluation and score in a reply; None unless there is one score, certain and on the scale."""
        cut_off = reply.finish_reason == "length"
        rows, stray = prompt.parse(reply.text, self.columns, cut_off=cut_off)
        scores = {self.read(row["score"]) for row in rows}
        score = scores.pop() if len(scores) == 1 else None
        if score is None or stray:  # a second score, or half of one, may be quoted from the sample: not certain
            return None
        return {"evaluation": rows[0]["evaluation"], "score": float(score)}


@dataclass(frozen=True, kw_only=True)
class Keep(Stage):
    """Lets on the rows whose number in `column` is equal to, or at least, `value`; then takes the `remove` columns
    off."""

    column: str = "score"
    equals: float | None = None
    at_least: float | None = None
    remove: Sequence[str] = ()

    async def change(self, step: Step) -> dict[str, Any]:
        if self.column not in step.row:
            raise SettingsError(f"{self.name} needs the column {self.column!r}: run the judging stage before it.")
        value = step.row[self.column]
        if not self.lets_on(value):
            rule = f"exactly {self.equals:g}" if self.equals is not None else f"{self.at_least:g} or more"
            words = step.last_reply() or str(step.row.get("evaluation", ""))
            raise Drop("score", f"The judge gave {value:g}; {rule} is kept.", words)
        return {name: value for name, value in step.row.items() if name not in self.remove}

    def lets_on(self, value: float) -> bool:
        """Whether a row with this number goes on."""
        return value == self.equals if self.equals is not None else value >= (self.at_least or 0.0)


@dataclass(frozen=True, kw_only=True)
class Check(Stage):
    """Lets on the rows for which a Python function of the row returns something true, or None.

    False drops the row; so does a text, which then says why. The stage's name is the reason.
    """

    function: Callable[[Row], Any]

    async def change(self, step: Step) -> dict[str, Any]:
        verdict = self.function(dict(step.row))
        if isinstance(verdict, Coroutine):
            verdict.close()
            raise RunStopped(f"The function of the check {self.name} is async. Make it a plain one.")
        if verdict is None or (verdict and not isinstance(verdict, str)):
            return dict(step.row)
        raise Drop(self.name, str(verdict or f"The check {self.name} says no."), step.last_reply())


@dataclass(frozen=True, kw_only=True)
class Combine(Stage):
    """Writes the texts of several columns, joined, into one."""

    column: str = "question"
    parts: Sequence[str] = ("context", "question")
    separator: str = "\n\n"

    async def change(self, step: Step) -> dict[str, Any]:
        missing = [part for part in self.parts if part not in step.row]
        if missing:
            raise SettingsError(f"{self.name} needs the column {missing[0]!r}. There are {', '.join(step.row)}.")
        return {**step.row, self.column: self.separator.join(str(step.row[part]) for part in self.parts)}


def draw(vary: Mapping[str, Sequence[Any]], row: Row, ordinal: int) -> dict[str, Any]:
    """One value of each list for the row's ordinal-th context.

    Deterministic, and balanced: as many ordinals as a list has values use each of them once, in an order of the seed's
    own, so that two lists of one length do not go in step.
    """
    drawn = {}
    for name, values in vary.items():
        block, place = divmod(ordinal - 1, len(values))
        order = list(values)
        identity = "\x1f".join(
            str(row.get(column, "")) for column in ("seed_context", "seed_question", "seed_response")
        )
        random.Random(hashlib.sha256(f"{identity}\x1f{name}\x1f{block}".encode()).digest()).shuffle(order)
        drawn[name] = order[place]
    return drawn


async def _ask(
    step: Step,
    form: Form | None,
    read: Callable[[Reply], T | None],
    values: Row | None = None,
    ordinal: int = 1,
    wanted: str = "",
) -> T:
    """What `read` finds in the teacher's reply, which is asked again as long as it finds nothing. Raises Drop."""
    for attempt in range(1, ASK_AGAIN + 2):
        reply = await step.ask(values, ordinal=ordinal, attempt=attempt, form=form)
        if found := read(reply):
            return found
        refuse_if_truncated(reply)
    raise malformed(step.prompt, reply, wanted)


def refuse_if_truncated(reply: Reply) -> None:
    """Raises Drop if the reply was cut off at max_tokens: asking again would give the same, at the same price."""
    if reply.finish_reason != "length":
        return
    words = f"The reply was cut off after {reply.completion_tokens} tokens. Raise max_tokens, or ask for less."
    if is_thinking(reply):
        words = (
            f"The model was still thinking when it was cut off after {reply.completion_tokens} tokens. Raise "
            "max_tokens, or have it think less (sampling extra_body: chat_template_kwargs; see the model's card)."
        )
    raise Drop("truncated", words, reply.text)


def is_thinking(reply: Reply) -> bool:
    """Whether a reply ends in the model's reasoning, before it has begun."""
    if reply.text.strip():
        return reply.text.lstrip().startswith("<think>") and "</think>" not in reply.text
    return bool(reply.reasoning)


def malformed(prompt: Prompt, reply: Reply, more: str = "") -> Drop:
    """The Drop for a reply that did not hold what the prompt's tags ask for, however often it was asked."""
    tags = " and ".join(
        f"{start} … {end}" for start, end in zip(prompt.start_tags, prompt.end_tags, strict=True) if start
    )
    wanted = tags or "any text"
    return Drop("malformed", f"Asked {ASK_AGAIN + 1} times, the reply never held {wanted}{more}.", reply.text)


def _read(step: Step, reply: Reply, columns: Sequence[str]) -> list[dict[str, str]]:
    """The complete records in a reply; a code fence stays on if the seed has one."""
    fenced = any(isinstance(v, str) and "```" in v for name, v in step.row.items() if name.startswith("seed_"))
    return step.prompt.parse(reply.text, columns, cut_off=reply.finish_reason == "length", keep_fences=fenced).rows


def _plain(columns: Row) -> str:
    """What counts as equal: the same texts, whatever their white space."""
    return "\x1f".join(" ".join(str(text).split()) for text in columns.values())


def _as_json(value: Any, above: tuple[Any, ...] = ()) -> Any:
    """A stage's setting as JSON values that are equal in another process if the setting is."""
    if isinstance(value, Mapping):
        return {str(name): _as_json(entry, above) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(entry, above) for entry in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, FunctionType) and value not in above:
        return hashlib.sha256(repr(_code(value, (*above, value))).encode()).hexdigest()[:16]
    if isinstance(value, FunctionType | ModuleType | type):
        return value.__name__
    if isinstance(value, MethodType):
        return [_as_json(value.__func__, above), _as_json(value.__self__, above)]
    if isinstance(value, functools.partial):
        return _as_json([value.func, value.args, value.keywords], above)
    if is_dataclass(value) or (callable(value) and hasattr(value, "__dict__")):  # an object that is called
        own = callable(value) and not type(value).__module__.startswith("sdgkit.")
        named = {"kind": type(value).__name__, **vars(value), **({"call": type(value).__call__} if own else {})}
        return _as_json(named, above)
    return value if value is None or isinstance(value, str | int | float) else repr(value)


def _code(function: FunctionType, above: tuple[Any, ...]) -> list[Any]:
    """What a function does: its byte code, and the values and functions of its own module that it refers to."""
    codes = [function.__code__]
    consts: list[Any] = []
    names: list[str] = []
    for code in codes:
        inner = [const for const in code.co_consts if isinstance(const, CodeType)]
        consts += [code.co_code, *(_as_json(const) for const in code.co_consts if const not in inner)]
        names += code.co_names
        codes += inner
    outside = {name: function.__globals__[name] for name in names if name in function.__globals__}
    outside |= {f"{at}": cell.cell_contents for at, cell in enumerate(function.__closure__ or ())}
    for name, value in outside.items():
        if isinstance(value, FunctionType) and value.__module__ != function.__module__:
            outside[name] = f"{value.__module__}.{value.__qualname__}"
    return [consts, names, _as_json([outside, function.__defaults__, function.__kwdefaults__], above)]
