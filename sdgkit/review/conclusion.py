"""What the decisions of a review imply, and what to do about it."""

from dataclasses import dataclass

from sdgkit.formatting import pluralize
from sdgkit.quality.interval import interval
from sdgkit.review.review import Review

GOOD_SHARE = 0.8
"""From this share of good samples on, rejecting the rest pays more than changing the prompts."""


@dataclass(frozen=True)
class Conclusion:
    """Where a review has led.

    Attributes:
        implied: What the decisions imply for all samples, in a sentence; "" without decisions.
        meaning: How to read the range in it; "" where there is none.
        advice: What to do next, a sentence each.
    """

    implied: str
    meaning: str
    advice: tuple[str, ...]


def conclude(review: Review) -> Conclusion:
    """Conclude from the decisions on the drawn samples what to do next.

    Args:
        review: The review.
    """
    states = [review.state(id_) for id_ in review.drawn()]
    decided = []
    for state in states:
        if state in ("accepted", "edited", "rejected"):
            decided.append(state)
    if not decided:
        return Conclusion(
            "", "", ("Accept what you would have written yourself; reject the rest.",)
        )
    good = decided.count("accepted")
    all_samples = len(review.samples)
    implied = f"{good} of the {len(decided)} that you looked at are good as they are."
    meaning = ""
    if len(decided) < all_samples:
        share = interval(good, len(decided))
        low, high = (f"{end * 100:.0f}%" for end in share)
        implied += f" Of all {all_samples:,}, that is probably {low} to {high}."
        meaning = (
            f"You have seen {len(decided)} of {all_samples:,}, drawn across seeds and scores. From "
            f"so few, the share of good ones is known only as a range: here, {low} to {high}. In "
            "95 of 100 such reviews, the range contains the true share. To halve it, look at four "
            "times as many samples."
        )
    return Conclusion(implied, meaning, _advice(review, good / len(decided)))


def _advice(review: Review, good_share: float) -> tuple[str, ...]:
    advice = []
    reasons = review.reasons()
    if good_share < GOOD_SHARE:
        advice.append(
            "Too many are not good: correct the prompts, the profile or the seeds, and run again "
            "in the same folder; only what your change affects is asked again."
        )
        if reasons:
            reason, number = next(iter(reasons.items()))
            times = pluralize(number, "time")
            advice.append(f"Begin with what you wrote most often: {reason} ({times}).")
    else:
        advice.append(
            "Good enough to train on: what you rejected is left out of the training file."
        )
    undecided = review.progress.samples - review.progress.decided
    if undecided:
        advice.append(
            f"{pluralize(undecided, 'sample')} undecided: they count as accepted. Filter them by "
            "score or fault, and decide on the doubtful ones together."
        )
    return tuple(advice)
