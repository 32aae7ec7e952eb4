"""Where seeds come from, and where their run goes."""

import os
from pathlib import Path
from typing import TypeAlias

from sdgkit.journal import JOURNAL_FILE
from sdgkit.seeds import SeedSource, seed_file_in

PlanSource: TypeAlias = SeedSource
"""What `plan` and `generate` take: seeds as for `load_seeds`, the folder of a skill or of a run."""

RUNS_FOLDER = Path("runs")


def run_folder(source: object) -> Path | None:
    """The path if the source is the folder of a run, otherwise None."""
    folder = _folder(source)
    return folder if folder is not None and (folder / JOURNAL_FILE).exists() else None


def skill_folder(source: object) -> Path | None:
    """The path if the source is the folder of a skill, otherwise None.

    Raises:
        SeedError: The folder has several files with seeds.
    """
    folder = _folder(source)
    if folder is None or run_folder(source) is not None or seed_file_in(folder) is None:
        return None
    return folder


def source_name(source: object) -> str:
    """The name of the skill's folder, or of the file, that rows come from; empty without one."""
    folder = _folder(source)
    if folder is not None:
        return folder.resolve().name
    return Path(source).stem if isinstance(source, str | os.PathLike) else ""


def _folder(source: object) -> Path | None:
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    return path if path.is_dir() else None


def default_folder(source: object) -> Path | None:
    """Where a run goes by default.

    Returns:
        The folder of the run to repeat, `runs/NAME` for a seed file or a skill's folder NAME, or
        None (memory) for seeds without a file.
    """
    folder = run_folder(source)
    if folder is not None:
        return folder
    name = source_name(source)
    return RUNS_FOLDER / name if name else None
