"""The kinds of stage that ask once for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.keywords import known_keywords_throughout
from sdgkit.prompts import Prompt, read_score
from sdgkit.prompts.faults import read_faults
from sdgkit.samples import Row
from sdgkit.stages.reading import Reading, can_be_read, has_thoughts, is_end_unsaid, is_truncated
from sdgkit.stages.reasoning import REASONING, with_reasoning
from sdgkit.stages.stage import Stage
from sdgkit.stages.step import Step
from sdgkit.teachers.teacher import Reply

VERDICT = ("evaluation", "score")
"""The columns of a judge's verdict: its words, and a number on its scale."""

FAULTS = "faults"
"""The column of the faults that a judge names, if its prompt has a pair of tags for them."""

VERDICT_WITH_FAULTS = ("evaluation", FAULTS, "score")
"""The columns of such a verdict, in the order of the prompt's tags."""


@known_keywords_throughout
@dataclass(frozen=True, kw_only=True)
class Generate(Stage):
    """Asks the teacher once for each row and adds the columns that the prompt's tags mark.

    Attributes:
        columns: The columns, one for each pair of the prompt's tags, in order.
        keep_reasoning: Whether to keep the teacher's reasoning, in the column `reasoning`.
    """

    columns: Sequence[str] = ("response",)
    keep_reasoning: bool = False
    role = "teacher"

    @property
    def written_columns(self) -> frozenset[str]:
        own = frozenset(self.columns)
        if self.keep_reasoning:
            return own | {REASONING}
        return own

    async def change(self, step: Step) -> Mapping[str, Any]:
        columns = await self._ask_for_columns(step)
        return {**step.row, **columns}

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        reading = super().read(prompt, row, reply)
        if not self.keep_reasoning:
            return reading
        return with_reasoning(reading, prompt, self.columns, reply)


@known_keywords_throughout
@dataclass(frozen=True, kw_only=True)
class Judge(Stage):
    """Asks the judge about the row, and adds its comments and a number: `evaluation` and `score`.

    A prompt with a third pair of tags, between those two, also asks for the kinds of fault that the
    judge found: the column `faults`, such as "truth, form", or "" for none.

    Attributes:
        scale: The scores that the judge may give.
    """

    scale: Sequence[float] = (0.0, 1.0)
    columns = VERDICT
    role = "judge"

    async def change(self, step: Step) -> Mapping[str, Any]:
        verdict = await self._ask_for_columns(step)
        return {**step.row, **verdict}

    @property
    def written_columns(self) -> frozenset[str]:
        return frozenset(VERDICT_WITH_FAULTS)

    def reply_columns(self, prompt: Prompt) -> Sequence[str]:
        if len(prompt.tags) == len(VERDICT_WITH_FAULTS):
            return VERDICT_WITH_FAULTS
        return self.columns

    def score_in(self, text: str) -> float | None:
        """The score that a judge's text means; None unless it is certain and on the scale."""
        return read_score(text, self.scale)

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        """Read the verdict in a reply.

        Several scores, or a part of another record, make the reply malformed: one of them may be
        the sample's own.
        """
        columns = self.reply_columns(prompt)
        if not can_be_read(reply):
            return Reading(texts=(), rows=())
        parsed = prompt.parse(
            reply.text,
            columns,
            cut_off=is_truncated(reply),
            end_unsaid=is_end_unsaid(reply),
            keep_thoughts=has_thoughts(row),
            optional={FAULTS},
        )
        scores = {self.score_in(record["score"]) for record in parsed.rows}
        score = None
        if len(scores) == 1 and not parsed.stray:
            score = scores.pop()
        if score is None:
            return Reading(parsed.rows, (), parsed.is_thought_only)
        record = parsed.rows[0]
        verdict: dict[str, Any] = {"evaluation": record["evaluation"], "score": float(score)}
        if FAULTS in columns:
            verdict[FAULTS] = ", ".join(read_faults(record[FAULTS]))
        return Reading(texts=parsed.rows, rows=[verdict])
