"""A judge's verdict: what was found in the text, in words, and a score on whatever scale the prompt has."""

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a text, in words. A slight one costs some of the score, any other all of it."""

    words: str
    is_slight: bool = False


def verdict(findings: Sequence[Finding], praise: str, scale: tuple[int, int], dice: random.Random) -> tuple[str, int]:
    """The evaluation's words and the score.

    Nothing found is the highest score, only slight things somewhat above the middle, anything else the lowest.
    """
    low, high = scale
    if not findings:
        return praise, high
    words = " ".join(finding.words for finding in findings[:4])
    if all(finding.is_slight for finding in findings):
        opening = dice.choice(["Good on the whole, with a blemish.", "Mostly right.", "Usable, but not perfect."])
        return f"{opening} {words}", low + round(0.6 * (high - low))
    opening = dice.choice(["This cannot be used as it is.", "This does not do what the example does.", "Not good."])
    return f"{opening} {words}", low
