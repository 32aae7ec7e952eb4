"""A notebook executed by papermill, in a kernel that is the interpreter running now, seen from a terminal."""

import contextlib
import gc
import logging
import os
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit import errors
from sdgkit.cli.interrupts import Interrupts
from sdgkit.cli.terminal import lasting, say

if TYPE_CHECKING:
    from sdgkit.run.snapshot import Snapshot

# What the kernel logs (that it speaks to this machine only, that it was interrupted) is left out.
KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=50"]
LONGEST_CELL_S = 86_400  # a stalled kernel must not wait for ever; a run with a large model may well take hours
START_S = 120  # for the kernel to come up, also on a busy machine
TICK_S = 0.25
AGAIN_S = 1.0  # until the next interrupt
STUBBORN_S = 10.0  # after which a kernel that does not heed an interrupt is killed
SHOWN_OF_ERROR = 400  # characters
PART_WIDTH = 56
STARTING = "Starting the kernel"  # the first part, before the notebook's own
# Where Jupyter, IPython and matplotlib would write into the home directory, which may not be writable.
HOMES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")


def execute(source: Path, target: Path, parameters: Mapping[str, Any], out: Path) -> int:
    """Execute a notebook, with its progress on the terminal; what it leaves lies at `target`, also if it fails.

    out: the folder of the run that it may start, to look at meanwhile. Returns 0, or the exit status of the signal that
    ended it. Raises RunError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # of libraries, about each other
    for name in ("papermill", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    interrupts = Interrupts()
    watch = Watch(interrupts, out)
    try:
        import papermill

        interrupts.gently = True
        with _homes(), watch:
            papermill.execute_notebook(
                source,
                target,
                dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=START_S,
                execution_timeout=LONGEST_CELL_S,
                kernel_manager_class=_kernel_class(watch),
                on_cell_start=watch.cell_started,
                on_cell_executed=watch.cell_executed,
            )
        return 0
    except (KeyboardInterrupt, Exception) as error:
        if interrupts.number:
            gc.freeze()  # or a last search for garbage takes half a second, on a busy machine two
            return interrupts.status
        where = f"\nThe executed notebook, with the whole traceback: {target}" if target.exists() else ""
        raise errors.RunError(f"The notebook stopped in {watch.part!r}: {_sentence(error)}{where}") from error


@contextlib.contextmanager
def _homes() -> Iterator[None]:
    """Temporary folders for what kernels and libraries write beside the run."""
    with tempfile.TemporaryDirectory(prefix="sdgkit-", ignore_cleanup_errors=True) as folder:
        for name in HOMES:
            os.environ[name] = str(Path(folder) / name.lower())
        # Nobody is there to press a button, also if this was typed into a terminal of JupyterLab.
        os.environ["SDGKIT_PANELS"] = "static"
        yield


def _kernel_class(watch: "Watch") -> type:
    """A kernel manager whose kernel is this interpreter, whatever the notebook and the machine's Jupyter say."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=KERNEL, display_name="Python 3", language="python")

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            watch.kernel = self

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:  # type: ignore[override]
            await super().shutdown_kernel(now or watch.is_over, restart)

    return Kernel


def _sentence(error: BaseException) -> str:
    """What a cell raised, or what became of its kernel, in a line; errors of sdgkit's own speak for themselves."""
    name = getattr(error, "ename", type(error).__name__)
    words = getattr(error, "evalue", str(error).partition("\n")[0])
    short = words.strip() if len(words) <= SHOWN_OF_ERROR else f"{words[:SHOWN_OF_ERROR]} ..."
    return short if short and hasattr(errors, name) else f"{name}: {short}".removesuffix(": ")


class Watch:
    """What one sees of the execution: a line for each part of the notebook, and how far a run in it is.

    Its thread also hands a signal on to the kernel, whose run then stops by itself and writes its files.
    """

    def __init__(self, interrupts: Interrupts, out: Path) -> None:
        from sdgkit.journal import LOCK

        self.interrupts, self.out, self._lock = interrupts, out, out / LOCK
        self.kernel: Any = None
        self.part = self._heading = STARTING
        self._begun = time.monotonic()
        self._first_signal_at = self._next_signal_at = 0.0
        self._heeded = False
        self._ended = threading.Event()

    def __enter__(self) -> "Watch":
        from sdgkit.cli.progress import View

        self._view = View(transient=True).__enter__()
        self._thread = threading.Thread(target=self._tick_on, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._finish_part("" if kind is None else "  interrupted" if self.interrupts.number else "  failed")
        self._view.__exit__()

    def cell_started(self, cell: Any, cell_index: int) -> None:
        """A hook of nbclient's. The first code below a heading begins a part."""
        if self.interrupts.number:
            raise KeyboardInterrupt
        if cell.cell_type == "markdown":
            headings = [text.lstrip("#").strip() for text in cell.source.splitlines() if text.startswith("#")]
            self._heading = headings[-1] if headings else self._heading
        elif self._heading != self.part:
            self._finish_part()
            self.part, self._begun = self._heading, time.monotonic()

    def cell_executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        """A hook of nbclient's. After an interrupt, this was the last one."""
        self._heeded = bool(self.interrupts.number)

    @property
    def is_over(self) -> bool:
        """Whether nobody needs the kernel any more: it was interrupted, and the run in it has written its files.

        Without a run in the folder that is not certain: the notebook may have chosen another one.
        """
        return bool(self.interrupts.number) and self._lock.exists() and not self._is_writing()

    def _finish_part(self, end: str = "") -> None:
        say(f"  {self.part:<{PART_WIDTH}} {lasting(time.monotonic() - self._begun):>9}{end}")

    def _tick_on(self) -> None:
        from sdgkit.cli.progress import line

        while not self._ended.wait(TICK_S):
            if self.interrupts.number and not self._heeded:
                self._stop_kernel()
            snapshot = self._run_going()
            words = line(snapshot) if snapshot is not None else lasting(time.monotonic() - self._begun)
            self._view.show_words(f"  {self.part}: {words}", self._begun)

    def _stop_kernel(self) -> None:
        """Interrupt what the kernel does; a run in it then stops by itself. If that does not help, kill it."""
        pid, now = getattr(getattr(self.kernel, "provisioner", None), "pid", None), time.monotonic()
        if pid is None or now < self._next_signal_at:
            return
        first = self._first_signal_at = self._first_signal_at or now
        if self.part == STARTING or now - first > STUBBORN_S:  # while it starts, it does not heed an interrupt
            number = signal.SIGKILL
        elif first == now or not self._is_writing():  # one that comes between two cells is lost
            number = signal.SIGINT
        else:
            return
        self._next_signal_at = now + AGAIN_S
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _is_writing(self) -> bool:
        """Whether a run goes on in the folder, or writes its files there: then it holds the folder's lock."""
        from filelock import FileLock, Timeout

        if not self._lock.exists():
            return False
        try:
            with FileLock(self._lock, timeout=0):
                return False
        except Timeout:
            return True

    def _run_going(self) -> "Snapshot | None":
        """How far the run in the folder is, if one goes on there now."""
        from sdgkit.run import open_run

        with contextlib.suppress(errors.SdgkitError, OSError, sqlite3.Error, ValueError):
            snapshot = open_run(self.out).snapshot()
            return snapshot if snapshot.is_going else None
        return None
