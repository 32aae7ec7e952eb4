"""What a stage does, as values that are equal in another process if it does the same.

A run's edition depends on these values: they must not change for a stage that does not change. That
is why a function is described by its code, and not by its name or address.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_CONSTANTS = (str, int, float, list, tuple, dict)
_OWN_PACKAGES = ("sdgkit", "builtins")


def describe(stage: object) -> dict[str, Any]:
    """Describe a stage: its kind, its fields and, for a class of the user's own, its code.

    Args:
        stage: The stage. A function that it holds is described by what it does; an object that has
            no text of its own, by its class and what it holds.

    Returns:
        JSON values.

    Example:
        >>> from sdgkit.stages import Keep
        >>> describe(Keep(name="good_ones", at_least=2.0))["at_least"]
        2.0
    """
    description: dict[str, Any] = _Describer().describe_object(stage)
    return description


class _Describer:
    """Describes one stage. Anything that it has already described, it calls by its name."""

    def __init__(self) -> None:
        self._met: list[object] = []

    def describe(self, value: object) -> Any:
        """Any value as JSON values."""
        match value:
            case None | str() | int() | float():
                return value
            case Mapping():
                return {str(name): self.describe(entry) for name, entry in value.items()}
            case list() | tuple():
                return [self.describe(entry) for entry in value]
            case set() | frozenset():
                return sorted((self.describe(entry) for entry in value), key=repr)
            case CodeType():
                return self.describe([value.co_code.hex(), value.co_names, value.co_consts])
            case MethodType() | functools.partial():
                return self.describe(value.__reduce__()[1:])
            case ModuleType() | type():
                return value.__name__
        if any(value is met for met in self._met):
            return getattr(value, "__name__", type(value).__name__)
        if _has_own_text(value) or not hasattr(value, "__dict__"):
            return repr(value)
        if isinstance(value, FunctionType):
            return self._describe_function(value)
        return self.describe_object(value)

    def describe_object(self, value: object) -> Any:
        """An object by its kind, the code of its class and what it holds."""
        self._met.append(value)
        description: dict[str, Any] = {"kind": type(value).__name__}
        classes = [kind for kind in type(value).__mro__ if _is_users_own(kind)]
        if classes:
            description["code"] = [_decisive_parts(kind) for kind in classes]
        return self.describe({**description, **vars(value)})

    def _describe_function(self, function: FunctionType) -> str:
        self._met.append(function)
        parts = [
            function.__code__,
            _globals_used(function),
            [cell.cell_contents for cell in function.__closure__ or ()],
            function.__defaults__,
            function.__kwdefaults__,
        ]
        text = json.dumps(self.describe(parts))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _has_own_text(value: object) -> bool:
    """Whether the text of an object says what it is, and not only where it lies in memory."""
    has_repr = type(value).__repr__ is not object.__repr__
    return has_repr and not is_dataclass(value) and not callable(value)


def _is_users_own(kind: type) -> bool:
    package, _, _ = kind.__module__.partition(".")
    return package not in _OWN_PACKAGES


def _decisive_parts(kind: type) -> dict[str, Any]:
    """The parts of a class that decide what it does: its functions and constants."""
    parts: dict[str, Any] = {}
    for name, attribute in vars(kind).items():
        part = getattr(attribute, "__func__", attribute)  # of a class or static method
        is_constant = isinstance(part, _CONSTANTS) and not name.startswith("__")
        if isinstance(part, FunctionType) or is_constant:
            parts[name] = part
    return parts


def _globals_used(function: FunctionType) -> dict[str, Any]:
    """The values of its module that a function refers to; functions of other modules by name."""
    names: set[str] = set()
    for code in _all_code(function.__code__):
        names.update(code.co_names)
    used: dict[str, Any] = {}
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        if isinstance(value, FunctionType) and value.__module__ != function.__module__:
            used[name] = f"{value.__module__}.{value.__qualname__}"
        else:
            used[name] = value
    return used


def _all_code(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of the functions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_code(constant)
