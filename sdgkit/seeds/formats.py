"""Readers of the formats whose rows are seeds as they are: JSON lines, JSON, CSV, Parquet.

A reader takes the bytes of a file and yields its rows. It raises `Unreadable` for anything that is
not its format; what a seed must hold is checked elsewhere.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from sdgkit.prompts.yaml_text import first_line
from sdgkit.seeds.rows import TWICE, Place, Seed, SourceRow, Unreadable

MOST_VALUES = 5_000_000  # of a Parquet file, whose few bytes may stand for many
MOST_BYTES = 2**30
LONGEST_FIELD = 2**31 - 1  # characters; the csv module's default of 128 KiB is short for a context


def numbered(rows: Iterable[Any]) -> list[SourceRow]:
    """Rows that have no lines, placed by their number."""
    return [SourceRow(Place(row=number), row) for number, row in enumerate(rows, 1)]


def read_jsonl(data: bytes) -> Iterator[SourceRow]:
    """The rows of a file of JSON lines; blank lines are skipped."""
    # Not splitlines(): a JSON string may hold U+2028.
    lines = data.decode("utf-8-sig").split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield SourceRow(Place(line=number), _decoded(line, number))


def read_json(data: bytes) -> Iterator[SourceRow]:
    """The rows of a JSON file that is a list of objects."""
    text = data.decode("utf-8-sig")
    rows = _decoded(text, 1)
    if not isinstance(rows, list):
        raise Unreadable("the seeds must be a list of objects. Write [{…}, …].", Place(line=1))
    position = text.index("[") + 1
    line = 1 + text.count("\n", 0, position)
    for row in rows:  # each is decoded once more, to find out where it ends
        gap = _GAP.match(text, position)
        begin = position if gap is None else gap.end()
        line += text.count("\n", position, begin)
        yield SourceRow(Place(line=line), row)
        _, position = _DECODER.raw_decode(text, begin)
        line += text.count("\n", begin, position)


def read_csv(data: bytes) -> Iterator[SourceRow]:
    """The rows of a CSV file (RFC 4180) with a header."""
    csv.field_size_limit(LONGEST_FIELD)
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    reader = csv.reader(text, strict=True)
    header: list[str] = []
    line = 1
    try:
        for fields in reader:
            if not header:
                header = fields
            elif fields:
                yield _csv_row(header, fields, line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(
            f"broken CSV ({error}). Check the double quotes of this seed.", Place(line=line)
        ) from error


def read_parquet(data: bytes) -> list[SourceRow]:
    """The rows of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
    _refuse_too_much(file.metadata)
    return numbered(file.read().to_pylist())


def _refuse_too_much(metadata: Any) -> None:
    """Refuse a small file that stands for more values than anyone has seeds."""
    values = metadata.num_rows
    size = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        size += group.total_byte_size
        values += sum(group.column(at).num_values for at in range(group.num_columns))
    if values > MOST_VALUES or size > MOST_BYTES:
        raise Unreadable(
            f"it holds {values:,} values in {metadata.num_rows:,} rows, too many for seeds. "
            "Choose the rows that you need.",
            Place(row=1),
        )


def _csv_row(header: list[str], fields: list[str], line: int) -> SourceRow:
    if len(fields) != len(header):
        raise Unreadable(
            f"{len(fields)} fields where the header has {len(header)}. "
            "Put a field that has commas or quotes in double quotes.",
            Place(line=line),
        )
    return SourceRow(Place(line=line), _unique(zip(header, fields, strict=True)))


def _unique(pairs: Iterable[tuple[str, Any]]) -> Seed:
    """The columns of a row; a column that comes twice is `TWICE`."""
    columns: Seed = {}
    for name, value in pairs:
        columns[name] = TWICE if name in columns else value
    return columns


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
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
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, deep nesting
        reason = first_line(error)
        character = 1
        cause = error
    raise Unreadable(
        f"broken JSON at character {character} of the line ({reason}). Correct it.",
        Place(line=line),
    ) from cause
