"""Where the draws of each seed begin, so that a whole run draws each value about equally often.

The seeds of a run draw one after the other from the same endless order: the first takes as many
values as it makes rows, the second those that follow. With few rows of many seeds, too, everything
in a list comes up. A folder keeps where its seeds began: when seeds are added, edited or removed,
or more rows are made of each, what was drawn before stays, and is not asked again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.journal import Journal
from sdgkit.recorded import read_values
from sdgkit.run.edition import EditionConfig
from sdgkit.run.plan import Plan
from sdgkit.samples import Row
from sdgkit.seeds import row_key


@dataclass(frozen=True)
class RecordedDraws:
    """What the earlier sessions in a folder drew.

    Attributes:
        starts: Where the draws of each seed began, by its key.
        each_for_itself: Whether each seed drew for itself, as it did before there were such starts.
    """

    starts: Mapping[str, int]
    each_for_itself: bool


def with_draw_starts(plan: Plan, journal: Journal) -> Plan:
    """The plan, in which it is decided where the draws of each seed begin.

    Args:
        plan: The plan of the whole run, with all of its seeds.
        journal: What earlier sessions recorded.
    """
    first = plan.pipeline.stages[0]
    is_decided_for_good = first.draw_starts is not None and not first.draw_starts
    if not plan.can_draw or is_decided_for_good:
        return plan
    recorded = _recorded(journal)
    if recorded.each_for_itself:
        return plan.with_draws_from({})
    known = {**recorded.starts, **(first.draw_starts or {})}
    rows_of_each = first.requests_per_row
    if plan.target is not None:
        rows_of_each = 1  # in a round
    return plan.with_draws_from(_starts(plan.rows, known, rows_of_each))


def _starts(rows: Sequence[Row], known: Mapping[str, int], rows_of_each: int) -> dict[str, int]:
    """Where the draws of each row begin: where they began, or else after all others."""
    starts = dict(known)
    free = 0
    if known:
        free = max(known.values()) + rows_of_each
    for row in rows:
        key = row_key(row)
        if key not in starts:
            starts[key] = free
            free += rows_of_each
    return starts


def _recorded(journal: Journal) -> RecordedDraws:
    """What the editions in a journal drew."""
    starts: dict[str, int] = {}
    each_for_itself = False
    for config in journal.configs():
        edition = read_values(EditionConfig, config, f"The journal in {journal.folder}", None)
        if not _draws(edition.stages):
            continue
        if edition.draw_starts:
            starts |= dict(zip(edition.seeds, edition.draw_starts, strict=False))
        else:
            each_for_itself = True
    return RecordedDraws(starts, each_for_itself)


def _draws(stages: Sequence[Mapping[str, Any]]) -> bool:
    return bool(stages and stages[0].get("vary"))
