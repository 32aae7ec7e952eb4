"""Takes the content of one journal over into another: of the parts of a run into the whole's."""

from collections.abc import Iterator, Mapping
from typing import Any

from sdgkit.journal.journal import Journal
from sdgkit.journal.replies import EARLIER

PAGE_SIZE = 500
"""Rows that are read, and written, at a time."""

SELECT_REPLIES = """
    SELECT key, stage, model, ordinal, attempt, messages, sampling,
        text, reasoning, finish_reason, prompt_tokens, completion_tokens, seconds
    FROM replies WHERE key>:last ORDER BY key LIMIT :page_size
"""

SELECT_ROWS = """
    SELECT place, id, unit, stage, reason, message, reply, columns, trail
    FROM rows WHERE edition=:edition AND place>:last ORDER BY place LIMIT :page_size
"""

INSERT_ROW = """
    INSERT OR REPLACE INTO rows (
        edition, place, id, unit, stage, reason, message, reply, columns, trail
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def copy_replies(source: Journal, whole: Journal) -> None:
    """Record the replies of a journal in another one, as replies of its session.

    Where both have a reply to a request, the one that is there stays. Before a session has begun,
    they are replies of an earlier one.

    Args:
        source: Where they are.
        whole: Where to record them.

    Raises:
        RunError: One of the two cannot be used.
    """
    session = whole.session or EARLIER
    for page in _pages(source, SELECT_REPLIES, "key"):
        replies = [{**row, "session": session} for row in page]
        whole.take_over_replies(replies)


def copy_rows(
    source: Journal, whole: Journal, rows: Mapping[int, int], units: Mapping[int, int]
) -> None:
    """Record the samples, the drops and the finished units of a part of a run in the whole's.

    They belong to the edition that the whole's session writes.

    Args:
        source: The journal of the part.
        whole: The journal of the whole run.
        rows: For each input row of the part, counted from 1, which one of the whole it is.
        units: The same for its units, which with a target are parts of rounds.

    Raises:
        RunError: One of the two cannot be used.
    """
    edition = whole.edition
    for page in _pages(source, SELECT_ROWS, "place", edition=source.edition):
        copied = []
        for place, id_, unit, *columns in page:
            row, _, below = place.partition(".")
            new_place = f"{rows[int(row)]:06}"
            if below:
                new_place = f"{new_place}.{below}"
            copied.append((edition, new_place, id_, units[unit], *columns))
        whole.take_over(INSERT_ROW, copied)
    for unit, counts in source.finished_units().items():
        whole.finish(units[unit], counts)
    whole.flush()


def _pages(source: Journal, query: str, order: str, **values: str) -> Iterator[list[Any]]:
    """The rows of a query, page by page."""
    page = source.select(query, last="", page_size=PAGE_SIZE, **values)
    while page:
        yield page
        page = source.select(query, last=page[-1][order], page_size=PAGE_SIZE, **values)
