"""Readers of Parquet and Arrow, whose few bytes may stand for many.

A column that repeats one text a million times is small in the file and large in memory, and so are
a list of nothing, and what is compressed. So what a file says of its sizes is added up before it is
read, and what is read is counted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sdgkit.seeds.rows import Place, SourceRow, Unreadable

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import FileMetaData

MOST_VALUES = 5_000_000
MOST_BYTES = 2**30
MOST_BYTES_OF_SMALL = 2**28  # of a file that is small itself
USUAL_GROWTH = 20  # what compression saves at most, where a file is not made to deceive
ROWS_AT_ONCE = 10_000

_FILE_MARK = b"ARROW1\0\0"
# Of the format's messages, which are flatbuffers (format/Message.fbs in Arrow's repository): the
# kinds that hold values, and the numbers of their fields.
_DICTIONARY = 2
_RECORDS = 3
_HEADER_KIND = 1
_HEADER = 2
_DATA_OF_DICTIONARY = 1
_NODES = 1
_BUFFERS = 2
_COMPRESSION = 3


def read_parquet(data: bytes, encoding: str | None = None) -> Iterator[SourceRow]:
    """The rows of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
    most = _most_bytes(data)
    size = _check_parquet(file.metadata, most)
    _check_types(file.schema_arrow)
    # A value is at most as large as all that is stored, and may be repeated.
    rows_at_once = max(1, min(ROWS_AT_ONCE, most // max(1, size)))
    yield from _rows_of(file.iter_batches(rows_at_once), most)


def read_arrow(data: bytes, encoding: str | None = None) -> Iterator[SourceRow]:
    """The rows of an Arrow file: a stream, as `save_to_disk` writes it, or Feather."""
    import pyarrow
    import pyarrow.ipc

    stream = pyarrow.py_buffer(data)
    if data.startswith(_FILE_MARK):
        # A file is a stream with a table of contents, which might tell of other places.
        stream = stream.slice(len(_FILE_MARK))
    most = _most_bytes(data)
    _check_messages(stream, most)
    with pyarrow.ipc.open_stream(stream) as reader:
        _check_types(reader.schema)
        yield from _rows_of(reader, most)


def _most_bytes(data: bytes) -> int:
    """How many bytes the values of a file may be."""
    return min(MOST_BYTES, max(MOST_BYTES_OF_SMALL, USUAL_GROWTH * len(data)))


def _rows_of(batches: Iterable[pyarrow.RecordBatch], most: int) -> Iterator[SourceRow]:
    size = 0
    number = 0
    for batch in batches:
        batch.validate(full=True)  # what a stranger's file says of places in it may lead anywhere
        size += _size_of(batch)
        if size > most:
            raise _too_much(f"more than {most:,} bytes")
        for row in batch.to_pylist():
            number += 1
            yield SourceRow(Place(row=number), row)


def _size_of(batch: pyarrow.RecordBatch) -> int:
    """The bytes of the values of a batch, those that repeat counted each time."""
    import pyarrow
    import pyarrow.compute

    size = 0
    for column in batch.columns:
        if pyarrow.types.is_dictionary(column.type):
            lengths = pyarrow.compute.binary_length(column.dictionary.cast(pyarrow.large_string()))
            size += pyarrow.compute.sum(lengths.take(column.indices)).as_py() or 0
        else:
            size += column.nbytes
    return size


def _check_parquet(metadata: FileMetaData, most: int) -> int:
    """The bytes that a Parquet file stores, decompressed; refuses one of too many values."""
    values = metadata.num_rows
    size = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        size += group.total_byte_size
        for place in range(group.num_columns):
            values += group.column(place).num_values
    if values > MOST_VALUES or size > most:
        raise _too_much(f"{values:,} values of {size:,} bytes in {metadata.num_rows:,} rows")
    return size


def _check_types(schema: pyarrow.Schema) -> None:
    """Refuse columns of a kind whose values may be stored once and stand for many."""
    for field in schema:
        if not _is_read(field.type) and not _is_dictionary_of_texts(field.type):
            raise Unreadable(
                f"column {field.name}: values of the type {str(field.type)[:60]} are not read. "
                "Save them as text, numbers, lists or objects.",
                Place(row=1),
            )


def _is_read(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if is_list or types.is_struct(kind) or types.is_map(kind):
        return all(_is_read(kind.field(number).type) for number in range(kind.num_fields))
    is_text = types.is_string(kind) or types.is_large_string(kind)
    is_binary = types.is_binary(kind) or types.is_large_binary(kind)
    is_fixed = types.is_primitive(kind) or types.is_decimal(kind)
    return bool(is_text or is_binary or is_fixed or types.is_null(kind))


def _is_dictionary_of_texts(kind: pyarrow.DataType) -> bool:
    """Whether texts are stored once and referred to by number, such as pandas' categories."""
    from pyarrow import types

    if not types.is_dictionary(kind):
        return False
    return bool(types.is_string(kind.value_type) or types.is_large_string(kind.value_type))


# The messages of an Arrow stream ------------------------------------------------------------------


def _check_messages(stream: pyarrow.Buffer, most: int) -> None:
    """Refuse a stream whose messages stand for too many values or bytes, before they are read."""
    import pyarrow.ipc

    values = 0
    size = 0
    reader = pyarrow.ipc.MessageReader.open_stream(pyarrow.BufferReader(stream))
    for message in reader:
        try:
            records = _records_of(message.metadata.to_pybytes())
            if records is None:
                continue
            body = message.body or b""
            values += sum(records.numbers_of_values())
            size += sum(records.sizes(memoryview(body)))
        except struct.error:
            raise Unreadable("not an Arrow file: it is damaged.", Place(row=1)) from None
        if values > MOST_VALUES or size > most:
            raise _too_much(f"{values:,} values of {size:,} bytes")


def _records_of(metadata: bytes) -> _Records | None:
    """The header of a message that holds values; None for one that holds none."""
    message = _Table(metadata, _number("<I", metadata, 0))
    kind = message.place(_HEADER_KIND)
    if not kind or metadata[kind] not in (_DICTIONARY, _RECORDS):
        return None
    header = message.table(_HEADER)
    if metadata[kind] == _DICTIONARY:
        header = header.table(_DATA_OF_DICTIONARY)
    return _Records(metadata, header.start)


def _number(form: str, data: bytes | memoryview, place: int) -> int:
    if place < 0:
        raise struct.error("a place before the beginning")
    number: int = struct.unpack_from(form, data, place)[0]
    return number


class _Table:
    """A table of a flatbuffer, whose fields are found through a table of their places."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.start = start
        self._places = start - _number("<i", data, start)

    def place(self, field: int) -> int:
        """Where a field is; 0 where the table does not have it."""
        entry = 4 + 2 * field
        if entry >= _number("<H", self.data, self._places):
            return 0
        offset = _number("<H", self.data, self._places + entry)
        return self.start + offset if offset else 0

    def table(self, field: int) -> _Table:
        """The table that a field leads to."""
        place = self.place(field)
        return _Table(self.data, place + _number("<I", self.data, place))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """The entries of a list of pairs of numbers."""
        place = self.place(field)
        if not place:
            return
        begin = place + _number("<I", self.data, place)
        for entry in range(_number("<I", self.data, begin)):
            start = begin + 4 + 16 * entry
            yield _number("<q", self.data, start), _number("<q", self.data, start + 8)


class _Records(_Table):
    """The header of a message that holds values."""

    def numbers_of_values(self) -> Iterator[int]:
        """How many values each column has, and each list and object in it."""
        for number, _ in self.pairs(_NODES):
            yield abs(number)

    def sizes(self, body: memoryview) -> Iterator[int]:
        """The bytes of each part of the values, decompressed."""
        is_compressed = bool(self.place(_COMPRESSION))
        for offset, length in self.pairs(_BUFFERS):
            size = length
            if is_compressed and length:
                size = max(length, _number("<q", body, offset))
            yield abs(size)


def _too_much(amount: str) -> Unreadable:
    return Unreadable(
        f"it holds {amount}, too many for seeds. Choose the rows that you need.", Place(row=1)
    )
