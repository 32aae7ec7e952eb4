"""The kinds of stage: what happens to one row.

A stage is a frozen dataclass with a name. Most kinds change one row (`change`); `GenerateMany` and
`Given` make several rows of one (`spread`). A row is a mapping of columns. A row that must not
reach the next stage is dropped, with a reason.

A stage knows nothing about the stream that moves the rows: all it works with is a `Step`.

A stage of your own is a subclass with a `change` method, or a function given to `Check`:

    class Shout(Stage):
        async def change(self, step):
            return {**step.row, "response": step.row["response"].upper()}
"""

from sdgkit.stages.asking import FAULTS, VERDICT, VERDICT_WITH_FAULTS, Generate, Judge
from sdgkit.stages.loops import LOOP, against_loops, ends_in_loop, is_loop
from sdgkit.stages.many import GenerateMany, Given, draw
from sdgkit.stages.reading import Reading, is_truncated, refuse_if_final, why_unanswered
from sdgkit.stages.repair import JudgeAgain, Revise
from sdgkit.stages.rules import Check, Combine, Keep
from sdgkit.stages.stage import ASK_AGAIN, Role, Stage
from sdgkit.stages.step import Drop, Step

__all__ = [
    "ASK_AGAIN",
    "FAULTS",
    "LOOP",
    "VERDICT",
    "VERDICT_WITH_FAULTS",
    "Check",
    "Combine",
    "Drop",
    "Generate",
    "GenerateMany",
    "Given",
    "Judge",
    "JudgeAgain",
    "Keep",
    "Reading",
    "Revise",
    "Role",
    "Stage",
    "Step",
    "against_loops",
    "draw",
    "ends_in_loop",
    "is_loop",
    "is_truncated",
    "refuse_if_final",
    "why_unanswered",
]
