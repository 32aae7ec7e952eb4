"""The files that seeds are read from: each format becomes rows that know where they stood.

What a seed must hold is checked beside this file; here is only what makes a file unreadable as its format. A reader
takes a file's bytes and gives its rows; its errors begin with the line, and `read_file` puts the file before it.
"""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sdgkit.errors import SeedError
from sdgkit.prompts import yaml_keys, yaml_trouble

Seed = dict[str, Any]
TWICE = object()  # the value of a column that stands in a row twice: nobody knows which is meant
QNA = {"context": "seed_context", "question": "seed_question", "answer": "seed_response"}


class FoundRow(NamedTuple):
    """One seed as it was read, and its place; the places of single columns where the file tells them."""

    place: str
    columns: Any  # a Seed, once it is checked
    places: Mapping[str, str] = {}

    def at(self, column: str) -> str:
        return f"{self.places.get(column, self.place)}, column {column}"


def read_file(path: Path) -> list[FoundRow]:
    """The rows of a file, whose suffix tells its format. Raises `SeedError` if it cannot be read as that."""
    suffix = path.suffix.lower()
    if suffix not in READERS and os.path.exists(path):  # of what is not there, that is said
        kind = path.suffix or "files without a suffix"
        raise SeedError(
            f"{path}: rows are not read from {kind}. Use {', '.join(READERS)} (a qna.yaml)."
        )
    try:
        content = path.read_bytes()
        return list(READERS[suffix](content))
    except SeedError as error:
        raise SeedError(f"{path}, {error}") from error
    except FileNotFoundError as error:
        raise SeedError(
            f"{path}: there is no such file. Check the name and the folder you are in."
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = f"the byte 0x{error.object[error.start]:02X} at offset {error.start}"
        raise SeedError(
            f"{path}, line {line}: {byte} is not UTF-8. Save the file as UTF-8."
        ) from error
    except (OSError, ValueError) as error:  # pyarrow's are of these kinds, too
        raise SeedError(
            f"{path}: cannot be read ({first_line(error)}). Check that it is a file of this kind."
        ) from error


def numbered(rows: Iterable[Any]) -> list[FoundRow]:
    """Rows that have no lines, by their numbers."""
    return [FoundRow(f"row {number}", row) for number, row in enumerate(rows, 1)]


def first_line(error: BaseException) -> str:
    """An exception's words as one line, or its name if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _unique(pairs: Iterable[tuple[str, Any]]) -> Seed:
    columns: Seed = {}
    for name, value in pairs:
        columns[name] = TWICE if name in columns else value
    return columns


_JSON = json.JSONDecoder(object_pairs_hook=_unique)
_GAP = re.compile(r"[\s,]*")


def _decoded(text: str, line: int) -> Any:
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError) as error:
        at, words = getattr(error, "colno", 1), getattr(error, "msg", first_line(error))
        line += getattr(error, "lineno", 1) - 1
        raise SeedError(
            f"line {line}: broken JSON at character {at} of the line ({words}). Correct it."
        ) from error


def _read_jsonl(data: bytes) -> Iterator[FoundRow]:
    lines = data.decode("utf-8-sig").split(
        "\n"
    )  # not splitlines(): U+2028 may stand inside a JSON string
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield FoundRow(f"line {number}", _decoded(line, number))


def _read_json(data: bytes) -> Iterator[FoundRow]:
    text = data.decode("utf-8-sig")
    rows = _decoded(text, 1)
    if not isinstance(rows, list):
        raise SeedError("line 1: seeds are a list of objects. Write [{…}, …].")
    end = text.index("[") + 1
    line = 1 + text.count("\n", 0, end)
    for row in rows:  # each is read once more, since the decoder does not tell where it began
        begin = _GAP.match(text, end).end()  # type: ignore[union-attr]
        line += text.count("\n", end, begin)
        yield FoundRow(f"line {line}", row)
        end = _JSON.raw_decode(text, begin)[1]
        line += text.count("\n", begin, end)


def _read_csv(data: bytes) -> Iterator[FoundRow]:
    csv.field_size_limit(2**31 - 1)  # a context may well be longer than the module's 128 KiB
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    header: list[str] = []
    line = 1
    try:
        for fields in reader:
            if header and len(fields) not in (0, len(header)):
                counts = f"{len(fields)} fields where the header has {len(header)}"
                raise SeedError(
                    f"line {line}: {counts}. Put a field with commas or quotes in double quotes."
                )
            if header and fields:
                yield FoundRow(f"line {line}", _unique(zip(header, fields, strict=True)))
            header = header or fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise SeedError(
            f"line {line}: broken CSV ({error}). Check the double quotes of this seed."
        ) from error


def _read_parquet(data: bytes) -> list[FoundRow]:
    import pyarrow
    import pyarrow.parquet

    return numbered(pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist())


def _read_qna(data: bytes) -> Iterator[FoundRow]:
    """InstructLab's qna.yaml of a skill (`compositional_skills.json` in instructlab-schema), versions 2 and 3.

    Works on YAML's nodes, because the values made from them have lost their lines.
    """
    text = data.decode("utf-8-sig")
    try:
        if "document" in yaml_keys(text):
            raise SeedError(
                "line 1: this is a knowledge file, and sdgkit makes skills. Give the qna.yaml of a skill."
            )
        top = _keys(text, 1, "version", "task_description", "seed_examples")
        examples, task = top["seed_examples"], {"task_description": top["task_description"]}
        if _value(top["version"]) not in (2, 3):
            raise SeedError(
                f"{_line(top['version'])}, key version: only versions 2 and 3 are read. Bring it to one."
            )
        if not isinstance(examples, yaml.SequenceNode):
            raise SeedError(
                f"{_line(examples)}, key seed_examples: is not a list. Begin each seed with a dash."
            )
        for example in examples.value:
            keys = task | _keys(example, example.start_mark.line + 1, "question", "answer")
            columns = {QNA.get(key, key): _value(node) for key, node in keys.items()}
            places = {QNA.get(key, key): f"{_line(node)}, key {key}" for key, node in keys.items()}
            yield FoundRow(_line(example), columns, places)
    except (yaml.YAMLError, RecursionError) as error:
        raise SeedError(yaml_trouble(error, text)) from error


def _keys(source: str | yaml.Node, line: int, *needed: str) -> dict[str, yaml.Node]:
    keys = yaml_keys(source)
    if missing := [key for key in needed if key not in keys]:
        raise SeedError(
            f"line {line}: the key {missing[0]} is missing. Add it; there are: {', '.join(keys)}."
        )
    return keys


def _value(node: yaml.Node) -> Any:
    """The value with its type, so that an unquoted Yes or 42 is found to be no text."""
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node, deep=True)
    except (
        ValueError,
        LookupError,
        AttributeError,
    ) as error:  # of a date that is none, or after a tag such as !!int
        raise SeedError(
            f"{_line(node)}: not a value ({first_line(error)}). Put the text in quotes."
        ) from error
    block = getattr(node, "style", None) in (
        "|",
        ">",
    )  # whose last line breaks belong to YAML's notation
    return value.rstrip("\n") if block and isinstance(value, str) else value


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


READERS: dict[str, Callable[[bytes], Iterable[FoundRow]]] = {
    ".jsonl": _read_jsonl, ".json": _read_json, ".csv": _read_csv, ".parquet": _read_parquet, ".yaml": _read_qna,
    ".yml": _read_qna,
}  # fmt: skip
