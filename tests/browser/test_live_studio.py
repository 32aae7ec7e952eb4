"""The studio in the browser: from nothing to ten reviewed samples, without leaving the page."""

import json
from pathlib import Path

import pytest
from browser.lab import Lab, Notebook, Shot
from playwright.sync_api import Locator, Page, expect

from sdgkit.cli.studio import write_notebook

TASK = "Say in one sentence what the note asks for."
SEEDS = (
    (
        "The boiler in flat 4 leaks again. Ms Okafor is in from 8 to 10 on Tuesday.",
        "What does the note ask for?",
        "Repair the boiler in flat 4 on Tuesday between 8 and 10.",
    ),
    (
        "Lift 2 stops between floors 3 and 4. Please send somebody before the weekend.",
        "What is to be done?",
        "Send somebody to lift 2 before the weekend.",
    ),
    (
        "The key of the bicycle cellar broke off in the lock. We have no second one.",
        "What does the note ask for?",
        "Open the bicycle cellar and make two new keys.",
    ),
)


def write_seed(panel: Locator, seed: tuple[str, str, str], number: int = 1) -> None:
    panel.get_by_role("button", name="Add a seed").click()
    expect(panel.get_by_text(f"Seed {number} of {number}")).to_be_visible()
    context, question, response = seed
    task = panel.get_by_label("task description", exact=True)
    if not task.input_value():
        task.fill(TASK)
    panel.get_by_label("context", exact=True).fill(context)
    panel.get_by_label("question", exact=True).fill(question)
    panel.get_by_label("response", exact=True).fill(response)
    panel.page.keyboard.press("Tab")


def open_studio(lab: Lab, name: str) -> Path:
    notebook = lab.work / name / "studio.ipynb"
    write_notebook(notebook)
    return notebook


def show(notebook: Notebook) -> Locator:
    notebook.run("studio")
    return notebook.panel("studio")


def test_a_first_time_user_gets_from_nothing_to_ten_reviewed_samples(
    lab: Lab, page: Page, shot: Shot
) -> None:
    with lab.open(page, open_studio(lab, "notes")) as notebook:
        studio = show(notebook)
        next_step = studio.locator(".sdg-next")
        expect(next_step).to_contain_text("Press Test")
        studio.get_by_role("button", name="Test", exact=True).click()
        expect(studio.get_by_role("region", name="reply")).to_be_visible()
        shot("studio-teacher", studio)

        studio.get_by_role("button", name="Go to Seeds").click()
        for number, seed in enumerate(SEEDS, 1):
            write_seed(studio, seed, number)
        expect(next_step).to_contain_text("You have 3 seeds")
        shot("studio-seeds", studio)

        studio.get_by_role("button", name="Go to Profile").click()
        studio.get_by_role("button", name="Study", exact=True).click()
        first = studio.get_by_role("textbox", name="criterion 1", exact=True)
        expect(first).not_to_have_value("")
        shot("studio-profile", studio)

        studio.get_by_role("button", name="Go to Run").click()
        studio.get_by_role("button", name="Start", exact=True).click()
        expect(next_step).to_contain_text("Read some of the samples", timeout=90_000)
        shot("studio-run", studio)

        studio.get_by_role("button", name="Go to Review").click()
        accept = studio.get_by_role("button", name="Accept")
        for number in range(10):
            expect(studio.locator(".sdg-part .sdg-status")).to_contain_text(f"{number} of ")
            if number == 3:
                studio.get_by_label("reason for a rejection").fill("not a request")
                page.keyboard.press("Enter")
            else:
                accept.click()
        expect(studio.locator(".sdg-part .sdg-status")).to_contain_text("10 of ")
        shot("studio-review", studio)

        studio.get_by_role("button", name="Go to Export").click()
        studio.get_by_role("button", name="Export", exact=True).click()
        expect(studio.get_by_role("region", name="first rows")).to_be_visible()
        shot("studio-export", studio)
        assert notebook.errors() == []
    rows = (lab.work / "notes" / "rehearsal_train_messages.jsonl").read_text("utf-8").splitlines()
    samples = (lab.work / "notes" / "runs" / "notes" / "dataset.jsonl").read_text("utf-8")
    assert len(rows) == len(samples.splitlines()) - 1, "the rejected one is left out"


def test_what_is_typed_in_a_tab_is_there_again_after_a_restart_and_keys_reach_the_open_tab(
    lab: Lab, page: Page
) -> None:
    with lab.open(page, open_studio(lab, "kept")) as notebook:
        studio = show(notebook)
        studio.get_by_role("tab", name="Seeds").click()
        write_seed(studio, SEEDS[0])
        page.keyboard.press("Control+s")
        expect(studio.locator(".sdg-part .sdg-notice")).to_contain_text("Saved in")
        studio.get_by_role("button", name="Add a seed").click()
        expect(studio.get_by_text("Seed 2 of 2")).to_be_visible()
        question = studio.get_by_label("question", exact=True)
        question.press_sequentially("What is the", delay=40)
        expect(studio.locator(".sdg-part .sdg-status")).to_contain_text("not saved")
        notebook.restart_kernel()
        studio = show(notebook)
        studio.get_by_role("tab", name="Seeds").click()
        studio.get_by_role("button", name="Seed 2").click()
        expect(studio.get_by_label("question", exact=True)).to_have_value("What is the")
        [seed] = (lab.work / "kept" / "seeds.jsonl").read_text("utf-8").splitlines()
        assert json.loads(seed)["seed_context"] == SEEDS[0][0]


pytestmark = pytest.mark.browser
