"""Errors that mean a limit of the system's, and what to do about each.

A limit on open files or on the size of a file is met as an error of whatever was just opened or
written, whose own words ("disk I/O error", "connection broke") lead nowhere.
"""

import errno
from typing import Literal

# Files that a process has open besides its connections: libraries, a journal, a notebook's sockets.
_OTHER_FILES = 128


def _limit_on(what: Literal["RLIMIT_NOFILE", "RLIMIT_FSIZE"]) -> int | None:
    """The limit of this process; None without one, and on Windows, which has none of these."""
    try:
        import resource
    except ImportError:
        return None
    limit, _ = resource.getrlimit(getattr(resource, what))
    if limit == resource.RLIM_INFINITY:
        return None
    return int(limit)


def is_out_of_handles(error: BaseException) -> bool:
    """Whether an error means that no further file or connection may be opened.

    Example:
        >>> is_out_of_handles(OSError(24, "Too many open files"))
        True
    """
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def handles_remedy() -> str:
    """What to do where no further file or connection may be opened, as a sentence's beginning."""
    limit = _limit_on("RLIMIT_NOFILE")
    most = "" if limit is None else f" of {limit}"
    return f"Raise the limit{most} on open files (ulimit -n), or lower --concurrency"


def most_connections() -> int:
    """How many connections this process may have open at once, some files left aside."""
    limit = _limit_on("RLIMIT_NOFILE")
    return 1_000_000 if limit is None else max(1, limit - _OTHER_FILES)


def writing_remedy(error: BaseException) -> str:
    """What to do where a file cannot be written because of a limit, as a sentence's beginning.

    Args:
        error: The error of writing it.

    Returns:
        An empty text where it is not a limit, but the disk.

    Example:
        >>> writing_remedy(OSError(28, "No space left on device"))
        ''
    """
    if is_out_of_handles(error):
        return handles_remedy()
    limit = _limit_on("RLIMIT_FSIZE")
    if limit is not None and _may_be_too_large(error):
        return f"Raise the limit of {limit:,} bytes on the size of a file (ulimit -f)"
    return ""


def _may_be_too_large(error: BaseException) -> bool:
    """Whether a file may have reached its size limit, which SQLite does not report as such."""
    import sqlite3  # only here, since few commands open a journal

    if isinstance(error, sqlite3.Error):
        return str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_IOERR")
    return isinstance(error, OSError) and error.errno == errno.EFBIG
