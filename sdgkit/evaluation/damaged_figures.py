"""Damage to figures: a wrong digit, a wrong unit."""

import re

from sdgkit.evaluation.good_response import GoodResponse, damage_texts, put
from sdgkit.evaluation.response_parts import figures_of


def wrong_figure(response: GoodResponse) -> str:
    """One figure wrong by a digit: one from the source, or a computed one if the source has any."""
    source_figures = {match[0] for match in figures_of(response.source)}
    figures = figures_of(response.text)
    if not source_figures or not figures:
        return ""
    taken_over = [figure for figure in figures if figure[0] in source_figures]
    candidates = taken_over or figures
    figure = candidates[len(candidates) // 2]
    return put(response.text, figure, _with_other_digit(figure[0]))


def _with_other_digit(figure: str) -> str:
    """A figure with its last digit but zeros changed by one: 45.0 becomes 46.0."""
    digits = [place for place, sign in enumerate(figure) if sign.isdigit()]
    other_than_zero = [place for place in digits if figure[place] != "0"]
    place = (other_than_zero or digits)[-1]
    digit = int(figure[place])
    changed = 8
    if digit < 9:
        changed = digit + 1
    return f"{figure[:place]}{changed}{figure[place + 1 :]}"


def wrong_unit(response: GoodResponse) -> str:
    """The unit of one figure, such as euros or hours, which another one replaces."""
    texts = damage_texts()
    swaps = _both_ways(texts["units"])
    longest_first = sorted(swaps, key=len, reverse=True)
    units = "|".join(map(re.escape, longest_first))
    after = re.search(rf"(?<=\d)(\s?)({units})(?![^\W_])", response.text)
    if after:
        return put(response.text, after, after[1] + swaps[after[2]])
    signs = _both_ways(texts["signs"])
    before = re.search(rf"({'|'.join(map(re.escape, signs))})(?=\s?\d)", response.text)
    if not before:
        return ""
    return put(response.text, before, signs[before[1]])


def _both_ways(pairs: list[list[str]]) -> dict[str, str]:
    """What each unit becomes: its first pair decides."""
    swaps: dict[str, str] = {}
    for first, second in pairs:
        swaps.setdefault(first, second)
        swaps.setdefault(second, first)
    return swaps
