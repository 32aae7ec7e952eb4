"""Rows moving through the stages of a pipeline.

No stage waits for another: each row moves to the next stage as soon as it can. A row is admitted
only when a slot of the teacher would otherwise stay empty. While rows remain to be admitted, the
row nearest to its end is served first; afterwards the one with the most stages ahead, except for
every eighth slot, so that no long chain starts late and samples keep coming.
"""

from sdgkit.stream.requests import Usage
from sdgkit.stream.stream import Stream
from sdgkit.stream.tally import StageCounts, Tally
from sdgkit.stream.target import FixedUnits, RequestLimit, Target

__all__ = [
    "FixedUnits",
    "RequestLimit",
    "StageCounts",
    "Stream",
    "Tally",
    "Target",
    "Usage",
]
