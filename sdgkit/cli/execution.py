"""A notebook executed by papermill, in a kernel that is the interpreter running now, seen from a terminal."""

import logging
import os
import re
import signal
import sqlite3
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdgkit import errors
from sdgkit.cli.terminal import say

# What the kernel logs (that it speaks to this machine only, that it was interrupted) is left out.
KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=50"]
FRAME_S = 0.25
STUBBORN_S = 10  # after which a kernel that does not heed an interrupt is killed
SHOWN_OF_ERROR = 400  # characters
# Where Jupyter, IPython and matplotlib would write into the home directory, which may not be writable.
HOMES = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "IPYTHONDIR",
    "MPLCONFIGDIR",
)


def execute(source: Path, target: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook, with its progress on the terminal; what it leaves lies at `target`, also if it fails.

    A run that it starts in the folder of `target` is shown meanwhile, and stopped by Ctrl-C. Raises RunError.
    """
    from sdgkit.cli.progress import View

    warnings.simplefilter("ignore")  # of libraries, about each other
    for name in ("papermill", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = ["its beginning"]  # then the headings of what has begun
    kernels: list[Any] = []

    def begin(cell: Any, cell_index: int) -> None:
        headings = (
            re.findall(r"^#+ *(.+)", cell.source, re.MULTILINE)
            if cell.cell_type == "markdown"
            else []
        )
        if headings:
            say(f"  {headings[-1]}")
        parts.append(headings[-1] if headings else parts[-1])

    with (
        tempfile.TemporaryDirectory(prefix="sdgkit-", ignore_cleanup_errors=True) as home,
        ThreadPoolExecutor() as pool,
    ):
        os.environ |= {name: str(Path(home) / name.lower()) for name in HOMES}
        # Nobody is there to press a button, also if this was typed into a terminal of JupyterLab.
        os.environ["SDGKIT_PANELS"] = "static"
        import papermill

        done = pool.submit(
            papermill.execute_notebook,
            source,
            target,
            dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=120,  # seconds, on a busy machine
            kernel_manager_class=_kernel_class(kernels),
            shutdown_kernel="immediate",
            on_cell_start=begin,
        )
        try:
            with View() as view:
                while wait([done], FRAME_S).not_done:
                    snapshot = _snapshot(target.parent)
                    if snapshot is not None and snapshot.is_going:
                        view.show(snapshot)
            done.result()
        except KeyboardInterrupt:
            _stop(done, kernels, len(parts) > 1, target.parent)
            raise
        except Exception as error:
            where = (
                f"\nThe executed notebook, with the whole traceback: {target}"
                if target.exists()
                else ""
            )
            raise errors.RunError(
                f"The notebook stopped in {parts[-1]!r}: {_sentence(error)}{where}"
            ) from error


def _kernel_class(made: list[Any]) -> type:
    """A kernel manager whose kernel is this interpreter, whatever the notebook and the machine's Jupyter say.

    made: where it puts itself.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=KERNEL, display_name="Python 3", language="python")

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    return Kernel


def _snapshot(out: Path) -> Any:
    """How far the run in the folder is, if there is one."""
    from sdgkit.run import open_run

    with suppress(errors.SdgkitError, OSError, sqlite3.Error, ValueError):  # it may just begin
        return open_run(out).snapshot()
    return None


def _stop(done: "Future[Any]", kernels: list[Any], begun: bool, out: Path) -> None:
    """Interrupt the kernel: a run in it then stops by itself and writes its files. What does not heed it is killed."""
    number = signal.SIGINT if begun else signal.SIGKILL  # while it starts, it heeds no interrupt
    try:
        for again in range(STUBBORN_S):
            # The first is lost if it comes between two cells; a second would hinder a run that writes its files.
            if not again or getattr(_snapshot(out), "state", "") not in (
                "running",
                "paused",
                "cancelled",
            ):
                _send(kernels, number)
            if not wait([done], 1.0).not_done:
                break
    finally:
        _send(kernels, signal.SIGKILL)


def _send(kernels: list[Any], number: int) -> None:
    with suppress(IndexError, AttributeError):  # it has not begun, or is over
        kernels[0].provisioner.process.send_signal(number)


def _sentence(error: Exception) -> str:
    """What a cell raised, or what became of its kernel, in a line; errors of sdgkit's own speak for themselves."""
    name = getattr(error, "ename", type(error).__name__)
    words = textwrap.shorten(str(getattr(error, "evalue", error)), SHOWN_OF_ERROR)
    return words if hasattr(errors, name) else f"{name}: {words}"
