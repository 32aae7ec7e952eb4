"""Checks whether a row is a seed: the columns it needs, as text, and values that can be stored."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from reprlib import repr as shortened
from typing import Any

from sdgkit.errors import SeedFinding
from sdgkit.prompts.yaml_text import first_line
from sdgkit.seeds.rows import TWICE, SourceRow

REQUIRED = ("task_description", "seed_question", "seed_response")
COLUMNS = ("task_description", "seed_context", "seed_question", "seed_response")
_ADVICE = {
    "task_description": "Add it, or give --task TEXT",
    "seed_question": "Add it, or give --column seed_question=NAME",
    "seed_response": "Add it, or give --column seed_response=NAME",
}
DEEPEST = 30  # levels of lists and objects in one another; Parquet's readers have limits
MOST_COLUMNS = 1_000
MISSPELT = 0.85  # similarity from which a column's name is treated as a misspelt seed_context


def seed_texts(seed: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a seed's four columns, "" where it has none."""
    return {column: str(seed.get(column) or "") for column in COLUMNS}


def seed_findings(row: SourceRow, number: int) -> Iterator[SeedFinding]:
    """What is wrong with a row.

    Args:
        row: The row.
        number: Its number in the source, from 1.
    """
    if not isinstance(row.columns, dict) or len(row.columns) > MOST_COLUMNS:
        yield from row_findings(row, number)
        return
    for column, problem in _column_problems(row.columns):
        place = row.column_places.get(column, row.place)
        yield SeedFinding(problem, row.place_of(column), place.line, number, column)
    yield from _findings_of_names(row, number)


def row_findings(row: SourceRow, number: int) -> Iterator[SeedFinding]:
    """What is wrong with a row that need not be a seed.

    Args:
        row: The row.
        number: Its number in the source, from 1.
    """
    if not isinstance(row.columns, dict):
        problem = (
            f"a seed is an object with columns such as seed_question, not {shortened(row.columns)}."
        )
        yield SeedFinding(problem, str(row.place), row.place.line, number)
        return
    if len(row.columns) > MOST_COLUMNS:
        problem = (
            f"it has {len(row.columns):,} columns; at most {MOST_COLUMNS:,} are read. Leave out "
            "those that you do not need."
        )
        yield SeedFinding(problem, str(row.place), row.place.line, number)
        return
    for column, value in row.columns.items():
        problem = "appears twice. Keep one of the two."
        if value is not TWICE:
            problem = flaw_of(value)
        if problem:
            place = row.column_places.get(column, row.place)
            yield SeedFinding(problem, row.place_of(column), place.line, number, column)
    yield from _findings_of_names(row, number)


def _findings_of_names(row: SourceRow, number: int) -> Iterator[SeedFinding]:
    for column in row.columns:
        if not isinstance(column, str) or not column.strip():
            problem = f"a column is named {column!r}. Give every column a name, as text."
            yield SeedFinding(problem, str(row.place), row.place.line, number)


def _column_problems(columns: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The columns that are wrong, each with what is wrong, to be read after its name or "It"."""
    for column in REQUIRED:
        if column not in columns:
            names = ", ".join(map(str, columns))
            yield column, f"is missing. {_ADVICE[column]}; the columns here are: {names}."
    for column, value in columns.items():
        if isinstance(column, str) and column.strip():
            problem = _problem_of(column, value, columns)
            if problem:
                yield column, problem


def _problem_of(column: str, value: object, columns: Mapping[str, Any]) -> str:
    """What is wrong with one column; "" if nothing is."""
    if value is TWICE:
        return "appears twice. Keep one of the two."
    if column in COLUMNS:
        if value is None and column == "seed_context":
            return ""
        if not isinstance(value, str):
            return f"is {shortened(value)}, not text. Write text, in quotes if the format has them."
        if not value.strip():
            if column == "task_description":
                return "is empty. Write it, or give one with --task TEXT or task=."
            return "is empty. Write the text, or remove it."
    elif "seed_context" not in columns and _is_nearly(column, "seed_context"):
        return "looks like a misspelt seed_context; without it, the skill is freeform. Rename it."
    if _is_text_for_a_file(column) and _is_text_for_a_file(value):
        return ""
    return flaw_of({column: value})


def _is_text_for_a_file(value: object) -> bool:
    """Whether a value is text that UTF-8 can hold, as nearly every value of a seed is."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _is_nearly(name: str, other: str) -> bool:
    return bool(get_close_matches(name, [other], n=1, cutoff=MISSPELT))


def flaw_of(value: object) -> str:
    """Why a value could not be written to a file and read again unchanged; "" if it can be.

    Example:
        >>> flaw_of([1, "two", None])
        ''
        >>> flaw_of(float("nan"))
        'cannot be stored (JSON has no number that is not finite, or of thousands...
    """
    if _is_deeper(value, DEEPEST):
        return (
            f"cannot be stored (nested more than {DEEPEST} levels deep). "
            "Turn it into text, or leave the column out."
        )
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        reason = "half of a surrogate pair, which is no character"
    except ValueError:
        reason = "JSON has no number that is not finite, or of thousands of digits"
    except (TypeError, RecursionError) as error:
        reason = first_line(error)
    else:
        return ""
    return f"cannot be stored ({reason}). Turn it into text, or leave the column out."


def _is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested more levels deep, without a call for each level."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[object] = []
        for entry in layer:
            if isinstance(entry, dict):
                inner.extend(entry.values())
            elif isinstance(entry, list | tuple):
                inner.extend(entry)
        layer = inner
    return bool(layer)
