"""Seed examples: read, checked, saved."""

from sdgkit.seeds.checking import COLUMNS, REQUIRED, flaw_of
from sdgkit.seeds.examples import (
    SeedSource,
    load_seeds,
    read_seeds,
    row_key,
    save_seeds,
    skill,
)
from sdgkit.seeds.files import read_file, seed_file_in
from sdgkit.seeds.rows import Place, Seed, SourceRow

__all__ = [
    "COLUMNS",
    "REQUIRED",
    "Place",
    "Seed",
    "SeedSource",
    "SourceRow",
    "flaw_of",
    "load_seeds",
    "read_file",
    "read_seeds",
    "row_key",
    "save_seeds",
    "seed_file_in",
    "skill",
]
