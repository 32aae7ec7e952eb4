"""A notebook executed by papermill, in a kernel that is the interpreter running now, seen from a terminal."""

import contextlib
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

from sdgkit.cli.interrupts import Interrupts
from sdgkit.cli.terminal import harmless, is_live, lasting, say
from sdgkit.errors import RunError, SdgkitError

if TYPE_CHECKING:
    from sdgkit.snapshot import Snapshot

START_S = 120  # for the kernel to come up, also on a busy machine
TICK_S = 0.25
STUBBORN_S = 10.0  # after which a kernel that does not heed an interrupt is killed
SHOWN_OF_ERROR = 400  # characters
PART_WIDTH = 56
# Where Jupyter, IPython and matplotlib would write into the home directory, which may not be writable.
HOMES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")


class Interrupted(Exception):
    """A signal ended it. status: the exit status that shells expect."""

    def __init__(self, status: int) -> None:
        self.status = status


def execute(source: Path, target: Path, parameters: Mapping[str, Any], out: Path, cell_timeout: float) -> None:
    """Execute a notebook, with its progress on the terminal; what it leaves lies at `target`, also if it fails.

    out: the folder of the run that it may start, to look at meanwhile. Raises RunError and Interrupted.
    """
    interrupts = Interrupts()
    try:
        with _homes():
            target.parent.mkdir(parents=True, exist_ok=True)
            _execute(source, target, parameters, Watch(interrupts, out), cell_timeout)
    except KeyboardInterrupt:
        raise Interrupted(interrupts.status) from None


@contextlib.contextmanager
def _homes() -> Iterator[None]:
    """Temporary folders for what kernels and libraries write beside the run."""
    with tempfile.TemporaryDirectory(prefix="sdgkit-", ignore_cleanup_errors=True) as folder:
        for name in HOMES:
            os.environ[name] = str(Path(folder) / name.lower())
        # Nobody is there to press a button, also if this was typed into a terminal of JupyterLab.
        os.environ["SDGKIT_PANELS"] = "static"
        yield


def _execute(source: Path, target: Path, parameters: Mapping[str, Any], watch: "Watch", cell_timeout: float) -> None:
    warnings.simplefilter("ignore")  # of libraries, about each other
    logging.getLogger("papermill").setLevel(logging.ERROR)
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    watch.interrupts.gently = True
    where = f"The executed notebook, with the whole traceback: {target}"
    try:
        with watch:
            papermill.execute_notebook(
                source,
                target,
                dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=START_S,
                execution_timeout=cell_timeout,
                kernel_manager_class=_kernel_class(watch),
                on_cell_start=watch.cell_started,
                on_cell_executed=watch.cell_executed,
            )
    except PapermillExecutionError as error:
        if watch.interrupts.number:
            raise KeyboardInterrupt from None
        said = _sentence(error.ename, error.evalue)
        raise RunError(f"The notebook stopped in {watch.part!r}: {said}\n{where}") from error
    except DeadKernelError as error:
        if watch.interrupts.number:
            raise KeyboardInterrupt from None
        raise RunError(
            f"The notebook's kernel died in {watch.part!r}; perhaps the memory was full.\n{where}"
        ) from error
    except CellTimeoutError as error:
        raise RunError(
            f"A cell in {watch.part!r} took longer than --cell-timeout {cell_timeout:g} s.\n{where}"
        ) from error
    except (OSError, RuntimeError) as error:
        raise RunError(f"The notebook cannot be executed: {_sentence(type(error).__name__, str(error))}") from error


