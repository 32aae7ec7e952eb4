"""Reads the rows of a file by its format."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sdgkit.errors import SeedError
from sdgkit.prompts.yaml_text import first_line
from sdgkit.seeds.formats import read_csv, read_json, read_jsonl, read_parquet
from sdgkit.seeds.qna import read_qna
from sdgkit.seeds.rows import SourceRow, Unreadable
from sdgkit.seeds.skill_files import seed_file_of

READERS: dict[str, Callable[[bytes], Iterable[SourceRow]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".yaml": read_qna,
    ".yml": read_qna,
}


def read_file(path: Path) -> list[SourceRow]:
    """Read the rows of a file.

    Args:
        path: The file, whose suffix tells the format; or the folder of a skill, which holds it.

    Raises:
        SeedError: If it does not exist, or cannot be read as its format; with file and line.
    """
    if path.is_dir():
        path = _seed_file_in(path)
    suffix = path.suffix.lower()
    if suffix not in READERS and os.path.exists(path):
        kind = f"{path.suffix} files" if path.suffix else "files without a suffix"
        raise SeedError(
            f"{path}: sdgkit does not read {kind}. Use {', '.join(READERS)} (a qna.yaml).",
            file=path,
        )
    try:
        data = path.read_bytes()
        return list(READERS[suffix](data))
    except Unreadable as error:
        raise SeedError(f"{path}, {error}", file=path, line=error.place.line) from error
    except FileNotFoundError as error:
        raise SeedError(
            f"{path}: there is no such file. Check the name and the folder you are in.", file=path
        ) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except (OSError, ValueError) as error:  # those of pyarrow are among them
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


def _seed_file_in(folder: Path) -> Path:
    file = seed_file_in(folder)
    if file is None:
        raise SeedError(
            f"{folder} is a folder that holds neither a run nor a skill. Give a seed file, the "
            "folder of a run, or a folder with seeds.jsonl (or qna.yaml) in it.",
            file=folder,
        )
    return file


def _not_utf8(path: Path, error: UnicodeDecodeError) -> SeedError:
    line = error.object.count(b"\n", 0, error.start) + 1
    byte = error.object[error.start]
    return SeedError(
        f"{path}, line {line}: the byte 0x{byte:02X} at offset {error.start} is not UTF-8. "
        "Save the file as UTF-8.",
        file=path,
        line=line,
    )
