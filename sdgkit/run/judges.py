"""Whether a judge rejects most of the first rows: worth a look before you pay for more."""

from collections.abc import Sequence
from dataclasses import dataclass

from sdgkit.funnel import StageLine
from sdgkit.report.explain import DOUBTFUL_SHARE, Explanation
from sdgkit.stages import Stage

FIRST_ROWS = 30
"""Judgements after which a judge that rejects nearly all rows is worth a warning."""


@dataclass
class JudgeWarning:
    """The warning about a judge, given once for each `Run`.

    Attributes:
        pauses: Whether the run sends no more requests after the warning, until you continue it.
        note: The warning in a sentence; empty before it was given.
        explanation: Where the rows went, with examples; None before it was given.
    """

    pauses: bool = False
    note: str = ""
    explanation: Explanation | None = None


def doubtful_judge(stages: Sequence[Stage], lines: Sequence[StageLine]) -> str:
    """The warning about a judge that rejects most of the rows so far.

    Args:
        stages: The stages of the pipeline.
        lines: Their lines in the funnel, in the same order; further lines are ignored.

    Returns:
        A sentence for the user; empty if no judge is in doubt.
    """
    for stage, line in zip(stages, lines, strict=False):
        rejected = line.dropped.get("score", 0)
        judged = rejected + line.rows_out
        if stage.drops_by_score and judged >= FIRST_ROWS and rejected > DOUBTFUL_SHARE * judged:
            return (
                f"{stage.name}: the judge rejected {rejected} of the first {judged} rows. "
                "Is it right? For examples, use run.explain() or `sdgkit explain RUN`."
            )
    return ""
