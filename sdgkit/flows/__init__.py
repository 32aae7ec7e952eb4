"""Flow files of other tools, read as pipelines."""

from sdgkit.flows.sdg_hub import FlowFilter, FlowJudge, read_flow

__all__ = ["FlowFilter", "FlowJudge", "read_flow"]
