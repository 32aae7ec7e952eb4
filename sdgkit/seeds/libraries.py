"""Rows that another library holds: datasets, pandas, polars, pyarrow, pydantic, or plain Python."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeGuard

from sdgkit.errors import SeedError

TRAIN = "train"
# How the libraries turn their rows into dictionaries, in the order in which they are tried:
# datasets, pyarrow, polars; pandas has its own argument.
_TO_ROWS = ("to_list", "to_pylist", "to_dicts")
MOST_ROWS = 1_000_000


def rows_of(source: object) -> list[Any]:
    """The rows of a table of any library, or of anything that can be iterated.

    Args:
        source: A dataset (of several splits, `train`), a data frame, a table, or rows:
            dictionaries, dataclasses or pydantic models.

    Raises:
        SeedError: It holds no rows.

    Example:
        >>> rows_of(iter([{"seed_question": "1 + 1?"}]))
        [{'seed_question': '1 + 1?'}]
    """
    if _is_splits(source):
        source = _one_split(source)
    for method in _TO_ROWS:
        if hasattr(source, method):
            return list(getattr(source, method)())
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return _rows_of_data_frame(source)
    if isinstance(source, Mapping | str | bytes) or not isinstance(source, Iterable):
        raise SeedError(
            "Seeds must be a path, a datasets.Dataset (one split), a data frame, or a list of "
            f"dictionaries, not {type(source).__name__}."
        )
    rows = []
    for row in source:
        rows.append(_as_mapping(row))
        if len(rows) > MOST_ROWS:
            raise SeedError(f"The source has more than {MOST_ROWS:,} rows, too many for seeds.")
    return rows


def _is_splits(source: object) -> TypeGuard[Mapping[str, object]]:
    """Whether this is a dictionary of datasets: a `DatasetDict`, or distilabel's `Distiset`."""
    if not isinstance(source, Mapping) or not source:
        return False
    return all(hasattr(split, "column_names") or _is_splits(split) for split in source.values())


def _one_split(source: Mapping[str, object]) -> object:
    """The split to read. Raises SeedError where there are several and none is `train`."""
    names = list(source)
    if TRAIN not in names and len(names) > 1:
        raise SeedError(
            f"A dataset with the splits {', '.join(map(str, names))}: pass one of them.",
        )
    split = source[TRAIN if TRAIN in names else names[0]]
    if not _is_splits(split):
        return split
    return _one_split(split)


class _DataFrame(Protocol):
    """What is used of a pandas data frame."""

    def to_dict(self, orient: str) -> list[dict[str, Any]]: ...


def _rows_of_data_frame(frame: _DataFrame) -> list[dict[str, Any]]:
    """The rows of a pandas data frame; a missing value is None."""
    return [_without_nan(record) for record in frame.to_dict("records")]


def _without_nan(record: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(record)
    for name, value in record.items():
        is_nan = value != value
        if is_nan:
            columns[name] = None
    return columns


def _as_mapping(row: object) -> object:
    if isinstance(row, dict):
        return row
    if isinstance(row, Mapping):
        return dict(row)
    if hasattr(row, "model_dump"):
        return row.model_dump()
    fields = getattr(row, "__dataclass_fields__", None)
    if fields is not None:
        return {name: getattr(row, name) for name in fields}
    return row
