"""The check `valid_json`."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from sdgkit.checks.registry import CheckedText, check, quoted
from sdgkit.errors import SettingsError

_FENCED = re.compile(r"```\w*\n(.*)\n```", re.DOTALL)


@check
def valid_json(checked: CheckedText, schema: Mapping[str, Any] | None = None) -> str:
    """Check that the text is JSON (RFC 8259), with or without a code fence around it.

    Args:
        schema: A JSON schema that it must fit. References to other addresses are not fetched.
    """
    validator = None if schema is None else _validator(json.dumps(schema))
    text = checked.text
    fenced = _FENCED.fullmatch(text.strip())
    if fenced is not None:
        text = fenced[1]
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return f"It is not JSON: {error}."
    if validator is None:
        return ""
    return _schema_flaw(validator, value)


def _schema_flaw(validator: Any, value: Any) -> str:
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
def _validator(schema_text: str) -> Any:
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
