"""The front ends that show live panels, and the marks by which a kernel knows them.

A mark is something that a front end leaves in its kernels and that a plain interpreter lacks. None
of the marks is a promise: the environment is handed on to every process that a notebook starts,
papermill's kernels included. `sdgkit.panels.live` decides what to do then.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Surroundings:
    """What a kernel can see of who started it.

    Attributes:
        environment: The environment variables.
        namespace: The variables of the notebook's user.
        modules: The modules that are imported.
        exists: Whether there is a file or a folder of this name.
    """

    environment: Mapping[str, str]
    namespace: Mapping[str, Any]
    modules: Mapping[str, Any]
    exists: Callable[[str], bool]

    @classmethod
    def of(cls, shell: object) -> "Surroundings":
        """Those of this process, whose IPython shell is `shell` (or None)."""
        namespace = getattr(shell, "user_ns", {})
        return cls(os.environ, namespace, sys.modules, lambda name: Path(name).exists())


@dataclass(frozen=True)
class Mark:
    """What a front end leaves in its kernels.

    Attributes:
        place: Where it is: "environment", "namespace", "modules" or "files".
        name: The name of the variable, module or file.
        but_not: A value of the variable that means that nobody is watching.
    """

    place: str
    name: str
    but_not: str | None = None

    def is_seen(self, around: Surroundings) -> bool:
        """Whether the mark is there."""
        if self.place == "files":
            return around.exists(self.name)
        if self.place == "modules":
            return self.name in around.modules
        if self.place == "environment":
            values = around.environment
        else:
            values = around.namespace
        value = values.get(self.name)
        return bool(value) and value != self.but_not

    @property
    def leaks(self) -> bool:
        """Whether a process that the notebook starts has the mark as well."""
        return self.place in ("environment", "files")


@dataclass(frozen=True)
class FrontEnd:
    """A front end that shows live panels.

    Attributes:
        name: What its users call it.
        mark: How a kernel knows it.
        source: Who says so.
        answers_input: Whether its requests to run a cell always allow `input()`. Then a request
            that does not is a program's, such as papermill's.
    """

    name: str
    mark: Mark
    source: str
    answers_input: bool = False


FRONT_ENDS = (
    FrontEnd(
        "JupyterLab, Jupyter Notebook 7 and nbclassic",
        Mark("environment", "JPY_SESSION_NAME"),
        "jupyter_server, services/sessions/sessionmanager.py: get_kernel_env",
        answers_input=True,
    ),
    FrontEnd(
        "Voila",
        Mark("environment", "VOILA_KERNEL_ID"),
        "voila, voila/utils.py and handler.py: kernel_env",
    ),
    FrontEnd(
        "VS Code and its forks (Cursor, Windsurf, VSCodium, Positron)",
        Mark("namespace", "__vsc_ipynb_file__"),
        "microsoft/vscode-jupyter, src/kernels/kernel.ts: set in the user's namespace at the start",
    ),
    FrontEnd(
        "Google Colab",
        Mark("modules", "google.colab"),
        "plotly.py, plotly/io/_renderers.py; anywidget, anywidget/_util.py",
    ),
    FrontEnd(
        "Kaggle",
        Mark("environment", "KAGGLE_KERNEL_RUN_TYPE", but_not="Batch"),
        "Kaggle/docker-python; 'Batch' is Save & Run All, 'Interactive' the editor",
    ),
    FrontEnd(
        "Databricks",
        Mark("environment", "DATABRICKS_RUNTIME_VERSION"),
        "plotly.py, plotly/io/_renderers.py; Databricks documentation, ipywidgets",
    ),
    FrontEnd(
        "DataSpell, PyCharm and other editors that start a Jupyter server",
        Mark("environment", "JPY_SESSION_NAME"),
        "JetBrains help, 'Managed and configured Jupyter servers': the server sets it",
        answers_input=True,
    ),
    FrontEnd(
        "Deepnote",
        Mark("environment", "DEEPNOTE_PROJECT_ID"),
        "JetBrains/lets-plot, python-package/lets_plot/_global_settings.py",
    ),
    FrontEnd(
        "Amazon SageMaker",
        Mark("files", "/opt/ml/metadata/resource-metadata.json"),
        "Amazon SageMaker AI documentation, 'Notebook instance metadata'",
        answers_input=True,
    ),
)

# Programs that run notebooks on their own. Their kernels inherit the marks of the notebook, or of
# the notebook's terminal, that they were started from.
PROGRAMS = ("papermill", "nbconvert", "jupyter-nbconvert", "jupyter-execute", "jupyter-run")


def seen_front_ends(around: Surroundings) -> list[FrontEnd]:
    """The front ends whose marks are there."""
    seen = []
    for front_end in FRONT_ENDS:
        if front_end.mark.is_seen(around):
            seen.append(front_end)
    return seen
