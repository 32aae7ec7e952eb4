"""How a command reports: as text, or as one JSON document; and its progress."""

import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sdgkit.log import LOGGER

OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True)
class Output:
    """How a command reports.

    Attributes:
        as_json: Whether its result is one JSON document on stdout.
        log: How it reports its progress on stderr: as `text`, or as JSON lines.
        quiet: Whether it reports no progress.
    """

    as_json: bool = False
    log: Literal["text", "json"] = "text"
    quiet: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether progress goes to stdout, as text, beside the result."""
        return not self.as_json and not self.quiet and self.log == "text"


_outputs = [Output()]


def output() -> Output:
    """How the running command reports."""
    return _outputs[-1]


@contextmanager
def reporting(chosen: Output) -> Iterator[None]:
    """Report in this way until the end of the block."""
    _outputs.append(chosen)
    handler = None
    if chosen.log == "json" and not chosen.quiet:
        handler = _JsonLines()
    level = LOGGER.level
    if handler is not None:
        LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        _outputs.remove(chosen)
        if handler is not None:
            LOGGER.removeHandler(handler)
            LOGGER.setLevel(level)


class _JsonLines(logging.Handler):
    """Writes each record as one line of JSON to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        own = {}
        for name, value in vars(record).items():
            if name not in OF_EVERY_RECORD:
                own[name] = value
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname.lower(), **own}
        print(as_text({**line, "message": record.getMessage()}), file=sys.stderr)


def print_document(command: str, values: Mapping[str, Any]) -> None:
    """Print the result of a command as one JSON document, if that is asked for."""
    if output().as_json:
        print(as_text({"command": command, **values}, indent=2))


def print_error(command: str, error_type: str, message: str, exit_status: int) -> None:
    """Print the document of a command that failed."""
    details = {"type": error_type, "message": message}
    print(
        as_text({"command": command, "exit_status": exit_status, "error": details}, indent=2),
    )


def as_text(values: object, indent: int | None = None) -> str:
    """JSON that every terminal and every encoding can take: ASCII, without NaN and infinity."""
    return json.dumps(plain(values), indent=indent, allow_nan=False)


def plain(value: object) -> Any:
    """A value as JSON knows it: dataclasses as objects, paths as texts, infinity as null."""
    if is_dataclass(value) and not isinstance(value, type):
        own = {entry.name: getattr(value, entry.name) for entry in fields(value)}
        return plain(own)
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Set):
        return sorted(plain(entry) for entry in value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
