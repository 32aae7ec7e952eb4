"""The tutorials as they are kept: every Jupyter opens them, and options set their parameters."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.cli.notebook import run

NOTEBOOKS = sorted((Path(__file__).parent.parent.parent / "notebooks").glob("*.ipynb"))
QUICKSTART = next(path for path in NOTEBOOKS if path.stem == "quickstart")
# The options of `sdgkit generate`, and its argument. There is none for a key, since papermill
# writes parameters down.
OPTIONS = {param.name for param in run.params} - {"notebook", "assignments", "kind"} | {"teacher"}
# Options that `sdgkit run` hands to the kernel in its environment.
IN_THE_ENVIRONMENT = {"headers", "key_file"}
# --no-profile sets the parameter `profile` to False.
SWITCHES_OF_ANOTHER = {"no_profile"}
# How the command line reports is nothing for a notebook.
OF_THE_COMMAND_LINE = {"as_json", "log", "quiet"}

# What tutorial 8 takes for the training itself.
OF_THE_TRAINING = {"student", "train_samples", "test_questions", "look_after"}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path: Path, kind: str) -> list[Any]:
    """The cells of this kind, "code" or "markdown", in order."""
    notebook: Any = nbformat.reads(path.read_text("utf-8"), as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def sources_of(path: Path, kind: str = "code") -> list[str]:
    """The texts of the cells of this kind, in order."""
    return [cell.source for cell in cells_of(path, kind)]


def parameters(path: Path) -> list[str]:
    """The names set in the cell that papermill overrides."""
    cells = cells_of(path, "code")
    [cell] = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return re.findall(r"^(\w+) = ", cell.source, re.MULTILINE)


@every_notebook
def test_a_notebook_is_kept_as_every_jupyter_opens_it(path: Path) -> None:
    text = path.read_text("utf-8")
    notebook: Any = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@every_notebook
def test_what_can_be_set_from_outside_has_the_options_names_and_is_no_key(path: Path) -> None:
    more = OF_THE_TRAINING if path.stem == "08_train_and_compare" else set()
    assert {"out", "teacher", "base_url", "model"} <= set(parameters(path)) <= OPTIONS | more


def test_the_quickstart_takes_every_option_of_the_job() -> None:
    assert sorted(parameters(QUICKSTART)) == sorted(
        OPTIONS - IN_THE_ENVIRONMENT - SWITCHES_OF_ANOTHER - OF_THE_COMMAND_LINE
    )


def test_the_quickstart_has_five_cells_of_code_and_its_settings_last() -> None:
    cells = cells_of(QUICKSTART, "code")
    assert [cell.id for cell in cells[1:-1]] == ["teacher", "seeds", "run", "review", "report"]
    # papermill puts what it is given in the place of the first cell, which holds a comment only.
    assert cells[0].metadata.tags == ["injected-parameters"]
    assert cells[0].source.startswith("#") and "\n" not in cells[0].source
    assert cells[-1].metadata.tags == ["parameters"]


def test_the_quickstart_is_short_and_leads_to_every_tutorial() -> None:
    text = "\n".join(sources_of(QUICKSTART, "markdown"))
    assert len(text.split()) < 500
    tutorials = [path.name for path in NOTEBOOKS if path != QUICKSTART]
    assert [name for name in tutorials if f"]({name})" not in text] == []
    assert "](guide/index.md)" in text


def test_a_tutorial_calls_each_of_the_eight_stages_by_itself() -> None:
    [tutorial] = [path for path in NOTEBOOKS if path.stem == "04_generate"]
    source = "\n".join(sources_of(tutorial))
    assert [stage.name for stage in sk.GROUNDED.stages if f"sk.{stage.name}(" not in source] == []


def test_in_tutorial_1_the_panel_comes_before_the_cell_that_needs_its_key() -> None:
    [tutorial] = [path for path in NOTEBOOKS if path.stem == "01_connect_a_teacher"]
    sources = sources_of(tutorial)
    asking = [place for place, source in enumerate(sources) if ".ask(" in source]
    [panel] = [place for place, source in enumerate(sources) if "sk.TeacherPanel(" in source]
    assert panel < min(asking)
    # Whatever is chosen there serves the cells below.
    assert not any("sk.connect(teacher" in source for source in sources)


def test_in_tutorial_6_seeds_are_written_in_the_panel() -> None:
    [tutorial] = [path for path in NOTEBOOKS if path.stem == "06_a_skill_of_your_own"]
    source = "\n".join(sources_of(tutorial))
    assert "sk.SeedPanel(" in source and "seed_response" not in source


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != QUICKSTART], ids=lambda path: path.stem
)
def test_a_tutorial_looks_at_the_kernel_first_and_asks_no_host_for_its_data(path: Path) -> None:
    sources = sources_of(path)
    assert "sk.check_kernel()" in sources[0]
    # load_dataset asks the Hub, even about a file on this machine.
    assert not any("load_dataset(" in source for source in sources)


def test_links_between_tutorials_and_guide_lead_to_what_lab_copies(tmp_path: Path) -> None:
    assert main(["lab", str(tmp_path), "--no-open"]) == 0
    pages = {page: page.read_text("utf-8") for page in tmp_path.glob("guide/*.md")}
    for notebook in tmp_path.glob("*.ipynb"):
        pages[notebook] = "\n".join(sources_of(notebook, "markdown"))
    assert len(pages) > len(NOTEBOOKS)
    for page, text in pages.items():
        links = re.findall(r"\]\((?!http)([^)#]+)", text)
        assert [link for link in links if not (page.parent / link).is_file()] == [], page.name
