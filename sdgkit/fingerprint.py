"""How a stage, or a function of the user's, becomes a stable fingerprint: equal in another process if it does the same."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any


def as_json(value: Any, met: list[Any]) -> Any:
    """A setting as JSON values that are equal in another process if the setting is: a function by what it does, an
    object whose text does not tell by its class and what it holds. met: those that are described already, by name now.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): as_json(entry, met) for name, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        entries = [as_json(entry, met) for entry in value]
        return entries if isinstance(value, list | tuple) else sorted(entries, key=repr)
    if isinstance(value, CodeType):
        return as_json([value.co_code.hex(), value.co_names, value.co_consts], met)
    if isinstance(value, MethodType | functools.partial):
        return as_json(value.__reduce__()[1:], met)
    if isinstance(value, ModuleType | type) or any(value is one for one in met):
        return getattr(value, "__name__", type(value).__name__)
    tells = (
        type(value).__repr__ is not object.__repr__
        and not is_dataclass(value)
        and not callable(value)
    )
    if tells or not hasattr(value, "__dict__"):
        return repr(value)
    met.append(value)
    if isinstance(value, FunctionType):
        return hashlib.sha256(json.dumps(as_json(_parts(value), met)).encode()).hexdigest()[:16]
    kinds = [
        kind
        for kind in type(value).__mro__
        if kind.__module__.partition(".")[0] not in ("sdgkit", "builtins")
    ]
    code = {"code": [_decisive(kind) for kind in kinds]} if kinds else {}
    return as_json({"kind": type(value).__name__, **code, **vars(value)}, met)


def _decisive(kind: type) -> dict[str, Any]:
    """What of a user's class decides what it does: its functions and constants."""
    code, plain = FunctionType, str | int | float | list | tuple | dict
    parts = {name: getattr(part, "__func__", part) for name, part in vars(kind).items()}
    return {
        name: part
        for name, part in parts.items()
        if isinstance(part, code if name[:2] == "__" else code | plain)
    }


def _parts(function: FunctionType) -> list[Any]:
    """What decides a function: its code, and the values and functions of its own module that it refers to."""
    codes = [function.__code__]
    for code in codes:
        codes += [const for const in code.co_consts if isinstance(const, CodeType)]
    outside = {}
    for name in sorted(
        {name for code in codes for name in code.co_names} & function.__globals__.keys()
    ):
        outside[name] = value = function.__globals__[name]
        if isinstance(value, FunctionType) and value.__module__ != function.__module__:
            outside[name] = f"{value.__module__}.{value.__qualname__}"
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    return [function.__code__, outside, held, function.__defaults__, function.__kwdefaults__]
