"""Readers of JSON lines and JSON.

A reader takes the bytes of a file and yields its rows. It raises `Unreadable` for anything that is
not its format; what a seed must hold is checked elsewhere.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from sdgkit.seeds.decoding import decode
from sdgkit.seeds.rows import TWICE, Place, Seed, SourceRow, Unreadable


def numbered(rows: Iterable[Any]) -> list[SourceRow]:
    """Rows that have no lines, placed by their number."""
    return [SourceRow(Place(row=number), row) for number, row in enumerate(rows, 1)]


def read_jsonl(data: bytes, encoding: str | None = None) -> Iterator[SourceRow]:
    """The rows of a file of JSON lines; blank lines are skipped."""
    yield from _json_lines(decode(data, encoding))


def _json_lines(text: str) -> Iterator[SourceRow]:
    # Not splitlines(): a JSON string may hold U+2028.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield SourceRow(Place(line=number), _decoded(line, number))


def read_json(data: bytes, encoding: str | None = None) -> Iterator[SourceRow]:
    """The rows of a JSON file: a list of objects, or an object that holds one such list.

    What are JSON lines under this name is read as such.
    """
    text = decode(data, encoding)
    if _are_lines(text):
        yield from _json_lines(text)
        return
    rows = _decoded(text, 1)
    if isinstance(rows, dict):
        yield from _rows_in(rows)
        return
    if not isinstance(rows, list):
        raise Unreadable("the seeds must be a list of objects. Write [{…}, …].", Place(line=1))
    position = text.index("[") + 1
    line = 1 + text.count("\n", 0, position)
    for row in rows:  # each is decoded once more, to find out where it ends
        gap = _GAP.match(text, position)
        begin = position
        if gap is not None:
            begin = gap.end()
        line += text.count("\n", position, begin)
        yield SourceRow(Place(line=line), row)
        _, position = _DECODER.raw_decode(text, begin)
        line += text.count("\n", begin, position)


def _are_lines(text: str) -> bool:
    """Whether a text has several lines, each a whole JSON object."""
    lines = []
    for line in text.split("\n"):
        if line.strip():
            lines.append(line)
    if len(lines) < 2 or not all(line.lstrip().startswith("{") for line in lines):
        return False
    try:
        json.loads(lines[0])
    except (ValueError, RecursionError):
        return False
    return True


def _rows_in(document: Seed) -> list[SourceRow]:
    """The rows of the one list of objects that a document holds, or of its columns."""
    lists = []
    for value in document.values():
        if _is_list_of_objects(value):
            lists.append(value)
    if not lists:
        lists = _rows_of_columns(document)
    if len(lists) != 1:
        raise Unreadable("the seeds must be a list of objects. Write [{…}, …].", Place(line=1))
    return numbered(lists[0])


def _rows_of_columns(document: Seed) -> list[list[Seed]]:
    """The rows of a table that is written by column, as pandas and `to_dict` do; [] if it is not.

    A column is a list, or an object whose names are the rows' (pandas' own default).
    """
    columns = {}
    for name, column in document.items():
        if isinstance(column, list):
            columns[name] = dict(enumerate(column))
        elif isinstance(column, dict):
            columns[name] = column
        else:
            return []
    names = list(columns)
    if len(names) < 2 or any(columns[name].keys() != columns[names[0]].keys() for name in names):
        return []
    rows = []
    for row in columns[names[0]]:
        rows.append({name: columns[name][row] for name in names})
    return [rows]


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def unique_columns(pairs: Iterable[tuple[str, Any]]) -> Seed:
    """The columns of a row; a column that comes twice is `TWICE`."""
    columns: Seed = {}
    for name, value in pairs:
        if name in columns:
            columns[name] = TWICE
        else:
            columns[name] = value
    return columns


_DECODER = json.JSONDecoder(object_pairs_hook=unique_columns)
_GAP = re.compile(r"[\s,]*")


def _decoded(text: str, line: int) -> Any:
    """The value of a JSON text that begins in this line of its file."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg
        character = error.colno
        line += error.lineno - 1
        cause: Exception = error
    except ValueError as error:
        reason = "a number has more than 4,300 digits"
        character = 1
        cause = error
    except RecursionError as error:
        reason = "it is nested too deep"
        character = 1
        cause = error
    raise Unreadable(
        f"broken JSON at character {character} of the line ({reason}). Correct it.",
        Place(line=line),
    ) from cause
