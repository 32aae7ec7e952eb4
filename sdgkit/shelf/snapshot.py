"""The state of a shelf: that of each skill, and that of the whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sdgkit.funnel import StageLine
from sdgkit.run.snapshot import Snapshot

ENOUGH_DONE = 0.02
"""The share of the work from which on the time left is estimated."""

_WORST_FIRST = ("failed", "cancelled", "interrupted")


@dataclass(frozen=True)
class ShelfSnapshot:
    """The state of a shelf at one moment.

    Attributes:
        skills: The state of each skill, by its name.
        whole: The state of all of them together: their funnels, samples and requests added up.
    """

    skills: Mapping[str, Snapshot]
    whole: Snapshot

    @property
    def state(self) -> str:
        """The state of the whole."""
        return self.whole.state


def snapshot_of(
    skills: Mapping[str, Snapshot], *, wall_s: float, slots: int, is_running: bool, message: str
) -> ShelfSnapshot:
    """The state of a shelf.

    Args:
        skills: The state of each skill; `new` for one that is yet to begin.
        wall_s: Seconds since the shelf's session began.
        slots: Requests that the teachers may be working on at once.
        is_running: Whether this process is working on it.
        message: Why it failed or stopped; that of a skill counts where this is empty.
    """
    states = [snapshot.state for snapshot in skills.values()]
    active = [snapshot for snapshot in skills.values() if snapshot.is_active]
    fraction = sum(_fraction(snapshot) for snapshot in skills.values()) / max(1, len(skills))
    seconds_left = None
    if is_running and fraction > ENOUGH_DONE:
        seconds_left = wall_s * (1 - fraction) / fraction
    messages = [snapshot.message for snapshot in skills.values() if snapshot.message]
    newest = [sample for snapshot in active for sample in snapshot.newest]
    whole = Snapshot(
        state=_state_of_all(states, is_running),
        stages=funnel_of_all(snapshot.stages for snapshot in skills.values()),
        samples=sum(snapshot.samples for snapshot in skills.values()),
        seeds=sum(snapshot.seeds for snapshot in skills.values()),
        requests=sum(snapshot.requests for snapshot in skills.values()),
        reused=sum(snapshot.reused for snapshot in skills.values()),
        retries=sum(snapshot.retries for snapshot in skills.values()),
        completion_tokens=sum(snapshot.completion_tokens for snapshot in skills.values()),
        in_flight=sum(snapshot.in_flight for snapshot in active),
        slots=slots,
        wall_s=wall_s or sum(snapshot.wall_s for snapshot in skills.values()),
        requests_per_s=sum(snapshot.requests_per_s for snapshot in active),
        tokens_per_s=sum(snapshot.tokens_per_s for snapshot in active),
        seconds_left=seconds_left,
        fraction=fraction,
        message=message or next(iter(messages), ""),
        newest=newest,
    )
    return ShelfSnapshot(skills, whole)


def funnel_of_all(funnels: Iterable[Sequence[StageLine]]) -> list[StageLine]:
    """The funnels of several skills added up, stage by stage.

    Example:
        >>> mail = [StageLine.from_drops("gen_contexts", 2, {}, tried=6)]
        >>> notes = [StageLine.from_drops("gen_contexts", 3, {"malformed": 1}, tried=9)]
        >>> funnel_of_all([mail, notes])[0].rows_out
        14
    """
    numbers: dict[str, Counter[str]] = {}
    dropped: dict[str, Counter[str]] = {}
    for funnel in funnels:
        for line in funnel:
            numbers.setdefault(line.name, Counter())
            numbers[line.name].update({"rows_in": line.rows_in, "tried": line.tried})
            dropped.setdefault(line.name, Counter()).update(line.dropped)
    return [
        StageLine.from_drops(name, counts["rows_in"], dropped[name], counts["tried"])
        for name, counts in numbers.items()
    ]


def _fraction(snapshot: Snapshot) -> float:
    return 1.0 if snapshot.state == "done" else snapshot.fraction


def _state_of_all(states: Sequence[str], is_running: bool) -> str:
    """The state of a shelf whose skills are in these states."""
    active = [state for state in states if state in ("running", "paused")]
    if is_running or active:
        return "paused" if active and all(state == "paused" for state in active) else "running"
    for state in _WORST_FIRST:
        if state in states:
            return state
    if all(state == "new" for state in states):
        return "new"
    return "interrupted" if "new" in states else "done"
