"""How far a judge can be trusted: its verdicts on responses that are known to be good or bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.formatting import format_number, format_percent, pluralize
from sdgkit.pages.noted_table import NotedTable
from sdgkit.quality.agreement import Agreement
from sdgkit.quality.calibration_words import meaning
from sdgkit.quality.interval import Interval, interval
from sdgkit.seeds import row_key

GOOD = "good"
BAD = "bad"
RESPONSE_KINDS = {
    GOOD: "good: the seed's own response",
    "figure": "bad: one figure wrong by a digit",
    "unit": "bad: one unit wrong",
    "omission": "bad: one item left out",
    "order": "bad: two items swapped",
    "sentence": "bad: a passage of the example put in",
    "talk_before": "bad: talk before the response",
    "talk_after": "bad: talk after the response",
    "label": "bad: a heading or label changed",
    "cut": "bad: the last tenth cut off",
    "invention": "bad: a detail made up",
    "language": "bad: slips into another language",
    "form": "bad: in another form",
    "copy": "bad: the example's response",
}
BAD_KINDS = tuple(kind for kind in RESPONSE_KINDS if kind != GOOD)
EARLIER_KINDS = {
    "swapped": "bad: another seed's response",
    "numbers": "bad: its numbers changed",
}
"""Kinds of damage in calibrations of earlier versions."""
OWN_ROWS = "run"  # the kind of the rows that a run made itself
HEAD = ("response", "kept", "share kept", "")
MISTAKES_SHOWN = 3


@dataclass(frozen=True)
class Verdicts:
    """A judge's verdicts on one kind of response.

    Attributes:
        kind: "good", a kind of damage such as "figure" (see `RESPONSE_KINDS`), or "bad" for all
            of these together.
        asked: How many it judged.
        kept: How many of those it keeps.
        unsure: How many more it gave no verdict on.
    """

    kind: str
    asked: int
    kept: int
    unsure: int = 0

    def __post_init__(self) -> None:
        if self.kind not in (*RESPONSE_KINDS, *EARLIER_KINDS, BAD, OWN_ROWS):
            raise ValueError(f"there is no kind of response {self.kind!r}")

    @property
    def name(self) -> str:
        """What kind of response it is, in words."""
        return {**EARLIER_KINDS, **RESPONSE_KINDS}.get(self.kind, self.kind)

    @property
    def share(self) -> float:
        """The share that it keeps, 0 to 1; 0 if it judged none."""
        if not self.asked:
            return 0.0
        return self.kept / self.asked

    @property
    def interval(self) -> Interval:
        """The confidence interval (95%) of the share that it keeps."""
        return interval(self.kept, self.asked)

    def cells(self) -> list[str]:
        """The verdicts as a row of the calibration's table."""
        kept_share = ""
        if self.asked:
            low = format_percent(self.interval.low)
            high = format_percent(self.interval.high)
            kept_share = f"{format_percent(self.kept / self.asked)} ({low} to {high})"
        without_verdict = ""
        if self.unsure:
            without_verdict = f"{self.unsure} without a verdict"
        return [
            self.name,
            self._kept_of_asked,
            kept_share,
            without_verdict,
        ]

    def cells_of_own_rows(self) -> list[str]:
        """The same for the rows of a run: without an interval, since all of them were judged."""
        kept_share = format_percent(self.kept / self.asked)
        return ["the rows of this run", self._kept_of_asked, kept_share, ""]

    @property
    def _kept_of_asked(self) -> str:
        return f"{format_number(self.kept)} of {format_number(self.asked)}"


@dataclass(frozen=True)
class Mistake:
    """A good response that the judge would drop, or a bad one that it would keep.

    Attributes:
        id: The seed's id.
        kind: What kind of response it was.
        score: The score that the judge gave.
        words: The judge's evaluation.
        response: The response that it judged.
    """

    id: str
    kind: str
    score: float
    words: str
    response: str = ""

    def cells(self) -> list[str]:
        """The mistake as a row of the calibration's table."""
        return [f"{self.id} ({self.kind})", f"scored {self.score:g}", "", self.words]


