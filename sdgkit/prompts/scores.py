"""Reads the score that a judge wrote."""

import re
from collections.abc import Sequence

LONGEST = 2_000  # characters; a longer text is an explanation, not a score

# "3/3", "3 out of 3", "3 of 3", and German "3 von 3": the number after it is the top of the scale.
OUT_OF = re.compile(r"(?:/|\bout\s+of\b|\bvon\b|\bof\b)\s*(\d+(?:\.0)?)", re.IGNORECASE)
_MARKUP = re.compile(r"[*`_]")
# A number by itself: not part of a word ("v3"), of a longer number, or of a range ("2-3").
_NUMBER = re.compile(r"(?<![\w.,\u2013\u2014-])-?\d+(?:[.,]\d+)?(?!\w|[-\u2013\u2014]\d)")


def read_score(text: str, scale: Sequence[float]) -> float | None:
    """Read a score from a judge's text.

    Args:
        text: What the judge wrote, such as "3", "**2**", "Score: 3/3" or "2.0".
        scale: The scores that it could choose from.

    Returns:
        The score, or None unless the text holds exactly one number and that is on the scale.

    Example:
        >>> read_score("Score: 3 out of 3", scale=(1, 2, 3))
        3.0
        >>> read_score("2 or 3", scale=(1, 2, 3)) is None
        True
    """
    if len(text) > LONGEST:
        return None
    plain = _MARKUP.sub(" ", text)
    top = OUT_OF.search(plain)
    if top is not None:
        if float(top[1]) != max(scale):
            return None
        plain = plain.replace(top[0], "", 1)
    numbers = {float(number.replace(",", ".")) for number in _NUMBER.findall(plain)}
    if len(numbers) != 1:
        return None
    score = numbers.pop()
    if score in scale:
        return score
    return None
