"""Where panels are live: kernels that carry the marks of a front end, and what they show."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

import sdgkit as sk
from sdgkit.panels import live
from sdgkit.panels.front_ends import FRONT_ENDS, FrontEnd, Surroundings
from sdgkit.panels.live import Liveness, liveness

REPO = Path(__file__).parent.parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"
PATIENCE = 120  # seconds, on the busiest machine
SEEDS = "sk.shipped('notebooks') / 'seeds' / 'feedback_to_table.jsonl'"
PANEL = f"import sdgkit as sk\npanel = sk.SeedPanel({SEEDS})\npanel"


# As much of Colab's kernel as a widget meets.
COLAB = """
import sys
from types import ModuleType, SimpleNamespace

enabled = []
google, colab, output = map(ModuleType, ("google", "google.colab", "google.colab.output"))
output.enable_custom_widget_manager = lambda: enabled.append(True)
output._widgets = SimpleNamespace(_installed_url="https://example.com/manager.js")
google.colab, colab.output = colab, output
sys.modules.update({module.__name__: module for module in (google, colab, output)})
"""


# What a kernel sees -------------------------------------------------------------------------------


def simulated(front_end: FrontEnd, *, allows_input: bool = True) -> tuple[Surroundings, Any]:
    """A kernel that this front end has started, and its shell."""
    mark = front_end.mark
    environment = {mark.name: "1"} if mark.place == "environment" else {}
    namespace = {mark.name: "1"} if mark.place == "namespace" else {}
    modules = {mark.name: object()} if mark.place == "modules" else {}
    request = {"content": {"allow_stdin": allows_input}}
    shell = SimpleNamespace(get_parent=lambda: request)
    around = Surroundings(
        environment=environment,
        namespace=namespace,
        modules=modules,
        exists=lambda name: mark.place == "files" and name == mark.name,
    )
    return around, shell


@contextmanager
def inside(
    kernel: tuple[Surroundings, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    around, shell = kernel
    with monkeypatch.context() as patch:
        patch.setattr(Surroundings, "of", classmethod(lambda _class, _shell: around))
        patch.setattr(live, "ipython_shell", lambda: shell)
        yield patch


every_front_end = pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda it: it.name)


@every_front_end
def test_panels_are_live_in_every_front_end_that_shows_widgets(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inside(simulated(front_end), monkeypatch):
        assert liveness() is Liveness.LIVE


@every_front_end
def test_the_source_of_each_mark_is_named(front_end: FrontEnd) -> None:
    assert len(front_end.source) > 20


@every_front_end
@pytest.mark.parametrize(
    ("decision", "expected"),
    [("static", Liveness.STILL), ("live", Liveness.LIVE), (" LIVE ", Liveness.LIVE)],
)
def test_your_own_decision_comes_before_every_mark(
    front_end: FrontEnd, decision: str, expected: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inside(simulated(front_end), monkeypatch):
        monkeypatch.setenv("SDGKIT_PANELS", decision)
        assert liveness() is expected


@pytest.mark.parametrize(
    "front_end", [it for it in FRONT_ENDS if it.answers_input], ids=lambda it: it.name
)
def test_a_request_that_allows_no_input_is_a_programs_and_leaves_it_in_doubt(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inside(simulated(front_end, allows_input=False), monkeypatch):
        assert liveness() is Liveness.IN_DOUBT


def test_without_a_mark_a_panel_is_still(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Surroundings({}, {}, {}, lambda _name: False)
    with inside((nothing, None), monkeypatch):
        assert liveness() is Liveness.STILL


def test_kaggle_runs_a_saved_version_with_nobody_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"KAGGLE_KERNEL_RUN_TYPE": "Batch"}
    around = Surroundings(environment, {}, {}, lambda _name: False)
    with inside((around, None), monkeypatch):
        assert liveness() is Liveness.STILL


# Real kernels -------------------------------------------------------------------------------------


class Kernel:
    """A real kernel, and this test in the place of its front end."""

    def __init__(self, folder: Path, marks: Mapping[str, str]) -> None:
        path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": str(folder), **marks}
        self._manager = KernelManager(kernel_name="python3")
        self._manager.kernel_spec.argv[0] = sys.executable  # type: ignore[union-attr]
        self._manager.start_kernel(cwd=str(folder), env=environment)
        self.client: BlockingKernelClient = self._manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        self.displays: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def run(self, code: str, *, allow_stdin: bool = True) -> list[dict[str, Any]]:
        """Run a cell as a front end (which allows input) or as a program; what it displays."""
        request = self.client.execute(code, allow_stdin=allow_stdin)
        shown: list[dict[str, Any]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            kind, content = message["msg_type"], message["content"]
            self._note(kind, content)
            if message["parent_header"].get("msg_id") != request:
                continue
            assert kind != "error", content
            if kind in ("display_data", "execute_result"):
                shown.append(content["data"])
            if kind == "status" and content["execution_state"] == "idle":
                return shown

    def answer(self) -> None:
        """Do what every Jupyter front end does with a channel that it does not know: close it."""
        [channel] = self.asked
        content = {"comm_id": channel, "data": {}}
        message = self.client.session.msg("comm_close", content)
        self.client.shell_channel.send(message)

    def until_updated(self, kind: str) -> dict[str, Any]:
        """The first display that is replaced by one of this kind."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            self._note(message["msg_type"], message["content"])
            if message["msg_type"] == "update_display_data":
                data: dict[str, Any] = message["content"]["data"]
                if kind in data:
                    return data
        raise TimeoutError("no display was replaced")

    def _note(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "comm_open" and content["target_name"] == live.HELLO:
            self.asked.append(content["comm_id"])

    def end(self) -> None:
        self.client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kernel]:
    started = Kernel(tmp_path, request.param)
    yield started
    started.end()


