"""Samples that become seeds."""

from collections.abc import Sequence
from pathlib import Path

from sdgkit.errors import SeedError
from sdgkit.run import Run
from sdgkit.run.own_seeds import seeds_of_run
from sdgkit.samples import Row, own_question, without_ids
from sdgkit.seeds import COLUMNS, Seed, read_seeds, save_seeds


def extend_seeds(run: Run, sample: Row, path: Path) -> int:
    """Add a sample to a seed file; a new file begins with the run's own seeds.

    Args:
        run: The run that made the sample.
        sample: The sample, as it was decided.
        path: The seed file, which ends in `.jsonl`.

    Returns:
        How many seeds the file has now.

    Raises:
        SeedError: It is in the file already.
    """
    seeds = _seeds_to_extend(run, path)
    seed = _as_seed(sample, columns=list(seeds[0]))
    for other in seeds:
        if all(other.get(column) == seed.get(column) for column in COLUMNS):
            raise SeedError(f"{sample['id']} is already in {path}.", file=path)
    save_seeds([*seeds, seed], path)
    return len(seeds) + 1


def _seeds_to_extend(run: Run, path: Path) -> list[Seed]:
    """The seeds in a file, or the run's own if it does not exist yet."""
    if path.exists():
        return without_ids(read_seeds(path))
    return seeds_of_run(run)


def _as_seed(sample: Row, columns: Sequence[str]) -> Seed:
    """A sample as a seed with these columns, as far as it has them."""
    values = {
        **sample,
        "seed_context": sample.get("context"),
        "seed_question": own_question(sample),
        "seed_response": sample["response"],
    }
    seed = {}
    for name in columns:
        if name in values:
            seed[name] = values[name]
    return seed
