"""Teachers: the models that write and judge, behind the servers that serve them. Begin with `connect`."""

from sdgkit.teachers.connection import connect
from sdgkit.teachers.teacher import Reply, Request, Slots, Teacher

__all__ = ["Reply", "Request", "Slots", "Teacher", "connect"]
