"""The still picture of a panel: the same facts as HTML with inline attributes only, and as plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

from sdgkit.pages import clip, fill, visible

PRINTED = 1_500  # characters of one text that plain text shows


class Drawing(str):
    """SVG or HTML from sdgkit's own templates, which escape what they print: not escaped again."""

    def __html__(self) -> str:
        return self


@dataclass(frozen=True)
class Block:
    """One thing to show: a text, a drawing (in plain text `text`, or what it says aloud), or a table.

    title: "" for none. folded: behind a click, where something can be clicked.
    """

    title: str = ""
    text: str = ""
    drawing: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    folded: bool = False

    @property
    def svg(self) -> Drawing:
        return Drawing(self.drawing)

    def __str__(self) -> str:
        lines = [self.title] if self.title else []
        text = self.text or unescape(self.drawing.partition('aria-label="')[2].partition('"')[0])
        if text:
            lines += ["  " + line for line in clip(visible(text), PRINTED).split("\n")]
        if self.columns:
            table = [list(self.columns), *([str(visible(str(cell))) for cell in row] for row in self.rows)]
            table = [[cell.replace("\n", " ")[:60] for cell in row] for row in table]
            widths = [max(len(row[place]) for row in table) for place in range(len(self.columns))]
            padded = (zip(row, widths, strict=True) for row in table)
            lines += ["  " + "  ".join(cell.ljust(width) for cell, width in row).rstrip() for row in padded]
        return "\n".join(lines)


@dataclass(frozen=True)
class Still:
    """A panel's state as a picture. words: the line under the title. note: why it is not live. id: the live panel's,
    which hides it."""

    title: str
    folder: str
    words: str
    error: str = ""
    facts: Sequence[tuple[str, str]] = ()
    blocks: Sequence[Block] = ()
    note: str = ""
    id: str = ""

    def bundle(self) -> Mapping[str, str]:
        """The picture for a notebook."""
        return {"text/plain": str(self), "text/html": "".join(fill("panel.html", still=self))}

    def __str__(self) -> str:
        lines = [visible(f"{self.title} {self.folder}".rstrip() + f": {self.words}")]
        if self.error:
            lines.append(f"Error: {visible(self.error)}")
        if self.facts:
            lines.append(" · ".join(f"{name} {visible(value)}" for name, value in self.facts))
        lines += [str(block) for block in self.blocks]
        if self.note:
            lines.append(f"({self.note})")
        return "\n".join(line for line in lines if line)
