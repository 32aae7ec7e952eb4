"""Where seeds come from, and where their run goes."""

import os
from pathlib import Path
from typing import TypeAlias

from sdgkit.journal import JOURNAL_FILE
from sdgkit.seeds import SeedSource, seed_file_in
from sdgkit.seeds.folders import QNA_NAMES, is_on_hub

PlanSource: TypeAlias = SeedSource
"""What `plan` and `generate` take: seeds as for `load_seeds`, the folder of a skill or of a run."""

RUNS_FOLDER = Path("runs")


def run_folder(source: object) -> Path | None:
    """The path if the source is the folder of a run, otherwise None."""
    folder = _folder(source)
    if folder is not None and (folder / JOURNAL_FILE).exists():
        return folder
    return None


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
    """The name of the file that rows come from, without its ending; empty if there is none.

    A skill's folder gives its own name. So does the folder of a `qna.yaml`, since every skill of a
    taxonomy has a file of that name.

    Example:
        >>> source_name("writing/mails/qna.yaml")
        'mails'
        >>> source_name("hub:owner/name")
        'name'
    """
    if not isinstance(source, str | os.PathLike):
        return ""
    if is_on_hub(source):
        return Path(str(source).partition("@")[0]).name
    path = Path(source)
    if path.name in QNA_NAMES:
        path = path.parent
    if path.is_dir():
        return path.resolve().name
    return path.stem


def _folder(source: object) -> Path | None:
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    if path.is_dir():
        return path
    return None


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
    if not name:
        return None
    return RUNS_FOLDER / name
