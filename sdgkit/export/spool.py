"""Arrow tables in a file instead of in memory.

The file has no name: nothing has to remember which rows it holds, nobody takes it for another
run's, and it is gone with the last table that is mapped from it.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from sdgkit.errors import RunError
from sdgkit.limits import writing_remedy

if TYPE_CHECKING:
    import pyarrow as pa


class Spool:
    """Tables that are written to a temporary file one by one, and then mapped from it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="sdgkit-")  # noqa: SIM115 (closed on exit)

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # of what could not be written, `write` has told
            self._file.close()  # what is mapped stays

    def write(self, table: pa.Table) -> None:
        """Write a table.

        Raises:
            RunError: The temporary folder has no room for it.
        """
        import pyarrow as pa

        try:
            with pa.ipc.new_stream(self._file, table.schema) as stream:
                stream.write_table(table)
            self._file.flush()
        except OSError as error:
            remedy = writing_remedy(error) or "Free some space there, or set TMPDIR"
            raise RunError(
                f"The rows need room in the folder for temporary files, {tempfile.gettempdir()}: "
                f"{error}. {remedy}."
            ) from error

    def tables(self) -> list[pa.Table]:
        """The tables in their order, mapped from the file: memory holds none of them."""
        import pyarrow as pa

        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.BufferReader(pa.py_buffer(mapped))
        tables = []
        while reader.tell() < len(mapped):
            tables.append(pa.ipc.open_stream(reader).read_all())
        return tables


def spooled(tables: Iterable[pa.Table]) -> list[pa.Table]:
    """The same tables, mapped from a file that holds all of them; one alone stays in memory.

    Args:
        tables: Tables that fit into memory one by one.

    Raises:
        RunError: The temporary folder has no room for them.

    Example:
        >>> import pyarrow as pa
        >>> halves = [pa.table({"id": ["s1", "s2"]}), pa.table({"id": ["s3"]})]
        >>> pa.concat_tables(spooled(iter(halves))).column("id").to_pylist()
        ['s1', 's2', 's3']
    """
    rest = iter(tables)
    first = next(rest, None)
    second = next(rest, None)
    if first is None:
        return []
    if second is None:
        return [first]
    with Spool() as spool:
        spool.write(first)
        spool.write(second)
        for table in rest:
            spool.write(table)
        return spool.tables()
