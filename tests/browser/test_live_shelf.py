"""A shelf in the browser: every skill's progress, Cancel, Resume, and one skill in detail."""

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Page, expect

CELLS = {
    "panel": """
import sdgkit as sk

seed_file = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
for name in ("mail/long", "mail/short", "notes"):
    sk.save_seeds(sk.load_seeds(seed_file), f"three_skills/{name}/seeds.jsonl")
teacher = sk.connect("rehearsal", mean_latency_ms=400, slots=8, concurrency=8)
sk.ShelfPanel("three_skills", teacher=teacher, out="three", num_contexts=1, profile=False)
""",
}


def test_a_shelf_is_started_cancelled_and_resumed_in_its_panel(
    lab: Lab, page: Page, shot: Shot
) -> None:
    with lab.open(page, lab.write("shelf", CELLS)) as notebook:
        notebook.run("panel")
        assert notebook.errors() == []
        panel = notebook.panel("shelf")
        expect(panel.get_by_text("Start sends up to")).to_contain_text("prompt tokens")
        panel.get_by_role("button", name="Start").click()
        first = panel.get_by_role("row").filter(has_text="mail/long")
        expect(first).to_contain_text("Running")
        expect(first.locator("progress")).not_to_have_attribute("value", "0")
        panel.get_by_role("button", name="mail/long").click()
        expect(panel.get_by_role("img").first).to_be_visible()
        shot("shelf-running", panel)
        panel.get_by_role("button", name="Cancel").click()
        resume = panel.get_by_role("button", name="Resume")
        expect(resume).to_be_enabled()
        expect(panel.get_by_role("status")).to_contain_text("Cancelled")
        resume.click()
        expect(panel.get_by_role("status")).to_contain_text("3 of 3 skills done", timeout=120_000)
        expect(panel.locator("article").first).to_be_visible()
        shot("shelf-done", panel)


pytestmark = pytest.mark.browser
