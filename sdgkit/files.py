"""How every file is written: whole or not at all."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from sdgkit.errors import RunError

MOUNTS = Path("/proc/self/mounts")

NETWORK_FILE_SYSTEM = re.compile(
    r"(fuse\.)?(nfs|cifs|smb|9p|afs|lustre|gpfs|ceph|gluster|sshfs|beegfs|davfs|s3fs|gcsfuse|rclone|juicefs|weka)"
)
"""File systems on which SQLite's write-ahead log does not work, since its processes may be on several machines.

Source: https://sqlite.org/wal.html ("all processes using a database must be on the same host computer").
"""


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
    return file_system if NETWORK_FILE_SYSTEM.match(file_system) else ""


def _unescaped(mount_point: str) -> str:
    """A path from the list of mounts, in which a space is written as `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount_point)
