"""A small table with a note below it, as plain text and as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from sdgkit.formatting import visible
from sdgkit.pages.filling import fill


@dataclass(frozen=True)
class NotedTable:
    """A table of texts and a note.

    Attributes:
        head: The name of each column.
        rows: The cells of each row; the first cell names the row.
        note: What the reader should know, below the table.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str

    def as_text(self) -> str:
        """The table in plain text, each column as wide as its widest cell.

        Example:
            >>> print(NotedTable(["column", "texts"], [["context", "20"]], "A note.").as_text())
            column   texts
            context  20
            A note.
        """
        table = [self.head, *self.rows]
        columns = zip(*table, strict=True)
        widths = [max(map(len, column)) for column in columns]
        lines = [_aligned(cells, widths) for cells in table]
        return visible("\n".join([*lines, self.note]))

    def as_html(self, picture: str = "") -> str:
        """The table in HTML.

        Args:
            picture: An SVG to place below the note.
        """
        return "".join(fill("noted_table.html", table=self, picture=picture))


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = map(str.ljust, cells, widths)
    return "  ".join(padded).rstrip()