def _kernel_class(watch: "Watch") -> type:
    """A kernel manager whose kernel is this interpreter, whatever the notebook and the machine's Jupyter say."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            # It speaks on this machine only, to this process. What it logs (that others do not, that it was
            # interrupted) is left out.
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=50"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python", interrupt_mode="signal")

    class Kernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(**{**options, "kernel_spec_manager": ThisInterpreter()})
            watch.kernel = self

    return Kernel


class Watch:
    """What one sees of the execution: a line for each part of the notebook, and how far a run in it is.

    Its thread also hands a signal on to the kernel, whose run then stops by itself and writes its files.
    """

    def __init__(self, interrupts: Interrupts, out: Path) -> None:
        self.interrupts, self.out = interrupts, out
        self.kernel: Any = None
        self.part = ""
        self._worked = False  # whether the part has run any code
        self._begun = self._last_line = time.monotonic()
        self._told_kernel_at = 0.0
        self._ended = threading.Event()
        self._live: Any = None

    def __enter__(self) -> "Watch":
        if is_live():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(highlight=False), auto_refresh=False, transient=True)
            self._live.start()
        self._thread = threading.Thread(target=self._tick_on, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._finish_part("" if kind is None else "  failed" if not self.interrupts.number else "  interrupted")
        if self._live is not None:
            self._live.stop()

    def cell_started(self, cell: Any, cell_index: int) -> None:
        """A hook of nbclient's. A heading begins a part."""
        if self.interrupts.number:
            raise KeyboardInterrupt
        if cell.cell_type == "markdown":
            headings = [text.lstrip("#").strip() for text in cell.source.splitlines() if text.startswith("#")]
            if headings:
                self._finish_part()
                self.part = headings[-1]
                self._begun = self._last_line = time.monotonic()

    def cell_executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        """A hook of nbclient's: there is something to say of this part."""
        self._worked = True

    def _finish_part(self, end: str = "") -> None:
        if self.part and (self._worked or end):
            self._print(f"  {self.part:<{PART_WIDTH}} {lasting(time.monotonic() - self._begun):>9}{end}")
        self._worked = False

    def _tick_on(self) -> None:
        while not self._ended.wait(TICK_S):
            if self.interrupts.number:
                self._interrupt_kernel()
            self._show()

    def _interrupt_kernel(self) -> None:
        pid = getattr(getattr(self.kernel, "provisioner", None), "pid", None)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if not self._told_kernel_at:
                self._told_kernel_at = time.monotonic()
                os.kill(pid, signal.SIGINT)
            elif time.monotonic() - self._told_kernel_at > STUBBORN_S:
                os.kill(pid, signal.SIGKILL)

    def _show(self) -> None:
        from sdgkit.cli.progress import LINE_EVERY_S, line

        now = time.monotonic()
        if self._live is None and now - self._last_line < LINE_EVERY_S:
            return
        self._last_line = now
        snapshot = self._snapshot()
        words = line(snapshot) if snapshot is not None else lasting(now - self._begun)
        if self._live is None:
            say(f"  {self.part}: {words}")
            return
        from rich.text import Text

        text = Text(f"  {harmless(self.part)}: {harmless(words)}", style="dim")
        text.truncate(self._live.console.width - 3, overflow="ellipsis")
        self._live.update(text, refresh=True)

    def _snapshot(self) -> "Snapshot | None":
        """How far the run in the folder is, if one goes on there now."""
        from sdgkit.run import open_run

        with contextlib.suppress(SdgkitError, OSError, sqlite3.Error, ValueError):
            snapshot = open_run(self.out).snapshot()
            return snapshot if snapshot.state in ("running", "paused") else None
        return None

    def _print(self, text: str) -> None:
        if self._live is None:
            say(text)
            return
        from rich.text import Text

        self._live.console.print(Text(harmless(text)))


def _sentence(name: str, words: str) -> str:
    """An error in one or two sentences; those of sdgkit's own kind speak for themselves."""
    from sdgkit import errors

    short = words.strip() if len(words) <= SHOWN_OF_ERROR else f"{words.strip()[:SHOWN_OF_ERROR]} \u2026"
    ours = name in vars(errors) or not name
    return short if ours and short else f"{name}: {short}" if short else f"{name}."
