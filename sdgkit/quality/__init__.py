"""Measures of a set: what repeats what, and how much is new in it."""

from sdgkit.quality.duplicates import NEAR_DUPLICATES, Repeat, check_threshold, repeats
from sdgkit.quality.variety import Diversity, diversity

__all__ = ["NEAR_DUPLICATES", "Diversity", "Repeat", "check_threshold", "diversity", "repeats"]
