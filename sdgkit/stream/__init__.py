"""Rows moving through the stages of a pipeline.

No stage waits for another: each row moves to the next stage as soon as it can. A row is admitted only when a slot of
the teacher would otherwise stand empty; while rows remain to be admitted, the one nearest to its end is served first;
afterwards the one with the most stages ahead, except for every eighth slot, so that no long chain starts late and
samples keep coming.
"""

from sdgkit.stream.lanes import TURNED_EVERY, Job, Lane
from sdgkit.stream.row import OUT, Step, Withdrawn
from sdgkit.stream.stream import ALIKE, CLOSING, FAILURES, Finished, Stream, explained, forced
from sdgkit.stream.target import EMPTY_ROUNDS, Target

__all__ = [
    "ALIKE",
    "CLOSING",
    "EMPTY_ROUNDS",
    "FAILURES",
    "OUT",
    "TURNED_EVERY",
    "Finished",
    "Job",
    "Lane",
    "Step",
    "Stream",
    "Target",
    "Withdrawn",
    "explained",
    "forced",
]
