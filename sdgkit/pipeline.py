"""A pipeline is a list of stages; a stream moves rows through them.

No stage waits for another: each row goes on as soon as it can. A row is admitted only when a slot of the teacher
would otherwise stand empty; while rows remain to be admitted, the one nearest to its end is served first; afterwards
the one with the most stages ahead, except for every eighth slot, so that no long chain starts late and samples keep
coming.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.flows import read_flow
from sdgkit.prompts import Prompt
from sdgkit.stages import Stage


@dataclass(frozen=True)
class Pipeline:
    """Stages in order, under a name. Every method gives a new pipeline.

    name: "grounded", "freeform", or one of your own. prompts: those that it brings along, by stage name. model: the one
    that it is meant for, a default for `connect(model=)`.
    """

    name: str
    stages: tuple[Stage, ...]
    prompts: Mapping[str, Prompt] = field(default_factory=dict, hash=False)
    model: str = ""

    @classmethod
    def from_flow(cls, path: str | Path) -> "Pipeline":
        """The pipeline in a flow file of sdg_hub 0.1, by its path or, where sdg_hub is installed, its name.

        Raises SettingsError, PromptError. What is read differently: `sdgkit.flows`.
        """
        return cls(*read_flow(path))

    def __post_init__(self) -> None:
        if not self.stages:
            raise SettingsError(f"The pipeline {self.name} has no stages. Give it one at least.")
        if len(set(self.names)) < len(self.names):
            twice = Counter(self.names).most_common(1)[0][0]
            raise SettingsError(
                f"Two stages of the pipeline {self.name} are called {twice!r}. Name one differently."
            )

    @property
    def names(self) -> list[str]:
        """The names of the stages, in order."""
        return [stage.name for stage in self.stages]

    @property
    def prompted(self) -> list[str]:
        """The names of the stages that ask a teacher, in order; their prompts have the same names."""
        return [stage.name for stage in self.stages if stage.role]

    def stage(self, name: str) -> Stage:
        """The stage of this name. Raises SettingsError if there is none."""
        if name not in self.names:
            raise SettingsError(f"There is no stage {name!r}. There are {', '.join(self.names)}.")
        return self.stages[self.names.index(name)]

    def after(self, name: str, stage: Stage) -> "Pipeline":
        """With this stage put in after the one of that name."""
        return self.put(name, self.stage(name), stage)

    def before(self, name: str, stage: Stage) -> "Pipeline":
        """With this stage put in before the one of that name."""
        return self.put(name, stage, self.stage(name))

    def without(self, *names: str) -> "Pipeline":
        """Without the stages of these names."""
        gone = [self.stage(name) for name in names]
        return replace(self, stages=tuple(stage for stage in self.stages if stage not in gone))

    def put(self, name: str, *stages: Stage) -> "Pipeline":
        """With this stage, or these, in the place of the one of that name."""
        at = self.stages.index(self.stage(name))
        return replace(self, stages=(*self.stages[:at], *stages, *self.stages[at + 1 :]))

    def change(self, name: str, **fields: Any) -> "Pipeline":
        """With some fields of the stage of that name changed: `change("gen_contexts", per_row=5)`."""
        return self.put(name, replace(self.stage(name), **fields))
