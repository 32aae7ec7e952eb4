"""The seeds of a run, wherever it was opened from."""

from pathlib import Path

from sdgkit.files import refuse_way_out
from sdgkit.run.folder import SEEDS_FILE
from sdgkit.run.run import Run
from sdgkit.samples import without_ids
from sdgkit.seeds import Seed, read_seeds


def own_seed_file(folder: Path) -> Path:
    """The file in a run's folder that holds its seeds.

    Raises:
        RunError: It is a link to a file elsewhere.
    """
    path = folder / SEEDS_FILE
    refuse_way_out(path)
    return path


def seeds_of_run(run: Run) -> list[Seed]:
    """The seeds of a run.

    Raises:
        RunError: The file of its folder is a link to a file elsewhere.
        SeedError: They cannot be read.
    """
    if run.plan is not None:
        return without_ids(run.plan.rows)
    assert run.folder is not None, "a run without a plan was opened from its folder"
    return without_ids(read_seeds(own_seed_file(run.folder)))
