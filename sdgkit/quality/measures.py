"""How measures are shown: as text, and as a table in a notebook."""

from collections.abc import Sequence

from sdgkit.formatting import visible
from sdgkit.pages import fill


def as_text(head: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> str:
    """A table for people with a note below it, its columns as wide as what stands in them."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return visible("\n".join([*told, note]))


def as_html(
    head: Sequence[str], rows: Sequence[Sequence[str]], note: str, picture: str = ""
) -> str:
    """The same for a notebook or a page. picture: SVG to stand below."""
    return "".join(fill("measures.html", head=head, rows=rows, note=note, picture=picture))
