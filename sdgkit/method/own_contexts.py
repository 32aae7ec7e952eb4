"""Your own contexts in place of `gen_contexts`: read, checked, shared out among seeds."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sdgkit.errors import SeedError
from sdgkit.method.sources import source_name
from sdgkit.samples import Row
from sdgkit.seeds import COLUMNS, flaw_of, read_file, row_key

ContextSource: TypeAlias = str | os.PathLike[str] | Iterable[Row]
"""The path of a file as for seeds, or rows; each has a text in the column `context`."""


def read_contexts(source: ContextSource) -> list[dict[str, Any]]:
    """Read contexts from a file or from rows.

    Args:
        source: The path of a file as for seeds, or rows. All or none have a text in the column
            `question`; further columns travel along.

    Returns:
        The rows without the columns that belong to seeds.

    Raises:
        SeedError: A row has no context, no question where others have one, or a value that cannot
            be stored; or there are no rows.
    """
    name = source_name(source) or "contexts"
    if isinstance(source, str | os.PathLike):
        rows = [row.columns for row in read_file(Path(source))]
    else:
        rows = list(source)
    if not rows:
        raise SeedError(
            f"{name}: there are no contexts. Give a file or rows with a column 'context'."
        )
    for number, row in enumerate(rows, 1):
        _check_context(name, number, row)
    if any(_has_question(row) for row in rows):
        _check_questions(name, rows)
    return [_without_seed_columns(row) for row in rows]


def bring_questions(contexts: Sequence[Row]) -> bool:
    """Whether these contexts bring questions of their own."""
    return all(_has_question(row) for row in contexts)


def without_questions(contexts: Sequence[Row]) -> list[dict[str, Any]]:
    """The same contexts without questions of their own."""
    return [
        {column: value for column, value in row.items() if column != "question"} for row in contexts
    ]


def _has_question(row: Row) -> bool:
    text = row.get("question")
    return isinstance(text, str) and bool(text.strip())


def _check_questions(name: str, rows: Sequence[Row]) -> None:
    for number, row in enumerate(rows, 1):
        if not _has_question(row):
            raise SeedError(
                f"{name}, row {number}: no text in the column 'question', but other rows have one. "
                "Give each context a question, or none.",
                row=number,
                column="question",
            )


def _check_context(name: str, number: int, row: object) -> None:
    columns = row if isinstance(row, Mapping) else {}
    text = columns.get("context")
    if not isinstance(text, str) or not text.strip():
        raise SeedError(
            f"{name}, row {number}: no text in the column 'context'.", row=number, column="context"
        )
    for column, value in columns.items():
        flaw = flaw_of(value)
        if flaw:
            raise SeedError(
                f"{name}, row {number}, column {column}: {flaw}", row=number, column=column
            )


def _without_seed_columns(row: Row) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column not in COLUMNS}


def share_out(contexts: Sequence[Row], seeds: Sequence[Row]) -> dict[str, list[tuple[int, Row]]]:
    """Give each context to one seed, by a rule that depends on the two alone.

    A context goes to the seed with which it makes the highest hash (rendezvous hashing, Thaler and
    Ravishankar 1998). A further seed takes some contexts and moves none between the others; the
    order of seeds and contexts does not matter.

    Returns:
        The contexts of each seed, by its `row_key`, numbered in the order given, from 1.
    """
    shares: dict[str, list[tuple[int, Row]]] = {row_key(seed): [] for seed in seeds}
    for number, row in enumerate(contexts, 1):
        text = row["context"]
        best_seed = max(shares, key=lambda key: _affinity(key, text))
        shares[best_seed].append((number, row))
    return shares


def _affinity(seed_key: str, context: str) -> bytes:
    return hashlib.sha256(f"{seed_key}\x1f{context}".encode()).digest()
