"""Reads what sdgkit wrote into a folder, as if a stranger had written it.

A run's folder may come from anyone. Its files are data: a value is accepted only if this version
knows its name and it has the type that sdgkit writes. Anything else is reported in one sentence.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sdgkit.errors import RunError
from sdgkit.formatting import visible

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Kind = TypeVar("Kind")

LARGEST_FILE = 256 * 2**20
"""Bytes: a config with a whole set of contexts is a few dozen megabytes."""

MOST_COMMAS = 4_000_000
"""Of a text: each may part two values, and millions of values fill the memory."""

LARGEST_WHOLE_NUMBER = 10**18
LONGEST_PLACE = 80
LONGEST_REASON = 200


def read_file(kind: type[Kind], path: Path) -> Kind:
    """Read a value from a JSON file.

    Args:
        kind: A dataclass, whose fields say what the file may hold.
        path: The file.

    Raises:
        RunError: It holds something that sdgkit does not write.
        OSError: There is no such file, or it cannot be read.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise _damaged(str(path), "it is too large")
    return read_text(kind, path.read_bytes(), str(path), path.parent)


def read_text(kind: type[Kind], text: str | bytes, origin: str, folder: Path | None = None) -> Kind:
    """Read a value from a JSON text.

    Args:
        kind: A dataclass, whose fields say what the text may hold.
        text: The text.
        origin: Where it comes from, for the message.
        folder: The run's folder, for the error.

    Raises:
        RunError: It holds something that sdgkit does not write.
    """
    if _commas(text) > MOST_COMMAS:
        raise _damaged(origin, "it holds too many values", folder)
    try:
        values = json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number)
        return read_values(kind, values, origin, folder)
    except (ValueError, RecursionError) as error:
        raise _damaged(origin, str(error), folder) from None


def _commas(text: str | bytes) -> int:
    if isinstance(text, bytes):
        return text.count(b",")
    return text.count(",")


def read_values(kind: type[Kind], values: object, origin: str, folder: Path | None = None) -> Kind:
    """Read a value from JSON values.

    Args:
        kind: A dataclass, whose fields say what the values may be.
        values: The values.
        origin: Where they come from, for the message.
        folder: The run's folder, for the error.

    Raises:
        RunError: They are something that sdgkit does not write.
    """
    from pydantic import ValidationError

    if not isinstance(values, Mapping):
        raise _damaged(origin, "it is not a JSON object", folder)
    try:
        text = json.dumps(values, allow_nan=False)
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))[:LONGEST_PLACE]
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise _damaged(origin, reason, folder) from None
    except (ValueError, RecursionError) as error:
        raise _damaged(origin, str(error), folder) from None


_adapters: dict[object, Any] = {}


def _adapter(kind: type[Kind]) -> "TypeAdapter[Kind]":
    """What checks values of this kind; made once, since making it takes longer than using it."""
    from pydantic import TypeAdapter

    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    adapter: TypeAdapter[Kind] = _adapters[kind]
    return adapter


def _damaged(origin: str, reason: str, folder: Path | None = None) -> RunError:
    shown = " ".join(visible(reason).split())[:LONGEST_REASON].rstrip(".")
    return RunError(
        f"{origin} was changed or damaged ({shown}). Restore it from a copy, or run the job "
        "again with the seeds and a new --out.",
        folder=folder,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _whole_number(digits: str) -> int:
    number = int(digits)
    if abs(number) > LARGEST_WHOLE_NUMBER:
        raise ValueError("a number is too large")
    return number