@dataclass(frozen=True, repr=False)
class Calibration:
    """How far a judge can be trusted; prints as a table, also in a notebook.

    Attributes:
        judge: The name of the judge's model.
        prompt: The name of the prompt that it judges by.
        prompt_key: A hash of that prompt.
        seeds: How many seed examples there were.
        verdicts: Its verdicts on each kind of response.
        mistakes: What it got wrong.
        is_leave_one_out: Whether each seed was judged beside another one. Earlier versions judged
            it beside itself, where any judge does well.
        agreement: How far the judge agrees with the review of the run, as it was then; None without
            decisions.
    """

    judge: str
    prompt: str
    prompt_key: str
    seeds: int
    verdicts: Sequence[Verdicts]
    mistakes: Sequence[Mistake] = ()
    is_leave_one_out: bool = False
    agreement: Agreement | None = None

    @property
    def good(self) -> Verdicts:
        """Its verdicts on the seeds' own responses."""
        return next(verdicts for verdicts in self.verdicts if verdicts.kind == GOOD)

    @property
    def bad(self) -> Verdicts:
        """Its verdicts on all damaged responses together."""
        asked = 0
        kept = 0
        unsure = 0
        for verdicts in self.verdicts:
            if verdicts.kind != GOOD:
                asked += verdicts.asked
                kept += verdicts.kept
                unsure += verdicts.unsure
        return Verdicts(kind=BAD, asked=asked, kept=kept, unsure=unsure)

    def applies_to(self, judge: str | None, prompts: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is about this judge with these prompts.

        Args:
            judge: The name of the judge's model.
            prompts: The prompts by name, as `Prompt.as_json` gives them.
        """
        same_prompt = self.prompt_key == row_key(prompts.get(self.prompt, {}))
        return self.judge == judge and same_prompt

    @property
    def tells_apart(self) -> bool:
        """Whether it shows that the judge tells good responses from bad ones.

        It does if even the low end of the share of good ones that it keeps is above the high end of
        the share of bad ones.
        """
        return self.good.interval.low > self.bad.interval.high

    def meaning(self, own_rows: Verdicts | None = None) -> str:
        """What the figures mean, in a few sentences.

        Args:
            own_rows: The judge's verdicts on the rows of a run.
        """
        return meaning(self, own_rows)

    def as_html(self, own_rows: Verdicts | None = None) -> str:
        """The table for a notebook or a page.

        Args:
            own_rows: The judge's verdicts on the rows of a run, to stand beside the others.
        """
        return self._table(own_rows).as_html()

    def _table(
        self, own_rows: Verdicts | None = None, agreement: Agreement | None = None
    ) -> NotedTable:
        applied = []
        for verdicts in self.verdicts:
            if verdicts.asked or verdicts.unsure:
                applied.append(verdicts)
        rows = [verdicts.cells() for verdicts in applied]
        if own_rows is not None and own_rows.asked:
            rows.append(own_rows.cells_of_own_rows())
        rows += [mistake.cells() for mistake in self.mistakes[:MISTAKES_SHOWN]]
        beside = "each with itself as the example"
        if self.is_leave_one_out:
            beside = "each with another seed as the example"
        note = (
            f"{self.meaning(own_rows)} "
            f"The judge {self.judge}, with the prompt {self.prompt}, on the responses of "
            f"{pluralize(self.seeds, 'seed example')}, unchanged and damaged, {beside}. "
            "In brackets: the 95% confidence interval of the share, which is wide for few seeds."
        )
        if agreement is not None:
            note = f"{agreement.sentences} {note}"
        return NotedTable(HEAD, rows, note)

    def __repr__(self) -> str:
        return self._table(agreement=self.agreement).as_text()

    def _repr_html_(self) -> str:
        return self._table(agreement=self.agreement).as_html()
