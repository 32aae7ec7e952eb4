"""Divides the seeds of a run among the shards."""

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
        seeds: For each of these seeds, counted from 1, which one of the whole run it is.
        units: The same for its units: the seeds or, with a target, their parts of its rounds.
    """

    plan: Plan
    seeds: Mapping[int, int]
    units: Mapping[int, int]


def deal(
    plan: Plan, seeds: Sequence[int], shards: int, *, target_units: int | None = None
) -> list[Hand]:
    """Deal out the seeds like cards, so that the shards have the same amount of work.

    Equal seeds stay together: their requests are equal, and asked once.

    Args:
        plan: The plan of the whole run.
        seeds: Which seeds are left, counted from 1, in order.
        shards: Between how many shards; no more than there are seeds.
        target_units: How many units of a target's rounds are to be done; None without a target.
    """
    admitted = plan.admitted
    shard_of: dict[str, int] = {}
    hands: list[list[int]] = [[] for _ in range(shards)]
    for number in seeds:
        _, row = admitted[number - 1]
        text = json.dumps(row, sort_keys=True)
        shard = shard_of.setdefault(text, len(shard_of) % shards)
        hands[shard].append(number)
    return [_hand(plan, numbers, target_units) for numbers in hands if numbers]


def _hand(plan: Plan, numbers: Sequence[int], target_units: int | None) -> Hand:
    admitted = plan.admitted
    rows = []
    for number in numbers:
        id_, row = admitted[number - 1]
        rows.append({**row, "id": id_})
    units = list(numbers)
    if target_units is not None:
        units = _units_of(numbers, len(admitted), target_units)
    return Hand(part_of(plan, rows), dict(enumerate(numbers, 1)), dict(enumerate(units, 1)))


def _units_of(numbers: Sequence[int], seeds: int, target_units: int) -> list[int]:
    """The units of some seeds, in the order of round and seed.

    Example:
        >>> _units_of([2, 4], seeds=5, target_units=13)
        [2, 4, 7, 9, 12]
    """
    units = []
    for before in range(0, target_units, seeds):
        for number in numbers:
            if before + number <= target_units:
                units.append(before + number)
    return units


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
