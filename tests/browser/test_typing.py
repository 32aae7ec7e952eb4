"""Nothing that you type is lost: not when an error goes away, and not when the kernel is gone."""

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Locator, Page, expect

SLOWLY_MS = 130  # between two keys: the kernel answers meanwhile
SENTENCE = "What did the night shift report about pump 7?"
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
OBJECTS = """
teacher = sk.connect("rehearsal")
shipped = sk.shipped("prompts") / "grounded" / "gen_contexts.yaml"
run = sk.generate(seeds, teacher=teacher, num_contexts=1)
"""


def type_slowly(page: Page, field: Locator, text: str) -> None:
    """Replace the text of a field, key by key, as a person does."""
    field.click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text, delay=SLOWLY_MS)


def test_a_seed_is_typed_while_an_error_goes_away(lab: Lab, page: Page) -> None:
    cells = {
        "start": SEEDS,
        "panel": "panel = sk.SeedPanel(seeds)\npanel",
        "ask": "print(panel.seeds[0])",
    }
    with lab.open(page, lab.write("typed-seed", cells)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("seeds")
        panel.get_by_label("seed file").fill("missing.jsonl")
        panel.get_by_role("button", name="Load this file").click()
        expect(panel.get_by_role("alert")).to_contain_text("missing.jsonl")
        question = panel.get_by_label("question", exact=True)
        type_slowly(page, question, SENTENCE)
        expect(panel.get_by_role("alert")).to_have_count(0)
        expect(question).to_be_focused()
        expect(question).to_have_value(SENTENCE)
        page.keyboard.press("Tab")
        notebook.run("ask")
        assert SENTENCE in notebook.printed("ask")


def test_a_prompt_is_typed_while_an_error_goes_away(lab: Lab, page: Page) -> None:
    cells = {
        "start": SEEDS,
        "panel": "panel = sk.PromptPanel('mine', seeds, stage='gen_contexts')\npanel",
        "ask": "print(panel.draft.texts['system'])",
    }
    with lab.open(page, lab.write("typed-prompt", cells)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("prompt")
        panel.get_by_role("tab", name="system").click()
        panel.get_by_label("another file to save as").fill("mine.txt")
        panel.get_by_role("button", name="Save as").click()
        expect(panel.locator(".sdg-error")).to_contain_text(".yaml")
        system = panel.get_by_label("system of the prompt gen_contexts")
        type_slowly(page, system, SENTENCE)
        expect(panel.locator(".sdg-error")).to_have_count(0)
        expect(system).to_be_focused()
        expect(system).to_have_value(SENTENCE)
        page.keyboard.press("Tab")
        notebook.run("ask")
        assert notebook.printed("ask").strip() == SENTENCE


def test_a_teachers_model_is_typed_while_an_error_goes_away(lab: Lab, page: Page) -> None:
    cells = {
        "panel": "import sdgkit as sk\n"
        "panel = sk.TeacherPanel('vllm', 'http://127.0.0.1:9/v1')\n"
        "panel",
        "ask": "print(panel.connection)",
    }
    with lab.open(page, lab.write("typed-teacher", cells)) as notebook:
        notebook.run("panel")
        panel = notebook.panel("teacher")
        panel.get_by_role("button", name="Test").click()
        expect(panel.get_by_role("alert")).to_contain_text("127.0.0.1:9", timeout=30_000)
        panel.get_by_label("address").fill("http://127.0.0.1:19/v1")
        page.keyboard.press(
            "Tab"
        )  # the address is sent, and the error goes away while the model is typed
        model = panel.get_by_label("model", exact=True)
        expect(model).to_be_focused()
        page.keyboard.type("a-model-with-a-name", delay=SLOWLY_MS)
        expect(panel.get_by_role("alert")).to_have_count(0)
        expect(model).to_be_focused()
        expect(model).to_have_value("a-model-with-a-name")
        page.keyboard.press("Tab")
        notebook.run("ask")
        assert "a-model-with-a-name" in notebook.printed("ask")
        assert "127.0.0.1:19" in notebook.printed("ask")


def test_what_was_begun_with_a_sample_stays_with_it(lab: Lab, page: Page) -> None:
    cells = {"panel": f"{SEEDS}{OBJECTS}\nsk.ReviewPanel(run)"}
    with lab.open(page, lab.write("begun", cells)) as notebook:
        notebook.run("panel")
        assert notebook.errors() == []
        panel = notebook.panel("review")
        reason = panel.get_by_label("reason for a rejection")
        reason.fill("too long")
        panel.get_by_role("button", name="Next").first.click()
        expect(panel.get_by_text("2 of")).to_be_visible()
        expect(reason).to_have_value("")
        panel.get_by_role("button", name="Edit").click()
        response = panel.get_by_label("response", exact=True)
        type_slowly(page, response, SENTENCE)
        panel.get_by_role("button", name="Back").first.click()
        expect(reason).to_have_value("too long")
        panel.get_by_role("button", name="Next").first.click()
        expect(response).to_have_value(SENTENCE)


GONE = "The kernel is gone: run the cell again."
PANELS = {
    "teacher": "sk.TeacherPanel()",
    "seeds": "sk.SeedPanel(seeds)",
    "prompt": "sk.PromptPanel('mine', seeds)",
    "compare": "sk.ComparePanel(shipped, shipped, seeds, teacher=teacher)",
    "run": "sk.RunPanel(seeds, teacher=teacher, num_contexts=1)",
    "review": "sk.ReviewPanel(run)",
}


def test_every_panel_says_within_two_seconds_that_the_kernel_is_gone(
    lab: Lab, page: Page, shot: Shot
) -> None:
    cells = {"start": SEEDS + OBJECTS, **PANELS}
    with lab.open(page, lab.write("gone", cells)) as notebook:
        for cell in cells:
            notebook.run(cell)
        assert notebook.errors() == []
        notebook.restart_kernel()
        for kind in PANELS:
            notebook.show(kind)
            alert = notebook.panel(kind).get_by_role("alert").filter(has_text=GONE)
            expect(alert).to_be_visible(timeout=2_000)
        notebook.show("seeds")
        expect(notebook.panel("seeds").get_by_label("response", exact=True)).to_have_value(
            "The pump is loud."
        )
        shot("seeds-gone", notebook.panel("seeds"))


def test_what_is_typed_while_the_kernel_is_gone_reaches_the_next_one(lab: Lab, page: Page) -> None:
    cells = {
        "panel": f"{SEEDS}\npanel = sk.SeedPanel(seeds)\npanel",
        "ask": "print(panel.seeds[0])",
    }
    with lab.open(page, lab.write("sent-later", cells)) as notebook:
        notebook.run("panel")
        panel = notebook.panel("seeds")
        question = panel.get_by_label("question", exact=True)
        expect(question).to_be_visible()
        notebook.restart_kernel()
        expect(panel.get_by_role("alert")).to_contain_text(GONE)
        type_slowly(page, question, SENTENCE)
        expect(question).to_have_value(SENTENCE)
        notebook.run("panel")
        question = notebook.panel("seeds").last.get_by_label("question", exact=True)
        expect(question).to_have_value(SENTENCE)
        notebook.run("ask")
        assert SENTENCE in notebook.printed("ask")


pytestmark = pytest.mark.browser
