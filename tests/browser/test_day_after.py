"""A notebook that is opened again when its kernel is gone: the still picture, and no error."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.lab import Lab
from playwright.sync_api import Page, expect

CELLS = {
    "panel": "import sdgkit as sk\n"
    "seeds = sk.shipped('notebooks') / 'seeds' / 'feedback_to_table.jsonl'\n"
    "panel = sk.SeedPanel(sk.load_seeds(seeds))\n"
    "panel"
}
ERROR = "Error displaying widget"
STILL = "This is a still picture of the panel."
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
WIDGETS = "jupyterlab-manager"  # JupyterLab's settings of widgets


@pytest.fixture
def lab_that_saves_widgets(lab: Lab) -> Iterator[Lab]:
    """JupyterLab with *Save Widget State Automatically* switched on in its settings."""
    lab.set(WIDGETS, "plugin", owner="@jupyter-widgets", saveState=True)
    yield lab
    lab.set(WIDGETS, "plugin", owner="@jupyter-widgets", saveState=False)


@pytest.mark.parametrize("server", ["lab", "notebook7"])
def test_a_notebook_opened_again_shows_the_still_picture_and_no_error(
    server: str, page: Page, request: pytest.FixtureRequest
) -> None:
    lab: Lab = request.getfixturevalue(server)
    path = lab.write("day-after", CELLS)
    with lab.open(page, path) as notebook:
        notebook.run("panel")
        panel = notebook.panel("seeds")
        expect(panel).to_be_visible()
        assert page.get_by_text(STILL).is_hidden()
        page.evaluate(SAVE)
    saved = path.read_text("utf-8")
    assert "sdg-still" in saved and "<traitlets" not in saved
    with lab.open(page, path) as notebook:
        expect(page.get_by_text(STILL)).to_be_visible()
        expect(page.get_by_text("8 seeds").filter(visible=True)).not_to_have_count(0)
        # What stands in the place of the live panel is there, and is not shown.
        broken = page.locator(".jp-OutputArea-child").filter(has_text=ERROR)
        expect(broken.filter(visible=True)).to_have_count(0)
        notebook.run("panel")
        expect(notebook.panel("seeds")).to_be_visible()


def test_a_notebook_saved_with_its_widgets_shows_no_dead_panel_that_looks_alive(
    lab_that_saves_widgets: Lab, page: Page
) -> None:
    lab = lab_that_saves_widgets
    path = lab.write("with-widgets", CELLS)
    with lab.open(page, path) as notebook:
        notebook.run("panel")
        expect(notebook.panel("seeds")).to_be_visible()
        page.evaluate(SAVE)
    assert "widgets" in json.loads(path.read_text("utf-8"))["metadata"]
    for saved in (of_a_stranger(path), path):
        with lab.open(page, saved) as notebook:
            expect(page.get_by_text(STILL)).to_be_visible()
            expect(notebook.panel("seeds")).to_have_count(0)
            expect(page.get_by_text(ERROR).filter(visible=True)).to_have_count(0)
            if saved == path:
                notebook.run("panel")
                expect(notebook.panel("seeds")).to_be_visible()
                expect(page.get_by_text(STILL)).to_be_hidden()


def of_a_stranger(path: Path) -> Path:
    """A copy that JupyterLab does not trust: it differs from what was saved here."""
    copy = path.with_stem(f"{path.stem}-copy")
    copy.write_text(path.read_text("utf-8").replace("8 seeds", "8  seeds"), "utf-8")
    return copy


pytestmark = pytest.mark.browser
