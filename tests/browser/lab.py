"""JupyterLab as you have it: a server on loopback, and a notebook in a real browser."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Locator, Page
from servers import free_port

REPO = Path(__file__).parent.parent.parent
TOKEN = "T"
# Seconds that a busy machine may take; an idle one takes 3, 4 and 1.
UP_S = 90
READY_S = 90
CELL_S = 120

# The status light says "idle" before the kernel can run a cell: ask for all that must have
# happened.
READY = """async () => {
  const app = window.jupyterapp;
  if (!app) return false;
  await app.restored;
  const widget = app.shell.currentWidget;
  if (!widget || !widget.context) return false;
  await widget.context.ready;
  const session = widget.context.sessionContext;
  await session.ready;
  const kernel = session.session && session.session.kernel;
  if (!kernel) return false;
  await kernel.info;
  return kernel.connectionStatus === "connected" && kernel.status === "idle";
}"""
CONTENT = "window.jupyterapp.shell.currentWidget.content"
SESSION = "window.jupyterapp.shell.currentWidget.context.sessionContext"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


class ShotOf(Protocol):
    """Keeps a picture of a page or an element under a name; returns its file."""

    def __call__(self, subject: Page | Locator, name: str) -> Path: ...


class Shot(Protocol):
    """Keeps a picture of the test's page, or of an element in it; returns its file."""

    def __call__(self, name: str, element: Locator | None = None) -> Path: ...


class Lab:
    """A JupyterLab server.

    Attributes:
        folder: Where the server, its kernels and all that they write live.
        work: The folder of its notebooks.
    """

    module = "jupyterlab"  # what `python -m` starts
    address = "doc/tree"  # where a notebook is opened
    options: tuple[str, ...] = (
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    )

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        self.port = free_port()
        for name in ("home", "work"):
            (folder / name).mkdir()
        self._log = folder / "jupyter.log"
        self.set("apputils-extension", "notification", fetchNews="false", checkForUpdates=False)

    def set(
        self, extension: str, plugin: str, *, owner: str = "@jupyterlab", **settings: Any
    ) -> None:
        """Settings as a user's, for pages opened from now on."""
        path = self.folder / "settings" / owner / extension / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.work,
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + UP_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(10)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue

    def _command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            self.module,
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={TOKEN}",
            *self.options,
        ]

    def _environment(self) -> dict[str, str]:
        places = {
            "HOME": "home",
            "IPYTHONDIR": "ipython",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        return os.environ | {
            **{name: str(self.folder / place) for name, place in places.items()},
            "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
            "JUPYTER_PREFER_ENV_PATH": "1",
        }

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/api?token={TOKEN}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def write(self, name: str, cells: dict[str, str]) -> Path:
        """A notebook with these code cells, by their ids."""
        code_cells = []
        for cell_id, text in cells.items():
            cell = {"cell_type": "code", "id": cell_id, "source": text, "metadata": {}}
            code_cells.append({**cell, "outputs": [], "execution_count": None})
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": kernel},
            "cells": code_cells,
        }
        path = self.work / f"{name}.ipynb"
        path.write_text(json.dumps(notebook))
        return path

    def copy(self, notebook: Path) -> Path:
        """A tutorial, copied to where it can be opened."""
        return Path(shutil.copy(notebook, self.work))

    @contextmanager
    def open(self, page: Page, notebook: Path) -> Iterator["Notebook"]:
        """A notebook in the browser, its kernel ready; the kernel is shut down at the end."""
        place = notebook.relative_to(self.work).as_posix()
        page.goto(f"http://127.0.0.1:{self.port}/{self.address}/{place}?token={TOKEN}")
        opened = Notebook(page)
        opened.await_kernel()
        page.evaluate("() => window.jupyterapp.shell.collapseLeft?.()")
        try:
            yield opened
        finally:
            page.evaluate(f"async () => {{ await {SESSION}.shutdown(); }}")


class Notebook7(Lab):
    """A server of Jupyter Notebook 7, which reads keys before the page does."""

    module = "notebook"
    address = "notebooks"
    options = ("--JupyterNotebookApp.expose_app_in_browser=True",)


class Notebook:
    """An open notebook."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells: list[str] = []

    def await_kernel(self) -> None:
        """Until the kernel can run a cell."""
        deadline = time.monotonic() + READY_S
        while not self.page.evaluate(READY):
            if time.monotonic() > deadline:
                raise TimeoutError("The notebook's kernel did not become ready.")
            self.page.wait_for_timeout(100)
        self.cells = self.page.evaluate(f"() => {CONTENT}.widgets.map((cell) => cell.model.id)")

    def restart_kernel(self) -> None:
        """A new kernel, as after a crash: nothing of the old one's memory is left."""
        self.page.evaluate(f"async () => {{ await {SESSION}.session.kernel.restart(); }}")
        self.await_kernel()

    def run_all(self) -> None:
        """Run all cells, and wait until they have run."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def run(self, cell: str, wait: bool = True) -> None:
        """Run one cell; without `wait` return while it runs."""
        self.page.evaluate(
            f"""async ([at, wait]) => {{
              const content = {CONTENT};
              content.activeCellIndex = at;
              content.deselectAll();
              await content.scrollToItem(at);
              const done = window.jupyterapp.commands.execute("notebook:run-cell");
              if (wait) await done;
            }}""",
            [self.cells.index(cell), wait],
        )

    def wait(self, cell: str) -> None:
        """Until this cell has run."""
        deadline = time.monotonic() + CELL_S
        while self.is_running(cell):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The cell {cell} did not come to its end.")
            self.page.wait_for_timeout(100)

    def show(self, cell: str) -> None:
        """Scroll to a cell."""
        at = self.cells.index(cell)
        self.page.evaluate(f"async (at) => {{ await {CONTENT}.scrollToItem(at, 'start'); }}", at)

    def outputs(self, cell: str | None = None) -> list[dict[str, Any]]:
        """What a cell left, or all of them, as nbformat has it."""
        places = [self.cells.index(cell)] if cell else list(range(len(self.cells)))
        outputs = f"{CONTENT}.widgets[at].outputArea?.model.toJSON() ?? []"
        all_outputs: list[dict[str, Any]] = []
        for of_cell in self.page.evaluate(f"(places) => places.map((at) => {outputs})", places):
            all_outputs.extend(of_cell)
        return all_outputs

    def errors(self) -> list[str]:
        """The exceptions in the cells, one line each."""
        return [
            f"{o['ename']}: {o['evalue']}" for o in self.outputs() if o["output_type"] == "error"
        ]

    def printed(self, cell: str) -> str:
        """What a cell printed."""
        texts = [
            output["text"] for output in self.outputs(cell) if output["output_type"] == "stream"
        ]
        return "".join("".join(text) for text in texts)

    def is_running(self, cell: str) -> bool:
        """Whether this cell runs; the kernel's own status changes with every click as well."""
        at = self.cells.index(cell)
        return bool(
            self.page.evaluate(
                f"(at) => {CONTENT}.widgets[at].model.executionState === 'running'", at
            )
        )

    def panel(self, kind: str) -> Locator:
        """The live panel of this kind: run, review, prompt, seeds, teacher, studio …"""
        return self.page.locator(f"section.sdg-{kind}")

    def use_theme(self, name: str) -> None:
        """Change JupyterLab's theme: light or dark."""
        theme = json.dumps(THEMES[name])
        self.page.evaluate(
            f"() => window.jupyterapp.commands.execute('apputils:change-theme', {{theme: {theme}}})"
        )
        is_light = json.dumps("false" if name == "dark" else "true")
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === {is_light}")
