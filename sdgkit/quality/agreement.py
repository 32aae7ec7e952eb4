"""The person as the yardstick: a reviewer's decisions compared with the judge's verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sdgkit.decisions import Decision, Decisions
from sdgkit.formatting import format_number, list_briefly, pluralize
from sdgkit.funnel import StageLine
from sdgkit.pages.picture import describe_stage
from sdgkit.quality.interval import Interval, interval
from sdgkit.samples import Row

ROWS_NAMED = 5  # of a kind, in a sentence


@dataclass(frozen=True)
class Disagreement:
    """A row about which you and the judge disagree.

    Attributes:
        id: The row's id.
        score: The judge's score; None if it is not a number.
        words: The judge's evaluation.
        reason: The reason that you gave, or "edited" where you changed a text; "" if there is none.
    """

    id: str
    score: float | None
    words: str
    reason: str = ""


@dataclass(frozen=True)
class Agreement:
    """How far a judge agrees with the person who reviewed the run.

    A sample counts as good if you accepted it as it is: what you edited was not good as it stood.

    Attributes:
        compared: How many rows both of you decided about.
        agreed: How many of those you decided alike.
        false_keeps: The rows that the judge kept, and you rejected or edited.
        false_drops: The rows that the judge dropped, and you accepted.
    """

    compared: int
    agreed: int
    false_keeps: Sequence[Disagreement] = ()
    false_drops: Sequence[Disagreement] = ()

    @property
    def interval(self) -> Interval:
        """The confidence interval (95%) of the share of rows that you decide alike."""
        return interval(self.agreed, self.compared)

    @property
    def summary(self) -> str:
        """The share in a few words: "the judge agrees with you on 18 of 20 (70–97%)"."""
        low = f"{self.interval.low * 100:.0f}"
        high = f"{self.interval.high * 100:.0f}"
        counts = f"{format_number(self.agreed)} of {format_number(self.compared)}"
        return f"the judge agrees with you on {counts} ({low}\u2013{high}%)"

    @property
    def sentences(self) -> str:
        """The share, and the rows to look at."""
        sentences = [f"{self.summary[0].upper()}{self.summary[1:]}."]
        if self.false_keeps:
            kept = pluralize(len(self.false_keeps), "row")
            sentences.append(
                f"It kept {kept} that you rejected or edited: {_ids(self.false_keeps)}."
            )
        if self.false_drops:
            dropped = pluralize(len(self.false_drops), "row")
            sentences.append(f"It dropped {dropped} that you accepted: {_ids(self.false_drops)}.")
        return " ".join(sentences)


def compare_with_judge(
    decisions: Decisions, samples: Iterable[Row], judge_drops: Iterable[Row]
) -> Agreement | None:
    """Compare a reviewer's decisions with the judge's.

    Args:
        decisions: The decisions.
        samples: The samples, which the judge kept.
        judge_drops: The rows that the last judge dropped.

    Returns:
        The agreement; None if no decision is about one of these rows.
    """
    if not decisions:
        return None
    agreed = 0
    false_keeps = []
    false_drops = []
    for sample in samples:
        decision = decisions.about(sample)
        if decision is None or not _has_score(sample):
            continue
        if decision.state == "accepted":
            agreed += 1
        else:
            false_keeps.append(_disagreement(sample, decision))
    for drop in judge_drops:
        decision = about_drop(decisions, drop)
        if decision is None:
            continue
        if decision.verdict == "accept":
            false_drops.append(_disagreement(drop, decision))
        else:
            agreed += 1
    compared = agreed + len(false_keeps) + len(false_drops)
    if not compared:
        return None
    return Agreement(compared, agreed, false_keeps, false_drops)


def judge_drops(drops: Iterable[Row], lines: Sequence[StageLine]) -> Iterator[Row]:
    """The rows that the last judge of a run dropped.

    Args:
        drops: All drops of the run.
        lines: The run's funnel.
    """
    filters = []
    for line in lines:
        if "score" in line.dropped or describe_stage(line.name).kind == "keep":
            filters.append(line.name)
    for drop in drops:
        if filters and drop.get("reason") == "score" and drop.get("stage") == filters[-1]:
            yield drop


def about_drop(decisions: Decisions, drop: Row) -> Decision | None:
    """The decision that applies to the sample that a dropped row would have become."""
    return decisions.about(as_finished(drop))


def as_finished(drop: Row) -> Row:
    """A dropped row with its context above its question, as the last stage would have put it."""
    context = drop.get("context")
    question = drop.get("question")
    if not isinstance(context, str) or not isinstance(question, str):
        return drop
    return {**drop, "question": f"{context}\n\n{question}"}


def _has_score(row: Row) -> bool:
    return isinstance(row.get("score"), int | float)


def _disagreement(row: Row, decision: Decision) -> Disagreement:
    score = row.get("score")
    score_number = None
    if isinstance(score, int | float):
        score_number = float(score)
    return Disagreement(
        id=str(row.get("id")),
        score=score_number,
        words=str(row.get("evaluation") or ""),
        reason=decision.reason or ("edited" if decision.edits else ""),
    )


def _ids(disagreements: Sequence[Disagreement]) -> str:
    return list_briefly([disagreement.id for disagreement in disagreements], most=ROWS_NAMED)
