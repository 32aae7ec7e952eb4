"""A pipeline: a list of stages under a name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.flows import read_flow
from sdgkit.keywords import known_keywords_throughout, unknown_keyword
from sdgkit.prompts import Prompt
from sdgkit.stages import Check, Stage


@known_keywords_throughout
@dataclass(frozen=True)
class Pipeline:
    """Stages in order, under a name. A pipeline is a value: every method returns a new one.

    Attributes:
        name: "grounded", "freeform", or a name of your own.
        stages: The stages, in order.
        prompts: Prompts that come with the pipeline, by stage name.
        model: The model that it is meant for, a default for `connect(model=)`.

    Example:
        >>> import sdgkit as sk
        >>> brief = sk.Check(name="brief", function=lambda row: len(row["response"]) < 900)
        >>> pipeline = sk.GROUNDED.after("gen_grounded_responses", brief)
        >>> pipeline.names[4:6]
        ['gen_grounded_responses', 'brief']
    """

    name: str
    stages: tuple[Stage, ...]
    prompts: Mapping[str, Prompt] = field(default_factory=dict, hash=False)
    model: str = ""

    def __post_init__(self) -> None:
        if not self.stages:
            raise SettingsError(
                f"The pipeline {self.name} has no stages. Give it at least one.", setting="stages"
            )
        [(most_common, uses)] = Counter(self.names).most_common(1)
        if uses > 1:
            raise SettingsError(
                f"The pipeline {self.name} has two stages named {most_common!r}. Rename one of "
                "them.",
                setting="stages",
            )

    @classmethod
    def from_flow(cls, path: str | Path) -> "Pipeline":
        """The pipeline in a flow file of sdg_hub 0.1, or in a pipeline file of InstructLab SDG.

        `sdgkit.flows.sdg_hub` says what is read differently.

        Args:
            path: The file or, where sdg_hub is installed, the name of one of its flows.

        Raises:
            SettingsError: The file is not such a flow, or has a block that is not supported.
            PromptError: One of its prompts cannot be used.
        """
        flow = read_flow(path)
        return cls(flow.name, flow.stages, flow.prompts, flow.model)

    @property
    def names(self) -> list[str]:
        """The names of the stages, in order."""
        return [stage.name for stage in self.stages]

    @property
    def prompted(self) -> list[str]:
        """The names of the stages that ask, in order. Their prompts have the same names."""
        asking = []
        for stage in self.stages:
            if stage.role:
                asking.append(stage.name)
        return asking

    def stage(self, name: str) -> Stage:
        """The stage of this name.

        Raises:
            SettingsError: The pipeline has no such stage.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise SettingsError(
            f"There is no stage {name!r}. The stages are {', '.join(self.names)}.",
            choices=self.names,
        )

    def after(self, name: str, stage: Stage) -> "Pipeline":
        """Insert a stage after another.

        Args:
            name: The name of the stage that is there.
            stage: The stage to insert.

        Raises:
            SettingsError: The pipeline has no stage of that name, or two of the new one's.
        """
        return self.put(name, self.stage(name), stage)

    def before(self, name: str, stage: Stage) -> "Pipeline":
        """Insert a stage before another.

        Args:
            name: The name of the stage that is there.
            stage: The stage to insert.

        Raises:
            SettingsError: The pipeline has no stage of that name, or two of the new one's.
        """
        return self.put(name, stage, self.stage(name))

    def without(self, *names: str) -> "Pipeline":
        """Leave stages out.

        Raises:
            SettingsError: The pipeline has no stage of one of these names, or none would be left.
        """
        for name in names:
            self.stage(name)
        kept = []
        for stage in self.stages:
            if stage.name not in names:
                kept.append(stage)
        return replace(self, stages=tuple(kept))

    def put(self, name: str, *stages: Stage) -> "Pipeline":
        """Put one or more stages in place of another.

        Args:
            name: The name of the stage to replace.
            *stages: What to put there.

        Raises:
            SettingsError: The pipeline has no stage of that name, or would have two of one name.
        """
        place = self.stages.index(self.stage(name))
        before = self.stages[:place]
        after = self.stages[place + 1 :]
        return replace(self, stages=(*before, *stages, *after))

    def with_checks(self, checks: Sequence[Check]) -> "Pipeline":
        """Insert each check after the stage that writes its column; several in the order given.

        Raises:
            SettingsError: No stage writes the column of a check.
        """
        pipeline = self
        for check in reversed(checks):
            writer = pipeline.writer_of(check.column)
            if writer is None:
                raise SettingsError(
                    f"The check {check.name} reads the column {check.column!r}, which no stage "
                    "writes.",
                    setting="checks",
                )
            pipeline = pipeline.after(writer, check)
        for check in checks:
            stages = tuple(stage.with_check(check) for stage in pipeline.stages)
            pipeline = replace(pipeline, stages=stages)
        return pipeline

    def writer_of(self, column: str) -> str | None:
        """The name of the last stage that makes a column, or else of the last that changes it.

        None if no stage writes it.
        """
        makers = []
        changers = []
        for stage in self.stages:
            if column in stage.columns:
                makers.append(stage.name)
            if column in stage.written_columns:
                changers.append(stage.name)
        writers = makers or changers
        if not writers:
            return None
        return writers[-1]

    def change(self, name: str, **fields: Any) -> "Pipeline":
        """Change fields of a stage.

        Args:
            name: The name of the stage.
            **fields: The fields and their new values.

        Raises:
            SettingsError: The pipeline has no stage of that name, or the stage no such field.

        Example:
            >>> import sdgkit as sk
            >>> pipeline = sk.GROUNDED.change("gen_contexts", per_row=5)
            >>> pipeline.stage("gen_contexts").per_row
            5
        """
        stage = self.stage(name)
        for setting in fields:
            if setting not in stage.field_names:
                raise unknown_keyword(name, setting, stage.field_names)
        return self.put(name, replace(stage, **fields))
