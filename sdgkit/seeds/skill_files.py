"""Where the seeds are in the folder of a skill."""

from collections.abc import Container
from pathlib import Path

from sdgkit.errors import SeedError

STEMS = ("seeds", "qna")
"""What the file with the seeds is called, before its ending; `qna` is InstructLab's name."""


def seed_file_of(folder: Path, endings: Container[str]) -> Path | None:
    """The file that holds the seeds of the skill in a folder; None if the folder is not a skill's.

    Args:
        folder: The folder.
        endings: The endings of seed files, such as `.jsonl`.

    Raises:
        SeedError: There are several.
    """
    found = []
    for path in sorted(folder.iterdir()):
        is_named_so = path.stem.lower() in STEMS
        if is_named_so and path.suffix.lower() in endings and path.is_file():
            found.append(path)
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise SeedError(
            f"{folder} has several files with seeds: {names}. Leave one of them there, or name the "
            "file that you mean.",
            file=folder,
        )
    return found[0] if found else None
