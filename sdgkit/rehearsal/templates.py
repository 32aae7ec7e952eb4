"""Templates with {fields}: filled in, and found again in a text."""

import random
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from sdgkit.rehearsal.vocabulary import vocabulary

# Lists to draw the fields of a template from. Two numbers are the lowest and the highest.
Choices = Mapping[str, Any]

_ESCAPED_FIELD = re.compile(r"\\\{(\w+)\\\}")
# The value of a field in a text: at most 60 characters within a sentence.
_FIELD_PATTERN = r"(?P<\1>(?:[^\\n.]|\\.(?=\\w)){1,60}?)"


class _Fields(dict[str, str]):
    """The values of a template's fields. A missing one is drawn when it is first needed."""

    def __init__(
        self, dice: random.Random, sources: tuple[Choices, ...], values: Mapping[str, str]
    ) -> None:
        super().__init__(values)
        self._dice = dice
        self._sources = sources

    def __missing__(self, name: str) -> str:
        choices = next(source[name] for source in self._sources if name in source)
        if isinstance(choices[0], int):
            value = str(self._dice.randint(*choices))
        else:
            value = self._dice.choice(choices).format_map(self)
        self[name] = value
        return value


def fill(template: str, dice: random.Random, *sources: Choices, **values: str) -> str:
    """Fill in a template.

    Args:
        template: A text with {fields}.
        dice: What draws the values that are not given.
        sources: Where to draw them from: the first that has a list for a field, and last the
            fillers that all skills share.
        values: The values of some fields.
    """
    all_sources = (*sources, vocabulary("anyskill")["fillers"])
    return template.format_map(_Fields(dice, all_sources, values))


@cache
def pattern_for(template: str) -> re.Pattern[str]:
    """What finds a filled template in a text, with its fields as named groups.

    The first letter may be in either case, and a final full stop may be missing: layouts change
    both.
    """
    text = template[1:]
    if not template.endswith("}."):
        text = text.rstrip(".")
    pattern = _ESCAPED_FIELD.sub(_FIELD_PATTERN, re.escape(text))
    return re.compile(pattern + r"(?!\w)")
