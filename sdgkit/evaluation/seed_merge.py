"""Merges two versions of a list of seeds row by row, where that is certain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from sdgkit.seeds import Seed

Seeds = tuple[Seed, ...]


@dataclass
class _Changes:
    """What one side did to the common ancestor.

    Attributes:
        replaced: What replaces a row of the ancestor, by its place; nothing where it
            was removed.
        inserted: New rows, by the place of the ancestor's row before which they stand.
        blocks: Ranges of the ancestor's rows that became another number of rows.
    """

    replaced: dict[int, Seeds] = field(default_factory=dict)
    inserted: dict[int, Seeds] = field(default_factory=dict)
    blocks: list[range] = field(default_factory=list)


def merge_seeds(ancestor: Seeds, mine: Seeds, theirs: Seeds) -> Seeds | None:
    """Merge two versions of the same seeds.

    Rows that both added at the same place are all kept, theirs first.

    Args:
        ancestor: What both versions began as.
        mine: One version.
        theirs: The other one.

    Returns:
        The merged seeds; None where both changed the same row in different ways.

    Example:
        >>> one, two, three = {"seed_question": "1"}, {"seed_question": "2"}, {"seed_question": "3"}
        >>> merge_seeds((one,), mine=(two,), theirs=(one, three)) == (two, three)
        True
        >>> merge_seeds((one,), mine=(two,), theirs=(three,)) is None
        True
    """
    my_changes = _changes(ancestor, mine)
    their_changes = _changes(ancestor, theirs)
    if _collide(my_changes, their_changes):
        return None
    merged: list[Seed] = []
    for place in range(len(ancestor) + 1):
        added = their_changes.inserted.get(place, ())
        merged += added
        for row in my_changes.inserted.get(place, ()):
            if row not in added:
                merged.append(row)
        if place < len(ancestor):
            unchanged = (ancestor[place],)
            my_rows = my_changes.replaced.get(place, unchanged)
            merged += their_changes.replaced.get(place, my_rows)
    return tuple(merged)


def _changes(ancestor: Seeds, version: Seeds) -> _Changes:
    changes = _Changes()
    matcher = SequenceMatcher(None, _keys(ancestor), _keys(version), autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        new_rows = version[new_start:new_end]
        if kind == "insert":
            changes.inserted[start] = new_rows
        elif kind == "replace" and end - start == len(new_rows):
            for place, row in zip(range(start, end), new_rows, strict=True):
                changes.replaced[place] = (row,)
        elif kind != "equal":
            for place in range(start, end):
                changes.replaced[place] = ()
            changes.replaced[start] = new_rows
            if new_rows:
                changes.blocks.append(range(start, end))
    return changes


def _collide(one: _Changes, other: _Changes) -> bool:
    """Whether both sides changed the same rows, or one added rows within what the other rewrote."""
    for place in one.replaced.keys() & other.replaced.keys():
        if one.replaced[place] != other.replaced[place]:
            return True
    return _adds_within(one, other.blocks) or _adds_within(other, one.blocks)


def _adds_within(changes: _Changes, blocks: Sequence[range]) -> bool:
    for block in blocks:
        inner_places = block[1:]
        if any(place in inner_places for place in changes.inserted):
            return True
    return False


def _keys(rows: Seeds) -> list[str]:
    return [json.dumps(row, sort_keys=True, default=str) for row in rows]
