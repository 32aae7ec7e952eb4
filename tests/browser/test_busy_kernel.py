"""A kernel that is busy is said, and what you type meanwhile is kept and sent."""

import os
import signal
import time

import pytest
from browser.lab import Lab, Notebook, Shot
from browser.test_typing import SEEDS, SENTENCE, type_slowly
from playwright.sync_api import Page, expect

RESTORED = "Your unsaved changes from last time are here"
SILENT = "The kernel is not answering"
MEMORY = {
    "start": SEEDS,
    "panel": "panel = sk.SeedPanel(seeds)\npanel",
    "ask": "print(panel.draft.rows[-1]['seed_question'])",
}


def await_printed(notebook: Notebook, text: str) -> None:
    """Until the cell `ask` prints a text: what you typed has arrived."""
    deadline = time.monotonic() + 30
    notebook.run("ask")
    while text not in notebook.printed("ask"):
        assert time.monotonic() < deadline, notebook.printed("ask")
        notebook.page.wait_for_timeout(200)
        notebook.run("ask")


def test_text_typed_while_the_kernel_does_not_answer_is_sent_when_it_does(
    lab: Lab, page: Page, shot: Shot
) -> None:
    cells = {
        "start": f"{SEEDS}\nimport os\nprint(os.getpid())",
        "panel": MEMORY["panel"],
        "ask": "print(panel.draft.rows[0]['seed_question'])",
    }
    with lab.open(page, lab.write("busy-kernel", cells)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        kernel = int(notebook.printed("start"))
        panel = notebook.panel("seeds")
        question = panel.get_by_label("question", exact=True)
        question.click()
        expect(panel.get_by_role("alert")).to_have_count(0)
        os.kill(kernel, signal.SIGSTOP)  # as busy as a kernel can be
        try:
            type_slowly(page, question, SENTENCE)
            expect(panel.get_by_role("alert")).to_contain_text(SILENT, timeout=2_000)
            shot("seeds-busy", panel)
        finally:
            os.kill(kernel, signal.SIGCONT)
        expect(panel.get_by_role("alert")).to_have_count(0)
        expect(question).to_be_focused()
        expect(question).to_have_value(SENTENCE)
        page.keyboard.press("Tab")
        await_printed(notebook, SENTENCE)


def test_a_long_cell_keeps_nothing_typed_from_arriving(lab: Lab, page: Page) -> None:
    cells = {**MEMORY, "long": "import time\nfor _ in range(60):\n    time.sleep(0.1)"}
    cells["ask"] = "print(panel.draft.rows[0]['seed_question'])"
    with lab.open(page, lab.write("long-cell", cells)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        notebook.run("long", wait=False)
        panel = notebook.panel("seeds")
        type_slowly(page, panel.get_by_label("question", exact=True), SENTENCE)
        page.keyboard.press("Tab")
        notebook.wait("long")
        await_printed(notebook, SENTENCE)


@pytest.mark.parametrize("kernel", ["gone", "alive"])
def test_seeds_in_no_file_outlive_the_cell_and_the_kernel(
    lab: Lab, page: Page, kernel: str
) -> None:
    with lab.open(page, lab.write(f"memory-{kernel}", MEMORY)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("seeds")
        panel.get_by_role("button", name="Add a seed").click()
        expect(panel.get_by_text("Seed 4 of 4")).to_be_visible()
        panel.get_by_label("question", exact=True).fill("What does the night shi")
        page.keyboard.press("Tab")
        await_printed(notebook, "night shi")  # the kernel has it, in memory only
        if kernel == "gone":
            notebook.restart_kernel()
            notebook.run("start")
        notebook.run("panel")
        expect(notebook.panel("seeds").last.get_by_role("status")).to_contain_text("4 seeds")
        await_printed(notebook, "night shi")


def test_other_seeds_get_nothing_of_what_was_typed_into_the_first_ones(
    lab: Lab, page: Page
) -> None:
    cells = {
        "start": SEEDS,
        "change": "seeds = seeds[1:]",
        "panel": "panel = sk.SeedPanel(seeds)\npanel",
        "ask": "print(panel.draft.rows[0]['seed_question'])",
    }
    with lab.open(page, lab.write("other-seeds", cells)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("seeds")
        panel.get_by_label("question", exact=True).fill("Mine?")
        expect(panel.get_by_role("status")).to_contain_text("not saved")
        notebook.run("change")
        notebook.run("panel")
        expect(notebook.panel("seeds").last.get_by_role("status")).to_contain_text("2 seeds")
        notebook.run("ask")
        assert notebook.printed("ask").strip() == "What is wrong in note 1?"


def test_a_teachers_address_outlives_the_kernel(lab: Lab, page: Page) -> None:
    cells = {
        "panel": "import sdgkit as sk\npanel = sk.TeacherPanel()\npanel",
        "ask": "print(panel.connection)",
    }
    with lab.open(page, lab.write("teacher-memory", cells)) as notebook:
        notebook.run("panel")
        panel = notebook.panel("teacher")
        panel.get_by_label("kind").select_option("vllm")
        panel.get_by_label("address").fill("http://127.0.0.1:19/v1")
        page.keyboard.press("Tab")
        await_printed(notebook, "127.0.0.1:19")
        notebook.restart_kernel()
        notebook.run("panel")
        expect(notebook.panel("teacher").last.get_by_label("address")).to_have_value(
            "http://127.0.0.1:19/v1"
        )


def test_a_prompt_that_is_not_saved_is_there_again_after_a_restart(lab: Lab, page: Page) -> None:
    cells = {
        "start": f"{SEEDS}\nimport os\nprint(os.getpid())",
        "panel": f"{SEEDS}\nsk.PromptPanel('kept-prompts', seeds, stage='gen_contexts')",
    }
    with lab.open(page, lab.write("kept-prompt", cells)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("prompt")
        panel.get_by_role("tab", name="system").click()
        system = panel.get_by_label("system of the prompt gen_contexts")
        type_slowly(page, system, SENTENCE)
        expect(panel.get_by_role("status")).to_contain_text("not saved")
        os.kill(int(notebook.printed("start")), signal.SIGSTOP)
        page.keyboard.type(" And this is on its way when the kernel ends.", delay=20)
        expect(panel.get_by_role("alert")).to_contain_text(SILENT)
        written = system.input_value()
        assert written.startswith(SENTENCE) and written.endswith("ends.")
        notebook.restart_kernel()
        notebook.run("panel")
        panel = notebook.panel("prompt").last
        expect(panel.get_by_role("status")).to_contain_text(RESTORED)
        panel.get_by_role("tab", name="system").click()
        expect(panel.get_by_label("system of the prompt gen_contexts")).to_have_value(written)


def test_two_panels_on_one_file_lose_nothing_of_either(lab: Lab, page: Page) -> None:
    cells = {
        "start": SEEDS + "sk.save_seeds(seeds, 'shared.jsonl')",
        "one": "sk.SeedPanel('shared.jsonl')",
        "other": "sk.SeedPanel('shared.jsonl')",
        "again": "import sdgkit as sk\n"
        "print([seed['seed_question'] for seed in sk.SeedPanel('shared.jsonl').draft.rows])",
    }
    with lab.open(page, lab.write("two-panels", cells)) as notebook:
        for cell in ("start", "one", "other"):
            notebook.run(cell)
        for place, text in ((0, "Mine, in the first?"), (1, "Mine, in the second?")):
            panel = notebook.panel("seeds").nth(place)
            panel.get_by_role("button", name=f"Seed {place + 1}", exact=True).or_(
                panel.get_by_text(f"Seed {place + 1} of 3")
            ).first.click()
            question = panel.get_by_label("question", exact=True)
            expect(question).to_have_value(f"What is wrong in note {place}?")
            type_slowly(page, question, text)
            expect(panel.get_by_role("status")).to_contain_text("not saved")
        page.keyboard.press("Tab")
        notebook.restart_kernel()
        notebook.run("again")
        for text in ("Mine, in the first?", "Mine, in the second?", "What is wrong in note 2?"):
            assert text in notebook.printed("again")


def test_two_views_of_one_panel_have_ids_of_their_own_and_keys_go_to_the_focus(
    lab: Lab, page: Page
) -> None:
    cells = {"panel": f"{SEEDS}\npanel = sk.SeedPanel(seeds)\npanel", "again": "panel"}
    ids = "() => [...document.querySelectorAll('section.sdg [id]')].map((element) => element.id)"
    with lab.open(page, lab.write("two-views", cells)) as notebook:
        notebook.run("panel")
        notebook.run("again")
        expect(notebook.panel("seeds")).to_have_count(2)
        names = page.evaluate(ids)
        assert len(names) == len(set(names)) > 0
        first, second = notebook.panel("seeds").nth(0), notebook.panel("seeds").nth(1)
        second.get_by_label("seed file").fill("second-view.jsonl")
        page.keyboard.press("Control+s")
        expect(first.get_by_role("status")).to_contain_text("Saved in second-view.jsonl")
        second.get_by_role("tab", name="Cards").focus()
        page.keyboard.press("ArrowRight")
        expect(second.get_by_role("tab", name="Table")).to_be_focused()
        expect(first.get_by_role("tab", name="Cards")).to_have_attribute("aria-selected", "true")


pytestmark = pytest.mark.browser
