"""Where the seeds are in the folder of a skill."""

from collections.abc import Container
from pathlib import Path

from sdgkit.errors import SeedError

STEMS = ("seeds", "qna")
"""What the file with the seeds is called, before its ending; `qna` is InstructLab's name."""

SKILL_SEEDS = "seeds.jsonl"
"""The file in which sdgkit itself saves the seeds of a skill."""


def is_skill_seed_file(path: Path) -> bool:
    """Whether a file is called as the seeds of a skill are."""
    return path.stem.lower() in STEMS


def seed_file_of(folder: Path, endings: Container[str]) -> Path | None:
    """The file that holds the seeds of the skill in a folder; None if the folder is not a skill's.

    Args:
        folder: The folder.
        endings: The endings of seed files, such as `.jsonl`.

    Raises:
        SeedError: There are several.
    """
    paths = []
    for path in sorted(folder.iterdir()):
        if is_skill_seed_file(path) and path.suffix.lower() in endings and path.is_file():
            paths.append(path)
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise SeedError(
            f"{folder} has several files with seeds: {names}. Leave one of them there, or name the "
            "file that you mean.",
            file=folder,
        )
    if not paths:
        return None
    return paths[0]


def takes_the_place_of(new: Path, earlier: Path) -> bool:
    """Whether the folder of a skill would have two files of seeds with both of these."""
    if not (is_skill_seed_file(new) and is_skill_seed_file(earlier) and earlier.is_file()):
        return False
    return new.resolve() != earlier.resolve() and new.resolve().parent == earlier.resolve().parent


def set_aside(path: Path) -> Path:
    """Rename a file, so that it is no longer read but not lost either: `qna.yaml.orig`."""
    number = 1
    new_path = path.with_name(f"{path.name}.orig")
    while new_path.exists():
        number += 1
        new_path = path.with_name(f"{path.name}.{number}.orig")
    path.rename(new_path)
    return new_path
