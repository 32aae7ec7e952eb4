"""Writing text, JSON Lines and Parquet: each file appears whole or not at all.

Rows stream through: memory is one batch, however many rows there are. `datasets` and pandas are not
needed here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.export.spool import spooled
from sdgkit.files import write_atomically
from sdgkit.samples import Row

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1_000  # rows in memory at a time, and in a row group of Parquet
# The types of values other than text that come back from JSON as they are.
_PLAIN = (int, float, bool, type(None))
# The columns of a Parquet file without rows.
DEFAULT_COLUMNS = ("id", "task_description", "question", "response", "evaluation", "score")


def write_text(path: str | Path, pieces: Iterable[str]) -> int:
    """Write text as UTF-8, piece by piece.

    Args:
        path: Where to write it.
        pieces: The text.

    Returns:
        How many pieces were written.

    Raises:
        RunError: The file cannot be written.
    """
    number = 0
    with write_atomically(path) as file:
        for piece in pieces:
            file.write(_without_lone_surrogates(piece).encode())
            number += 1
    return number


def write_jsonl(path: str | Path, rows: Iterable[Row]) -> int:
    """Write rows as JSON Lines: UTF-8, one object per line.

    Args:
        path: Where to write them.
        rows: The rows.

    Returns:
        How many rows were written.

    Raises:
        RunError: The file cannot be written.
    """
    return write_text(path, (f"{_json(row)}\n" for row in rows))


def write_parquet(path: str | Path, rows: Callable[[], Iterable[Row]]) -> int:
    """Write rows as Parquet.

    Columns are in the order in which they first appear. Text is string, `score` is float64, a
    dictionary such as `vary` is a struct. A column whose values have no common type becomes text,
    its values other than text as JSON.

    Args:
        path: Where to write them.
        rows: Returns a new iterator at each call. The rows are read twice, since a column or a
            field may first appear in the last of them.

    Returns:
        How many rows were written.

    Raises:
        RunError: The file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(rows())
    text_columns = []
    for field in schema:
        if pa.types.is_string(field.type):
            text_columns.append(field.name)
    number = 0
    with (
        write_atomically(path) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for batch in _batches(rows()):
            for column in text_columns:
                _make_text(batch, column)
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            number += len(batch)
    return number


def arrow_table(rows: Iterable[Row], first_columns: Sequence[str] = ()) -> pa.Table:
    """Rows as an Arrow table, with the types that `write_parquet` gives them.

    Rows are read once and become Arrow batch by batch. Memory holds one batch: of more, the table
    is mapped from a temporary file.

    Args:
        rows: The rows.
        first_columns: The columns to begin with, whether or not a row has them.

    Raises:
        RunError: The folder for temporary files has no room for them.
    """
    import pyarrow as pa

    chunks: dict[str, list[pa.Array]] = {name: [] for name in first_columns}
    number = 0
    for batch in spooled(map(_batch_table, _batches(rows))):
        names = dict.fromkeys(itertools.chain(chunks, batch.column_names))
        for name in names:
            column = chunks.setdefault(name, [pa.nulls(number)])
            if name in batch.column_names:
                column.extend(batch.column(name).chunks)
            else:
                column.append(pa.nulls(batch.num_rows))
        number += batch.num_rows
    columns = {name: _column(name, parts) for name, parts in chunks.items()}
    return pa.table(columns)


def _batch_table(batch: Sequence[Row]) -> pa.Table:
    """Rows as a table, each column with the type that fits its values."""
    import pyarrow as pa

    names = dict.fromkeys(itertools.chain.from_iterable(batch))
    return pa.table({name: _array(_values_of(name, batch)) for name in names})


def _values_of(column: str, rows: Iterable[Row]) -> list[Any]:
    """The values of a column, None where a row has none."""
    return [row.get(column) for row in rows]


def _array(values: list[Any]) -> pa.Array:
    """Values as Arrow; as text where they have no common type."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array(map(_as_text, values), pa.string())


def _column(name: str, parts: Sequence[pa.Array]) -> pa.ChunkedArray:
    """The batches of a column, in the one type that holds them all."""
    import pyarrow as pa

    kind = pa.null()
    for part in parts:
        kind = _unified(kind, part.type)
    kind = _writable(name, kind)
    return pa.chunked_array([_converted(part, kind) for part in parts], kind)


def _converted(part: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if part.type == kind:
        return part
    values = part.to_pylist()
    if pa.types.is_string(kind):
        values = list(map(_as_text, values))
    return pa.array(values, kind)


def _as_text(value: object) -> str | None:
    """A value as text: itself, or its JSON."""
    return value if isinstance(value, str | None) else _json(value)


def as_stored(row: Row) -> dict[str, Any]:
    """A row as it comes back from the line of a JSON file."""
    return {name: _stored_value(value) for name, value in row.items()}


def _stored_value(value: object) -> Any:
    if isinstance(value, str):
        return _without_lone_surrogates(value)
    if type(value) in _PLAIN:
        return value
    return json.loads(_without_lone_surrogates(_json(value)))


def _batches(rows: Iterable[Row]) -> Iterator[list[dict[str, Any]]]:
    stored_rows = map(as_stored, rows)
    while batch := list(itertools.islice(stored_rows, BATCH)):
        yield batch


def _make_text(batch: Iterable[dict[str, Any]], column: str) -> None:
    """Write the values of a text column that are not text as JSON."""
    for row in batch:
        row[column] = _as_text(row.get(column))


def _schema(rows: Iterable[Row]) -> pa.Schema:
    """One schema that holds every row."""
    import pyarrow as pa

    types: dict[str, pa.DataType] = {}
    for batch in _batches(rows):
        columns = dict.fromkeys(itertools.chain.from_iterable(batch))
        for column in columns:
            types[column] = _common_type(types.get(column), _values_of(column, batch))
    if not types:
        types = dict.fromkeys(DEFAULT_COLUMNS, pa.null())
    return pa.schema({column: _writable(column, kind) for column, kind in types.items()})


def _common_type(earlier: pa.DataType | None, values: list[object]) -> pa.DataType:
    """The type that holds these values and those of earlier batches; string as a last resort."""
    import pyarrow as pa

    is_text = earlier is None or pa.types.is_string(earlier)
    if is_text and all(type(value) is str for value in values):
        return pa.string()
    present = _array(values).type
    return _unified(earlier or present, present)


def _unified(earlier: pa.DataType, present: pa.DataType) -> pa.DataType:
    """The type that holds the values of both; string as a last resort."""
    import pyarrow as pa

    schemas = [pa.schema({"column": earlier}), pa.schema({"column": present})]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()


def _writable(column: str, kind: pa.DataType) -> pa.DataType:
    """The type to write: Parquet has no type without values and no struct without fields."""
    import pyarrow as pa

    if column == "score":
        return pa.float64()
    if pa.types.is_null(kind) or "struct<>" in str(kind):
        return pa.string()
    return kind


def _json(value: object) -> str:
    # The columns of a user's own rows may hold dates and the like: they become text.
    return json.dumps(value, ensure_ascii=False, default=str)


def _without_lone_surrogates(text: str) -> str:
    """Replace lone surrogates: a reply may hold one; neither UTF-8 nor Parquet can."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
