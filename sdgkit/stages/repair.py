"""One repair before the drop: a response that is not perfect is revised once, and judged again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdgkit.prompts import Prompt
from sdgkit.samples import Row
from sdgkit.stages.asking import VERDICT_WITH_FAULTS, Generate, Judge
from sdgkit.stages.reading import Reading
from sdgkit.stages.reasoning import REASONING
from sdgkit.stages.rules import REPAIR, Check
from sdgkit.stages.stage import Stage
from sdgkit.stages.step import Drop, Step
from sdgkit.teachers.teacher import Reply

RESPONSE = "response"

NOT_NEEDED = ""
REVISED = "revised"
FIRST = "first"
FAILED = "failed"
"""The values of the column `repair`; see `Revise`."""

OTHER_RESPONSE = "other_response"
OTHER_SCORE = "other_score"
"""The columns of the version that was not kept."""

REPAIR_COLUMNS = (REPAIR, OTHER_RESPONSE, OTHER_SCORE)

FIRST_VERSION = "first_version"
"""The column in which a row carries its first response and the verdict on it to the judge."""

_OF_A_VERSION = (RESPONSE, REASONING, *VERDICT_WITH_FAULTS)


@dataclass(frozen=True, kw_only=True)
class Revise(Stage):
    """Asks for a better response where the judge objected to the first one.

    A row with a lower score than the best is asked about once, with the judge's words. The first
    response stays where the reply brings none, brings the same one, or one that a check rejects:
    nothing is dropped here. Every row gets the column `repair`: "" where none was needed, "failed"
    where there is no revised response, and otherwise what `JudgeAgain` writes.

    Attributes:
        below: Rows with a lower score than this are revised.
        keep_reasoning: Whether to keep the teacher's reasoning, in the column `reasoning`.
        checks: What a revised response must pass, as the first one did.
    """

    below: float = 3.0
    keep_reasoning: bool = False
    checks: Sequence[Check] = ()
    role = "teacher"
    asks_every_row = False

    @property
    def written_columns(self) -> frozenset[str]:
        own = frozenset([RESPONSE, *REPAIR_COLUMNS])
        if self.keep_reasoning:
            return own | {REASONING}
        return own

    def reply_columns(self, prompt: Prompt) -> Sequence[str]:
        return (RESPONSE,)

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        writer = Generate(name=self.name, columns=(RESPONSE,), keep_reasoning=self.keep_reasoning)
        return writer.read(prompt, row, reply)

    def with_check(self, check: Check) -> Stage:
        if check.column != RESPONSE or check in self.checks:
            return self
        return replace(self, checks=(*self.checks, check))

    async def change(self, step: Step) -> Mapping[str, Any]:
        row = step.row
        untouched = {**row, REPAIR: NOT_NEEDED, OTHER_RESPONSE: None, OTHER_SCORE: None}
        if self._value(row, "score") >= self.below:
            return untouched
        try:
            revised = {**untouched, **await self._ask_for_columns(step)}
            await self._check(revised, step, row)
        except Drop:  # the reply is recorded; the first response stays
            return {**untouched, REPAIR: FAILED}
        first = {}
        for name in _OF_A_VERSION:
            if name in row:
                first[name] = row[name]
        return {**revised, FIRST_VERSION: first}

    async def _check(self, revised: Row, step: Step, row: Row) -> None:
        """Raise Drop if the revised response is the first one, or a check rejects it."""
        if revised[RESPONSE] == row[RESPONSE]:
            raise Drop("duplicate", "The revised response is the same as the first one.")
        for check in self.checks:
            await check.verify(revised)


@dataclass(frozen=True, kw_only=True)
class JudgeAgain(Judge):
    """Judges the revised responses, and keeps the better of the two versions.

    The revised response is kept only if its score is higher. `repair` is "revised" or "first", by
    the version that is kept; the other one is in `other_response` and `other_score`. Where the
    judge gives no verdict, the first version stays.

    Attributes:
        repeats_judge: The name of the judge whose prompt is used again.
    """

    repeats_judge: str = ""
    asks_every_row = False

    @property
    def written_columns(self) -> frozenset[str]:
        return super().written_columns | {RESPONSE, *REPAIR_COLUMNS}

    @property
    def removed_columns(self) -> frozenset[str]:
        return frozenset([FIRST_VERSION])

    async def change(self, step: Step) -> Mapping[str, Any]:
        row = {}
        for name, value in step.row.items():
            if name != FIRST_VERSION:
                row[name] = value
        first = step.row.get(FIRST_VERSION)
        if first is None:
            return row
        try:
            verdict = await self._ask_for_columns(step)
        except Drop:  # without a verdict, nothing speaks for the revised response
            return {**row, **first, REPAIR: FIRST, OTHER_RESPONSE: row[RESPONSE]}
        if verdict["score"] > first["score"]:
            kept = {**verdict, REPAIR: REVISED}
            other = first
        else:
            kept = {**first, REPAIR: FIRST}
            other = {RESPONSE: row[RESPONSE], **verdict}
        return {**row, **kept, OTHER_RESPONSE: other[RESPONSE], OTHER_SCORE: other["score"]}
