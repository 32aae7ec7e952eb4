"""Between Python values and the columns of the journal."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from sdgkit.journal.reading import damaged, read_row
from sdgkit.journal.values import Export, Outcome


def edition_of(config: Mapping[str, Any]) -> str:
    """The id of the edition that a config makes: a hash of it, whatever the order of its names."""
    return hashlib.sha256(as_json_text(config, sort_keys=True).encode()).hexdigest()[:16]


def as_json_text(value: object, *, sort_keys: bool = False) -> str:
    """A value as the journal stores it: JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), sort_keys=sort_keys)


def bytes_of(json_text: str) -> bytes:
    """A JSON text as it is packed, halves of surrogate pairs included."""
    return json_text.encode("utf-8", "surrogatepass")


def storable(text: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def read_outcome(row: sqlite3.Row) -> Outcome:
    """Read what became of a row. Raises RunError where the journal is damaged."""
    values = read_row(row)
    values["trail"] = [(stage, key) for stage, key in values["trail"]]
    return Outcome(**values)


def read_export(path: str, format: str) -> Export:
    """Read an export as it is noted: its format, and any share held out (`messages=0.1`)."""
    format, _, share = format.partition("=")
    try:
        return Export(path, format, float(share) if share else None)
    except ValueError:
        raise damaged(f"an export with the share {share}") from None
