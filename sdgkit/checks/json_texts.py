"""The check `valid_json`."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sdgkit.checks.registry import CheckedText, check, quoted
from sdgkit.errors import SettingsError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

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
    if isinstance(keys, str):
        raise SettingsError(
            f"valid_json: keys must be a list, such as ['name', 'age'], not {keys!r}.",
            setting="keys",
        )
    validator = None if schema is None else _validator(json.dumps(schema))
    try:
        value = read_json(checked.text)
    except (ValueError, RecursionError) as error:
        return f"It is not JSON: {error}."
    flaw = _keys_flaw(keys, value) if keys else ""
    if flaw or validator is None:
        return flaw
    return _schema_flaw(validator, value)


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
    objects = [entry for entry in entries if isinstance(entry, dict)]
    return objects if len(objects) == len(entries) else []


def _keys_flaw(keys: Sequence[str], value: object) -> str:
    """Where the keys of a value are others than these, as a sentence; "" if nowhere."""
    objects = json_objects(value)
    if not objects and value != []:
        return f"It is not a JSON object with the keys {', '.join(keys)}."
    for found in objects:
        if set(found) != set(keys):
            return f"Its keys are {quoted(', '.join(found))}, not {', '.join(keys)}."
    return ""


def _schema_flaw(validator: "Validator", value: object) -> str:
    """Where a value does not fit a schema, as a sentence; "" if it does."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        flaw = best_match(validator.iter_errors(value))
    except Unresolvable as error:
        raise SettingsError(
            f"valid_json: the schema refers to {error.ref}, which it does not contain. Add it.",
            setting="schema",
        ) from None
    if flaw is None:
        return ""
    return f"It does not fit the schema at {flaw.json_path}: {quoted(flaw.message, 200)}."


@cache
def _validator(schema_text: str) -> "Validator":
    """The validator for a JSON schema."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    schema = json.loads(schema_text)
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise _not_a_schema(error.message) from None
    except TypeError as error:
        raise _not_a_schema(str(error)) from None
    # An empty registry: what a schema refers to by its address is not fetched.
    return kind(schema, registry=Registry())


def _not_a_schema(reason: str) -> SettingsError:
    return SettingsError(f"valid_json: not a valid JSON schema: {reason}.", setting="schema")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
