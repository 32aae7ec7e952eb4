"""Tutorial 8 as its readers run it: a small model learns the skill, on the CPU.

The whole page takes a quarter of an hour on two cores. `SDGKIT_TEST_TRAIN=small` trains on few
samples, to see that everything runs.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest
from teachers.environments import clean_environment
from training.conftest import OFFLINE

REPO = Path(__file__).parent.parent.parent
NOTEBOOK = REPO / "notebooks" / "08_train_and_compare.ipynb"
IS_SMALL = os.environ.get("SDGKIT_TEST_TRAIN") == "small"
SMALL = ["-p", "train_samples", "12", "-p", "test_questions", "3", "-y", "look_after: [8]"]
SECONDS = 3600


class Executed:
    """The tutorial as papermill left it."""

    def __init__(self, python: Path, folder: Path) -> None:
        command = [str(python), "-m", "papermill", str(NOTEBOOK), "out.ipynb"]
        command += ["-k", "python3", "--no-progress-bar", *(SMALL if IS_SMALL else [])]
        environment = clean_environment(**OFFLINE, JUPYTER_PREFER_ENV_PATH="1")
        environment["PYTHONPATH"] = str(REPO)
        self.end = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert self.end.returncode == 0, self.end.stderr[-3000:]
        self.run = folder / "runs" / "08_rehearsal"
        self.figures: Any = json.loads((self.run / "learning.json").read_text("utf-8"))
        text = (folder / "out.ipynb").read_text("utf-8")
        notebook: Any = nbformat.reads(text, as_version=4)
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]

    def text_of(self, cell_id: str) -> str:
        """The plain text that a cell left."""
        [cell] = [cell for cell in self.cells if cell.id == cell_id]
        return "".join(
            output.get("text") or output.get("data", {})["text/plain"] for output in cell.outputs
        )


@pytest.fixture(scope="module")
def executed(training_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return Executed(training_python, tmp_path_factory.mktemp("training"))


pytestmark = pytest.mark.timeout(SECONDS + 1800)


def test_it_leaves_nothing_but_what_a_reader_needs(executed: Executed) -> None:
    outputs = [output for cell in executed.cells for output in cell.outputs]
    assert outputs
    for output in outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        assert not any("widget" in kind for kind in output.get("data", {}))


def test_the_line_of_the_training_ends_with_the_loss_and_the_time_it_took(
    executed: Executed,
) -> None:
    samples = executed.figures["samples"]
    line = executed.text_of("train")
    assert line.startswith(f"{samples} of {samples} samples · loss ")
    assert "done after" in line


def test_the_untrained_model_speaks_and_does_not_know_the_form(executed: Executed) -> None:
    assert "Paris" in executed.text_of("model")
    assert executed.figures["learning"][0]["valid"] == 0


def test_the_text_below_the_picture_says_what_the_figures_say(executed: Executed) -> None:
    last = executed.figures["learning"][-1]
    text = executed.text_of("curve-text")
    assert f"{last['valid']} of {last['answers']}" in text
    missing = last["answers"] - last["factual"]
    assert f"At the end, {missing} of {last['answers']} answers" in text


def test_the_judge_compares_the_answers_before_and_after(executed: Executed) -> None:
    text = executed.text_of("evaluate")
    assert "SmolLM2-135M-Instruct, trained against SmolLM2-135M-Instruct" in text
    assert list((executed.run / "evaluation").glob("*.html"))


def test_the_adapter_names_its_model_and_no_folder_of_this_machine(executed: Executed) -> None:
    config = json.loads((executed.run / "adapter" / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (executed.run / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.skipif(IS_SMALL, reason="too few samples to learn from")
def test_after_all_samples_most_answers_have_the_form(executed: Executed) -> None:
    last = executed.figures["learning"][-1]
    assert last["samples"] == executed.figures["samples"] > 100
    assert last["valid"] >= 0.5 * last["answers"]
