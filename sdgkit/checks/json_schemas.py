"""JSON schemas that may be a stranger's: checked with bounded work.

jsonschema looks for a schema's patterns with Python's `re`, and follows references as often as the
schema says. Here each keyword spends part of a budget, and patterns are looked for by
`is_found`.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from sdgkit.checks.patterns import is_found
from sdgkit.checks.registry import quoted
from sdgkit.errors import SettingsError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

MOST_WORK = 100_000  # keywords applied to a value: some seconds
DEEP = 50  # levels of a value, after which it may be the value that is nested too deep
CHECK = "valid_json"
_TOO_MUCH = "checking one text against the schema takes too much work. Make the schema simpler."
_VALUES = ("const", "default", "enum", "examples")  # keywords whose values are not schemas

Errors = Iterator["ValidationError"]
Keyword = Callable[["Validator", Any, Any, Mapping[str, Any]], Errors]

_budget = threading.local()


def schema_flaw(schema: Mapping[str, Any], value: object) -> str:
    """Where a value does not fit a schema, as a sentence; "" if it does.

    Raises:
        SettingsError: The schema cannot be used, or takes too much work.
    """
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    checked_by = validator(schema)
    _budget.left = MOST_WORK
    try:
        flaw = best_match(checked_by.iter_errors(value))
    except Unresolvable as error:
        raise _unusable(
            f"the schema refers to {error.ref}, which it does not contain. Add it."
        ) from None
    except RecursionError:
        if _depth(value) > DEEP:
            return "It is nested too deep to be checked against the schema."
        raise _unusable("the schema refers to itself without end.") from None
    if flaw is None:
        return ""
    return f"It does not fit the schema at {flaw.json_path}: {quoted(flaw.message, 200)}."


def validator(schema: Mapping[str, Any]) -> "Validator":
    """The validator for a JSON schema. Raises SettingsError."""
    try:
        return _validator(json.dumps(schema))
    except RecursionError:
        raise _not_a_schema("it is nested too deep") from None


def _depth(value: object) -> int:
    """How many levels of lists and objects a JSON value has."""
    depth = 0
    level = [value]
    while level:
        below: list[object] = []
        for entry in level:
            if isinstance(entry, dict):
                below += entry.values()
            elif isinstance(entry, list):
                below += entry
        depth += 1
        level = below
    return depth


@cache
def _validator(schema_text: str) -> "Validator":
    from jsonschema import SchemaError
    from jsonschema.validators import extend, validator_for
    from referencing import Registry

    schema = json.loads(schema_text)
    for pattern in _patterns(schema):
        is_found(CHECK, pattern, "")  # one that cannot be used shows at once
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise _not_a_schema(error.message) from None
    except TypeError as error:
        raise _not_a_schema(str(error)) from None
    keywords = {**kind.VALIDATORS}
    for name, bounded in _BOUNDED.items():
        if name in keywords:
            keywords[name] = bounded
    bounded_kind = extend(kind, {name: _paid(keyword) for name, keyword in keywords.items()})
    # An empty registry: what a schema refers to by its address is not fetched.
    checked_by: Validator = bounded_kind(schema, registry=Registry())
    return checked_by


def _patterns(schema: object) -> Iterator[object]:
    """The regular expressions in a schema, wherever they stand."""
    if isinstance(schema, list):
        for entry in schema:
            yield from _patterns(entry)
    if not isinstance(schema, dict):
        return
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        yield pattern
    by_pattern = schema.get("patternProperties")
    if isinstance(by_pattern, dict):
        yield from by_pattern
        if "unevaluatedProperties" in schema:
            raise _unusable(
                "a schema cannot have both patternProperties and unevaluatedProperties here. Use "
                "additionalProperties."
            )
    for name, value in schema.items():
        if name not in _VALUES:
            yield from _patterns(value)


def _paid(keyword: Keyword) -> Keyword:
    """A keyword that spends part of the budget whenever it is applied."""

    def apply(
        validator: "Validator", value: object, instance: object, schema: Mapping[str, Any]
    ) -> Any:
        _budget.left -= 1
        if _budget.left < 0:
            raise _unusable(_TOO_MUCH)
        return keyword(validator, value, instance, schema)

    return apply


# The keywords whose work depends on more than how often they are applied -------------------------


def _pattern(
    validator: "Validator", pattern: str, instance: object, schema: Mapping[str, Any]
) -> Errors:
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and not is_found(CHECK, pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: "Validator",
    by_pattern: Mapping[str, Any],
    instance: object,
    schema: Mapping[str, Any],
) -> Errors:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in by_pattern.items():
        for name, value in instance.items():
            if is_found(CHECK, pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: "Validator", additional: object, instance: object, schema: Mapping[str, Any]
) -> Errors:
    from jsonschema.exceptions import ValidationError

    if not isinstance(instance, dict):
        return
    further = [name for name in instance if not _is_described(name, schema)]
    if isinstance(additional, dict):
        for name in further:
            yield from validator.descend(instance[name], additional, path=name)
    elif not additional and further:
        names = ", ".join(repr(name) for name in sorted(further))
        yield ValidationError(f"Additional properties are not allowed ({names})")


def _is_described(name: str, schema: Mapping[str, Any]) -> bool:
    """Whether a schema says what a property of this name must be."""
    if name in schema.get("properties", {}):
        return True
    patterns = schema.get("patternProperties", {})
    return any(is_found(CHECK, pattern, name) for pattern in patterns)


def _unique_items(
    validator: "Validator", is_wanted: bool, instance: object, schema: Mapping[str, Any]
) -> Errors:
    from jsonschema.exceptions import ValidationError

    if not is_wanted or not isinstance(instance, list):
        return
    seen: set[str] = set()
    for entry in instance:
        text = _canonical(entry)
        if text in seen:
            yield ValidationError(f"{instance!r} has non-unique elements")
            return
        seen.add(text)


def _canonical(value: object) -> str:
    """A text that two JSON values share only if they are equal: 1 and 1.0 are, 1 and true not."""
    return json.dumps(_with_plain_numbers(value), sort_keys=True)


def _with_plain_numbers(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_plain_numbers(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _with_plain_numbers(entry) for name, entry in value.items()}
    return value


_BOUNDED: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}


def _not_a_schema(reason: str) -> SettingsError:
    return _unusable(f"not a valid JSON schema: {reason}.")


def _unusable(sentence: str) -> SettingsError:
    return SettingsError(f"{CHECK}: {sentence}", setting="schema")
