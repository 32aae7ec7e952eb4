"""What is asked outside of a run: seeds checked, prompts tried, judges calibrated, models compared."""

from collections.abc import Sequence
from typing import Any

from sdgkit.journal import Journal
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt
from sdgkit.run import Run
from sdgkit.run.plans import Plan
from sdgkit.stages import Row, Stage
from sdgkit.teachers.teacher import Teacher


def aside(plan: Plan, journal: Journal) -> Run:
    """A finished run that leaves its journal alone: no files, lest its rows be taken for samples, and no notes."""
    return Run(plan, journal=journal, reuse=True, on_note=lambda _: None).start().wait()


def ask_aside(
    stage: Stage, prompt: Prompt, rows: Sequence[Row], teacher: Teacher, journal: Journal, **settings: Any
) -> Run:
    """The same of one stage; what the journal has recorded is not asked again. settings: further ones of a `Plan`."""
    return aside(Plan(Pipeline(stage.name, (stage,)), rows, {stage.name: prompt}, teacher, **settings), journal)


def as_sample(seed: Row) -> dict[str, Any]:
    """A seed as a sample of itself: its context, question and response, to be judged beside it."""
    own = {name.removeprefix("seed_"): value for name, value in seed.items() if name.startswith("seed_")}
    return {**{name: value for name, value in seed.items() if name != "id"}, **own}
