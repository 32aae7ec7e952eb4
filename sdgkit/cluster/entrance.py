"""What Ray runs on a worker, sent to it by value: it works where sdgkit cannot be imported.

Only the standard library is imported here, and what goes in and out is bytes.
"""

import importlib
import platform
import sys


def enter(function: str, version: str, job: bytes, teachers: bytes, recorded: list, watch) -> tuple:  # type: ignore[no-untyped-def, type-arg]
    """Call a function of `sdgkit.cluster.worker`.

    Args:
        function: Its name.
        version: The version of sdgkit that sent the job.
        job: Its first argument, pickled.
        teachers: Its second one, pickled.
        recorded: A reference to the recorded replies, in a list so that Ray does not fetch it.
        watch: The actor to which the worker reports.

    Returns:
        ("done", the result, pickled), or ("no entry", the machine, why not).
    """
    node = platform.node()
    python = f"Python {platform.python_version()}, {sys.executable}"
    try:
        sdgkit = importlib.import_module("sdgkit")
        worker = importlib.import_module("sdgkit.cluster.worker")
    except Exception as error:
        return "no entry", node, f"cannot import sdgkit ({python}): {error}"
    if sdgkit.__version__ != version:
        return "no entry", node, f"has sdgkit {sdgkit.__version__}, and this run has {version}"
    return "done", node, worker.call(function, job, teachers, recorded, watch)


class Watch:
    """The actor to which the workers report, and which stops them."""

    def __init__(self) -> None:
        self._reports: dict[int, bytes] = {}
        self._is_cancelled = False

    def report(self, number: int, report: bytes) -> bool:
        """Take a report. Returns whether the worker is to stop."""
        self._reports[number] = report
        return self._is_cancelled

    def reports(self, is_cancelled: bool) -> dict[int, bytes]:
        """The newest report of each shard, by its number.

        Args:
            is_cancelled: Whether the workers are to stop.
        """
        self._is_cancelled = is_cancelled
        return self._reports
