"""Histograms of the samples that are reviewed."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sdgkit.report import length_histogram, score_histogram
from sdgkit.review.facts import SampleFacts
from sdgkit.samples import Row


class Figures(NamedTuple):
    """Histograms as inline SVG; "" where there is nothing to draw.

    Attributes:
        scores: The judge's scores.
        lengths: The lengths of the responses in characters, with those of the seeds marked below.
    """

    scores: str
    lengths: str


def figures_of(samples: Iterable[tuple[Row, SampleFacts]]) -> Figures:
    """Histograms of some samples; those that were rejected are drawn hollow.

    Args:
        samples: The samples, each with its facts.
    """
    kept_scores: Counter[float] = Counter()
    rejected_scores: Counter[float] = Counter()
    kept_lengths: Counter[int] = Counter()
    rejected_lengths: Counter[int] = Counter()
    seed_lengths: dict[str, int] = {}
    for sample, facts in samples:
        is_rejected = facts.state == "rejected"
        lengths = kept_lengths
        if is_rejected:
            lengths = rejected_lengths
        lengths[_length(sample, "response")] += 1
        if facts.score is not None:
            scores = kept_scores
            if is_rejected:
                scores = rejected_scores
            scores[facts.score] += 1
        seed_lengths[facts.seed] = _length(sample, "seed_response")
    drawn_lengths = ""
    if seed_lengths:
        drawn_lengths = length_histogram(
            "response", kept_lengths, seed_lengths.values(), rejected_lengths
        )
    return Figures(score_histogram(kept_scores, rejected_scores, "rejected"), drawn_lengths)


def _length(sample: Row, column: str) -> int:
    """The number of characters in a column."""
    return len(str(sample.get(column) or ""))
