"""What a shelf's folder is known by: the names of its skills, in order, and their weights."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sdgkit.errors import RunError
from sdgkit.files import refuse_way_out
from sdgkit.recorded import read_file
from sdgkit.run.folder import write_values
from sdgkit.skill_folder import DEFAULT_WEIGHT

SHELF_FILE = "shelf.json"


@dataclass(frozen=True)
class ShelfSkill:
    """A skill of a shelf, as `shelf.json` records it.

    Attributes:
        name: Its path in the tree, and its folder's path in the shelf's.
        weight: How much of a mixed training set it gets, compared with the others.
    """

    name: str
    weight: float = DEFAULT_WEIGHT


@dataclass(frozen=True)
class ShelfRecord:
    """What `shelf.json` holds."""

    skills: Sequence[ShelfSkill] = field(default_factory=tuple)


def is_shelf(folder: Path) -> bool:
    """Whether a folder holds a shelf."""
    with suppress(OSError):
        return (folder / SHELF_FILE).is_file()
    return False


def write_record(folder: Path, skills: Sequence[ShelfSkill]) -> None:
    """Record the skills of a shelf in its folder, which is made if it is missing.

    Raises:
        RunError: The folder cannot be written, or the file leads out of it.
    """
    refuse_way_out(folder / SHELF_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    write_values(folder / SHELF_FILE, {"skills": [vars(skill) for skill in skills]})


def read_record(folder: Path) -> ShelfRecord:
    """The record in a shelf's folder.

    Raises:
        RunError: The file cannot be used, or names a skill outside of the folder.
    """
    path = folder / SHELF_FILE
    refuse_way_out(path)
    record = read_file(ShelfRecord, path)
    for skill in record.skills:
        parts = PurePosixPath(skill.name).parts
        if not parts or ".." in parts or PurePosixPath(skill.name).is_absolute():
            raise RunError(f"{path} names a skill outside of the folder. Remove it.", folder=folder)
    return record
