"""What a notebook shows when a cell is interrupted or ends in an error: a sentence."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

import sdgkit as sk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("notebooks")]

REPO = Path(__file__).parent.parent.parent
ENOUGH = 60  # seconds, on the busiest machine
SEED = {"task_description": "Add.", "seed_question": "1 + 1?", "seed_response": "2"}
PREPARE = f"""
import sdgkit as sk
seeds = [{SEED!r}]
teacher = sk.connect("rehearsal", mean_latency_ms=400, slots=1)
"""


class Kernel:
    """A real kernel in a folder."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "IPYTHONDIR": str(folder / "ipython"),
        }
        self.manager, self.client = start_new_kernel(
            startup_timeout=ENOUGH, cwd=str(folder), env=environment
        )

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def begin(self, cell: str) -> None:
        """Execute a cell and return at once."""
        self.client.execute(cell)

    def end(self) -> list[dict[str, Any]]:
        """The outputs of the cell that was begun."""
        outputs = []
        while True:
            message = self.client.get_iopub_msg(timeout=ENOUGH)
            if message["msg_type"] in ("stream", "error"):
                outputs.append(message["content"])
            if message["content"].get("execution_state") == "idle":
                return outputs

    def await_text(self, text: str) -> None:
        """Wait until the cell that was begun prints this text."""
        while True:
            content = self.client.get_iopub_msg(timeout=ENOUGH)["content"]
            assert content.get("execution_state") != "idle", "the cell has ended"
            if text in content.get("text", ""):
                return

    def run(self, cell: str) -> list[dict[str, Any]]:
        self.begin(cell)
        return self.end()

    def interrupted(self, cell: str, folder: Path) -> str:
        """What a cell shows that is interrupted once its run has samples."""
        self.begin(cell)
        deadline = time.monotonic() + ENOUGH
        while not has_samples(folder):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        self.manager.interrupt_kernel()
        return shown(self.end())


def has_samples(folder: Path) -> bool:
    if not (folder / "journal.sqlite").exists():
        return False
    try:
        return next(sk.open_run(folder).samples(), None) is not None
    except sk.RunError:  # it is just beginning
        return False


def shown(outputs: list[dict[str, Any]]) -> str:
    """The text of outputs, without colours."""
    texts = []
    for output in outputs:
        texts.append("\n".join(output["traceback"]) if "traceback" in output else output["text"])
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(texts))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path)
    assert kernel.run(PREPARE) == []
    yield kernel
    kernel.stop()


def test_interrupting_a_run_panel_ends_in_one_sentence_and_the_cell_resumes(
    kernel: Kernel, tmp_path: Path
) -> None:
    cell = "run = await sk.RunPanel(seeds, teacher=teacher, out='run', num_questions=6).run()"
    text = kernel.interrupted(cell, tmp_path / "run")
    assert "Traceback" not in text
    [sentence] = [line for line in text.splitlines() if line.startswith("Interrupted.")]
    assert re.fullmatch(
        r"Interrupted\. Kept \d samples? in run\. Run the cell again to resume\.", sentence
    )
    kernel.run(cell)
    assert kernel.run("print(run.state, run.summary.sessions)")[0]["text"] == "done 2\n"


def test_interrupting_generate_ends_in_one_sentence_and_the_cell_resumes(
    kernel: Kernel, tmp_path: Path
) -> None:
    cell = "run = sk.generate(seeds, teacher=teacher, out='run', num_questions=6, profile=False)"
    text = kernel.interrupted(cell, tmp_path / "run")
    assert text.split("\n", 1)[0] == (
        "Stopped. Finished samples are kept in run. Run the same command again to resume."
    )
    assert text.split()[-1] == "Interrupted."
    assert len(text.splitlines()) <= 3
    kernel.run(cell)
    assert kernel.run("print(run.state, run.summary.sessions)")[0]["text"] == "done 2\n"


def test_an_interrupted_run_without_a_folder_says_how_to_keep_the_next_one(kernel: Kernel) -> None:
    kernel.begin("sk.generate(seeds, teacher=teacher, num_questions=6)")
    kernel.await_text("Studied 1 seed example")
    kernel.manager.interrupt_kernel()
    text = shown(kernel.end())
    assert "Traceback" not in text
    assert "Pass a folder, out=, to keep the samples" in text.splitlines()[-1]
    assert "Run the same command again" not in text


def test_an_error_is_its_sentence_and_the_traceback_is_there_on_demand(kernel: Kernel) -> None:
    [error] = kernel.run("sk.load_seeds('nowhere.jsonl')")
    [line] = error["traceback"]
    assert line == f"SeedError: {error['evalue']}"
    assert "nowhere.jsonl" in line
    asked = shown(kernel.run("%tb"))
    assert "load_seeds('nowhere.jsonl')" in asked
    assert "Traceback" in asked


def test_an_error_within_an_error_is_one_sentence_too(kernel: Kernel) -> None:
    """The address answers to nobody: the libraries' own errors stay out of sight."""
    cell = "sk.connect('vllm', base_url='http://127.0.0.1:9/v1').ask('Hello')"
    [error] = [one for one in kernel.run(cell) if "traceback" in one]
    assert error["ename"] == "TeacherUnreachable"
    assert error["traceback"] == [f"TeacherUnreachable: {error['evalue']}"]


def test_under_papermill_an_error_is_its_sentence_too(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("import sdgkit as sk\nsk.load_seeds('nowhere.jsonl')")
    source = tmp_path / "source.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), source)
    executed = tmp_path / "executed.ipynb"
    command = [sys.executable, "-m", "papermill", str(source), str(executed), "-k", "python3"]
    environment = os.environ | {"PYTHONPATH": str(REPO), "JUPYTER_PREFER_ENV_PATH": "1"}
    end = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=ENOUGH
    )
    assert end.returncode == 1
    outputs = nbformat.read(executed, as_version=4).cells[-1].outputs
    [error] = [output for output in outputs if output.output_type == "error"]
    assert error.traceback == [f"SeedError: {error.evalue}"]
