"""The files of an earlier session, which a session that was stopped early does not replace."""

from collections.abc import Iterable
from pathlib import Path

from sdgkit.decisions import Decisions, read_decisions
from sdgkit.errors import RunError
from sdgkit.formatting import format_number, pluralize
from sdgkit.funnel import Summary
from sdgkit.journal import Journal
from sdgkit.run.folder import SUMMARY_FILE, read_summary
from sdgkit.samples import Row


def earlier_files(out: Path, journal: Journal) -> Summary | None:
    """The summary of the files in a folder, if they give more to train on than this session.

    Args:
        out: The run's folder.
        journal: Its journal, in which this session was stopped.

    Returns:
        None if there are no files yet, or this session has at least as much.
    """
    if not (out / SUMMARY_FILE).exists():
        return None
    try:
        summary = read_summary(out)
    except RunError:  # damaged: there is nothing to keep
        return None
    decisions = read_decisions(journal)
    in_files = _count(decisions, journal.samples_in_files())
    if in_files > _count(decisions, journal.samples()):
        return summary
    return None


def kept_note(kept: Summary, samples: int) -> str:
    """Say that the files of an earlier session were kept.

    Args:
        kept: What they hold.
        samples: The samples of this session.
    """
    return (
        f"The files keep the {pluralize(kept.samples_kept, 'sample')} of an earlier session until "
        f"there are more to train on: this one was stopped at {format_number(samples)}."
    )


def _count(decisions: Decisions, samples: Iterable[Row]) -> int:
    """How many lines the training file has with these samples."""
    lines = 0
    for _ in decisions.let_through(samples):
        lines += 1
    return lines
