"""Finds the skills in a tree: a folder of skills, or a taxonomy with `qna.yaml` leaves."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.files import JOURNAL_FILE
from sdgkit.seeds import is_knowledge, seed_file_in

EXCLUDING = "!"
"""A pattern that begins so leaves skills out."""


@dataclass(frozen=True)
class Leaf:
    """A skill in a tree.

    Attributes:
        name: Its path in the tree, such as `writing/mail`, whatever the system's separator.
        folder: Its folder.
    """

    name: str
    folder: Path


def is_tree(source: object) -> bool:
    """Whether a source is a folder that is neither a run's nor a skill's, with skills in it.

    Raises:
        SeedError: A folder in it has several files with seeds.
    """
    if not isinstance(source, str | os.PathLike):
        return False
    root = Path(source)
    if not root.is_dir() or (root / JOURNAL_FILE).exists() or seed_file_in(root) is not None:
        return False
    return next(_walk(root), None) is not None


def find_leaves(root: str | Path, only: Sequence[str] = ()) -> list[Leaf]:
    """The skills in a tree, in the order of their names.

    The knowledge files of a taxonomy are left out: they are no skills.

    Args:
        root: The tree.
        only: Patterns such as `writing/**`; a skill that matches any of them is taken, one that
            matches a pattern behind `!` is not. Without any, all are taken.

    Raises:
        SeedError: A folder has several files with seeds.
        SettingsError: There is no skill in the tree, or none that the patterns leave.
    """
    leaves = []
    for leaf in _walk(Path(root)):
        if not _is_knowledge(leaf):
            leaves.append(leaf)
    if not leaves:
        raise SettingsError(
            f"{root} has no skill in it: a skill is a folder with seeds.jsonl (or qna.yaml).",
            setting="seeds",
        )
    chosen = []
    for leaf in leaves:
        if is_chosen(leaf.name, only):
            chosen.append(leaf)
    if not chosen:
        names = ", ".join(leaf.name for leaf in leaves[:5])
        raise SettingsError(
            f"No skill in {root} matches {', '.join(only)}. There are {len(leaves)}: {names}"
            f"{' …' if len(leaves) > 5 else ''}.",
            setting="only",
        )
    return chosen


def is_chosen(name: str, patterns: Sequence[str]) -> bool:
    """Whether a skill is chosen by patterns.

    Example:
        >>> is_chosen("writing/mail", ["writing/**"]), is_chosen("writing/mail", ["!writing/*"])
        (True, False)
        >>> is_chosen("writing/mail/short", ["writing"]), is_chosen("maths", ["writing"])
        (True, False)
    """
    wanted = []
    unwanted = []
    for pattern in patterns:
        if pattern.startswith(EXCLUDING):
            unwanted.append(pattern.removeprefix(EXCLUDING))
        else:
            wanted.append(pattern)
    if any(_matches(name, pattern) for pattern in unwanted):
        return False
    return not wanted or any(_matches(name, pattern) for pattern in wanted)


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern means a skill, or a folder that it is in."""
    plain = pattern.strip("/")
    return fnmatchcase(name, plain) or fnmatchcase(name, f"{plain}/*")


def _walk(root: Path) -> Iterator[Leaf]:
    for path, folders, _ in os.walk(root):
        folder = Path(path)
        is_run = (folder / JOURNAL_FILE).exists()
        if folder != root and not is_run and seed_file_in(folder) is not None:
            yield Leaf(folder.relative_to(root).as_posix(), folder)
            is_run = True  # what lies below belongs to the skill
        folders[:] = [] if is_run else sorted(name for name in folders if name[0] not in "._")


def _is_knowledge(leaf: Leaf) -> bool:
    file = seed_file_in(leaf.folder)
    return file is not None and is_knowledge(file)
