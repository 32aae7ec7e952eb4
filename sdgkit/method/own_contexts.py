"""Your own contexts in place of `gen_contexts`: read, checked, assigned to seeds."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from sdgkit.errors import SeedError, SettingsError
from sdgkit.method.context_files import (
    ContextReading,
    read_context_files,
    with_context_column,
)
from sdgkit.method.sources import source_name
from sdgkit.samples import Row
from sdgkit.seeds import COLUMNS, flaw_of, row_key

ContextSource: TypeAlias = str | os.PathLike[str] | Iterable[Row]
"""Rows or a table with a text in the column `context`; or texts: a file, a folder, a pattern."""


def read_contexts(
    source: ContextSource, reading: ContextReading | None = None
) -> list[dict[str, Any]]:
    """Read contexts from files or from rows.

    Args:
        source: A folder or a pattern of `.txt` and `.md` files, the path of a file as for seeds, or
            rows. All or none have a text in the column `question`; further columns travel along.
        reading: How files are read.

    Returns:
        The rows without the columns that belong to seeds.

    Raises:
        SeedError: A row has no context, no question where others have one, or a value that cannot
            be stored; or there are no rows.
        SettingsError: The source is neither a path nor rows.
    """
    name = source_name(source) or "contexts"
    reading = reading or ContextReading()
    if isinstance(source, str | os.PathLike):
        rows = read_context_files(source, reading)
    elif isinstance(source, Iterable):
        rows = with_context_column(list(source), reading, name)
    else:
        raise SettingsError(
            f"contexts must be a path, a pattern or rows, not {source!r}. With papermill, give it "
            "with -r contexts PATH, which keeps it as it is written.",
            setting="contexts",
        )
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
    contexts_alone = []
    for row in contexts:
        columns = dict(row)
        columns.pop("question", None)
        contexts_alone.append(columns)
    return contexts_alone


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
        advice = ""
        if columns and "context" not in columns:
            names = ", ".join(map(str, columns))
            advice = f" Name it with --column context=NAME; the columns here are: {names}."
        raise SeedError(
            f"{name}, row {number}: no text in the column 'context'.{advice}",
            row=number,
            column="context",
        )
    for column, value in columns.items():
        flaw = flaw_of(value)
        if flaw:
            raise SeedError(
                f"{name}, row {number}, column {column}: {flaw}", row=number, column=column
            )


def _without_seed_columns(row: Row) -> dict[str, Any]:
    own_columns = {}
    for column, value in row.items():
        if column not in COLUMNS:
            own_columns[column] = value
    return own_columns


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
