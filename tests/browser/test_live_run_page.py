"""A run at the end of a cell is a page whose links open in JupyterLab."""

import pytest
from browser.lab import Lab
from playwright.sync_api import Page, expect

CELLS = {
    "run": """
import sdgkit as sk

seed_file = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
seeds = list(sk.load_seeds(seed_file))[:2]
options = {"num_contexts": 2, "profile": False}
run = sk.generate(seeds, teacher=sk.connect("rehearsal"), out="runs/shown", **options)
run
""",
}


def test_the_report_and_the_folder_open_in_jupyterlab(lab: Lab, page: Page) -> None:
    with lab.open(page, lab.write("run-page", CELLS)) as notebook:
        notebook.run("run")
        assert notebook.errors() == []
        shown = page.get_by_label("run", exact=True)
        expect(shown).to_contain_text("rows tried")
        expect(shown.get_by_role("link", name="rehearsal_train_messages.jsonl")).to_be_visible()
        path = shown.get_by_role("link", name="report.html").evaluate("(a) => a.pathname")
        assert path.endswith("/runs/shown/report.html")
        with page.expect_popup() as opened:
            shown.get_by_role("link", name="runs/shown/").click()
        files = opened.value.get_by_label("File Browser Section")
        expect(files.get_by_text("train_messages.jsonl")).to_be_visible()
        opened.value.close()
        open_path = "() => window.jupyterapp.shell.currentWidget?.context?.path"
        shown.get_by_role("link", name="report.html").click()
        page.wait_for_function(f"{open_path} === 'runs/shown/report.html'")


pytestmark = pytest.mark.browser
