"""Teachers: the models that write and judge, behind the servers that serve them. Begin with `connect`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgkit.teachers.connection import connect
    from sdgkit.teachers.exchange import Reply, Request
    from sdgkit.teachers.teacher import Teacher

__all__ = ["Reply", "Request", "Teacher", "connect"]

_HOMES = {"Reply": "exchange", "Request": "exchange", "Teacher": "teacher", "connect": "connection"}


def __getattr__(name: str) -> Any:
    # Loaded when first used: the rehearsal teacher's own process, which lives in this package, needs none of it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
