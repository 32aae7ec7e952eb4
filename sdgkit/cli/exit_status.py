"""The exit statuses of the commands: they tell a good night from a bad one."""

from typing import TYPE_CHECKING

from sdgkit.formatting import pluralize

if TYPE_CHECKING:
    from sdgkit.run.snapshot import Snapshot

DONE = 0
FAILED = 1
BAD_ARGUMENTS = 2
FINISHED_SHORT = 3
INTERRUPTED = 130

_OF_STATE = {"failed": FAILED, "cancelled": INTERRUPTED, "interrupted": INTERRUPTED}


def shortfall(samples: int, target: int | None, min_samples: int | None) -> str:
    """Why a run that is done finished short, in a sentence; empty if it did not.

    Args:
        samples: How many samples it kept.
        target: How many it was to keep; None for one pass over the seeds.
        min_samples: How many it had to keep at least; None for no limit.

    Example:
        >>> shortfall(2, target=None, min_samples=3)
        'Finished short: 2 samples, and --min-samples asks for 3.'
        >>> shortfall(2, target=None, min_samples=None)
        ''
    """
    kept = pluralize(samples, "sample")
    if min_samples is not None and samples < min_samples:
        return f"Finished short: {kept}, and --min-samples asks for {min_samples:,}."
    if target is not None and samples < target:
        return f"Finished short: {kept}, and the target is {target:,}."
    if not samples:
        return "Finished short: no sample was kept."
    return ""


def status_of(snapshot: "Snapshot", target: int | None, min_samples: int | None) -> int:
    """The exit status that says how a run stands; 0 while it is running."""
    if snapshot.state != "done":
        return _OF_STATE.get(snapshot.state, DONE)
    is_short = shortfall(snapshot.samples, target, min_samples)
    return FINISHED_SHORT if is_short else DONE
