"""What a stage reads in a reply."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdgkit.samples import Row
from sdgkit.stages.step import Drop
from sdgkit.teachers.teacher import Reply


@dataclass(frozen=True)
class Reading:
    """What a stage reads in one reply.

    Attributes:
        texts: The complete records in the reply: the text of each column, as it stands there.
        rows: The columns that the stage makes of the records. Empty for a malformed reply, which a
            run requests again.
    """

    texts: Sequence[Mapping[str, str]]
    rows: Sequence[Row]


def is_truncated(reply: Reply) -> bool:
    """Whether the reply was cut off at `max_tokens`."""
    return reply.finish_reason == "length"


def refuse_if_truncated(reply: Reply) -> None:
    """Drop the row if the reply was cut off: asking again would give the same at the same price.

    Raises:
        Drop: The reply was cut off (`truncated`).
    """
    if is_truncated(reply):
        raise Drop(
            "truncated",
            f"The reply was cut off after {reply.completion_tokens} tokens. Raise max_tokens, or "
            "ask for less text or less thinking (extra_body: chat_template_kwargs).",
        )


def has_code_fence(row: Row) -> bool:
    """Whether a text of the seed has a code fence: then a fence in a reply belongs to the text."""
    for column, value in row.items():
        if column.startswith("seed_") and isinstance(value, str) and "```" in value:
            return True
    return False
