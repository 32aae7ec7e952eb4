"""A notebook that is opened again when its kernel is gone: the still picture, and no error."""

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
        assert page.get_by_text("This is a still picture of the panel.").is_hidden()
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    saved = path.read_text("utf-8")
    assert "sdg-still" in saved and "<traitlets" not in saved
    with lab.open(page, path) as notebook:
        expect(page.get_by_text("This is a still picture of the panel.")).to_be_visible()
        expect(page.get_by_text("8 seeds").filter(visible=True)).not_to_have_count(0)
        # What stands in the place of the live panel is there, and is not shown.
        broken = page.locator(".jp-OutputArea-child").filter(has_text=ERROR)
        expect(broken.filter(visible=True)).to_have_count(0)
        notebook.run("panel")
        expect(notebook.panel("seeds")).to_be_visible()
