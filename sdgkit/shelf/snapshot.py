"""The state of a shelf: that of each skill, and that of the whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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
    whole = Snapshot(state="new", stages=funnel_of_all(each.stages for each in skills.values()))
    fractions = 0.0
    for snapshot in skills.values():
        whole = _plus(whole, snapshot)
        fractions += _fraction(snapshot)
    fraction = fractions / max(1, len(skills))
    seconds_left = None
    if is_running and fraction > ENOUGH_DONE:
        seconds_left = wall_s * (1 - fraction) / fraction
    states = [snapshot.state for snapshot in skills.values()]
    whole = replace(
        whole,
        state=_state_of_all(states, is_running),
        slots=slots,
        wall_s=wall_s or whole.wall_s,
        seconds_left=seconds_left,
        fraction=fraction,
        message=message or whole.message,
    )
    return ShelfSnapshot(skills, whole)


def _plus(whole: Snapshot, skill: Snapshot) -> Snapshot:
    """The numbers of a shelf with those of one more skill.

    What happens at this moment is taken from a skill that is active alone.
    """
    whole = replace(
        whole,
        samples=whole.samples + skill.samples,
        seeds=whole.seeds + skill.seeds,
        requests=whole.requests + skill.requests,
        reused=whole.reused + skill.reused,
        retries=whole.retries + skill.retries,
        completion_tokens=whole.completion_tokens + skill.completion_tokens,
        wall_s=whole.wall_s + skill.wall_s,
        message=whole.message or skill.message,
    )
    if not skill.is_active:
        return whole
    return replace(
        whole,
        in_flight=whole.in_flight + skill.in_flight,
        requests_per_s=whole.requests_per_s + skill.requests_per_s,
        tokens_per_s=whole.tokens_per_s + skill.tokens_per_s,
        newest=[*whole.newest, *skill.newest],
    )


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
    lines = []
    for name, counts in numbers.items():
        lines.append(StageLine.from_drops(name, counts["rows_in"], dropped[name], counts["tried"]))
    return lines


def _fraction(snapshot: Snapshot) -> float:
    if snapshot.state == "done":
        return 1.0
    return snapshot.fraction


def _state_of_all(states: Sequence[str], is_running: bool) -> str:
    """The state of a shelf whose skills are in these states."""
    active = []
    for state in states:
        if state in ("running", "paused"):
            active.append(state)
    if is_running or active:
        if active and all(state == "paused" for state in active):
            return "paused"
        return "running"
    for state in _WORST_FIRST:
        if state in states:
            return state
    if all(state == "new" for state in states):
        return "new"
    if "new" in states:
        return "interrupted"
    return "done"
