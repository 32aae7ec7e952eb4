"""Seed examples: read, checked, saved.

A seed is a plain dictionary with the columns `task_description`, `seed_question`, `seed_response` and, for a
grounded skill, `seed_context`; any further columns travel along. Nothing is guessed and nothing is converted:
what does not fit is a `SeedError` that names file, line and column, and says what to do.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sdgkit.errors import RunError, SeedError
from sdgkit.files import write_atomically
from sdgkit.seeds.files import FoundRow, Seed, first_line, read_file

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
            f"{_name(source)}: the further columns do not fit into one table ({first_line(error)}). "
            "Give each column values of one type."
        ) from error


def read_seeds(source: Source) -> list[Seed]:
    """The seeds in `source` as plain dictionaries, checked.

    `source` is a `datasets.Dataset`, a list of dictionaries, or the path of a file: `.jsonl`; `.json` (a list
    of objects); `.csv` (RFC 4180, with a header); `.parquet`; `.yaml` or `.yml` (an
    InstructLab `qna.yaml` of a skill, version 2 or 3). Text files are UTF-8; a byte order mark is allowed.

    Either all rows have a `seed_context` or none has (None counts as not there).

    Raises `SeedError` with up to five findings, one a line.
    """
    if isinstance(source, str | os.PathLike):
        return _checked(_name(source), read_file(Path(source)))
    rows = [FoundRow(f"row {number}", row) for number, row in enumerate(_rows_in_memory(source), 1)]
    return _checked(_name(source), rows)


def save_seeds(seeds: Source, path: str | os.PathLike[str]) -> None:
    """Checks `seeds` (anything that `read_seeds` takes) and writes them as JSON lines, all or nothing.

    `path` ends in `.jsonl`; missing folders are made. Raises `SeedError`.
    """
    target = Path(os.path.realpath(path))
    if target.suffix.lower() != ".jsonl":
        raise SeedError(f"{path}: seeds are saved as JSON lines. Choose a file name that ends in .jsonl.")
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in read_seeds(seeds))
    try:
        with write_atomically(target) as file:
            file.write(text.encode())
    except RunError as error:
        raise SeedError(str(error)) from error


def skill(rows: Iterable[Seed]) -> Literal["grounded", "freeform"]:
    """What the seeds teach: "grounded" if every row has a `seed_context`, "freeform" if none has.

    Raises `SeedError`, naming the rows, if only some have one.
    """
    return _skill("seeds", [FoundRow(f"row {number}", row) for number, row in enumerate(rows, 1)])


def row_key(row: Mapping[str, Any]) -> str:
    """What identifies an input row, wherever it stands: a hash of its columns, which are those of a seed or others."""
    text = json.dumps({k: v for k, v in row.items() if k != "id"}, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _checked(name: str, rows: list[FoundRow]) -> list[Seed]:
    """The rows' dictionaries, without a `seed_context` of None; or one error with the findings."""
    if not rows:
        raise SeedError(f"{name}: there are no seeds in it. Write at least one; five or more are usual.")
    for row in rows:
        if not isinstance(row.columns, dict):
            raise SeedError(
                f"{name}, {row.place}: a seed is an object with the columns {', '.join(REQUIRED)} "
                f"(and seed_context), not {_kind(row.columns)}. Write it so."
            )
    absent = [column for column in REQUIRED if all(column not in row.columns for row in rows)]
    findings = [f"{rows[0].place}: {_missing(column, rows[0].columns)}" for column in absent]
    findings += [finding for row in rows for finding in _findings(row, absent)]
    if findings:
        raise SeedError(_listed(name, findings))
    _skill(name, rows)
    return [{k: v for k, v in row.columns.items() if k != "seed_context" or v is not None} for row in rows]


def _findings(row: FoundRow, absent: list[str]) -> Iterator[str]:
    """What is wrong with one row; columns that no row has were reported once, for all."""
    for column in REQUIRED:
        if column not in row.columns and column not in absent:
            yield f"{row.place}: {_missing(column, row.columns)}"
    if "seed_context" not in row.columns:
        # A misspelt optional column would quietly turn a grounded skill into a freeform one.
        for other in get_close_matches("seed_context", _further(row.columns), 1, 0.85):
            yield f"{row.at(other)}: looks like seed_context misspelt. Rename it."
    for column, value in row.columns.items():
        if not isinstance(column, str) or not column.strip() or flaw_of(column):
            yield f"{row.place}: a column is named {column!r}. Give every column a name, as text."
        elif column in COLUMNS:
            if (flaw := _text_flaw(value)) and not (value is None and column == "seed_context"):
                yield f"{row.at(column)}: {flaw}"
        elif flaw := flaw_of(value):
            yield f"{row.at(column)}: {flaw}"


def _text_flaw(value: object) -> str:
    if not isinstance(value, str):
        return f"is {_kind(value)}, not text. Write text (in quotes, where the format has them)."
    if not value.strip():
        return "is empty. Write the text, or take it out."
    return flaw_of(value)


def flaw_of(value: object) -> str:
    """In words for the user: why a value could not be written to a file and read again unchanged; "" if it can."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which no file can store. Type that character again."
    except RecursionError:
        return "is nested too deeply. Flatten it, or leave the column out."
    except TypeError:
        return f"is {_kind(value)}, which JSON cannot store. Turn it into text, or leave the column out."
    except ValueError as error:
        return f"holds what JSON cannot store ({first_line(error)}). Write a number, or leave the column out."
    return ""


def _skill(name: str, rows: list[FoundRow]) -> Literal["grounded", "freeform"]:
    without = [row.place for row in rows if row.columns.get("seed_context") is None]
    if without and len(without) < len(rows):
        raise SeedError(
            f"{name}: {len(rows) - len(without)} of {len(rows)} seeds have a seed_context; it is missing in "
            f"{_enumerated(without)}. Give every seed a context (a grounded skill) or none (a freeform one)."
        )
    return "freeform" if without else "grounded"


def _missing(column: str, columns: Seed) -> str:
    close = get_close_matches(column, _further(columns), 1, 0.7)
    hint = f"Rename {close[0]}." if close else f"Add it; there are: {', '.join(map(str, columns)) or 'none'}."
    return f"the column {column} is missing. {hint}"


def _further(columns: Seed) -> list[str]:
    return [str(name) for name in columns if name not in COLUMNS]


def _listed(name: str, findings: list[str]) -> str:
    findings = list(dict.fromkeys(findings))  # a qna.yaml's task description stands in every row
    lines = [f"{name}, {finding}" for finding in findings[:FINDINGS_SHOWN]]
    if len(findings) > FINDINGS_SHOWN:
        lines.append(f"{name}: {len(findings) - FINDINGS_SHOWN} more findings.")
    return "\n".join(lines)


def _enumerated(places: list[str]) -> str:
    more = len(places) - FINDINGS_SHOWN
    return ", ".join(places[:FINDINGS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _kind(value: object) -> str:
    """A value's kind in words that a non-programmer knows."""
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), f"of type {type(value).__name__}")


def _name(source: object) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else f"seeds ({type(source).__name__})"


def _rows_in_memory(source: Any) -> list[Any]:
    # Whoever hands a Dataset over has imported the library; for a list it need not be.
    dataset_type = getattr(sys.modules.get("datasets"), "Dataset", None)
    if dataset_type is not None and isinstance(source, dataset_type):
        rows: list[Any] = source.to_list()
        return rows
    if isinstance(source, list | tuple):
        return list(source)
    raise SeedError(
        f"Seeds cannot be read from a {type(source).__name__}. Give a file's path, a datasets.Dataset "
        "(one split) or a list of dictionaries."
    )
