"""What you type is kept through restarts, and saving asks before it overwrites."""

import pytest
from browser.lab import Lab
from playwright.sync_api import Page, expect

SEEDS = """
import sdgkit as sk

seeds = [
    {
        "task_description": "Answer from the note, in one sentence.",
        "seed_context": f"Note {number}: the pump is loud.",
        "seed_question": f"What is wrong in note {number}?",
        "seed_response": "The pump is loud.",
    }
    for number in range(3)
]
"""
OTHERS = """
theirs = [{**seeds[0], "seed_question": "Theirs?"}, *seeds[1:]]
sk.save_seeds(theirs, "asked.jsonl")
"""


def test_a_half_written_seed_is_there_again_after_a_restart(lab: Lab, page: Page) -> None:
    cells = {"panel": "import sdgkit as sk\nsk.SeedPanel('kept.jsonl')"}
    with lab.open(page, lab.write("kept-draft", cells)) as notebook:
        notebook.run("panel")
        panel = notebook.panel("seeds")
        panel.get_by_role("button", name="Add a seed").click()
        panel.get_by_label("question", exact=True).fill("What does the night shi")
        expect(panel.get_by_role("status")).to_contain_text("not saved")
        notebook.restart_kernel()
        notebook.run("panel")
        question = notebook.panel("seeds").get_by_label("question", exact=True)
        expect(question).to_have_value("What does the night shi")


def test_the_panel_asks_where_a_seed_was_changed_by_another_program(lab: Lab, page: Page) -> None:
    cells = {
        "start": SEEDS + "sk.save_seeds(seeds, 'asked.jsonl')",
        "panel": "sk.SeedPanel('asked.jsonl')",
        "others": OTHERS,
        "look": "print(sk.load_seeds('asked.jsonl')['seed_question'][0])",
    }
    with lab.open(page, lab.write("asked", cells)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("seeds")
        question = panel.get_by_label("question", exact=True)
        question.fill("Mine?")
        page.keyboard.press("Tab")
        notebook.run("others")
        panel.get_by_role("button", name="Save").click()
        expect(panel.get_by_role("alert")).to_contain_text("was changed since you loaded it")
        panel.get_by_role("button", name="Load theirs").click()
        expect(question).to_have_value("Theirs?")
        expect(panel.get_by_role("alert")).to_have_count(0)
        panel.get_by_role("button", name="Undo").click()
        expect(question).to_have_value("Mine?")
        panel.get_by_role("button", name="Redo").click()
        expect(question).to_have_value("Theirs?")
        panel.get_by_role("button", name="Undo").click()
        expect(question).to_have_value("Mine?")
        panel.get_by_role("button", name="Save").click()
        expect(panel.get_by_role("status")).to_contain_text("Saved in")
        notebook.run("look")
        assert "Mine?" in notebook.printed("look")


pytestmark = pytest.mark.browser
