"""The SQLite record of a run."""

from sdgkit.journal.journal import JOURNAL_FILE, WAIT_S, Journal, edition_of
from sdgkit.journal.values import (
    Edition,
    Export,
    Outcome,
    RecordedExchange,
    RecordedReply,
    Session,
    Totals,
)

__all__ = [
    "JOURNAL_FILE",
    "WAIT_S",
    "Edition",
    "Export",
    "Journal",
    "Outcome",
    "RecordedExchange",
    "RecordedReply",
    "Session",
    "Totals",
    "edition_of",
]
