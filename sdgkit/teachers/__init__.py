"""Teachers: the models that write and judge, behind the servers that serve them. See `connect`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgkit.teachers.connection import connect
    from sdgkit.teachers.exchange import Reply, Request
    from sdgkit.teachers.local_servers import FoundServer, find_servers
    from sdgkit.teachers.teacher import ServerLoad, Teacher

__all__ = ["FoundServer", "Reply", "Request", "ServerLoad", "Teacher", "connect", "find_servers"]

_MODULES = {
    "FoundServer": "local_servers",
    "Reply": "exchange",
    "Request": "exchange",
    "ServerLoad": "teacher",
    "Teacher": "teacher",
    "connect": "connection",
    "find_servers": "local_servers",
}


def __getattr__(name: str) -> Any:
    # Loaded when first used: the rest of sdgkit needs `settings` long before it connects.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
