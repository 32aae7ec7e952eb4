"""Flow files of other tools, read as the stages of a pipeline."""

from sdgkit.flows.sdg_hub import Flow, read_flow
from sdgkit.flows.stages import FlowFilter, FlowJudge

__all__ = ["Flow", "FlowFilter", "FlowJudge", "read_flow"]
