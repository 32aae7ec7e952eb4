"""Measures of a set: what repeats what, and how much is new in it."""

from sdgkit.quality.diversity import Diversity, diversity
from sdgkit.quality.duplicates import NEAR_DUPLICATES, Repeat, check_threshold, own_question, repeats

__all__ = ["NEAR_DUPLICATES", "Diversity", "Repeat", "check_threshold", "diversity", "own_question", "repeats"]
