"""Keys belong to the panel while it has the focus, and to the notebook otherwise."""

import time

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Page, expect

SAVED_S = 30  # an idle machine takes less than one
PANEL = """
import sdgkit as sk

seed_file = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
seeds = list(sk.load_seeds(seed_file))[:2]
run = sk.generate(seeds, teacher=sk.connect("rehearsal"), num_contexts=2)
sk.ReviewPanel(run)
"""
CELLS = {"panel": PANEL, "other": "1 + 1"}
CELL_TYPES = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(
  (cell) => cell.model.type
)"""


def cell_types(page: Page) -> list[str]:
    """The types of the cells: shorter without a deleted cell, other for a changed one."""
    types: list[str] = page.evaluate(CELL_TYPES)
    return types


@pytest.mark.parametrize("server", ["lab", "notebook7"])
def test_keys_in_a_panel_do_not_reach_the_notebook(
    request: pytest.FixtureRequest, page: Page, server: str
) -> None:
    host: Lab = request.getfixturevalue(server)
    with host.open(page, host.write("keys", CELLS)) as notebook:
        notebook.run("panel")
        assert notebook.errors() == []
        before = cell_types(page)
        panel = notebook.panel("review")
        panel.get_by_role("button", name="Next").first.focus()
        for key in "ddymxb":  # delete, code, Markdown, cut, insert
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        assert cell_types(page) == before
        page.keyboard.press("j")  # one of the panel's own
        expect(panel.get_by_text("2 of")).to_be_visible()
        panel.get_by_label("score").focus()  # a field that a key does not write into
        page.keyboard.press("d")
        page.keyboard.press("d")
        page.wait_for_timeout(300)
        assert cell_types(page) == before


@pytest.mark.parametrize("server", ["lab", "notebook7"])
def test_the_notebooks_own_save_works_from_a_panel_that_has_none(
    request: pytest.FixtureRequest, page: Page, server: str
) -> None:
    host: Lab = request.getfixturevalue(server)
    path = host.write("saved", CELLS)
    with host.open(page, path) as notebook:
        notebook.run("panel")
        assert notebook.errors() == []
        before = path.stat().st_mtime_ns
        notebook.panel("review").get_by_role("button", name="Next").first.focus()
        page.keyboard.press("Control+s")
        deadline = time.monotonic() + SAVED_S
        while path.stat().st_mtime_ns == before and time.monotonic() < deadline:
            page.wait_for_timeout(100)
        assert path.stat().st_mtime_ns > before


def test_a_panel_shows_its_keys_only_while_it_has_the_focus(
    lab: Lab, page: Page, shot: Shot
) -> None:
    with lab.open(page, lab.write("hints", CELLS)) as notebook:
        notebook.run("panel")
        assert notebook.errors() == []
        panel = notebook.panel("review")
        hint = panel.locator("kbd").first
        place = panel.get_by_role("button", name="Accept").bounding_box()
        expect(hint).to_be_hidden()
        ring = "(root) => getComputedStyle(root).boxShadow"
        assert panel.evaluate(ring) == "none"
        panel.locator(".sdg-status").click()
        expect(hint).to_be_visible()
        assert panel.evaluate(ring) != "none"
        assert panel.get_by_role("button", name="Accept").bounding_box() == place, "nothing moves"
        shot("review-focus", panel)
        page.keyboard.press("a")
        expect(panel.locator(".sdg-notice")).to_contain_text("Accepted")


pytestmark = pytest.mark.browser
