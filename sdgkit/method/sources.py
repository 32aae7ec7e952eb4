"""Where seeds come from, and where their run goes."""

import os
from pathlib import Path
from typing import TypeAlias

from sdgkit.errors import SeedError
from sdgkit.journal import JOURNAL_FILE
from sdgkit.seeds import SeedSource

PlanSource: TypeAlias = SeedSource
"""What `plan` and `generate` take: seeds as for `load_seeds`, or the folder of a run."""

RUNS_FOLDER = Path("runs")


def run_folder(source: object) -> Path | None:
    """The path if the source is the folder of a run, otherwise None.

    Raises:
        SeedError: It is a folder that holds no run.
    """
    if not isinstance(source, str | os.PathLike) or not Path(source).is_dir():
        return None
    path = Path(source)
    if not (path / JOURNAL_FILE).exists():
        raise SeedError(
            f"{path} is a folder that holds no run. Give a seed file, or the folder of a run.",
            file=path,
        )
    return path


def source_name(source: object) -> str:
    """The name of the file that rows come from, without its ending; empty if there is none."""
    return Path(source).stem if isinstance(source, str | os.PathLike) else ""


def default_folder(source: object) -> Path | None:
    """Where a run goes by default.

    Returns:
        The folder of the run to repeat, `runs/NAME` for a seed file NAME, or None (memory) for
        seeds without a file.
    """
    folder = run_folder(source)
    if folder is not None:
        return folder
    name = source_name(source)
    return RUNS_FOLDER / name if name else None
