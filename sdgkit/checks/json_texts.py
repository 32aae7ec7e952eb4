"""The check `valid_json`."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sdgkit.checks.json_schemas import schema_flaw, validator
from sdgkit.checks.registry import CheckedText, check, quoted

_FENCED = re.compile(r"```\w*\n(.*)\n```", re.DOTALL)


@check
def valid_json(
    checked: CheckedText,
    schema: Mapping[str, Any] | None = None,
    keys: Sequence[str] | None = None,
) -> str:
    """Check that the text is JSON (RFC 8259), with or without a code fence around it.

    Args:
        schema: A JSON schema that it must fit. References to other addresses are not fetched.
        keys: The keys that the object must have, no more and no fewer; of a list, each object in
            it.
    """
    if schema is not None:
        validator(schema)  # one that cannot be used shows even where the text is not JSON
    try:
        value = read_json(checked.text)
    except (ValueError, RecursionError) as error:
        return f"It is not JSON: {error}."
    flaw = _keys_flaw(keys, value) if keys else ""
    if flaw or schema is None:
        return flaw
    return schema_flaw(schema, value)


def read_json(text: str) -> Any:
    """The value of a JSON text, with or without a code fence around it.

    Raises:
        ValueError, RecursionError: It is not JSON.
    """
    fenced = _FENCED.fullmatch(text.strip())
    if fenced is not None:
        text = fenced[1]
    return json.loads(text, parse_constant=_refuse_constant)


def json_objects(value: object) -> list[dict[str, Any]]:
    """The objects whose keys are checked: the value itself, or the objects of a list.

    Empty for any other value.
    """
    entries = value if isinstance(value, list) else [value]
    objects = []
    for entry in entries:
        if isinstance(entry, dict):
            objects.append(entry)
    if len(objects) == len(entries):
        return objects
    return []


def _keys_flaw(keys: Sequence[str], value: object) -> str:
    """Where the keys of a value are others than these, as a sentence; "" if nowhere."""
    objects = json_objects(value)
    if not objects and value != []:
        return f"It is not a JSON object with the keys {', '.join(keys)}."
    for parsed in objects:
        if set(parsed) != set(keys):
            return f"Its keys are {quoted(', '.join(parsed))}, not {', '.join(keys)}."
    return ""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
