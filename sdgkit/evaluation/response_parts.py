"""The parts of a response: items (rows, entries, labelled lines), sentences and figures.

They are found by how a text looks, in any language.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ROW = re.compile(r"\s*\|.*\|\s*")
RULE = re.compile(r"\s*\|[\s:|-]+\|\s*")
ENTRY = re.compile(r"(\s*(?:[-*•]|\d{1,3}[.)])\s+)(\S.*)")
LABELLED = re.compile(r"(\s*(?:\*\*)?)([^\W\d_][^:|\n\"]{0,40}?)((?:\*\*)?:(?:\*\*)?\s+)(\S.*)")
KEY = re.compile(r'(\s*")([^"\n]{1,60})("\s*:\s*)(\S.*)')
FIGURE = re.compile(r"(?<![\w.,])\d+(?:[.,:]\d+)*")
_LIST_NUMBER = re.compile(r"(?m)^[^\S\n]*\d{1,3}[.)]\s")
WIDE_SIGNS = "\u3002\uff01\uff1f"  # what ends a sentence in Chinese and Japanese
_SENTENCE = re.compile(
    rf"[^\s.!?{WIDE_SIGNS}][^\n]*?(?:[.!?\u2026](?=\s|$)|[{WIDE_SIGNS}]|(?=\n|$))"
)
_WORD = re.compile(r"[^\W_]+")
_BETWEEN_CELLS = re.compile(r"(?<!\\)\|")  # a mark with a backslash belongs to its cell


@dataclass(frozen=True)
class Items:
    """The items of a response: lines of the same kind, at least two, or the rows of a table.

    Attributes:
        kind: "row" (of a table), "entry" (of a list), "key" (of JSON) or "label".
        lines: All lines of the response.
        places: Which of them are items.
    """

    kind: str
    lines: Sequence[str]
    places: Sequence[int]

    @property
    def texts(self) -> Sequence[str]:
        """The items, as they are."""
        return [self.lines[place] for place in self.places]

    def without(self, item: int) -> str:
        """The response without one item, counted from 0."""
        place = self.places[item]
        return "\n".join([*self.lines[:place], *self.lines[place + 1 :]])

    def with_line(self, item: int, line: str) -> str:
        """The response with another line in the place of an item."""
        place = self.places[item]
        return "\n".join([*self.lines[:place], line, *self.lines[place + 1 :]])

    def with_further(self, line: str) -> str:
        """The response with one more line after the last item."""
        end = self.places[-1] + 1
        return "\n".join([*self.lines[:end], line, *self.lines[end:]])


def items_of(text: str) -> Items | None:
    """The items of a response; None if it has none.

    One line may look like an entry or a label by chance; one row of a table does not.

    Example:
        >>> items = items_of("- tea\\n- milk\\n\\nThat is all.")
        >>> items.kind, list(items.texts)
        ('entry', ['- tea', '- milk'])
    """
    lines = text.split("\n")
    rows = _table_rows(lines)
    kinds = {
        "row": rows,
        "entry": places_of(ENTRY, lines),
        "key": places_of(KEY, lines),
        "label": places_of(LABELLED, lines),
    }
    for kind, places in kinds.items():
        fewest = 2
        if kind == "row":
            fewest = 1
        if len(places) >= fewest:
            return Items(kind, lines, places)
    return None


def _table_rows(lines: Sequence[str]) -> list[int]:
    """The rows of a table, without its head and its rule."""
    rules = places_of(RULE, lines)
    if not rules:
        return []
    return [place for place in places_of(ROW, lines) if place > rules[0]]


def places_of(form: re.Pattern[str], lines: Sequence[str]) -> list[int]:
    """Where the lines stand that have this form, from 0."""
    return [place for place, line in enumerate(lines) if form.fullmatch(line)]


def cells(row: str) -> list[str]:
    """The cells of a table's row."""
    return [cell.strip() for cell in _BETWEEN_CELLS.split(row.strip().strip("|"))]


def sentences_of(text: str) -> list[re.Match[str]]:
    """The sentences of a text, with their places; a line without an end mark is one, too."""
    return list(_SENTENCE.finditer(text))


def figures_of(text: str) -> list[re.Match[str]]:
    """The figures of a text, with their places, without the numbers of a list's entries."""
    numbers = [match.span() for match in _LIST_NUMBER.finditer(text)]
    figures = []
    for figure in FIGURE.finditer(text):
        if not any(start <= figure.start() < end for start, end in numbers):
            figures.append(figure)
    return figures


def words_of(text: str) -> set[str]:
    """The different words and figures of a text, in lower case."""
    return {word.lower() for word in _WORD.findall(text)}


def share_in(text: str, source: str) -> float:
    """The share of a text's words that are in a source, 0 to 1."""
    words = words_of(text)
    return len(words & words_of(source)) / (len(words) or 1)
