"""Teachers: the models that write and judge, behind the servers that serve them. Begin with `connect`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgkit.teachers.connection import connect
    from sdgkit.teachers.teacher import Reply, Request, Slots, Teacher

__all__ = ["Reply", "Request", "Slots", "Teacher", "connect"]


def __getattr__(name: str) -> Any:
    # Loaded when first used: the rehearsal teacher's own process, which lives in this package, needs none of it.
    if name == "connect":
        from sdgkit.teachers.connection import connect

        return connect
    if name in __all__:
        from sdgkit.teachers import teacher

        return getattr(teacher, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
