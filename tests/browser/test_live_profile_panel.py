"""The profile in the browser: study, read, edit, save, and it is what the next run uses."""

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Page, expect

CELLS = {
    "start": "import sdgkit as sk\n"
    "seeds = sk.shipped('notebooks') / 'seeds' / 'feedback_to_table.jsonl'\n"
    "teacher = sk.connect('rehearsal')",
    "panel": "sk.ProfilePanel(seeds, teacher=teacher, profile='studied/profile.yaml')",
    "look": "print(sk.Profile.load('studied/profile.yaml').enabled_criteria[-2:])",
}


def test_a_skill_is_studied_edited_and_saved_and_what_is_typed_outlives_the_kernel(
    lab: Lab, page: Page, shot: Shot
) -> None:
    with lab.open(page, lab.write("profile", CELLS)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("profile")
        panel.get_by_role("button", name="Study").click()
        first = panel.get_by_role("textbox", name="criterion 1", exact=True)
        expect(first).to_have_value("The response has the form of a table.")
        panel.get_by_role("button", name="Add a criterion").click()
        panel.get_by_role("textbox", name="criterion 10").press_sequentially("It is pol", delay=40)
        expect(panel.get_by_role("status")).to_contain_text("10 of 10 criteria in use")
        panel.get_by_role("checkbox", name="use criterion 9").click()
        expect(panel.get_by_role("status")).to_contain_text("9 of 10 criteria in use")
        shot("profile-edited", panel)

        notebook.restart_kernel()
        notebook.run("start")
        notebook.run("panel")
        last = notebook.panel("profile").get_by_role("textbox", name="criterion 10")
        expect(last).to_have_value("It is pol")
        last.press("End")
        last.press_sequentially("ite.", delay=40)
        page.keyboard.press("Control+s")
        expect(panel.locator(".sdg-notice")).to_contain_text("Saved in studied")
        notebook.run("look")
        assert "It is polite." in notebook.printed("look")
        assert notebook.errors() == []


pytestmark = pytest.mark.browser
