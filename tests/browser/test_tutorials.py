"""Each tutorial as a reader has it: opened in JupyterLab, run top to bottom, its panels live."""

from pathlib import Path
from typing import Any

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Page

# Tutorial 8 trains a model, which tests/training do in an environment of their own.
NEEDS_MORE = ("08_train_and_compare.ipynb",)
NOTEBOOKS = [
    path
    for path in sorted((Path(__file__).parent.parent.parent / "notebooks").glob("*.ipynb"))
    if path.name not in NEEDS_MORE
]


@pytest.mark.parametrize("tutorial", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs_from_top_to_bottom_with_live_panels(
    lab: Lab, page: Page, shot: Shot, tutorial: Path
) -> None:
    with lab.open(page, lab.copy(tutorial)) as notebook:
        notebook.run_all()
        assert notebook.errors() == []
        panels = [
            cell
            for cell in notebook.cells
            if any(_is_live(output) for output in notebook.outputs(cell))
        ]
        assert panels or "Panel" not in tutorial.read_text(encoding="utf-8")
        for number, cell in enumerate(panels, 1):
            notebook.show(cell)
            panel = page.locator("section.sdg").filter(visible=True).first
            panel.wait_for()
            assert not panel.locator(".sdg-error").count()
            shot(f"{tutorial.stem}-{number}")


def _is_live(output: dict[str, Any]) -> bool:
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})
