"""The histograms of scores and of lengths, for the report and for a review."""

import math
from collections import Counter
from collections.abc import Iterable
from statistics import median_low

from sdgkit.formatting import format_number
from sdgkit.pages.picture import Bar, Histogram

MOST_BARS = 20


def score_histogram(kept: Counter[float], lost: Counter[float], lost_label: str = "dropped") -> str:
    """Draw the judge's scores.

    Args:
        kept: How many rows with each score are kept.
        lost: How many are not.
        lost_label: What became of those.

    Returns:
        An inline SVG; "" if there are no scores.
    """
    scores = sorted({*kept, *lost})
    if not scores:
        return ""
    bars = [Bar(format_number(score), kept[score], lost[score]) for score in scores]
    return Histogram(bars, "Scores.", lost_label=lost_label).as_svg()


def length_histogram(
    column: str,
    kept: Counter[int],
    seed_lengths: Iterable[int],
    rejected: Counter[int] | None = None,
) -> str:
    """Draw the lengths of a column's texts, with those of the seeds marked below.

    Args:
        column: The column's name.
        kept: How many texts of each length, in characters, are kept.
        seed_lengths: The length of each seed's text.
        rejected: How many texts of each length were rejected; they are drawn hollow.

    Returns:
        An inline SVG.
    """
    rejected = rejected or Counter()
    seeds = list(seed_lengths)
    longest = max([1, *kept, *rejected, *seeds])
    width = _bar_width(longest)
    number_of_bars = longest // width + 1
    kept_by_bar = _by_bar(kept, width)
    rejected_by_bar = _by_bar(rejected, width)
    bars = []
    for bar in range(number_of_bars):
        bars.append(Bar(format_number(bar * width), kept_by_bar[bar], rejected_by_bar[bar]))
    median = median_low((kept + rejected).elements())
    description = f"Lengths of the {column}s in characters: median {format_number(median)}"
    if seeds:
        description += f", of the seeds' {format_number(median_low(seeds))}"
    marks = [length / (width * number_of_bars) for length in seeds]
    return Histogram(
        bars, f"{description}.", marks, continuous=True, lost_label="rejected"
    ).as_svg()


def _bar_width(longest: int) -> int:
    """The characters that a bar represents: a digit and zeros, so that the labels are round."""
    exact = math.ceil(longest / MOST_BARS)
    zeros = len(str(exact)) - 1
    unit: int = 10**zeros
    return math.ceil(exact / unit) * unit


def _by_bar(lengths: Counter[int], width: int) -> Counter[int]:
    by_bar: Counter[int] = Counter()
    for length, number in lengths.items():
        by_bar[length // width] += number
    return by_bar
