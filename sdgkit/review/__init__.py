"""Going through the samples of a run, in a panel or a spreadsheet."""

from sdgkit.review.review import DRAWN, SEED_FILE, STATES, Review, parts

__all__ = ["DRAWN", "SEED_FILE", "STATES", "Review", "parts"]
