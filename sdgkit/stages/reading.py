"""What a stage reads in a reply."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdgkit.prompts.thinking import has_thought_marks
from sdgkit.samples import Row
from sdgkit.stages.loops import LOOP, is_loop
from sdgkit.stages.step import Drop
from sdgkit.teachers.endings import Ending
from sdgkit.teachers.teacher import Reply

LOOP_QUOTED = 80  # characters of a loop


@dataclass(frozen=True)
class Reading:
    """What a stage reads in one reply.

    Attributes:
        texts: The complete records in the reply: the text of each column, as it is there.
        rows: The columns that the stage makes of the records. Empty for a malformed reply, which a
            run requests again.
        is_thought_only: Whether the model thought and gave no answer.
    """

    texts: Sequence[Mapping[str, str]]
    rows: Sequence[Row]

    is_thought_only: bool = False


def is_truncated(reply: Reply) -> bool:
    """Whether the reply was cut off at a limit of tokens."""
    return reply.ending is Ending.TRUNCATED


def can_be_read(reply: Reply) -> bool:
    """Whether values may be read in a reply.

    They may in one that ended in its own way and, as far as they have their end tags, in one that
    was cut off at a limit of tokens or whose server does not say how it ended.
    """
    return reply.ending in (Ending.NATURAL, Ending.TRUNCATED, Ending.UNSAID)


def is_end_unsaid(reply: Reply) -> bool:
    """Whether the server does not say how the reply ended."""
    return reply.ending is Ending.UNSAID


def refuse_if_final(reply: Reply) -> None:
    """Drop the row if asking again would give the same, at the same price.

    A reply that was cut off in a loop is not final: other settings may end the loop.

    Raises:
        Drop: The reply was cut off (`truncated`), or the model declined or a filter withheld it
            (`refused`).
    """
    if reply.ending is Ending.REFUSED:
        words = ""
        if reply.text.strip():
            words = f": {reply.text.strip()}"
        raise Drop("refused", f"{_refuser(reply)}{words}")
    if is_truncated(reply) and not is_loop(reply):
        word = ""
        if reply.finish_reason != "length":
            word = f" (finish_reason {reply.finish_reason!r})"
        raise Drop(
            "truncated",
            f"The reply was cut off after {reply.completion_tokens} tokens{word}. Raise "
            "max_tokens, or ask for less text or less thinking (extra_body: chat_template_kwargs).",
        )


def drop_of_loop(reply: Reply, attempts: int) -> Drop:
    """The drop of a row for which no attempt came out of its loops.

    Args:
        reply: The last reply.
        attempts: How many there were.
    """
    words = reply.text if reply.text.strip() else reply.reasoning
    end = " ".join(words.split())[-LOOP_QUOTED:]
    return Drop(
        LOOP,
        f"The model repeated itself until max_tokens cut it off, in the last of {attempts} replies "
        f"after {reply.completion_tokens} tokens: … {end}",
    )


def _refuser(reply: Reply) -> str:
    if reply.finish_reason == "refusal":
        return "The model declined to answer"
    return f"The server's filter withheld the reply (finish_reason {reply.finish_reason!r})"


def why_unanswered(reply: Reply, reading: Reading) -> str:
    """Why a reply has no answer in it; empty if it has one, or some text at least."""
    if reply.ending is Ending.ELSEWHERE:
        return (
            f"the model called a tool (finish_reason {reply.finish_reason!r}). Start the server "
            "without tools for this model"
        )
    if not can_be_read(reply):
        return f"the reply did not end naturally (finish_reason {reply.finish_reason!r})"
    if not reply.text.strip() and reply.reasoning.strip():
        return (
            f"the reply is empty; the server put {len(reply.reasoning):,} characters into "
            "reasoning_content, and a model's reasoning is not read. If the answer is in there, "
            "start the server without its reasoning parser, or with the one that fits the model "
            "and its thinking; if the model only thought, let it think less (extra_body: "
            "chat_template_kwargs)"
        )
    if reading.is_thought_only:
        return (
            "the model only thought. Let it think less (extra_body: chat_template_kwargs), or "
            "raise max_tokens"
        )
    return ""


def has_thoughts(row: Row) -> bool:
    """Whether a text of the seed has marks of thinking: then they belong to a reply's text, too."""
    return any(has_thought_marks(text) for text in _seed_texts(row))


def has_code_fence(row: Row) -> bool:
    """Whether a text of the seed has a code fence: then a fence in a reply belongs to the text."""
    return any("```" in text for text in _seed_texts(row))


def _seed_texts(row: Row) -> list[str]:
    texts = []
    for column, value in row.items():
        if column.startswith("seed_") and isinstance(value, str):
            texts.append(value)
    return texts
