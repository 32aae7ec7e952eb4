"""Your own contexts from files: texts and Markdown, or tables with a column for them."""

import glob
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdgkit.errors import SeedError
from sdgkit.files import refuse_endless
from sdgkit.formatting import pluralize
from sdgkit.prompts.yaml_text import first_line
from sdgkit.seeds import SourceRow, read_file, read_source
from sdgkit.seeds.column_names import plain_name
from sdgkit.seeds.decoding import decode
from sdgkit.seeds.documents import DOCUMENT_SUFFIXES, Split, split_document
from sdgkit.seeds.files import READERS
from sdgkit.seeds.folders import is_on_hub
from sdgkit.seeds.rows import Unreadable

# What tables call the texts that are contexts here.
OTHER_NAMES = ("text", "content", "document", "passage", "body", "page_content", "seed_context")
SOURCE = "source"
_PATTERN_SIGNS = frozenset("*?[")

logger = logging.getLogger("sdgkit")


@dataclass(frozen=True)
class ContextReading:
    """How contexts are read.

    Attributes:
        split: How documents are split.
        encoding: The encoding of text files; None for UTF-8, or what a byte order mark says.
        columns: Columns with other names: `{"context": "text"}`.
    """

    split: Split = "whole"
    encoding: str | None = None
    columns: Mapping[str, str] | None = None


def read_context_files(source: str | os.PathLike[str], reading: ContextReading) -> list[Any]:
    """The contexts in a file, in the files of a folder, or in those that match a pattern.

    A context of a document has a further column `source`: the file's name in the folder. How many
    there are is said in the log.

    Raises:
        SeedError: There are none, or a file cannot be read.
    """
    rows: list[Any] = []
    files, base = _files_of(source)
    if files is None:
        return with_context_column(_rows_of_table(Path(source), source, reading), reading, source)
    empty_files = 0
    for file in files:
        if file.suffix.lower() in DOCUMENT_SUFFIXES:
            texts = _contexts_of(file, reading)
            empty_files += not texts
            name = file.relative_to(base).as_posix()
            rows.extend({"context": text, SOURCE: name} for text in texts)
        else:
            table = read_file(file, reading.encoding)
            rows.extend(with_context_column(_columns_of(table), reading, file))
    empty = ""
    if empty_files:
        empty = f", {pluralize(empty_files, 'empty file')} left out"
    logger.info(
        "%s from %s in %s%s.",
        pluralize(len(rows), "context"),
        pluralize(len(files), "file"),
        source,
        empty,
    )
    return rows


def _files_of(source: str | os.PathLike[str]) -> tuple[list[Path] | None, Path]:
    """The files to read, and the folder that their names begin at; None for a single table."""
    path = Path(source)
    if path.is_file() and path.suffix.lower() in DOCUMENT_SUFFIXES:
        return [path], path.parent
    if path.is_dir():
        documents = _documents_in(path)
        return (documents or None), path
    if not path.exists() and _PATTERN_SIGNS & set(str(source)) and not is_on_hub(source):
        return _matching(str(source))
    return None, path


def _documents_in(folder: Path) -> list[Path]:
    inside = folder.resolve()
    documents = []
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        is_document = path.suffix.lower() in DOCUMENT_SUFFIXES and path.is_file()
        # The folder may be a stranger's: nothing outside it is read.
        if is_document and not is_hidden and path.resolve().is_relative_to(inside):
            documents.append(path)
    return documents


def _matching(pattern: str) -> tuple[list[Path], Path]:
    suffixes = (*DOCUMENT_SUFFIXES, *READERS)
    files = []
    for name in sorted(glob.glob(pattern, recursive=True)):
        path = Path(name)
        if path.is_file() and path.suffix.lower() in suffixes:
            files.append(path)
    if not files:
        raise SeedError(
            f"{pattern}: no files match. Contexts are read from {', '.join(suffixes)} files."
        )
    base = os.path.commonpath([path.parent for path in files])
    return files, Path(base)


def _contexts_of(file: Path, reading: ContextReading) -> list[str]:
    try:
        refuse_endless(file)
        text = decode(file.read_bytes(), reading.encoding)
    except Unreadable as error:
        raise SeedError(f"{file}, {error}", file=file, line=error.place.line) from error
    except OSError as error:
        raise SeedError(f"{file}: cannot be read ({first_line(error)}).", file=file) from error
    return split_document(text, reading.split)


def _rows_of_table(
    path: Path, source: str | os.PathLike[str], reading: ContextReading
) -> list[Any]:
    if not path.exists() and not is_on_hub(source):
        raise SeedError(
            f"{path}: there is no such file. Check the name and the folder you are in.", file=path
        )
    return _columns_of(read_source(source, reading.encoding))


def _columns_of(rows: Iterable[SourceRow]) -> list[Any]:
    return [row.columns for row in rows]


def with_context_column(rows: Sequence[Any], reading: ContextReading, source: object) -> list[Any]:
    """The rows with their texts in the column `context`, where it is clear which column has them.

    Raises:
        SeedError: A column that you mapped is not there.
    """
    names: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Mapping):
            names.update(dict.fromkeys(row))
    mapped = dict(reading.columns or {})
    for column, name in mapped.items():
        if name not in names:
            raise SeedError(
                f"{source}: there is no column {name!r} for {column}; the columns are "
                f"{', '.join(map(str, names))}."
            )
    if "context" not in {*names, *mapped}:
        others = []
        for name in names:
            if plain_name(str(name)) in ("context", *OTHER_NAMES):
                others.append(name)
        if len(others) == 1:
            mapped["context"] = others[0]
            logger.warning("%s: the contexts are read from the column %r.", source, others[0])
    new_names = {name: column for column, name in mapped.items()}
    if not new_names:
        return list(rows)
    return [_renamed(row, new_names) for row in rows]


def _renamed(row: object, new_names: Mapping[str, str]) -> object:
    """A row with its new names; what is not a row is left for later checks to refuse."""
    if not isinstance(row, Mapping):
        return row
    columns = {}
    for name, value in row.items():
        columns[new_names.get(name, name)] = value
    return columns
