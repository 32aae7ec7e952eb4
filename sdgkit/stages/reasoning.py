"""What a teacher thought before a value: kept beside it where that is wanted, never in it."""

from collections.abc import Sequence
from dataclasses import replace

from sdgkit.prompts import Prompt
from sdgkit.prompts.thinking import without_thought_marks
from sdgkit.stages.reading import Reading
from sdgkit.teachers.teacher import Reply

REASONING = "reasoning"
"""The column of what the teacher thought and worked out before it wrote the row's columns."""


def with_reasoning(
    reading: Reading, prompt: Prompt, columns: Sequence[str], reply: Reply
) -> Reading:
    """The reading whose rows have the column `reasoning` as well.

    It holds what the server returned apart from the reply, then the part of the reply before the
    row's first value.

    Args:
        reading: What was read.
        prompt: The prompt that was answered.
        columns: The columns, in the order of the prompt's tags.
        reply: The reply.
    """
    rows = []
    for row in reading.rows:
        before = _before(str(row[columns[0]]), prompt.start_tags[0], reply.text)
        thoughts = [reply.reasoning.strip(), before]
        rows.append({**row, REASONING: "\n\n".join(filter(None, thoughts))})
    return replace(reading, rows=rows)


def _before(value: str, start_tag: str, text: str) -> str:
    """The text in a reply before a value and its start tag, without the marks of thinking."""
    text = text.replace("\r\n", "\n")
    beginning = text[: max(0, text.rfind(value))]
    tag_place = -1
    if start_tag:
        tag_place = beginning.lower().rfind(start_tag.lower())
    if tag_place >= 0:
        beginning = beginning[:tag_place]
    return without_thought_marks(beginning).rstrip("*").rstrip()
