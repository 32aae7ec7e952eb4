"""Seed examples: read, checked, saved."""

from sdgkit.seeds.checking import COLUMNS, REQUIRED, flaw_of, seed_texts
from sdgkit.seeds.column_names import CONTEXT_COLUMNS, parse_columns
from sdgkit.seeds.examples import (
    Columns,
    SeedSource,
    are_seeds,
    load_seeds,
    read_rows,
    read_seeds,
    row_key,
    save_seeds,
    skill,
)
from sdgkit.seeds.files import read_file, read_source, seed_file_in
from sdgkit.seeds.qna import is_knowledge
from sdgkit.seeds.rows import Place, Seed, SourceRow

__all__ = [
    "COLUMNS",
    "CONTEXT_COLUMNS",
    "REQUIRED",
    "Columns",
    "Place",
    "Seed",
    "SeedSource",
    "SourceRow",
    "are_seeds",
    "flaw_of",
    "is_knowledge",
    "load_seeds",
    "parse_columns",
    "read_file",
    "read_rows",
    "read_seeds",
    "read_source",
    "row_key",
    "save_seeds",
    "seed_file_in",
    "seed_texts",
    "skill",
]
