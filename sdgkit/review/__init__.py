"""Going through the samples of a run, in a panel or a spreadsheet."""

from sdgkit.review.conclusion import Conclusion, conclude
from sdgkit.review.draw import DRAWN
from sdgkit.review.facts import STATES, SampleFacts, parts
from sdgkit.review.figures import Figures
from sdgkit.review.review import SEED_FILE, Review

__all__ = [
    "DRAWN",
    "SEED_FILE",
    "STATES",
    "Conclusion",
    "Figures",
    "Review",
    "SampleFacts",
    "conclude",
    "parts",
]
