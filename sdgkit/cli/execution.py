"""A notebook executed by papermill in this very interpreter, watched from a terminal."""

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
from typing import TYPE_CHECKING, Any, Protocol

from sdgkit import errors
from sdgkit.cli.terminal import tell

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

    from sdgkit.run.snapshot import Snapshot

# The log level leaves out what every kernel says: that it speaks to this machine only, that it was
# interrupted.
KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=50"]
FRAME_S = 0.25
KERNEL_START_S = 120  # on a busy machine
STOP_TRIES = 10  # seconds after which a kernel that ignores an interrupt is killed
# What a cell raises where its arguments cannot be used.
BAD_ARGUMENTS = ("SettingsError", "SeedError", "PromptError", "ProfileError")
SHOWN_OF_ERROR = 400  # characters
# Where Jupyter, IPython and matplotlib would write into the home directory, which may be read-only.
HOME_VARIABLES = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "IPYTHONDIR",
    "MPLCONFIGDIR",
)


class _Cell(Protocol):
    """What is read of a notebook's cell."""

    cell_type: str
    source: str


class Headings:
    """The headings of a notebook as its cells begin; the last one says where it stopped."""

    def __init__(self) -> None:
        self.last = "its beginning"
        self.has_begun = False

    def begin(self, cell: _Cell, cell_index: int) -> None:
        """Print the heading of a Markdown cell. papermill calls this when a cell begins."""
        self.has_begun = True
        if cell.cell_type != "markdown":
            return
        headings = re.findall(r"^#+ *(.+)", cell.source, re.MULTILINE)
        if headings:
            self.last = headings[-1]
            tell(f"  {self.last}")


def execute(source: Path, target: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook and show its progress; `target` holds its outputs, even if it fails.

    A run that it starts in the folder of `target` is shown during that time, and stopped by Ctrl-C.

    Args:
        source: The notebook.
        target: Where to write the executed notebook.
        parameters: Values for its cell tagged `parameters`.

    Raises:
        SettingsError: A cell refused what you passed: a parameter, the seeds or the prompts.
        RunError: A cell failed otherwise, or the kernel died.
    """
    _silence_libraries()
    target.parent.mkdir(parents=True, exist_ok=True)
    headings = Headings()
    kernels: list[AsyncKernelManager] = []
    with (
        tempfile.TemporaryDirectory(prefix="sdgkit-", ignore_cleanup_errors=True) as home,
        ThreadPoolExecutor() as pool,
    ):
        for name in HOME_VARIABLES:
            os.environ[name] = str(Path(home) / name.lower())
        # There is no front end, even if this was typed into a terminal of JupyterLab.
        os.environ["SDGKIT_PANELS"] = "static"
        papermill = _load_papermill()
        execution = pool.submit(
            papermill.execute_notebook,
            source,
            target,
            dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=KERNEL_START_S,
            kernel_manager_class=_kernel_class(kernels),
            shutdown_kernel="immediate",
            on_cell_start=headings.begin,
        )
        try:
            _follow(execution, target.parent)
            execution.result()
        except KeyboardInterrupt:
            _stop(execution, kernels, headings.has_begun, target.parent)
            raise
        except Exception as error:
            message = f"The notebook stopped in {headings.last!r}: {_what_happened(error)}"
            if target.exists():
                message += f"\nThe executed notebook: {target}"
            has_arguments = bool(parameters.keys() - {"out"})
            if has_arguments and getattr(error, "ename", "") in BAD_ARGUMENTS:
                raise errors.SettingsError(message) from error
            raise errors.RunError(message, folder=target.parent) from error


def _silence_libraries() -> None:
    """Hide warnings of libraries about each other."""
    warnings.simplefilter("ignore")
    for name in ("papermill", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _load_papermill() -> Any:
    """Import papermill without the grammar of internationalized addresses.

    Its library for notebooks loads jsonschema, which builds that grammar where JupyterLab has
    installed it: a second of CPU for a format that no notebook has.
    """
    grammar = "rfc3987_syntax"
    is_new = grammar not in sys.modules
    if is_new:
        sys.modules[grammar] = None  # type: ignore[assignment]  # an import of it fails
    try:
        import papermill
    finally:
        if is_new:
            del sys.modules[grammar]
    return papermill


def _follow(execution: Future[Any], out: Path) -> None:
    """Show the run in the folder until the notebook is executed."""
    from sdgkit.cli.progress import ProgressView

    with ProgressView() as view:
        while wait([execution], FRAME_S).not_done:
            snapshot = _snapshot(out)
            if snapshot is not None and snapshot.is_active:
                view.show(snapshot)


def _kernel_class(kernels: list["AsyncKernelManager"]) -> type:
    """A kernel manager whose kernel is always this interpreter.

    Args:
        kernels: A list to which each new manager adds itself.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=KERNEL, display_name="Python 3", language="python")

        def __init__(self, **settings: object) -> None:
            super().__init__(**settings)
            kernels.append(self)

    return Kernel


def _snapshot(out: Path) -> "Snapshot | None":
    """How far the run in the folder has got, or None if there is none yet."""
    from sdgkit.run import open_run

    with suppress(
        errors.SdgkitError, OSError, sqlite3.Error, ValueError
    ):  # it may just be starting
        return open_run(out).snapshot()
    return None


def _stop(
    execution: Future[Any], kernels: list["AsyncKernelManager"], has_begun: bool, out: Path
) -> None:
    """Interrupt the kernel, so that a run in it stops and writes its files; otherwise kill it."""
    number = signal.SIGINT if has_begun else signal.SIGKILL  # a starting kernel ignores interrupts
    try:
        for attempt in range(STOP_TRIES):
            # The first interrupt is lost if it comes between two cells. A second one would disturb
            # a run that is writing its files.
            if attempt == 0 or not _is_stopping(out):
                _send(kernels, number)
            if not wait([execution], 1.0).not_done:
                break
    finally:
        _send(kernels, signal.SIGKILL)


def _is_stopping(out: Path) -> bool:
    snapshot = _snapshot(out)
    return snapshot is not None and snapshot.state in ("running", "paused", "cancelled")


def _send(kernels: list["AsyncKernelManager"], number: int) -> None:
    with suppress(IndexError, AttributeError):  # it has not started, or is over
        kernels[0].provisioner.process.send_signal(number)  # type: ignore[union-attr]


def _what_happened(error: Exception) -> str:
    """What a cell raised, or what happened to its kernel, in one line."""
    name = getattr(error, "ename", type(error).__name__)
    message = getattr(error, "evalue", str(error))
    shortened = textwrap.shorten(str(message), SHOWN_OF_ERROR)
    if hasattr(errors, name):
        return shortened
    return f"{name}: {shortened}"
