"""Trying a prompt out: the messages that it makes of a row, what the teacher replies, which columns are read from it,
and what a run would ask again because of a change."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, RequestRefused, TeacherError
from sdgkit.journal import FILE, Journal
from sdgkit.method import METHODS
from sdgkit.prompts import Prompt
from sdgkit.stages import GenerateMany, Judge, Stage
from sdgkit.teachers import background
from sdgkit.teachers.teacher import Reply, Request, Teacher

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """What came of one row.

    messages: what was sent. reply: what came back, None if nothing did. pieces: its text in pieces, each with the
    column that was read from it, or "". rows: the columns of each complete record. reason: "" if the reply is good,
    otherwise that for which a run would ask again or drop the row: malformed, truncated, teacher_error, or prompt;
    message: the same in words.
    """

    id: str
    messages: Sequence[Mapping[str, str]] = ()
    reply: Reply | None = None
    pieces: Sequence[tuple[str, str]] = ()
    rows: Sequence[Row] = ()
    reason: str = ""
    message: str = ""


def stage_of(name: str) -> Stage | None:
    """The method's stage of this name, None for a prompt of the user's own."""
    stages = (stage for pipeline in METHODS.values() for stage in pipeline.stages)
    return next((stage for stage in stages if stage.name == name), None)


def method_of(name: str) -> str:
    """The method that the stage belongs to: "grounded" or "freeform"."""
    return next((method for method, pipeline in METHODS.items() if name in pipeline.prompted), "grounded")


def columns_of(prompt: Prompt) -> tuple[str, ...]:
    """The columns that are read from a reply: its stage's; for a prompt of the user's own, after its tags."""
    stage = stage_of(prompt.name)
    if stage is not None:
        return tuple(stage.columns)
    names = (tag.strip("[]<> ").removeprefix("Start of ").lower().replace(" ", "_") for tag in prompt.start_tags)
    return tuple(name or f"column_{number}" for number, name in enumerate(names, 1))


def stand_in(seed: Row, name: str) -> dict[str, Any]:
    """A row on which the prompt of this stage can be tried: the seed, with its own context, question and response where
    an earlier stage would have written them."""
    row = {column: value for column, value in seed.items() if value is not None}
    for stage in takewhile(lambda stage: stage.name != name, METHODS[method_of(name)].stages):
        for column in stage.columns:
            if f"seed_{column}" in row:
                row.setdefault(column, row[f"seed_{column}"])
    own = stage_of(name)
    if isinstance(own, GenerateMany) and own.together:
        row.setdefault("num_samples", own.per_row)
    return row


def try_on(
    prompt: Prompt, rows: Iterable[Row], teacher: Teacher, *, on_trial: Callable[[int, Trial], None] | None = None
) -> list[Trial]:
    """Ask the teacher with this prompt once for each row, all at a time; one `Trial` a row, in order.

    rows: what `stand_in` makes, or the rows of an earlier stage. on_trial: called with place and trial as each comes.
    Raises TeacherError if the teacher cannot be asked at all.
    """
    return background.wait(trials(prompt, list(rows), teacher, on_trial=on_trial))


async def trials(
    prompt: Prompt, rows: Sequence[Row], teacher: Teacher, *, on_trial: Callable[[int, Trial], None] | None = None
) -> list[Trial]:
    """`try_on` on the background loop."""

    async def one(place: int, row: Row) -> Trial:
        trial = await _trial(prompt, row, teacher, str(row.get("id") or f"s{place + 1}"))
        if on_trial is not None:
            on_trial(place, trial)
        return trial

    return list(await asyncio.gather(*(one(place, row) for place, row in enumerate(rows))))


async def _trial(prompt: Prompt, row: Row, teacher: Teacher, id: str) -> Trial:
    values = {name: value for name, value in row.items() if name != "id"}
    try:
        messages = prompt.render(values)
    except PromptError as error:
        return Trial(id, reason="prompt", message=str(error))
    try:
        reply = await teacher.reply(Request(tuple(messages), dict(prompt.sampling)))
    except RequestRefused as error:
        return Trial(id, messages, reason="teacher_error", message=str(error))
    columns, stage, cut_off = columns_of(prompt), stage_of(prompt.name), reply.finish_reason == "length"
    fenced = any(isinstance(text, str) and "```" in text for name, text in values.items() if name.startswith("seed_"))
    rows: Sequence[Row] = prompt.parse(reply.text, columns, cut_off=cut_off, keep_fences=fenced).rows
    pieces = mark(reply.text, rows)
    if isinstance(stage, Judge):
        verdict = stage.verdict(prompt, reply)
        rows = [verdict] if verdict is not None else []
    reason = message = ""
    if cut_off and not rows:
        reason, message = "truncated", f"The reply was cut off after {reply.completion_tokens} tokens."
    elif not rows:
        tags = " and ".join(tag for tag in prompt.start_tags if tag) or "any text"
        reason, message = "malformed", f"The reply does not hold {tags} as it should; a run would ask again."
    return Trial(id, messages, reply, pieces, rows, reason, message)


def mark(text: str, rows: Iterable[Row]) -> list[tuple[str, str]]:
    """The text in pieces: those in which the columns of the rows were read, with their names, and what is between."""
    # Reading takes control characters out: values are looked for in what is left, of which `places` knows the origin.
    places = [at for at, sign in enumerate(text) if sign in "\t\n" or (sign >= " " and sign != "\x7f")]
    left = "".join(text[at] for at in places)
    places.append(len(text))
    pieces, at, end = [], 0, 0
    for row in rows:
        for column, value in row.items():
            found = left.find(str(value), at) if value else -1
            if found < 0:
                continue
            at = found + len(str(value))
            pieces += [(text[end : places[found]], ""), (text[places[found] : places[at - 1] + 1], column)]
            end = places[at - 1] + 1
    pieces.append((text[end:], ""))
    return [piece for piece in pieces if piece[0]]


def asked_again(prompt: Prompt, run_folder: str | Path | None, saved: Prompt | None = None) -> str:
    """What the next run asks again because of this prompt, in a sentence.

    run_folder: the folder in which it goes on; None or a new one if there is none yet, and then `saved`, the prompt as
    it was, tells whether anything has changed.
    """
    folder = Path(run_folder) if run_folder is not None else None
    if folder is None or not (folder / FILE).exists():
        if saved is None or _without_sampling(prompt) == _without_sampling(saved):
            return ""
        return f"A run that goes on asks {prompt.name} again, and every stage after it; earlier replies are used again."
    with closing(Journal(folder, read_only=True)) as journal:
        newest = journal.newest()
        recorded = journal.select("SELECT stage, COUNT(*) AS replies FROM replies GROUP BY stage")
    counts = {row["stage"]: int(row["replies"]) for row in recorded}
    config = newest[1] if newest else {"prompts": {}, "stages": []}
    before = config["prompts"].get(prompt.name)
    if before is None:
        return f"The run in {folder} has no stage {prompt.name}."
    same = _without_sampling(Prompt.from_json(prompt.name, before)) == _without_sampling(prompt)
    if same and (saved is None or prompt.sampling == saved.sampling):
        return f"A run that goes on in {folder} asks nothing again because of this prompt."
    names = [stage["name"] for stage in config["stages"]]
    after = [name for name in names[names.index(prompt.name) :] if counts.get(name)]
    lost = sum(counts[name] for name in after)
    return (
        f"A run that goes on in {folder} asks {prompt.name} and what follows again: {lost:,} of its "
        f"{sum(counts.values()):,} recorded replies are of no more use."
    )


def _without_sampling(prompt: Prompt) -> Prompt:
    """Without the sampling settings, which a run's own may have been put over."""
    return replace(prompt, sampling={})


def abilities(teacher: Teacher) -> list[tuple[str, str]]:
    """What the server can do, found out by asking it: (what, answer).

    It costs about five short requests. Raises TeacherError if nobody answers.
    """
    return background.wait(_abilities(teacher))


async def _abilities(teacher: Teacher) -> list[tuple[str, str]]:
    hello = Request(({"role": "user", "content": "Name a colour and a city."},), {"temperature": 1.0, "max_tokens": 40})
    one, other = await asyncio.gather(teacher.reply(hello), teacher.reply(hello))
    try:
        way = await teacher.way_to_force(hello)
    except TeacherError:
        way = None
    return [
        ("repeats a reply for the same sampling seed", "yes" if one.text == other.text else "no"),
        ("enforces the form of a reply", f"yes ({way})" if way else "no; malformed replies are asked again"),
        ("counts tokens", "yes" if one.prompt_tokens and one.completion_tokens else "no"),
        ("shows its reasoning apart", "yes" if one.reasoning else "no"),
    ]
