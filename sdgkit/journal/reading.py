"""Reads rows of a journal that a stranger may have written: every value has the type of its column.

SQLite checks no types, and what a column holds as JSON may be anything.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sdgkit.errors import RunError
from sdgkit.formatting import visible


def read_row(row: sqlite3.Row | Mapping[str, object]) -> dict[str, Any]:
    """The values of a row by column, with JSON decoded.

    Raises:
        RunError: A value is not what sdgkit writes into its column.
    """
    return {name: read_value(name, row[name]) for name in row.keys()}  # noqa: SIM118


def read_value(column: str, value: object) -> Any:
    """The value of a column, with JSON decoded.

    Raises:
        RunError: It is not what sdgkit writes into that column.
    """
    try:
        if column in _JSON:
            if not isinstance(value, str):
                raise TypeError("it is not text")
            decoded = json.loads(value)
            if not _JSON[column](decoded):
                raise TypeError("it has the wrong form")
            return decoded
        if column in _CHOICES and value not in _CHOICES[column]:
            raise TypeError("it is not one of the known values")
        kinds = _NUMBERS.get(column, (str,))
        if not isinstance(value, kinds):
            raise TypeError("it has the wrong type")
        return value
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged(f"a value in the column {column}: {error}") from None


def damaged(reason: str) -> RunError:
    """The error for a journal that holds what sdgkit does not write."""
    shown = " ".join(visible(reason).split())[:200]
    return RunError(
        f"The journal is damaged, or was changed by another program ({shown}). Restore the folder "
        "from a copy, or run the job again with the seeds and a new --out."
    )


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_object_or_null(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and _are_all(value, dict)


def _are_texts_by_name(value: object) -> bool:
    return isinstance(value, dict) and _are_all(value.values(), str)


def _are_counts(value: object) -> bool:
    return isinstance(value, dict) and all(type(entry) is int for entry in value.values())


def _are_pairs_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(_is_pair_of_texts(entry) for entry in value)


def _is_pair_of_texts(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and _are_all(value, str)


def _are_all(values: Iterable[object], kind: type) -> bool:
    return all(isinstance(value, kind) for value in values)


# What is not listed is text.
_WHOLE = (int,)
_ANY_NUMBER = (int, float)
_NUMBERS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("session", "ordinal", "attempt", "unit", "number", "process"), _WHOLE),
    **dict.fromkeys(("prompt_tokens", "completion_tokens"), _WHOLE),
    **dict.fromkeys(("sessions", "retries", "reused", "refused"), _WHOLE),
    **dict.fromkeys(("seconds", "seen", "begun", "wall_s"), _ANY_NUMBER),
    "worked": (int, float, type(None)),
}
_CHOICES = {"verdict": ("accept", "reject")}
_JSON: dict[str, Callable[[object], bool]] = {
    "config": _is_object,
    "counts": _are_counts,
    "columns": _is_object,
    "trail": _are_pairs_of_texts,
    "messages": _are_objects,
    "sampling": _is_object,
    "snapshot": _is_object_or_null,
    "edits": _are_texts_by_name,
}
