"""What differs between two texts, word by word."""

import re
from difflib import SequenceMatcher
from typing import NamedTuple

MOST_WORDS = 4000
"""Texts with more words are not compared: that takes time with the square of their length."""

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class Stretch(NamedTuple):
    """A stretch of a text.

    Attributes:
        text: The text.
        is_new: Whether the other text lacks it.
    """

    text: str
    is_new: bool


def mark_differences(text: str, other: str) -> list[Stretch]:
    """A text in stretches, each of which the other text has or lacks at that place.

    Args:
        text: The text.
        other: The text that it is compared with.

    Example:
        >>> mark_differences("The pump is loud.", "The pump was loud.")
        [Stretch(text='The pump ', is_new=False), Stretch(text='is', is_new=True), \
Stretch(text=' loud.', is_new=False)]
    """
    words = _WORDS.findall(text)
    other_words = _WORDS.findall(other)
    if max(len(words), len(other_words)) > MOST_WORDS:
        if not text:
            return []
        return [Stretch(text, False)]
    stretches = []
    matcher = SequenceMatcher(None, other_words, words, autojunk=False)
    for kind, _, _, start, end in matcher.get_opcodes():
        stretch = "".join(words[start:end])
        if stretch:
            stretches.append(Stretch(stretch, kind != "equal"))
    return stretches
