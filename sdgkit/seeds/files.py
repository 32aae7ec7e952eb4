"""The files that seeds are read from: each format becomes rows that know where they stood.

What a seed must hold is checked in `seeds.py`; here is only what makes a file unreadable as its format.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdgkit.errors import SeedError

Seed = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One seed as it was read, and its place; the places of single columns where the file tells them."""

    place: str
    columns: Seed
    places: dict[str, str] = field(default_factory=dict)

    def at(self, column: str) -> str:
        return f"{self.places.get(column, self.place)}, column {column}"


class _TwiceNamed(ValueError):
    """An object with two values under one name, which the JSON decoder itself would let pass."""


def read_file(path: Path) -> list[FoundRow]:
    """The rows of a file, whose suffix tells its format. Raises `SeedError` if it cannot be read as that."""
    readers: dict[str, Callable[[str, str], list[FoundRow]]] = {
        ".jsonl": _read_jsonl, ".json": _read_json, ".csv": _read_csv, ".yaml": _read_qna, ".yml": _read_qna,
    }  # fmt: skip
    suffix = path.suffix.lower()
    if suffix != ".parquet" and suffix not in readers:
        raise SeedError(
            f"{path}: seeds are not read from {suffix or 'files without a suffix'}. "
            "Use .jsonl, .json, .csv, .parquet, or a qna.yaml."
        )
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SeedError(f"{path}: there is no such file. Check the name and the folder you are in.") from error
    except OSError as error:
        raise SeedError(f"{path}: cannot be read ({error.strerror}). Check that it is a file you may read.") from error
    if suffix == ".parquet" and data:
        return _read_parquet(str(path), data)
    text = _decoded(str(path), data)
    if not text.strip():
        raise SeedError(f"{path}: the file is empty. Write at least one seed; five or more are usual.")
    return readers[suffix](str(path), text)


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SeedError(
            f"{name}, line {line}: the byte 0x{data[error.start]:02X} at offset {error.start} is not UTF-8. "
            "Save the file as UTF-8."
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> Seed:
    columns = dict(pairs)
    if len(columns) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceNamed(next(name for name in names if names.count(name) > 1))
    return columns


_JSON = json.JSONDecoder(object_pairs_hook=_unique)
_skip_space = re.compile(r"[ \t\r\n]*").match


@contextmanager
def _broken_json(name: str, line: int, text: str = "") -> Iterator[None]:
    """What the JSON decoder raises, as a `SeedError`; its own line number counts if `text` is the file."""
    try:
        yield
    except json.JSONDecodeError as error:
        line = error.lineno if text else line
        raise SeedError(
            f"{name}, line {line}: broken JSON at character {error.colno} of the line ({error.msg}). Correct the line."
        ) from error
    except _TwiceNamed as error:
        raise SeedError(f"{name}, line {line}, column {error}: stands there twice. Keep one of them.") from error
    except RecursionError as error:
        raise SeedError(f"{name}, line {line}: the JSON is nested too deeply. A seed's columns hold text.") from error
    except ValueError as error:  # a number with more digits than Python reads
        raise SeedError(f"{name}, line {line}: a number has more digits than can be read. Write it as text.") from error


def _read_jsonl(name: str, text: str) -> list[FoundRow]:
    rows = []
    lines = text.split("\n")  # not splitlines(): U+2028 may stand inside a JSON string
    for number, line in enumerate(lines, 1):
        if line.strip():
            with _broken_json(name, number):
                rows.append(FoundRow(f"line {number}", _JSON.decode(line)))
    return rows


def _read_json(name: str, text: str) -> list[FoundRow]:
    """The objects of a list, decoded one by one: the standard decoder does not tell where each began."""
    rows: list[FoundRow] = []
    at = _end_of_space(text, 0)
    if text[at] != "[":
        raise SeedError(f"{name}, line 1: seeds are a list of objects. Write [{{…}}, …].")
    line, counted, at = 1, 0, _end_of_space(text, at + 1)
    more = text[at : at + 1] != "]"
    while more:
        line, counted = line + text.count("\n", counted, at), at
        with _broken_json(name, line, text):
            value, at = _JSON.raw_decode(text, at)
            at = _end_of_space(text, at)
            if text[at : at + 1] not in (",", "]"):
                raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
        rows.append(FoundRow(f"line {line}", value))
        more = text[at] == ","
        at = _end_of_space(text, at + more)
    with _broken_json(name, line, text):
        if _end_of_space(text, at + 1) < len(text):
            raise json.JSONDecodeError("Extra data", text, _end_of_space(text, at + 1))
    return rows


def _end_of_space(text: str, at: int) -> int:
    match = _skip_space(text, at)
    return match.end() if match else at


def _read_csv(name: str, text: str) -> list[FoundRow]:
    limit = csv.field_size_limit(2**31 - 1)  # a context may well be longer than the module's 128 KiB
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[FoundRow] = []
    header: list[str] = []
    line = 1
    try:
        for fields in reader:
            if fields and not header:
                header = _csv_header(name, line, fields)
            elif fields:
                if len(fields) != len(header):
                    raise SeedError(
                        f"{name}, line {line}: {len(fields)} fields where the header has {len(header)}. Put "
                        "a field with commas, quotes or line breaks in double quotes, and double its quotes."
                    )
                rows.append(FoundRow(f"line {line}", dict(zip(header, fields, strict=True))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise SeedError(f"{name}, line {line}: broken CSV ({error}). Check the double quotes of this seed.") from error
    finally:
        csv.field_size_limit(limit)
    return rows


def _csv_header(name: str, line: int, header: list[str]) -> list[str]:
    if len(header) == 1 and re.search(r"[;\t|]", header[0]):
        raise SeedError(f"{name}, line {line}: the fields are not separated by commas. Save the file with commas.")
    if twice := next((column for column in header if header.count(column) > 1), None):
        raise SeedError(f"{name}, line {line}, column {twice}: stands in the header twice. Keep one of them.")
    return header


def _read_parquet(name: str, data: bytes) -> list[FoundRow]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows = pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SeedError(f"{name}: cannot be read as parquet ({first_line(error)}). Write the file anew.") from error
    return [FoundRow(f"row {number}", row) for number, row in enumerate(rows, 1)]


def _read_qna(name: str, text: str) -> list[FoundRow]:
    from sdgkit.seeds.qna import read_qna

    return [FoundRow(*found) for found in read_qna(name, text)]


def first_line(error: BaseException) -> str:
    """An exception's words as one line, or its name if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
