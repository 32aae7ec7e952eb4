"""Panels at work: what you click and type in the browser happens, and is there afterwards."""

import json
import re
from pathlib import Path

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Locator, Page, expect

START = """
import json
from pathlib import Path
import sdgkit as sk

seeds = list(sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"))[:4]
"""


def test_a_prompt_is_edited_tried_and_saved_and_the_next_run_uses_it(
    lab: Lab, page: Page, shot: Shot
) -> None:
    notebook_file = lab.write(
        "prompt",
        {
            "start": f"{START}teacher = sk.connect('rehearsal')",
            "panel": "mine = 'prompts_of_mine'\n"
            "sk.PromptPanel(mine, seeds, teacher=teacher, stage='gen_contexts')",
            "run": "options = {'num_contexts': 1, 'prompts': mine, 'profile': False}\n"
            "run = sk.generate(seeds[:1], teacher=teacher, **options)\n"
            "print(run.trace(next(run.samples())['id']).exchanges[0].messages[0]['content'])",
        },
    )
    with lab.open(page, notebook_file) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("prompt")
        panel.get_by_role("tab", name="system").click()
        editor = panel.get_by_role("textbox", name=re.compile("^system of"))
        shipped = editor.input_value()

        editor.fill("{{ seed_contxt }}")
        expect(panel.locator(".sdg-flaw")).to_contain_text("'seed_contxt' is undefined")
        shot("prompt-flaw", panel)

        editor.fill(f"{shipped}\nYou like boats.")
        expect(panel.get_by_label("what is sent", exact=True)).to_contain_text("You like boats.")
        panel.get_by_role("button", name="Try", exact=True).click()
        expect(panel.get_by_label("replies", exact=True).locator("article mark")).to_have_count(1)
        shot("prompt-tried", panel)
        panel.get_by_role("tab", name="Changes").click()
        expect(panel.locator(".sdg-plus")).to_contain_text(["You like boats."])
        panel.get_by_role("button", name="Save", exact=False).first.click()
        expect(panel.locator(".sdg-notice")).to_contain_text("Saved in")

        notebook.run("run")
        assert notebook.errors() == []
        assert "You like boats." in notebook.printed("run")
    assert "You like boats." in (lab.work / "prompts_of_mine" / "gen_contexts.yaml").read_text(
        encoding="utf-8"
    )


def test_seeds_are_written_with_what_is_wrong_beside_the_field_and_saved(
    lab: Lab, page: Page, shot: Shot
) -> None:
    notebook_file = lab.write(
        "seeds", {"panel": "import sdgkit as sk\nsk.SeedPanel('written.jsonl')"}
    )
    with lab.open(page, notebook_file) as notebook:
        notebook.run("panel")
        panel = notebook.panel("seeds")
        panel.get_by_role("button", name="Add a seed").click()
        fields = {
            name: panel.get_by_label(name, exact=True)
            for name in ("task description", "question", "response")
        }
        expect(fields["task description"]).to_be_focused()
        for field in fields.values():
            expect(field).not_to_have_attribute("aria-invalid", "true")
        for _ in range(5):
            page.keyboard.press("Tab")  # an empty field is wrong once it was left
        for field in fields.values():
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(field).to_have_accessible_description(re.compile("It is empty"))
        fields["task description"].fill(
            "Write the commit message for what was done, in one line of at most 50 signs."
        )
        fields["question"].fill("I made the login button blue. What is the commit message?")
        fields["response"].fill("Make the login button blue, and")
        expect(fields["response"]).to_have_accessible_description(re.compile("cut off"))
        expect(fields["question"]).not_to_have_attribute("aria-invalid", "true")
        shot("seeds-flaw", panel)
        fields["response"].fill("Make the login button blue")
        page.keyboard.press("Control+s")
        expect(panel.locator(".sdg-notice")).to_have_text("Saved in written.jsonl.")
        assert notebook.errors() == []
        assert (
            json.loads((lab.work / "written.jsonl").read_text())["seed_response"]
            == "Make the login button blue"
        )

        # What was typed into a seed that is removed at once goes with it, and into no other.
        panel.get_by_role("button", name="Duplicate").click()
        panel.get_by_role("button", name="Seed 1", exact=True).click()
        expect(panel.get_by_text("Seed 1 of 2")).to_be_visible()
        fields["question"].fill("Never mind.")
        panel.get_by_role("button", name="Remove").click()
        expect(panel.get_by_text("Seed 1 of 1")).to_be_visible()
        page.wait_for_timeout(1_000)
        expect(fields["question"]).to_have_value(
            "I made the login button blue. What is the commit message?"
        )


