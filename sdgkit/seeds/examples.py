"""Seed examples: read, checked, saved.

A seed is a plain dictionary with the columns `task_description`, `seed_question`, `seed_response` and, for a
grounded skill, `seed_context`; any further columns travel along. Nothing is guessed and nothing is converted:
what does not fit is a `SeedError` that names file, line and column, and says what to do.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from reprlib import repr as in_short
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sdgkit.errors import SeedError
from sdgkit.files import write_atomically
from sdgkit.seeds.files import TWICE, FoundRow, Seed, first_line, numbered, read_file

if TYPE_CHECKING:
    import datasets

Source: TypeAlias = "str | os.PathLike[str] | datasets.Dataset | list[Seed] | tuple[Seed, ...]"

REQUIRED = ("task_description", "seed_question", "seed_response")
COLUMNS = ("task_description", "seed_context", "seed_question", "seed_response")
FINDINGS_SHOWN = 5


def load_seeds(source: Source) -> "datasets.Dataset":
    """The seeds in `source` as a `datasets.Dataset`, one row a seed, checked; see `read_seeds`.

    A column that only some rows have is None in the others.
    """
    rows = read_seeds(source)
    import datasets
    import pyarrow

    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return datasets.Dataset.from_list([{name: row.get(name) for name in names} for row in rows])
    except (pyarrow.ArrowException, OverflowError, TypeError) as error:
        raise SeedError(
            f"Each further column needs values of one type ({first_line(error)})."
        ) from error


def read_seeds(source: Source) -> list[Seed]:
    """The seeds in `source` as plain dictionaries, checked.

    `source` is a `datasets.Dataset`, a list of dictionaries, or the path of a file: `.jsonl`; `.json` (a list
    of objects); `.csv` (RFC 4180, with a header); `.parquet`; `.yaml` or `.yml` (an
    InstructLab `qna.yaml` of a skill, version 2 or 3). Text files are UTF-8; a byte order mark is allowed.

    Either all rows have a `seed_context` or none has (None counts as not there).

    Raises `SeedError` with up to five findings, one a line.
    """
    rows: Any = source.to_list() if hasattr(source, "to_list") else source
    if isinstance(source, str | os.PathLike):
        name, found = str(source), read_file(Path(source))
    elif isinstance(rows, list | tuple):
        name, found = f"seeds ({type(source).__name__})", numbered(rows)
    else:
        kind = type(source).__name__
        raise SeedError(
            f"Seeds are a path, a datasets.Dataset (one split) or a list of dictionaries, not a {kind}."
        )
    if not found:
        raise SeedError(
            f"{name}: there are no seeds in it. Write at least one; five or more are usual."
        )
    findings = list(dict.fromkeys(finding for row in found for finding in _findings(row)))
    if findings:
        lines = [f"{name}, {finding}" for finding in findings[:FINDINGS_SHOWN]]
        more = len(findings) - FINDINGS_SHOWN
        raise SeedError(
            "\n".join([*lines, *([f"{name}: {more} more findings."] if more > 0 else [])])
        )
    without = [row.place for row in found if row.columns.get("seed_context") is None]
    if 0 < len(without) < len(found):
        some, where = (
            f"{len(found) - len(without)} of {len(found)}",
            ", ".join(without[:FINDINGS_SHOWN]),
        )
        advice = "Give every seed a context (a grounded skill) or none (a freeform one)."
        raise SeedError(
            f"{name}: {some} seeds have a seed_context; it is missing in {where}. {advice}"
        )
    return [
        {k: v for k, v in row.columns.items() if k != "seed_context" or v is not None}
        for row in found
    ]


def save_seeds(seeds: Source, path: str | os.PathLike[str]) -> None:
    """Checks `seeds` (anything that `read_seeds` takes) and writes them as JSON lines, all or nothing.

    `path` ends in `.jsonl`; missing folders are made. Raises `SeedError`, or `RunError` where it cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.suffix.lower() != ".jsonl":
        raise SeedError(
            f"{path}: seeds are saved as JSON lines. Choose a file name that ends in .jsonl."
        )
    text = "".join(
        json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in read_seeds(seeds)
    )
    with write_atomically(target) as file:
        file.write(text.encode())


def skill(rows: Sequence[Seed]) -> Literal["grounded", "freeform"]:
    """What the seeds that `read_seeds` gave teach: "grounded" if they have a `seed_context`, otherwise "freeform"."""
    return "grounded" if rows[0].get("seed_context") is not None else "freeform"


def row_key(row: Mapping[str, Any]) -> str:
    """What identifies an input row, wherever it stands: a hash of its columns, which are those of a seed or others."""
    text = json.dumps(
        {k: v for k, v in row.items() if k != "id"}, ensure_ascii=False, sort_keys=True, default=str
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _findings(row: FoundRow) -> Iterator[str]:
    """What is wrong with one row."""
    if not isinstance(row.columns, dict):
        yield f"{row.place}: a seed is an object with columns such as seed_question, not {in_short(row.columns)}."
        return
    for column in REQUIRED:
        if column not in row.columns:
            yield f"{row.place}: the column {column} is missing. Add it; there are: {', '.join(map(str, row.columns))}."
    for column, value in row.columns.items():
        if not isinstance(column, str) or not column.strip():
            yield f"{row.place}: a column is named {column!r}. Give every column a name, as text."
        elif value is TWICE:
            yield f"{row.at(column)}: stands there twice. Keep one of them."
        elif (
            column in COLUMNS
            and not isinstance(value, str)
            and not (value is None and column == "seed_context")
        ):
            yield f"{row.at(column)}: is {in_short(value)}, not text. Write text, in quotes where the format has them."
        elif column in COLUMNS and isinstance(value, str) and not value.strip():
            yield f"{row.at(column)}: is empty. Write the text, or take it out."
        elif "seed_context" not in row.columns and get_close_matches(
            column, ["seed_context"], 1, 0.85
        ):
            yield f"{row.at(column)}: looks like seed_context misspelt, which makes a freeform skill. Rename it."
        elif flaw := flaw_of({column: value}):
            yield f"{row.at(column)}: {flaw}"


def flaw_of(value: object) -> str:
    """In words for the user: why a value could not be written to a file and read again unchanged; "" if it can."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (
        TypeError,
        ValueError,
        RecursionError,
    ) as error:  # no JSON type, NaN, half a surrogate pair, nesting
        return (
            f"cannot be stored ({first_line(error)}). Turn it into text, or leave the column out."
        )
    return ""