def with_marks(**marks: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "kernel", [marks], ids=["+".join(marks) or "none"], indirect=True
    )


@with_marks(JPY_SESSION_NAME="some.ipynb")
def test_jupyterlab_gets_a_live_panel_and_the_still_picture_for_later(kernel: Kernel) -> None:
    view, picture = kernel.run(PANEL)
    assert WIDGET in view
    assert "<traitlets" not in view["text/plain"] and "object at" not in view["text/plain"]
    assert "text/html" in picture and WIDGET not in picture
    assert not kernel.asked


@with_marks()
def test_vs_code_gets_a_live_panel(kernel: Kernel) -> None:
    assert not any(WIDGET in shown for shown in kernel.run(PANEL))
    kernel.run("__vsc_ipynb_file__ = '/home/me/some.ipynb'")
    assert any(WIDGET in shown for shown in kernel.run(PANEL))


@with_marks()
def test_colab_gets_a_live_panel(kernel: Kernel) -> None:
    kernel.run(COLAB)
    assert any(WIDGET in shown for shown in kernel.run(PANEL))
    kernel.run("assert enabled, 'Colab needs its widget manager for widgets of others'")


@with_marks(JPY_SESSION_NAME="some.ipynb")
def test_in_doubt_a_panel_is_still_until_a_front_end_answers(kernel: Kernel) -> None:
    [picture] = kernel.run(PANEL, allow_stdin=False)
    assert WIDGET not in picture and "a program runs this notebook" in picture["text/html"]
    kernel.answer()
    assert WIDGET in kernel.until_updated(WIDGET)
    assert any(WIDGET in shown for shown in kernel.run("panel", allow_stdin=False)), (
        "it is known now"
    )


RUN = f"""import sdgkit as sk
teacher = sk.connect("rehearsal", mean_latency_ms=700)
panel = sk.RunPanel({SEEDS}, teacher=teacher, out="run", num_contexts=2, profile=False)
panel"""


@with_marks()
def test_a_still_picture_is_redrawn_while_the_run_goes_on(kernel: Kernel) -> None:
    [begun] = kernel.run(RUN)
    assert "Not started" in begun["text/plain"]
    kernel.client.execute("panel.start().wait()")
    states: list[str] = []
    while not states or not states[-1].startswith("Done"):
        picture = kernel.until_updated("text/plain")
        states.append(picture["text/plain"].partition(": ")[2])
    assert any(state.startswith("Running") for state in states), states
    assert not any(state.startswith("Not started") for state in states[1:]), states


# Programs that run notebooks ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", ["papermill", "nbconvert", "nbclient"])
def test_a_program_started_from_a_notebook_leaves_still_pictures(
    program: str, tmp_path: Path
) -> None:
    source = tmp_path / "source.ipynb"
    executed = tmp_path / "executed.ipynb"
    cells = [nbformat.v4.new_code_cell(PANEL)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, source)
    by_hand = (
        "import nbformat, nbclient\n"
        f"notebook = nbformat.read({str(source)!r}, 4)\n"
        "nbclient.NotebookClient(notebook, kernel_name='python3').execute()\n"
        f"nbformat.write(notebook, {str(executed)!r})"
    )
    kernel = "--ExecutePreprocessor.kernel_name=python3"
    to_here = [str(source), "--output", str(executed), kernel]
    commands = {
        "papermill": ["-m", "papermill", str(source), str(executed), "-k", "python3"],
        "nbconvert": ["-m", "nbconvert", "--execute", "--to", "notebook", *to_here],
        "nbclient": ["-c", by_hand],
    }
    marks = {
        "JPY_SESSION_NAME": "parent.ipynb",
        "DATABRICKS_RUNTIME_VERSION": "16.4" if program != "nbclient" else "",
        "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    subprocess.run(
        [sys.executable, *commands[program]],
        cwd=tmp_path,
        env=os.environ | marks,
        check=True,
        timeout=PATIENCE,
        capture_output=True,
    )
    result: Any = nbformat.read(executed, as_version=4)
    [output] = result.cells[0].outputs
    assert "text/html" in output.data and WIDGET not in output.data
    assert "a program runs this notebook" in output.data["text/plain"]
    assert "widgets" not in result.metadata


def test_a_panel_shows_itself_in_a_plain_interpreter(capsys: pytest.CaptureFixture[str]) -> None:
    sk.SeedPanel(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl").display()
    assert "Seeds" in capsys.readouterr().out
