"""Seed examples: read, checked, saved."""

from sdgkit.seeds.examples import (
    COLUMNS,
    REQUIRED,
    Source,
    flaw_of,
    load_seeds,
    read_seeds,
    row_key,
    save_seeds,
    skill,
)
from sdgkit.seeds.files import FoundRow, Seed

__all__ = [
    "COLUMNS",
    "REQUIRED",
    "FoundRow",
    "Seed",
    "Source",
    "flaw_of",
    "load_seeds",
    "read_seeds",
    "row_key",
    "save_seeds",
    "skill",
]