def test_rows_of_a_spreadsheet_are_pasted_as_seeds(lab: Lab, page: Page) -> None:
    notebook_file = lab.write(
        "pasted", {"panel": "import sdgkit as sk\nsk.SeedPanel('pasted.jsonl')"}
    )
    copied = 'Wie viel kostet es?\tHow much is it?\n"Ja,\nbitte."\t"Yes,\nplease."\n'
    paste = """([kind, text]) => {
      const data = new DataTransfer();
      data.setData("text/plain", text);
      if (kind) data.setData(kind, "<table><tr><td></td></tr></table>");
      const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
      document.activeElement.dispatchEvent(event);
    }"""
    with lab.open(page, notebook_file) as notebook:
        notebook.run("panel")
        panel = notebook.panel("seeds")
        panel.get_by_role("button", name="Add a seed").click()
        task = panel.get_by_label("task description", exact=True)
        expect(task).to_be_focused()
        task.fill("Translate what somebody says into English, as a native speaker would say it.")
        panel.get_by_label("question", exact=True).click()
        page.evaluate(paste, ["", "a\ttab in code"])
        page.evaluate(paste, ["text/html", copied])
        expect(panel.get_by_role("status")).to_contain_text("Pasted 2 seeds")
        expect(panel.get_by_label("question", exact=True)).to_have_value("Wie viel kostet es?")
        panel.get_by_role("button", name="Seed 2", exact=True).click()
        expect(panel.get_by_label("response", exact=True)).to_have_value("Yes,\nplease.")
        expect(task).to_have_value(re.compile("^Translate"))


def test_a_run_whose_judge_turns_nearly_everything_down_pauses_and_asks(
    lab: Lab, page: Page, shot: Shot
) -> None:
    notebook_file = lab.write(
        "doubt",
        {
            "start": f"{START}teacher = sk.connect('rehearsal', mean_latency_ms=300)\n"
            "strict = sk.GROUNDED.change('filter_grounded_questions', equals=0.5)\n"
            "options = {'num_contexts': 9, 'pipeline': strict, 'profile': False}",
            "panel": "panel = sk.RunPanel(seeds, teacher=teacher, out='doubt', **options)\npanel",
            "ended": "panel.latest.wait()\npanel.wait()",
        },
    )
    with lab.open(page, notebook_file) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("run")
        panel.get_by_role("button", name="Start").click()
        asked = panel.get_by_label("Is the judge right?")
        expect(asked).to_contain_text("What to change")
        expect(panel.get_by_role("status").first).to_contain_text(
            "Paused: filter_grounded_questions: the judge rejected"
        )
        asked.locator("summary").first.click()
        expect(asked.get_by_text("raw reply").first).to_be_visible()
        shot("run-asks", panel)
        asked.get_by_role("button", name="Continue").click()
        expect(asked).to_have_count(0)
        notebook.run("ended")
        expect(panel.get_by_role("status").first).to_contain_text("Done")
        assert notebook.errors() == []


def test_a_run_is_started_watched_cancelled_and_resumed_while_the_kernel_stays_free(
    lab: Lab, page: Page, shot: Shot
) -> None:
    notebook_file = lab.write(
        "run",
        {
            "start": f"{START}teacher = sk.connect('rehearsal', mean_latency_ms=400)",
            "panel": "options = {'num_contexts': 4, 'profile': False}\n"
            "panel = sk.RunPanel(seeds, teacher=teacher, out='watched', **options)\n"
            "panel",
            "meanwhile": "print(panel.latest.state)",
            "ended": "panel.latest.wait()\npanel.wait()",
        },
    )
    with lab.open(page, notebook_file) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("run")
        status, samples = (
            panel.get_by_role("status").first,
            panel.locator(".sdg-facts div").filter(has_text="samples"),
        )
        panel.get_by_role("button", name="Start").click()
        expect(status).to_contain_text("Running")
        expect(samples.locator("dd")).to_have_text(re.compile("[1-9]"))
        notebook.run("meanwhile")
        assert notebook.printed("meanwhile").strip() == "running"
        shot("run-running", panel)

        panel.get_by_role("button", name="Cancel").click()
        expect(status).to_contain_text("Cancelled")
        notebook.run("ended")
        asked = _number(panel, "requests")
        panel.get_by_role("button", name="Resume").click()
        expect(status).to_contain_text("Done", timeout=60_000)
        assert (
            int(
                panel.locator(".sdg-facts div").filter(has_text="reused").locator("dd").inner_text()
            )
            >= asked * 0.9
        )
        panel.locator(".sdg-picture svg text", has_text="filter_grounded_questions").first.click()
        panel.locator("details.sdg-item summary").first.click()
        expect(panel.locator(".sdg-trace").first).to_contain_text("raw reply")
        shot("run-drops", panel)
    summary = json.loads((lab.work / "watched" / "summary.json").read_text())
    assert (summary["state"], summary["sessions"]) == ("done", 2)


