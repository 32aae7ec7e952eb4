"""Measures of a set: how much of it repeats itself, and how much is new."""

from sdgkit.quality.duplicates import NEAR_DUPLICATES, Repeat, check_threshold, repeats
from sdgkit.quality.twins import TWINS, check_twins, distinct_answers, twins
from sdgkit.quality.variety import Diversity, diversity

__all__ = [
    "NEAR_DUPLICATES",
    "TWINS",
    "Diversity",
    "Repeat",
    "check_threshold",
    "check_twins",
    "distinct_answers",
    "diversity",
    "repeats",
    "twins",
]
