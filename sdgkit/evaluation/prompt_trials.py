"""Trying a prompt: the messages that it makes of a row, the reply, and what is read from it.

A reply is read by the stage itself, exactly as in a run.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sdgkit.errors import PromptError, RequestRefused, RequestWithheld
from sdgkit.evaluation.method_stages import find_stage
from sdgkit.keywords import known_keywords
from sdgkit.prompts import Prompt
from sdgkit.samples import Row, without_id
from sdgkit.stages import LOOP, Drop, Generate, Stage, is_loop, refuse_if_final, why_unanswered
from sdgkit.teachers import background
from sdgkit.teachers.exchange import Reply, Request
from sdgkit.teachers.source import TeacherSource, teacher_of
from sdgkit.teachers.teacher import Teacher


class Piece(NamedTuple):
    """A piece of a reply's text.

    Attributes:
        text: The text.
        column: The column that was read from it; "" for what was not read.
    """

    text: str
    column: str


@dataclass(frozen=True)
class Trial:
    """What a prompt and the teacher made of one row.

    Attributes:
        id: The row's id.
        messages: What was sent.
        reply: What came back; None if nothing did.
        pieces: The text of the reply, in pieces.
        rows: The columns of each complete record in the reply.
        reason: "" if the reply is good. Otherwise why a run would ask again or drop the row:
            `malformed`, `no_answer`, `loop`, `truncated`, `refused`, `teacher_error`, or
            `prompt` if the prompt cannot be rendered.
        message: The same in a sentence.
    """

    id: str
    messages: Sequence[dict[str, str]] = ()
    reply: Reply | None = None
    pieces: Sequence[Piece] = ()
    rows: Sequence[Row] = ()
    reason: str = ""
    message: str = ""


@known_keywords
def try_on(prompt: Prompt, rows: Iterable[Row], teacher: TeacherSource) -> list[Trial]:
    """Send a prompt to the teacher once for each row, all at the same time.

    Args:
        prompt: The prompt. Its name says which stage reads the replies.
        rows: Rows of the stage before, or seeds as `stand_in` completes them.
        teacher: The teacher.

    Returns:
        One trial for each row, in order.

    Raises:
        TeacherError: If the teacher cannot be asked at all.

    Example:
        >>> import sdgkit as sk
        >>> prompt = sk.load_prompt(sk.shipped("prompts") / "freeform" / "gen_responses.yaml")
        >>> row = {
        ...     "task_description": "Answer in one word.",
        ...     "seed_question": "The capital of Italy?",
        ...     "seed_response": "Rome.",
        ...     "question": "The capital of Spain?",
        ... }
        >>> with sk.connect("rehearsal") as teacher:
        ...     [trial] = sk.try_on(prompt, [row], teacher)
        >>> trial.reason, list(trial.rows[0])
        ('', ['response'])
    """
    return background.wait(trials(prompt, list(rows), teacher_of(teacher), _ignore_trial))


async def trials(
    prompt: Prompt, rows: Sequence[Row], teacher: Teacher, on_trial: Callable[[int, Trial], None]
) -> list[Trial]:
    """Do what `try_on` does, on the background loop.

    Args:
        prompt: The prompt.
        rows: The rows.
        teacher: The teacher.
        on_trial: Called with the place of the row, from 0, and its trial, as each is ready.
    """

    async def try_at(place: int, row: Row) -> Trial:
        row_id = str(row.get("id") or f"s{place + 1}")
        trial = await _try_row(prompt, row, teacher, row_id)
        on_trial(place, trial)
        return trial

    return list(await asyncio.gather(*(try_at(place, row) for place, row in enumerate(rows))))


async def _try_row(prompt: Prompt, row: Row, teacher: Teacher, row_id: str) -> Trial:
    """The trial of one row."""
    trial = Trial(row_id)
    columns = without_id(row)
    try:
        trial = replace(trial, messages=prompt.render(columns))
        reply = await teacher.reply(Request(tuple(trial.messages), dict(prompt.sampling)))
        return _read_reply(trial, reply, prompt, row)
    except PromptError as error:
        return replace(trial, reason="prompt", message=str(error))
    except RequestWithheld as error:
        return replace(trial, reason="refused", message=str(error))
    except RequestRefused as error:
        return replace(trial, reason="teacher_error", message=str(error))


def _read_reply(trial: Trial, reply: Reply, prompt: Prompt, row: Row) -> Trial:
    """The trial with its reply, read as the prompt's stage reads it."""
    reading = _stage_of(prompt).read(prompt, row, reply)
    pieces = mark_columns(reply.text, reading.texts)
    trial = replace(trial, reply=reply, pieces=pieces, rows=reading.rows)
    if trial.rows:
        return trial
    try:
        refuse_if_final(reply)
    except Drop as drop:
        return replace(trial, reason=drop.reason, message=drop.message)
    if is_loop(reply):
        message = "The model repeats itself until max_tokens cuts it off; a run would ask again."
        return replace(trial, reason=LOOP, message=message)
    why = why_unanswered(reply, reading)
    if why:
        message = f"The reply holds no answer: {why}; a run would ask again."
        return replace(trial, reason="no_answer", message=message)
    tags = " and ".join(tag for tag in prompt.start_tags if tag) or "any text"
    message = f"The reply does not contain {tags} in the expected form; a run would ask again."
    return replace(trial, reason="malformed", message=message)


def _stage_of(prompt: Prompt) -> Stage:
    """The stage that reads the prompt's replies; for an unknown prompt, a column for each tag."""
    stage = find_stage(prompt.name)
    if stage is not None:
        return stage
    columns = [tag or "reply" for tag in prompt.start_tags]
    return Generate(name=prompt.name, columns=columns)


def mark_columns(text: str, records: Iterable[Mapping[str, str]]) -> list[Piece]:
    """A text in pieces: those from which columns were read, and what is between them.

    Args:
        text: The text of a reply.
        records: The records that were read from it, by column, in order.

    Example:
        >>> mark_columns("Q: Why?", [{"question": "Why?"}])
        [Piece(text='Q: ', column=''), Piece(text='Why?', column='question')]
    """
    pieces: list[Piece] = []
    end = 0
    for record in records:
        for column, value in record.items():
            start = -1
            if value:
                start = text.find(value, end)
            if start >= 0:
                pieces.append(Piece(text[end:start], ""))
                pieces.append(Piece(value, column))
                end = start + len(value)
    pieces.append(Piece(text[end:], ""))
    kept_pieces = []
    for piece in pieces:
        if piece.text:
            kept_pieces.append(piece)
    return kept_pieces


def _ignore_trial(place: int, trial: Trial) -> None:
    """Ignore the trials as they come in."""
