"""Seed examples: read, checked, saved.

A seed is a plain dictionary with the columns `task_description`, `seed_question`, `seed_response`
and, for a grounded skill, `seed_context`. Further columns are kept. Other names of columns are read
where they are clear, and said (`sdgkit.seeds.column_names`); values are not converted. Anything
that does not fit raises a `SeedError` with file, line and column.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sdgkit.errors import SeedError, SeedFinding
from sdgkit.files import write_atomically
from sdgkit.keywords import known_keywords
from sdgkit.prompts.yaml_text import first_line
from sdgkit.samples import only_columns, without_id
from sdgkit.seeds.checking import COLUMNS, row_findings, seed_findings
from sdgkit.seeds.column_names import (
    CONTEXT_COLUMNS,
    parse_columns,
    with_seed_columns,
    without_index,
)
from sdgkit.seeds.files import read_source
from sdgkit.seeds.formats import numbered
from sdgkit.seeds.libraries import rows_of
from sdgkit.seeds.rows import Seed, SourceRow, Unreadable

if TYPE_CHECKING:
    import datasets

SeedSource: TypeAlias = "str | os.PathLike[str] | datasets.Dataset | Iterable[Mapping[str, Any]]"
Columns: TypeAlias = Mapping[str, str] | Sequence[str] | str | None
"""A column of a seed and the column of the file it comes from: `{"seed_response": "answer"}`."""

logger = logging.getLogger("sdgkit")

FINDINGS_SHOWN = 5  # in the message of an error


@known_keywords
def load_seeds(
    source: SeedSource,
    *,
    encoding: str | None = None,
    task: str | None = None,
    columns: Columns = None,
) -> "datasets.Dataset":
    """Read seeds as a `datasets.Dataset`, one row for each seed.

    Args:
        source: A file (`.jsonl`, `.json`, `.csv`, `.tsv`, `.xlsx`, `.parquet`, `.arrow`, or an
            InstructLab `qna.yaml`), a folder of one or of `save_to_disk`, a dataset on the Hub
            (`hub:owner/name`), a `datasets.Dataset`, a data frame, or dictionaries.
        encoding: The encoding of a text file (default: UTF-8, or what its byte order mark says).
        task: The task description of all seeds, in place of what the source says.
        columns: Columns with other names: `{"seed_response": "answer"}`.

    Returns:
        The seeds. A column that only some seeds have is None in the others.

    Raises:
        SeedError: If they cannot be used, with everything that is wrong in `findings`.

    Example:
        >>> seeds = load_seeds(
        ...     [{"task_description": "Add.", "seed_question": "1 + 1?", "seed_response": "2"}]
        ... )
        >>> seeds.num_rows
        1
    """
    rows = read_seeds(source, encoding=encoding, task=task, columns=columns)
    import datasets
    import pyarrow

    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    full_rows = [only_columns(row, names) for row in rows]
    try:
        return datasets.Dataset.from_list(full_rows)
    except (pyarrow.ArrowException, OverflowError, TypeError) as error:
        raise SeedError(
            f"Each further column needs values of one type ({first_line(error)})."
        ) from error


def read_seeds(
    source: SeedSource,
    *,
    encoding: str | None = None,
    task: str | None = None,
    columns: Columns = None,
) -> list[Seed]:
    """Read seeds as plain dictionaries, and check them.

    Args:
        source: See `load_seeds`.
        encoding: See `load_seeds`.
        task: See `load_seeds`.
        columns: See `load_seeds`.

    Returns:
        The seeds. Either all of them have a `seed_context`, or none do.

    Raises:
        SeedError: If they cannot be used. The message shows up to five findings, one a line;
            `findings` has them all.
    """
    name, rows = _read_source(source, encoding)
    file = None
    if isinstance(source, str | os.PathLike):
        file = name
    seed_columns = {
        name: column
        for name, column in parse_columns(columns).items()
        if name not in CONTEXT_COLUMNS
    }
    try:
        rows, notes = with_seed_columns(rows, seed_columns, task)
    except Unreadable as error:
        raise SeedError(f"{name}, {error}", file=file, line=error.place.line) from error
    for note in notes:
        logger.warning("%s: %s", name, note)
    if not rows:
        raise SeedError(
            f"{name}: it contains no seeds. Write at least one; five or more are usual.",
            file=file,
        )
    _refuse_findings(name, file, rows)
    _refuse_some_contexts(name, file, rows)
    return [_without_empty_context(row.columns) for row in rows]


def read_rows(source: SeedSource, *, encoding: str | None = None) -> list[Seed]:
    """Read rows that need not be seeds, such as those of a flow, under the names that they have.

    Args:
        source: See `load_seeds`.
        encoding: See `load_seeds`.

    Raises:
        SeedError: They cannot be read, or a value cannot be stored.

    Example:
        >>> read_rows([{"text": "It rains."}])
        [{'text': 'It rains.'}]
    """
    name, rows = _read_source(source, encoding)
    file = None
    if isinstance(source, str | os.PathLike):
        file = name
    if not rows:
        raise SeedError(f"{name}: it contains no rows.", file=file)
    rows = without_index(rows)
    findings: list[SeedFinding] = []
    for number, row in enumerate(rows, 1):
        findings.extend(row_findings(row, number))
    if findings:
        raise _seed_error("\n".join(_finding_lines(name, findings)), file, findings)
    return [dict(row.columns) for row in rows]


def are_seeds(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether rows have a column of seeds; those of a flow of one's own may have none."""
    return any(column in row for row in rows for column in COLUMNS)


