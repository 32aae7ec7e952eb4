"""How every file is written, where shipped files are, and what file system a folder is on."""

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from sdgkit.errors import RunError
from sdgkit.keywords import known_keywords
from sdgkit.limits import writing_remedy

JOURNAL_FILE = "journal.sqlite"
"""The file by which the folder of a run is known."""

ABANDONED_S = 60.0
"""Seconds without a change after which a half-written file was left by a process that is gone."""

MOUNTS = Path("/proc/self/mounts")

# File systems on which SQLite's write-ahead log does not work, since its processes may be on
# several machines. Source: https://sqlite.org/wal.html ("all processes using a database must be on
# the same host computer").
NETWORK_FILE_SYSTEM = re.compile(
    r"(fuse\.)?(nfs|cifs|smb|9p|afs|lustre|gpfs|ceph|gluster|sshfs|beegfs|davfs|s3fs|gcsfuse|rclone"
    r"|juicefs|weka)"
)

_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part")


@contextmanager
def write_atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """Write a file that appears whole when the block ends without an error.

    Until then the old file stays. The new one is written beside it and renamed, so a link stays a
    link. What is not a regular file (a pipe, /dev/stdout) is written to directly.

    Args:
        path: The file. Missing folders are created.

    Yields:
        A binary file to write to.

    Raises:
        RunError: If the folder cannot be written to, is full, or is a run's and the file would not
            be in it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new" / "notes.txt"
        >>> with write_atomically(path) as file:
        ...     _ = file.write(b"whole")
        >>> path.read_text()
        'whole'
    """
    path = Path(path)
    refuse_way_out(path)
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        if _is_device(path):
            with open(path, "wb") as file:
                yield file
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        reason = error.strerror or error
        remedy = writing_remedy(error) or "Free some space"
        raise RunError(
            f"{path} cannot be written: {reason}. {remedy}, or choose another folder."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def refuse_way_out(path: str | Path) -> None:
    """Refuse a file that seems to be in the folder of a run and is not: a link, a pipe, a device.

    A folder may come from a stranger, whose `report.html` may be a link to a file of yours.

    Raises:
        RunError: It is none of the folder's own files.
    """
    path = Path(os.path.abspath(path))
    for folder in path.parents:
        if not os.path.lexists(folder / JOURNAL_FILE):
            continue
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(folder.resolve()):
            raise RunError(
                f"{path} is a link that leads out of the run's folder. Remove it, then try again.",
                folder=folder,
            )
        if _is_device(path):
            raise RunError(
                f"{path} is not a regular file. Remove it, then try again.", folder=folder
            )


def remove_abandoned(folder: Path) -> None:
    """Remove the half-written files that a killed process left in a folder."""
    for part in folder.glob(".*.*.part"):
        with suppress(OSError):
            if _PART.fullmatch(part.name) and time.time() - part.lstat().st_mtime > ABANDONED_S:
                part.unlink()


@known_keywords
def shipped(folder: str) -> Path:
    """Find a folder that comes with sdgkit.

    Args:
        folder: "prompts" or "notebooks".

    Returns:
        The folder: inside the package in an installed wheel, next to it in a checkout.

    Example:
        >>> (shipped("prompts") / "grounded" / "gen_contexts.yaml").exists()
        True
    """
    package = Path(__file__).resolve().parent
    installed = package / "shipped" / folder
    if installed.is_dir():
        return installed
    return package.parent / folder


def network_file_system(folder: Path) -> str:
    """The kind of network file system that a folder is on, such as `nfs4`.

    Returns:
        An empty string for a local file system, and where the system does not list its mounts.
    """
    mounts = MOUNTS.read_text("utf-8", "replace").splitlines() if MOUNTS.exists() else []
    path = folder.resolve()
    nearest_mount = Path("/")
    file_system = ""
    for mount in mounts:
        _, mount_point, kind, *_ = mount.split(" ")
        mounted_at = Path(_unescaped(mount_point))
        if path.is_relative_to(mounted_at) and mounted_at.is_relative_to(nearest_mount):
            nearest_mount = mounted_at
            file_system = kind
    if NETWORK_FILE_SYSTEM.match(file_system):
        return file_system
    return ""


def refuse_endless(path: Path) -> None:
    """Refuse to read what is no regular file: a pipe or a device may never end.

    Raises:
        OSError: It is one.
    """
    if _is_device(path):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def _is_device(path: Path) -> bool:
    """Whether a path is neither a file nor a folder, but exists: a pipe, a terminal."""
    # One look: SQLite removes its own files at any moment.
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _unescaped(mount_point: str) -> str:
    """A path from the list of mounts, in which a space is written as `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount_point)
