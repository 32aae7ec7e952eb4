"""The SQLite record of a run."""

from sdgkit.files import JOURNAL_FILE
from sdgkit.journal.columns import edition_of
from sdgkit.journal.journal import Journal, refuse_busy
from sdgkit.journal.merging import copy_replies, copy_rows
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
    "Edition",
    "Export",
    "Journal",
    "Outcome",
    "RecordedExchange",
    "RecordedReply",
    "Session",
    "Totals",
    "copy_replies",
    "copy_rows",
    "edition_of",
    "refuse_busy",
]
