"""The review as a reading desk: what is read stays in place, and the end says what to do."""

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Page, expect

CELLS = {
    "start": "import sdgkit as sk\n"
    "path = sk.shipped('notebooks') / 'seeds' / 'feedback_to_table.jsonl'\n"
    "seeds = list(sk.load_seeds(path))[:3]\n"
    "teacher = sk.connect('rehearsal')\n"
    "options = {'num_contexts': 2, 'profile': False}\n"
    "run = sk.generate(seeds, teacher=teacher, out='desk', **options)",
    "panel": "import sdgkit as sk\nsk.ReviewPanel('desk')",
    "look": "review = sk.Review('desk')\n"
    "print(review.progress.accepted, review.progress.rejected, len(review.samples))",
}


def test_the_desk_leads_from_the_first_sample_to_what_the_decisions_imply(
    lab: Lab, page: Page, shot: Shot
) -> None:
    with lab.open(page, lab.write("desk", CELLS)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("review")
        status = panel.locator(".sdg-status")
        desk = panel.locator(".sdg-desk")

        # A table in Markdown is a table, and can be seen as it is written.
        expect(desk.get_by_role("columnheader", name="Sentiment")).to_be_visible()
        desk.get_by_text("as it is written").first.click()
        expect(desk.locator("pre").first).to_contain_text("|---")

        # The response stands at the same height for each sample.
        place = desk.bounding_box()
        first = panel.locator("code").first.inner_text()
        page.keyboard.press("j")
        expect(panel.locator("code").first).not_to_have_text(first)
        after = desk.bounding_box()
        assert place is not None and after is not None
        assert (after["x"], after["y"]) == (place["x"], place["y"])

        # Escape leaves a field, and keeps what is in it.
        panel.get_by_label("reason for a rejection").fill("too lo")
        page.keyboard.press("Escape")
        expect(panel.get_by_label("reason for a rejection")).to_have_value("too lo")
        page.keyboard.press("k")
        expect(panel.locator("code").first).to_have_text(first)

        # The first is skipped, and pointed out; `n` leads to it once nothing else is left.
        page.keyboard.press("j")
        expect(panel.get_by_text("1 undecided before it")).to_be_visible()
        shot("desk", panel)

        # All that the filters show is decided in one step, which one Undo takes back.
        panel.get_by_text("Decide on all").click()
        panel.get_by_role("button", name="Accept all").click()
        expect(panel.locator(".sdg-notice")).to_contain_text("Accepted")
        expect(panel.get_by_text("Decide on all")).to_have_count(0)
        panel.get_by_role("button", name="Undo").click()
        expect(status).to_contain_text("0 of ")
        panel.get_by_role("button", name="Redo").click()
        expect(panel.get_by_text("Decide on all")).to_have_count(0)

        # In the table one sorts and decides.
        panel.get_by_role("tab", name="Table").click()
        panel.get_by_role("button", name="length").click()
        header = panel.get_by_role("columnheader", name="length")
        expect(header).to_have_attribute("aria-sort", "ascending")
        panel.get_by_role("button", name="length").click()
        expect(header).to_have_attribute("aria-sort", "descending")
        panel.get_by_role("button", name=f"Reject {first}", exact=True).click()
        expect(status).to_contain_text("1 rejected")
        shot("desk-table", panel)

        # After the last sample stands what follows.
        panel.get_by_role("tab", name="One by one").click()
        panel.get_by_role("button", name="length").wait_for(state="detached")
        end = panel.get_by_role("region", name="the end")
        while not end.is_visible():
            page.keyboard.press("j")
            page.wait_for_timeout(50)
        expect(end).to_contain_text("are good as they are")
        expect(end).to_contain_text("What to do")
        shot("desk-end", panel)

        notebook.run("look")
        accepted, rejected, samples = map(int, notebook.printed("look").split())
        assert (accepted, rejected) == (samples - 1, 1)
        assert notebook.errors() == []


pytestmark = pytest.mark.browser
