"""The tutorials as they are kept: every Jupyter opens them, and options set their parameters."""

import re
from pathlib import Path

import nbformat
import pytest

import sdgkit as sk
from sdgkit.cli.notebook import run

NOTEBOOKS = sorted((Path(__file__).parent.parent.parent / "notebooks").glob("*.ipynb"))
QUICKSTART = next(path for path in NOTEBOOKS if path.stem == "quickstart")
# The options of `sdgkit generate`, and its argument. There is none for a key, since papermill
# writes parameters down.
OPTIONS = {param.name for param in run.params} - {"notebook", "assignments", "kind"} | {"teacher"}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def parameters(path: Path) -> list[str]:
    """The names set in the cell that papermill overrides."""
    cells = nbformat.read(path, as_version=4).cells
    [cell] = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return re.findall(r"^(\w+) = ", cell.source, re.MULTILINE)


@every_notebook
def test_a_notebook_is_kept_as_every_jupyter_opens_it(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@every_notebook
def test_what_can_be_set_from_outside_has_the_options_names_and_is_no_key(path):
    assert {"out", "teacher", "base_url", "model"} <= set(parameters(path)) <= OPTIONS


def test_the_quickstart_takes_every_option_of_the_job():
    of_the_way_there = {
        "headers",
        "key_file",
    }  # `sdgkit run` hands these to the kernel in its environment
    assert sorted(parameters(QUICKSTART)) == sorted(OPTIONS - of_the_way_there)


def test_the_quickstart_calls_each_of_the_eight_stages_by_itself():
    source = "\n".join(cell.source for cell in nbformat.read(QUICKSTART, as_version=4).cells)
    assert [stage.name for stage in sk.GROUNDED.stages if f"sk.{stage.name}(" not in source] == []


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != QUICKSTART], ids=lambda path: path.stem
)
def test_a_tutorial_looks_at_the_kernel_first_and_asks_no_host_for_its_data(path):
    code = [
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    ]
    assert "sk.check_kernel()" in code[0]
    assert not any(
        "load_dataset(" in source for source in code
    )  # it asks the Hub, also about a file on this machine