@known_keywords
def save_seeds(seeds: SeedSource, path: str | os.PathLike[str]) -> None:
    """Check seeds and write them as JSON lines, all or nothing.

    Args:
        seeds: See `read_seeds`.
        path: The file, which ends in `.jsonl`. Missing folders are created.

    Raises:
        SeedError: If they cannot be used.
        RunError: If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.suffix.lower() != ".jsonl":
        raise SeedError(
            f"{path}: seeds are saved as JSON lines. Choose a file name that ends in .jsonl.",
            file=Path(path),
        )
    lines = []
    for row in read_seeds(seeds):
        lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    with write_atomically(target) as file:
        file.write("".join(lines).encode())


def skill(rows: Sequence[Seed]) -> Literal["grounded", "freeform"]:
    """The kind of skill that seeds teach: "grounded" if they have a `seed_context`.

    Example:
        >>> skill([{"task_description": "Add.", "seed_question": "1 + 1?", "seed_response": "2"}])
        'freeform'
    """
    if rows[0].get("seed_context") is not None:
        return "grounded"
    return "freeform"


def row_key(row: Mapping[str, Any]) -> str:
    """What identifies an input row, wherever it is: a hash of all its columns except `id`."""
    columns = without_id(row)
    text = json.dumps(columns, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read_source(source: SeedSource, encoding: str | None) -> tuple[str, list[SourceRow]]:
    """The name of a source for messages, and its rows."""
    if isinstance(source, str | os.PathLike):
        return str(source), read_source(source, encoding)
    return f"seeds ({type(source).__name__})", numbered(rows_of(source))


def _refuse_findings(name: str, file: str | None, rows: Sequence[SourceRow]) -> None:
    by_sentence: dict[str, SeedFinding] = {}
    for number, row in enumerate(rows, 1):
        for finding in seed_findings(row, number):
            # A qna.yaml's task description belongs to all its seeds; report a fault in it once.
            by_sentence.setdefault(str(finding), finding)
    if not by_sentence:
        return
    findings = list(by_sentence.values())
    lines = _finding_lines(name, findings)
    more = len(findings) - FINDINGS_SHOWN
    if more > 0:
        lines.append(f"{name}: {more} more findings.")
    raise _seed_error("\n".join(lines), file, findings)


def _finding_lines(name: str, findings: Sequence[SeedFinding]) -> list[str]:
    """The first findings, a line each, behind the name of what they were found in."""
    return [f"{name}, {finding}" for finding in findings[:FINDINGS_SHOWN]]


def _refuse_some_contexts(name: str, file: str | None, rows: Sequence[SourceRow]) -> None:
    """Raises SeedError if some seeds have a context and some have none."""
    findings = []
    for number, row in enumerate(rows, 1):
        if row.columns.get("seed_context") is None:
            problem = (
                "is missing, but other seeds have one. Give a context to all seeds or to none."
            )
            place = str(row.place)
            findings.append(SeedFinding(problem, place, row.place.line, number, "seed_context"))
    if not findings or len(findings) == len(rows):
        return
    places = ", ".join(finding.place for finding in findings[:FINDINGS_SHOWN])
    raise _seed_error(
        f"{name}: {len(rows) - len(findings)} of {len(rows)} seeds have a seed_context; it is "
        f"missing in {places}. Give every seed a context (a grounded skill) or none (a freeform "
        "one).",
        file,
        findings,
    )


def _seed_error(message: str, file: str | None, findings: Sequence[SeedFinding]) -> SeedError:
    first = findings[0]
    return SeedError(
        message,
        file=file,
        line=first.line,
        row=first.row,
        column=first.column,
        findings=findings,
    )


def _without_empty_context(seed: Seed) -> Seed:
    if seed.get("seed_context", "") is not None:
        return dict(seed)
    freeform_seed = {}
    for name, value in seed.items():
        if name != "seed_context":
            freeform_seed[name] = value
    return freeform_seed
