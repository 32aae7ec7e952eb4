"""What a stream needs from the plan of a run."""

from collections.abc import Mapping
from typing import Any, Protocol

from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt
from sdgkit.samples import Row
from sdgkit.teachers.teacher import Teacher


class StreamPlan(Protocol):
    """What decides where rows move and which teacher they ask; `sdgkit.run.plan.Plan` is one."""

    @property
    def pipeline(self) -> Pipeline:
        """The stages."""

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """The prompts of the stages that ask, by stage name."""

    @property
    def teacher(self) -> Teacher | None:
        """The teacher that the stages ask; None if none of them asks."""

    @property
    def judge(self) -> Teacher | None:
        """The teacher that the judging stages ask; None if the teacher also judges."""

    def variables_of(self, row: Row) -> Mapping[str, Any]:
        """The variables of the whole run, as the prompts for this row see them."""

    @property
    def structure(self) -> str:
        """When to use structured output: "auto" (when asking again), "always" or "never"."""
