"""Reads the rows of a file, a folder or a dataset on the Hub, by their format."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from zipfile import BadZipFile

from sdgkit.errors import SeedError
from sdgkit.files import refuse_endless
from sdgkit.prompts.yaml_text import first_line
from sdgkit.seeds.columnar import read_arrow, read_parquet
from sdgkit.seeds.folders import download, files_in, is_on_hub
from sdgkit.seeds.formats import read_json, read_jsonl
from sdgkit.seeds.qna import read_qna
from sdgkit.seeds.rows import SourceRow, Unreadable
from sdgkit.seeds.skill_files import seed_file_of
from sdgkit.seeds.tables import read_csv, read_xlsx

READERS: dict[str, Callable[[bytes, str | None], Iterable[SourceRow]]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".xlsx": read_xlsx,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".yaml": read_qna,
    ".yml": read_qna,
}


def read_source(source: str | os.PathLike[str], encoding: str | None = None) -> list[SourceRow]:
    """Read the rows of a file, of a folder, or of a dataset on the Hub (`hub:owner/name`).

    Args:
        source: The path or the name.
        encoding: The encoding of text files; by default UTF-8, or what a byte order mark says.

    Raises:
        SeedError: It does not exist, or cannot be read as its format; with file and line.
    """
    from_hub = is_on_hub(source)
    if from_hub:
        path = download(str(source))
    else:
        path = Path(source)
    if not path.is_dir():
        return read_file(path, encoding)
    seed_file = seed_file_in(path)
    if seed_file is not None:
        return read_file(seed_file, encoding)
    rows: list[SourceRow] = []
    for file in files_in(path, follow_links=from_hub):
        rows.extend(read_file(file, encoding))
    return rows


def read_file(path: Path, encoding: str | None = None) -> list[SourceRow]:
    """Read the rows of a file.

    Args:
        path: The file; its suffix says the format.
        encoding: The encoding of a text file; by default UTF-8, or what a byte order mark says.

    Raises:
        SeedError: If it does not exist, or cannot be read as its format; with file and line.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS and os.path.exists(path):
        kind = "files without a suffix"
        if path.suffix:
            kind = f"{path.suffix} files"
        raise SeedError(
            f"{path}: sdgkit does not read {kind}. Use {', '.join(READERS)} (a qna.yaml).",
            file=path,
        )
    try:
        refuse_endless(path)
        data = path.read_bytes()
        return list(READERS[suffix](data, encoding))
    except Unreadable as error:
        raise SeedError(f"{path}, {error}", file=path, line=error.place.line) from error
    except FileNotFoundError as error:
        raise SeedError(
            f"{path}: there is no such file. Check the name and the folder you are in.", file=path
        ) from error
    # What pyarrow, zipfile and openpyxl raise for other files is among these.
    except (OSError, ValueError, LookupError, EOFError, BadZipFile) as error:
        raise SeedError(
            f"{path}: cannot be read ({first_line(error)}). Check that it is a file of this kind.",
            file=path,
        ) from error


def seed_file_in(folder: Path) -> Path | None:
    """The file with the seeds of the skill in a folder; None if the folder is not a skill's.

    Raises:
        SeedError: There are several.
    """
    return seed_file_of(folder, READERS)