def test_cancel_works_while_the_cell_of_the_run_still_runs(lab: Lab, page: Page) -> None:
    notebook_file = lab.write(
        "busy",
        {
            "start": f"{START}teacher = sk.connect('rehearsal', mean_latency_ms=1000)",
            "run": "run = await sk.RunPanel(seeds, teacher=teacher, out='busy').run()\n"
            "print(run.state)",
        },
    )
    with lab.open(page, notebook_file) as notebook:
        notebook.run("start")
        notebook.run("run", wait=False)
        panel = notebook.panel("run")
        expect(panel.get_by_role("status").first).to_contain_text("Running")
        assert notebook.is_running("run")
        panel.get_by_role("button", name="Cancel").click()
        expect(panel.get_by_role("status").first).to_contain_text("Cancelled")
        notebook.wait("run")
        assert notebook.printed("run").strip().endswith("cancelled")


def test_a_rejection_outlives_the_kernel_and_the_training_file_goes_without_the_sample(
    lab: Lab, page: Page, shot: Shot
) -> None:
    notebook_file = lab.write(
        "review",
        {
            "start": f"{START}teacher = sk.connect('rehearsal')",
            "run": "sk.generate(seeds, teacher=teacher, out='reviewed', num_contexts=2)",
            "panel": "import sdgkit as sk\nsk.ReviewPanel('reviewed')",
            "export": "number = sk.open_run('reviewed').export('messages', 'mine.jsonl')\n"
            "print(number)",
        },
    )
    with lab.open(page, notebook_file) as notebook:
        for cell in ("start", "run", "panel"):
            notebook.run(cell)
        cells, panel = len(notebook.cells), notebook.panel("review")
        first = panel.locator("code").first
        rejected = first.inner_text()
        panel.get_by_role("button", name="Next").first.focus()
        for key in ("d", "d", "r"):  # JupyterLab's own d d would delete the cell
            page.keyboard.press(key)
        page.keyboard.type("too short")
        page.keyboard.press("Enter")
        expect(panel.locator(".sdg-notice")).to_have_text(f"Rejected {rejected}.")
        expect(panel.locator(".sdg-status")).to_contain_text("1 rejected")
        accept = panel.get_by_role("button", name="Accept")
        place = accept.bounding_box()
        page.keyboard.press("a")
        expect(panel.locator(".sdg-status")).to_contain_text("2 of")
        assert accept.bounding_box() == place, (
            "what is pressed stays where it is, however long the samples are"
        )
        edited = panel.locator("code").first.inner_text()
        page.keyboard.press("e")
        page.keyboard.press("End")
        page.keyboard.type("With best regards")
        page.keyboard.press("Control+s")
        expect(panel.locator(".sdg-notice")).to_have_text(f"Saved {edited} as edited.")
        assert (
            page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
            == cells
        )
        shot("review", panel)

        notebook.restart_kernel()
        notebook.run("panel")
        panel = notebook.panel("review").last
        expect(panel.locator(".sdg-status")).to_contain_text("1 rejected")
        panel.get_by_label("show").select_option("rejected")
        expect(panel.locator("code").first).to_have_text(rejected)
        expect(panel.locator(".sdg-row").first).to_contain_text("rejected: too short")
        notebook.run("export")
        assert notebook.errors() == []
        exported = int(notebook.printed("export"))
    samples = _ids(lab.work / "reviewed" / "dataset.jsonl")
    for training_file in (
        lab.work / "mine.jsonl",
        lab.work / "reviewed" / "rehearsal_train_messages.jsonl",
    ):
        assert _ids(training_file) == samples - {rejected}
        assert "With best regards" in next(
            line for line in training_file.read_text().splitlines() if edited in line
        )
    assert exported == len(samples) - 1


def _number(panel: Locator, name: str) -> int:
    """One of the run's numbers, as the panel shows it."""
    words = panel.locator(".sdg-facts div").filter(has_text=name).locator("dd").inner_text()
    return int(words.partition(" ")[0].replace(",", ""))


def _ids(path: Path) -> set[str]:
    return {json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()}


pytestmark = pytest.mark.browser
