"""What you can pass as `teacher=`: a teacher, or something that holds one, such as a panel."""

from abc import ABC, abstractmethod
from typing import NoReturn, TypeAlias, overload

from sdgkit.errors import SettingsError
from sdgkit.teachers.settings import KINDS
from sdgkit.teachers.teacher import Teacher


class TeacherHolder(ABC):
    """Something that holds a teacher, connected when it is first asked for."""

    @property
    @abstractmethod
    def teacher(self) -> Teacher:
        """The teacher."""


TeacherSource: TypeAlias = Teacher | TeacherHolder


@overload
def teacher_of(source: TeacherSource) -> Teacher: ...
@overload
def teacher_of(source: None) -> None: ...
@overload
def teacher_of(source: TeacherSource | None) -> Teacher | None: ...
def teacher_of(source: TeacherSource | None) -> Teacher | None:
    """The teacher itself, or the one that is held.

    Args:
        source: The teacher, what holds it, or None where none is needed.

    Raises:
        SettingsError: If it is something else, or what it holds cannot be connected.
        TeacherError: If the server does not answer.
    """
    if isinstance(source, TeacherHolder):
        return source.teacher
    if source is not None and not isinstance(source, Teacher):
        _refuse(source)
    return source


def _refuse(source: object) -> NoReturn:
    advice = f": sdgkit.connect({source!r})" if source in KINDS else ""
    raise SettingsError(
        f"teacher must be what sdgkit.connect returns{advice}, or a TeacherPanel, not {source!r}.",
        setting="teacher",
    )
