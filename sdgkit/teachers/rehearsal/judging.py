"""A judge's verdict: what was found in the text, in words, and a score on whatever scale the prompt has."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdgkit.teachers.rehearsal.reading import vocabulary


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a text, in words. A slight one costs some of the score, any other all of it."""

    words: str
    is_slight: bool = False


def verdict(findings: Sequence[Finding], scale: tuple[int, int], dice: random.Random) -> tuple[str, int]:
    """The evaluation and the score for what was found: the lowest, or above the middle if it is slight."""
    low, high = scale
    is_slight = all(finding.is_slight for finding in findings)
    opening = dice.choice(vocabulary("verdicts")["slight" if is_slight else "bad"])
    words = " ".join([opening, *(finding.words for finding in findings[:4])])
    return words, low + round(0.6 * (high - low)) if is_slight else low


def praise(kind: str, facts: Mapping[str, object], dice: random.Random) -> str:
    """The evaluation of a text in which nothing was found; `kind` is a skill's name or "question"."""
    return str(dice.choice(vocabulary("verdicts")["praise"][kind])).format(**facts)
