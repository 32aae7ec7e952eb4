"""The check `markdown_table`, and reading a Markdown table (GitHub's form)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sdgkit.checks.registry import CheckedText, check, quoted

_DELIMITER_ROW = re.compile(r"\|?(\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?")
_OUTER_PIPES = re.compile(r"^\||(?<!\\)\|$")
_PIPE = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Table:
    """The first Markdown table in a text.

    Attributes:
        head: The cells of its head.
        rows: The cells of each row.
        around: The text before and after the table.
    """

    head: list[str]
    rows: list[list[str]]
    around: str

    @classmethod
    def of(cls, text: str) -> "Table | None":
        """Read the first table in a text, or return None if there is none.

        Example:
            >>> Table.of("| a | b |\\n|---|---|\\n| 1 | 2 |")
            Table(head=['a', 'b'], rows=[['1', '2']], around='')
        """
        lines = [line.strip() for line in text.strip().splitlines()]
        for position in range(1, len(lines)):
            head = lines[position - 1]
            if _is_below_head(lines[position], head):
                rows_begin = position + 1
                rows_end = rows_begin
                while rows_end < len(lines) and "|" in lines[rows_end]:
                    rows_end += 1
                rows = [_cells(line) for line in lines[rows_begin:rows_end]]
                around = [*lines[: position - 1], *lines[rows_end:]]
                return cls(_cells(head), rows, "\n".join(around).strip())
        return None

    def flaw(self) -> str:
        """What is wrong with its form, as a sentence; "" if nothing is."""
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.head):
                header = len(self.head)
                return f"Row {number} of the table has {len(row)} cells; its header has {header}."
        if self.rows:
            return ""
        return "The table has no rows."


def _is_below_head(line: str, head: str) -> bool:
    """Whether a line is the delimiter row (`|---|---|`) below this head."""
    if not _DELIMITER_ROW.fullmatch(line) or "|" not in head + line:
        return False
    return len(_cells(line)) == len(_cells(head))


def _cells(line: str) -> list[str]:
    inner = _OUTER_PIPES.sub("", line)
    return [cell.strip() for cell in _PIPE.split(inner)]


@check
def markdown_table(
    checked: CheckedText, columns: Sequence[str] | None = None, alone: bool = True
) -> str:
    """Check that the text is a Markdown table in which every row has as many cells as the head.

    Args:
        columns: The cells that the head must have, in order; by default those of the seed's
            table.
        alone: Whether there must be no text around the table, unless the seed has some.
    """
    table = Table.of(checked.text)
    if table is None:
        return "There is no Markdown table in it."
    seed_table = Table.of(checked.seed)
    head = list(columns or (seed_table or table).head)
    if table.head != head:
        return f"The header of the table is {' | '.join(table.head)}, not {' | '.join(head)}."
    seed_has_text_around = seed_table is not None and bool(seed_table.around)
    if alone and table.around and not seed_has_text_around:
        return f"There is text around the table: {quoted(table.around)}."
    return table.flaw()
