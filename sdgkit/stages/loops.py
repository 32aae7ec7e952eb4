"""Loops: a model that repeats itself until a limit cuts off its reply.

Small models fall into them, and large ones when they are greedy. More tokens only make the loop
longer, so a reply that ends in one is not told as too short: it is asked for again with settings
that lead out of it.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sdgkit.teachers.endings import Ending
from sdgkit.teachers.teacher import Reply

LOOP = "loop"
"""The reason of a drop: no attempt came out of its loops."""

# How a loop is recognized: nearly every piece of the text's end stood twice before, not long ago.
# Measured on replies of SmolLM2-135M that were cut off: loops have a share from 0.86 to 1; tables,
# JSON, forms and prose, cut anywhere, stay below 0.83.
PIECE = 16  # characters
TAIL = 200  # characters that are looked at, or half of a shorter text
LOOKED_BACK = 2_000  # characters in which they may have stood before
TIMES_BEFORE = 2
REPEATED_SHARE = 0.85
SHORTEST = 80  # characters: a shorter text is no loop, and so many blanks at an end are one

# What ends a loop. `repetition_penalty` (vLLM, Hugging Face) makes every token that stood
# before less likely, once. OpenAI's `frequency_penalty` grows with each repetition, which would
# take the lines and bars out of a long table.
LOOP_TEMPERATURE = 0.7
PENALTY = "repetition_penalty"
LOOP_PENALTY = 1.1
OWN_PENALTIES = (PENALTY, "frequency_penalty", "presence_penalty", "repeat_penalty")

_NUMBER = re.compile(r"\d{1,9}")
_BLANKS = re.compile(r"\s+")


def ends_in_loop(text: str) -> bool:
    """Whether the end of a text keeps repeating what it has said before.

    Numbers that count up do not make a repetition something new.

    Args:
        text: The text of a reply.

    Example:
        >>> ends_in_loop("The sea. " + "It is blue and wide. " * 10)
        True
        >>> ends_in_loop("".join(f"[{number}] There is no fault. " for number in range(9)))
        True
        >>> ends_in_loop("The sea is blue. The sky is blue, too. So is the bird on my hand.")
        False
    """
    if len(text) - len(text.rstrip()) >= SHORTEST:
        return True
    counted = _without_counting(text.strip())
    recent = _BLANKS.sub(" ", counted)[-LOOKED_BACK:]
    if len(recent) < SHORTEST:
        return False
    tail_length = min(TAIL, len(recent) // 2)
    tail_start = len(recent) - tail_length
    times: Counter[str] = Counter()
    repeated = 0
    pieces = range(len(recent) - PIECE + 1)
    for start in pieces:
        piece = recent[start : start + PIECE]
        if start >= tail_start and times[piece] >= TIMES_BEFORE:
            repeated += 1
        times[piece] += 1
    return repeated >= REPEATED_SHARE * (pieces.stop - tail_start)


def _without_counting(text: str) -> str:
    """The text with a sign in place of each number that is one more than the number before."""
    last: int | None = None

    def sign_or_number(match: re.Match[str]) -> str:
        nonlocal last
        number = int(match[0])
        is_next = last is not None and number == last + 1
        last = number
        return "#" if is_next else match[0]

    return _NUMBER.sub(sign_or_number, text)


def is_loop(reply: Reply) -> bool:
    """Whether a limit cut the reply off while it repeated itself, in its answer or its thoughts."""
    if reply.ending is not Ending.TRUNCATED:
        return False
    return ends_in_loop(reply.text if reply.text.strip() else reply.reasoning)


def against_loops(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with which a request is repeated whose reply ended in a loop.

    A penalty of your own stays as it is.

    Args:
        sampling: The settings of the request.

    Example:
        >>> against_loops({"temperature": 0, "max_tokens": 100})
        {'temperature': 0.7, 'max_tokens': 100, 'extra_body': {'repetition_penalty': 1.1}}
    """
    changed = dict(sampling)
    changed["temperature"] = max(LOOP_TEMPERATURE, sampling.get("temperature", 0.0))
    extra_body = dict(sampling.get("extra_body") or {})
    if not any(name in extra_body for name in OWN_PENALTIES):
        extra_body[PENALTY] = LOOP_PENALTY
    if extra_body:
        changed["extra_body"] = extra_body
    return changed
