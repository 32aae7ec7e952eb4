"""The teacher of a run whose workers start their teachers by themselves."""

from collections.abc import Mapping
from typing import Any

from sdgkit.cluster.messages import Look
from sdgkit.run.elsewhere import TeacherLimits
from sdgkit.teachers.adapters import Adapter
from sdgkit.teachers.concurrency import default_concurrency, parse_concurrency
from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.diagnosis import Trouble, TroubleCause
from sdgkit.teachers.exchange import Reply
from sdgkit.teachers.server import Server
from sdgkit.teachers.settings import Settings
from sdgkit.teachers.teacher import Teacher

PLACE = "servers of the cluster"


class _Absent(Adapter):
    """This teacher cannot be asked here."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def exchange(
        self, body: Mapping[str, Any], seconds: float | None = None, seed: str = ""
    ) -> Reply:
        raise Trouble(TroubleCause.BAD_REQUEST, "Only the workers of the cluster use this teacher.")


def absent_teacher(look: Look, limits: TeacherLimits) -> Teacher:
    """What the process of the run knows of the teachers that its workers start.

    Args:
        look: What was seen of one.
        limits: How the workers ask theirs.
    """
    server = Server(
        PLACE,
        look.kind,
        Credentials(Settings(kind=look.kind)),
        list(look.notes),
        models={look.model: look.context_length},
        model=look.model,
    )
    concurrency = limits.concurrency
    if concurrency is None:
        concurrency = default_concurrency(look.kind, servers=1)
    return Teacher(
        _Absent(server), parse_concurrency(concurrency), limits.patience, on_close=_close_nothing
    )


def _close_nothing() -> None:
    """There is nothing to close."""
