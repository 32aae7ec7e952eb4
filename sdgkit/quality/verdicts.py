"""How far a judge can be believed: what it said of answers that are known to be good or bad."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sdgkit.formatting import format_number, format_percent, pluralize
from sdgkit.quality.measures import as_html, as_text
from sdgkit.seeds import row_key

GOOD = "good"
ASKED_ABOUT = {
    GOOD: "good: the seeds' own answers",
    "swapped": "bad: another seed's answer",
    "cut": "bad: cut off in the middle",
    "numbers": "bad: its numbers changed",
}
HEAD = ("what the judge was asked about", "let through", "share", "")
CERTAINTY = 1.959964  # standard deviations of 95%
EXAMPLES = 3


class Interval(NamedTuple):
    """A confidence interval (95%) of a share.

    Attributes:
        low: The lower end, from 0 to 1.
        high: The upper end, from 0 to 1.
    """

    low: float
    high: float

    def __contains__(self, share: object) -> bool:
        """Whether a share lies within the interval, its ends included."""
        return isinstance(share, int | float) and self.low <= share <= self.high


def interval(part: float, whole: int) -> Interval:
    """The confidence interval (95%) of the share `part / whole`.

    The Wilson score interval (Wilson 1927, JASA 22:209), which holds for small numbers and for shares near 0 and 1.

    Args:
        part: How many of the whole have the property; a tie may count as half.
        whole: How many were looked at. Of none, nothing is known: the interval is 0 to 1.

    Example:
        >>> low, high = interval(18, 20)
        >>> f"{low:.3f} to {high:.3f}"
        '0.699 to 0.972'
    """
    if not whole:
        return Interval(0.0, 1.0)
    share = part / whole
    correction = CERTAINTY**2 / whole
    middle = share + correction / 2
    spread = math.sqrt(share * (1 - share) * correction + correction**2 / 4)
    low = (middle - spread) / (1 + correction)
    high = (middle + spread) / (1 + correction)
    return Interval(max(0.0, low), min(1.0, high))


@dataclass(frozen=True)
class Verdicts:
    """What the judge says of one kind of answer.

    kind: "good", or a kind of damage. asked: how many it judged. kept: how many of them it lets through. unsure: how
    many more it gave no verdict on. interval: between what the share that it keeps lies, at 95%.
    """

    kind: str
    asked: int
    kept: int
    unsure: int = 0

    @property
    def interval(self) -> Interval:
        """The confidence interval (95%) of the share that it keeps."""
        return interval(self.kept, self.asked)


@dataclass(frozen=True)
class Mistake:
    """A good answer that it would drop, or a bad one that it lets through. id: the seed's. words: what it wrote."""

    id: str
    kind: str
    score: float
    words: str


@dataclass(frozen=True, repr=False)
class Calibration:
    """How far a judge can be believed. judge: its model's name. prompt: the evaluate prompt's, and what it says as a
    key. seeds: how many there were."""

    judge: str
    prompt: str
    prompt_key: str
    seeds: int
    verdicts: Sequence[Verdicts]
    mistakes: Sequence[Mistake] = ()

    @property
    def good(self) -> Verdicts:
        """What it says of the seeds' own answers."""
        return next(one for one in self.verdicts if one.kind == GOOD)

    @property
    def bad(self) -> Verdicts:
        """What it says of all spoilt answers together."""
        spoilt = [one for one in self.verdicts if one.kind != GOOD]
        return Verdicts(
            "spoilt", *(sum(getattr(one, n) for one in spoilt) for n in ("asked", "kept", "unsure"))
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Calibration":
        """The calibration of which these are the values, as `dataclasses.asdict` gives them."""
        verdicts, mistakes = [Verdicts(**one) for one in values["verdicts"]], values["mistakes"]
        return cls(
            **{**values, "verdicts": verdicts, "mistakes": [Mistake(**one) for one in mistakes]}
        )

    def fits(self, judge: Any, prompts: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is about this judge with these prompts (by name, as `Prompt.as_json` gives them)."""
        return self.judge == judge and self.prompt_key == row_key(prompts.get(self.prompt, {}))

    def html(self, made: tuple[int, int] | None = None) -> str:
        """The table for a notebook or a page. made: (let through, judged) of a run's own rows, to stand beside."""
        return as_html(*self._table(made))

    def _table(
        self, made: tuple[int, int] | None = None
    ) -> tuple[Sequence[str], Sequence[Sequence[str]], str]:
        """What it was asked about, how much of it is let through, the share with its interval, what is missing."""
        rows = []
        for one in self.verdicts:
            low, high = map(format_percent, one.interval)
            share = f"{format_percent(one.kept / one.asked)} ({low} to {high})" if one.asked else ""
            unsure = f"{one.unsure} without a verdict" if one.unsure else ""
            rows.append(
                [
                    ASKED_ABOUT[one.kind],
                    f"{format_number(one.kept)} of {format_number(one.asked)}",
                    share,
                    unsure,
                ]
            )
        if made and made[1]:
            rows.append(
                [
                    "what this run made",
                    f"{format_number(made[0])} of {format_number(made[1])}",
                    format_percent(made[0] / made[1]),
                    "",
                ]
            )
        rows += [
            [f"{m.id} ({m.kind})", f"given {m.score:g}", "", m.words]
            for m in self.mistakes[:EXAMPLES]
        ]
        asked = (
            f"on the answers of {pluralize(self.seeds, 'seed example')}, as they are and spoilt,"
        )
        where = "In brackets stands where the share may lie (95%): with few seeds that is wide."
        return HEAD, rows, f"The judge {self.judge} {asked} by the prompt {self.prompt}. {where}"

    def __repr__(self) -> str:
        return as_text(*self._table())

    _repr_html_ = html
