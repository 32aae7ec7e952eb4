"""How every file is written: whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from sdgkit.errors import RunError


@contextmanager
def write_atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that appears whole, when the block ends well; until then the old one stays.

    It is written beside its place and renamed there: a link stays one. What is no file (a pipe, /dev/stdout) is written
    to directly. RunError where the folder cannot be written or is full.
    """
    path, place = Path(path), Path(os.path.realpath(path))
    beside = place.with_name(f".{place.name}.{uuid4().hex[:8]}.part")
    try:
        if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
            with open(path, "wb") as file:
                yield file
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except OSError as error:
        words = f"{path} cannot be written: {error.strerror or error}. Make room, or choose another folder."
        raise RunError(words) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def shipped(folder: str) -> Path:
    """The shipped folder `prompts` or `notebooks`: beside the package in a checkout, inside it, in `shipped/`, in an
    installed wheel."""
    package = Path(__file__).resolve().parent
    installed = package / "shipped" / folder
    return installed if installed.is_dir() else package.parent / folder
