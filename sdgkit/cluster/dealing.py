"""Deals the seeds of a run out to the shards."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sdgkit.run.plan import Plan
from sdgkit.samples import Row


@dataclass(frozen=True)
class Hand:
    """The seeds of one shard.

    Attributes:
        plan: What to do with them, without teachers.
        units: For each of these seeds, counted from 1, which one of the whole run it is.
    """

    plan: Plan
    units: Mapping[int, int]


def deal(plan: Plan, units: Sequence[int], shards: int) -> list[Hand]:
    """Deal the seeds out like cards, so that the shards have the same amount of work.

    Equal seeds stay together: their requests are equal, and asked once.

    Args:
        plan: The plan of the whole run.
        units: Which seeds are left, counted from 1.
        shards: Between how many shards; no more than there are seeds.
    """
    admitted = plan.admitted
    shard_of: dict[str, int] = {}
    hands: list[list[int]] = [[] for _ in range(shards)]
    for unit in units:
        _, row = admitted[unit - 1]
        seed = json.dumps(row, sort_keys=True)
        shard = shard_of.setdefault(seed, len(shard_of) % shards)
        hands[shard].append(unit)
    return [_hand(plan, numbers) for numbers in hands if numbers]


def _hand(plan: Plan, units: Sequence[int]) -> Hand:
    admitted = plan.admitted
    rows = []
    for unit in units:
        id_, row = admitted[unit - 1]
        rows.append({**row, "id": id_})
    return Hand(part_of(plan, rows), dict(enumerate(units, 1)))


def part_of(plan: Plan, rows: Sequence[Row]) -> Plan:
    """The plan for some of the rows: what is done at the end is done for all of them together.

    Their prompts show the seeds of the whole run.
    """
    return replace(
        plan,
        rows=rows,
        teacher=None,
        judge=None,
        settings={},
        target=None,
        max_requests=None,
        min_samples=None,
        near_duplicates=None,
        responses=1,
        twins="keep",
        shown_seeds=plan.rows if plan.shown_seeds is None else plan.shown_seeds,
    )


def share(number: int, shards: int, shard: int) -> int:
    """A shard's part of a number that belongs to the whole run, such as its concurrent requests.

    Example:
        >>> [share(16, 3, shard) for shard in range(3)]
        [6, 5, 5]
    """
    whole, rest = divmod(number, shards)
    return max(1, whole + (shard < rest))
