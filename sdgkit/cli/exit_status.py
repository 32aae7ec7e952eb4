"""The exit statuses of the commands, which say how a run ended."""

from typing import TYPE_CHECKING

from sdgkit.funnel import shortfall

if TYPE_CHECKING:
    from sdgkit.run.snapshot import Snapshot

DONE = 0
FAILED = 1
BAD_ARGUMENTS = 2
FINISHED_SHORT = 3
INTERRUPTED = 130

_OF_STATE = {"failed": FAILED, "cancelled": INTERRUPTED, "interrupted": INTERRUPTED}


def status_of(snapshot: "Snapshot", target: int | None, min_samples: int | None) -> int:
    """The exit status for the state of a run; 0 while it is running."""
    if snapshot.state != "done":
        return _OF_STATE.get(snapshot.state, DONE)
    is_short = shortfall(snapshot.samples, target, min_samples)
    if is_short:
        return FINISHED_SHORT
    return DONE
