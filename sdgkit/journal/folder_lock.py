"""One process at a time writes the folder of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sdgkit.errors import FolderInUse, RunError
from sdgkit.files import refuse_way_out

if TYPE_CHECKING:
    import filelock


LOCK_FILE = ".journal.lock"


def lock_folder(
    folder: Path, shown_folder: Path, name_writer: Callable[[Path], str]
) -> "filelock.FileLock":
    """Lock a folder for writing.

    Args:
        folder: The folder. It is made if it is missing.
        shown_folder: The same as the user gave it, for messages.
        name_writer: Names the process that is writing the folder, in brackets.

    Raises:
        FolderInUse: Another process is writing it.
        RunError: It cannot be written.
    """
    import filelock

    refuse_way_out(folder / LOCK_FILE)
    lock = filelock.FileLock(folder / LOCK_FILE, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise FolderInUse(
            f"{shown_folder} is being written by another process{name_writer(folder)}. "
            "Wait for it, stop it, or choose another --out.",
            folder=folder,
        ) from None
    except (OSError, NotImplementedError) as error:  # the latter: a file system that cannot lock
        cause = getattr(error, "strerror", None) or error
        raise RunError(
            f"Cannot write the folder {shown_folder}: {cause}. Choose one that you may write to.",
            folder=folder,
        ) from None
    return lock
