"""What a calibration means, in a few sentences: in general, and for the rows of a run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from sdgkit.formatting import format_number, pluralize

if TYPE_CHECKING:
    from sdgkit.quality.verdicts import Calibration, Verdicts

OVERLOOKED_SHOWN = 3  # kinds of damage
USELESS_SHARE = 0.5  # of good responses dropped, of bad ones kept, or of all without a verdict
NO_DIFFERENCE = 0.1  # between the shares of good and bad responses that are kept
NOT_BELIEVED = "This judge cannot be believed"
NOT_BELIEVED_YET = (
    "So far, this judge cannot be believed: there are too few verdicts to show that it tells good "
    "from bad. Add seeds."
)
WHAT_INSTEAD = (
    "Let another model judge (--judge-base-url, --judge-model), or change its prompt; then "
    "calibrate again."
)


def meaning(calibration: Calibration, own_rows: Verdicts | None = None) -> str:
    """What the figures mean.

    Args:
        calibration: The calibration.
        own_rows: The judge's verdicts on the rows of a run.
    """
    if not calibration.is_leave_one_out:
        return (
            "An earlier version of sdgkit judged each seed with itself as the example, which is "
            "easy for any judge: calibrate again."
        )
    silence = _silence(calibration)
    if silence:
        return silence
    if not calibration.good.asked or not calibration.bad.asked:
        return "The judge gave too few verdicts to assess it."
    sentences = [_shares(calibration), _verdict_sentence(calibration), _overlooked(calibration)]
    if own_rows is not None and own_rows.asked:
        sentences.append(_about_run(calibration, own_rows))
    filled_sentences = []
    for sentence in sentences:
        if sentence:
            filled_sentences.append(sentence)
    return " ".join(filled_sentences)


def _shares(calibration: Calibration) -> str:
    return (
        f"Of 100 good responses, this judge keeps about {_of_100(calibration.good)}; of 100 with "
        f"one fault, it lets about {_of_100(calibration.bad)} through."
    )


def _of_100(verdicts: Verdicts) -> str:
    low = f"{verdicts.interval.low * 100:.0f}"
    high = f"{verdicts.interval.high * 100:.0f}"
    return f"{verdicts.share * 100:.0f} ({low} to {high})"


def _silence(calibration: Calibration) -> str:
    """That the judge mostly gave no verdict; empty if it mostly did."""
    unsure = calibration.good.unsure + calibration.bad.unsure
    judged = calibration.good.asked + calibration.bad.asked
    if unsure <= USELESS_SHARE * (judged + unsure):
        return ""
    return (
        f"{NOT_BELIEVED}: it gave no verdict on {format_number(unsure)} of "
        f"{pluralize(judged + unsure, 'response')}. {WHAT_INSTEAD}"
    )


def _verdict_sentence(calibration: Calibration) -> str:
    """Whether the judge can be believed, as far as that can be said."""
    reason = _why_not_believed(calibration)
    if reason:
        return f"{NOT_BELIEVED}: {reason}. {WHAT_INSTEAD}"
    if not calibration.tells_apart:
        return NOT_BELIEVED_YET
    return ""


def _why_not_believed(calibration: Calibration) -> str:
    """Why the judge is of no use; empty if it may be of some."""
    difference = calibration.good.share - calibration.bad.share
    if calibration.good.share < USELESS_SHARE:
        return "it drops most good responses"
    if calibration.bad.share > USELESS_SHARE:
        return "it lets most faults through"
    if difference < NO_DIFFERENCE and not calibration.tells_apart:
        return "it keeps bad responses about as often as good ones"
    return ""


def _overlooked(calibration: Calibration) -> str:
    """The kinds of damage that the judge overlooks most."""
    overlooked = []
    for verdicts in calibration.verdicts:
        if verdicts.kept and verdicts is not calibration.good:
            overlooked.append(verdicts)
    overlooked.sort(key=lambda verdicts: (-verdicts.share, -verdicts.kept))
    names = []
    for verdicts in overlooked[:OVERLOOKED_SHOWN]:
        names.append(f"{verdicts.name.removeprefix('bad: ')} ({verdicts.kept} of {verdicts.asked})")
    if not names:
        return ""
    return f"What it overlooks most often: {'; '.join(names)}."


def _about_run(calibration: Calibration, own_rows: Verdicts) -> str:
    """What follows for the rows of a run, if the judge makes the same mistakes there."""
    if not calibration.tells_apart:
        return "So the samples that it kept in this run may not be good: review them."
    kept = own_rows.kept
    dropped = own_rows.asked - kept
    good = calibration.good
    bad = calibration.bad
    likely = _mistakes(own_rows, good.share, bad.share)
    extremes = []
    for good_share, bad_share in product(good.interval, bad.interval):
        extremes.append(_mistakes(own_rows, good_share, bad_share))
    faulty = [estimate.faulty_kept for estimate in (likely, *extremes)]
    lost = [estimate.good_dropped for estimate in (likely, *extremes)]
    return (
        f"If it makes the same errors in this run, about {likely.faulty_kept:.0f} of the "
        f"{pluralize(kept, 'row')} that it kept {_range(faulty)} have such a fault, and about "
        f"{likely.good_dropped:.0f} of the {format_number(dropped)} that it dropped {_range(lost)} "
        "were good."
    )


def _range(numbers: list[float]) -> str:
    return f"({min(numbers):.0f} to {max(numbers):.0f})"


@dataclass(frozen=True)
class _Estimate:
    """How many rows of a run were misjudged.

    Attributes:
        faulty_kept: Rows with a fault among those that were kept.
        good_dropped: Good rows among those that were dropped.
    """

    faulty_kept: float
    good_dropped: float


def _mistakes(own_rows: Verdicts, good_share: float, bad_share: float) -> _Estimate:
    """The rows that were misjudged, from the shares of good and of bad rows that the judge keeps.

    The share of good rows is the one that explains the share that was kept (the estimator of Rogan
    and Gladen 1978, Am. J. Epidemiology 107:71).
    """
    good_rows_share = (own_rows.share - bad_share) / (good_share - bad_share)
    good_rows = own_rows.asked * min(1.0, max(0.0, good_rows_share))
    bad_rows = own_rows.asked - good_rows
    return _Estimate(
        faulty_kept=min(float(own_rows.kept), bad_share * bad_rows),
        good_dropped=min(float(own_rows.asked - own_rows.kept), (1 - good_share) * good_rows),
    )
