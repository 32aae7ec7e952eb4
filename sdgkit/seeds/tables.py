"""Readers of tables: CSV with any separator, and the sheets of Excel."""

import csv
import datetime
import io
import itertools
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sdgkit.seeds.column_names import is_known_name
from sdgkit.seeds.columnar import MOST_VALUES
from sdgkit.seeds.decoding import decode
from sdgkit.seeds.formats import unique_columns
from sdgkit.seeds.rows import Place, SourceRow, Unreadable

LONGEST_FIELD = 2**31 - 1  # characters; the csv module's default of 128 KiB is short for a context
# Between the fields of a row. Excel writes ";" where the decimal point is a comma.
SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# A first line that tells Excel the separator.
_DECLARATION = "sep="
LARGEST_SHEET = 256 * 2**20
"""Bytes that the parts of an Excel file may have together once they are unpacked."""


def read_csv(data: bytes, encoding: str | None = None) -> Iterator[SourceRow]:
    """The rows of a CSV file (RFC 4180, or with another separator) with a header."""
    csv.field_size_limit(LONGEST_FIELD)
    text = decode(data, encoding)
    separator, first_line, text = _declared_separator(text)
    separator = separator or _likely_separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    line = first_line
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                pass  # a blank line, or the empty rows that a spreadsheet adds
            elif header is None:
                header = fields
            else:
                columns = _columns(header, fields, line, separator)
                yield SourceRow(Place(line=line), columns)
            line = first_line + reader.line_num
    except csv.Error as error:
        raise Unreadable(
            f"broken CSV ({error}). Check the double quotes of this seed.", Place(line=line)
        ) from error


def _declared_separator(text: str) -> tuple[str, int, str]:
    """The separator that the first line declares ("" if none), the next line, and the rest."""
    beginning, line_break, rest = text.partition("\n")
    beginning = beginning.rstrip("\r").strip('"')
    declared = beginning.removeprefix(_DECLARATION)
    if line_break and beginning.startswith(_DECLARATION) and len(declared) == 1:
        return declared, 2, rest
    return "", 1, text


def _likely_separator(text: str) -> str:
    """The separator by which the header has the most names that are known, then the most names."""
    best = SEPARATORS[0]
    best_score = (-1, -1)
    for separator in SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        header = next(itertools.filterfalse(_is_blank, reader), [])
        score = (sum(map(is_known_name, header)), len(header))
        if score > best_score:
            best = separator
            best_score = score
    return best


def _is_blank(fields: Sequence[str]) -> bool:
    return not any(field.strip() for field in fields)


def _columns(
    header: Sequence[str], fields: Sequence[str], line: int, separator: str
) -> dict[str, Any]:
    fields = list(fields)
    while len(fields) > len(header) and not fields[-1].strip():
        fields.pop()  # separators at the end of a line
    if len(fields) != len(header):
        raise Unreadable(
            f"{len(fields)} fields where the header has {len(header)} (separated by "
            f"{_SEPARATOR_NAMES.get(separator, repr(separator))}). Put a field that has a "
            "separator, a quote or a line break in double quotes.",
            Place(line=line),
        )
    return _named(zip(header, fields, strict=True))


def _named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The columns of a row without those that have neither a name nor a value."""
    used = []
    for name, value in pairs:
        if name.strip() or value:
            used.append((name, value))
    return unique_columns(used)


def read_xlsx(data: bytes, encoding: str | None = None) -> Iterator[SourceRow]:
    """The rows of the first sheet of an Excel file; its first row has the names of the columns."""
    import openpyxl

    _refuse_bomb(data)
    try:
        # Not the formulas but their results, as Excel last saved them.
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except Exception as error:  # whatever a zip file that is no workbook leads to
        raise ValueError(f"not an Excel workbook: {error}") from error
    sheet = book.worksheets[0]
    # What the file says about its size may be a few rows, or a million.
    sheet.reset_dimensions()
    header: list[str] | None = None
    number_of_values = 0
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        values = [_cell_text(value, number) for value in cells]
        number_of_values += len(values)
        if number_of_values > MOST_VALUES:
            raise Unreadable(
                f"it holds more than {MOST_VALUES:,} values, too many for seeds. Choose the rows "
                "that you need.",
                Place(row=number),
            )
        if not any(value.strip() for value in values):
            continue
        if header is None:
            header = values
            continue
        pairs = itertools.zip_longest(header, values, fillvalue="")
        yield SourceRow(Place(row=number), _named(pairs))


def _refuse_bomb(data: bytes) -> None:
    """Refuse a small file that unpacks to a huge one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > LARGEST_SHEET:
        raise Unreadable(f"it unpacks to {size:,} bytes, too many for seeds.", Place(row=1))


def _cell_text(value: object, row: int) -> str:
    """What a cell holds, as text. Raises Unreadable where that depends on how it is shown."""
    if value is None:
        return ""
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        raise Unreadable(
            f"a cell holds the date or time {value}. Format the column as text and write it as "
            "the model should see it.",
            Place(row=row),
        )
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
