"""Damage: the known ways to spoil a good response."""

import re
from collections.abc import Sequence

MIN_CHARACTERS = 20  # of a response, so that it can be cut in half
LIST_MARKER_OR_DIGIT = re.compile(r"(?m)^\s*\d+[.)]\s|\d")


def spoil(response: str, others: Sequence[str]) -> dict[str, str]:
    """A good response, spoilt in each way in which it can be.

    Args:
        response: The good response.
        others: The responses of other seeds, the one to swap with first.

    Returns:
        The spoilt responses by kind of damage: `swapped` (another seed's response), `cut` (in the
        middle) and `numbers` (each replaced by another one). A kind that cannot be applied is
        missing.

    Example:
        >>> spoil("It costs 12 euros.", ["Yes."])
        {'swapped': 'Yes.', 'numbers': 'It costs 56 euros.'}
    """
    spoilt = {
        "swapped": _swapped(response, others),
        "cut": _cut(response),
        "numbers": _with_other_numbers(response),
    }
    return {kind: text for kind, text in spoilt.items() if text}


def _swapped(response: str, others: Sequence[str]) -> str:
    """The first other response; "" if all are the same."""
    for other in others:
        if other != response:
            return other
    return ""


def _cut(response: str) -> str:
    """The first half, to the middle of a sentence; "" if it is too short to be cut."""
    if len(response) < MIN_CHARACTERS:
        return ""
    half = response[: len(response) // 2]
    whole_words = half.rpartition(" ")[0] or half
    return whole_words.rstrip(" .!?\n")


def _with_other_numbers(response: str) -> str:
    """With other digits, except in the markers of list items; "" if there are none."""
    changed = LIST_MARKER_OR_DIGIT.sub(_other_digit, response)
    return changed if changed != response else ""


def _other_digit(match: re.Match[str]) -> str:
    """Another digit, from 1 to 9; the marker of a list item as it is."""
    text = match[0]
    if len(text) > 1:
        return text
    return str((int(text) + 3) % 9 + 1)
