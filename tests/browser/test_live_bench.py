"""The prompts' bench: versions side by side on the rows of a run, and tries that stay."""

import pytest
from browser.lab import Lab, Shot
from playwright.sync_api import Page, expect

CELLS = {
    "start": "import sdgkit as sk\n"
    "path = sk.shipped('notebooks') / 'seeds' / 'feedback_to_table.jsonl'\n"
    "seeds = list(sk.load_seeds(path))[:3]\n"
    "teacher = sk.connect('rehearsal')\n"
    "options = {'num_contexts': 2, 'profile': False}\n"
    "run = sk.generate(seeds, teacher=teacher, out='benched', **options)",
    "panel": "stage = 'gen_grounded_responses'\n"
    "sk.PromptPanel('bench_prompts', seeds, teacher=teacher, run='benched', stage=stage)",
}


def test_versions_stand_side_by_side_on_a_row_of_the_run_and_tries_stay(
    lab: Lab, page: Page, shot: Shot
) -> None:
    with lab.open(page, lab.write("bench", CELLS)) as notebook:
        notebook.run("start")
        notebook.run("panel")
        panel = notebook.panel("prompt")
        save = panel.get_by_role("button", name="Save", exact=True)
        expect(save).to_be_disabled()
        expect(panel.get_by_label("row to try it on")).to_contain_text("s1/c1/q1")

        # The lines are numbered as the flaws count them.
        lines = panel.locator(".sdg-code-line")
        number = "(line) => getComputedStyle(line, '::before').content"
        assert lines.first.evaluate(number).startswith("counter")
        assert lines.count() == len(
            panel.get_by_role("textbox").first.input_value().split("\n")
        ) or (lines.count() > 1)

        panel.get_by_label("temperature").fill("0.2")
        page.keyboard.press("Tab")
        expect(save).to_be_enabled()
        panel.get_by_role("button", name="Compare with shipped and saved").click()
        bench = panel.get_by_role("region", name="bench")
        cells = bench.locator(".sdg-bench > div")
        expect(cells).to_have_count(3)
        for name, cell in zip(("shipped", "saved", "now"), cells.all(), strict=True):
            expect(cell.get_by_role("heading").first).to_contain_text(f"{name} · score")
            expect(cell).to_contain_text("The judge")
        panel.get_by_label("its name").fill("cooler")
        page.keyboard.press("Tab")
        expect(panel.get_by_label("try", exact=True)).to_contain_text("cooler")
        panel.get_by_role("button", name="The same on 5 rows").click()
        expect(bench.locator("section.sdg-item")).to_have_count(5)
        shot("bench", panel)
        panel.get_by_label("try", exact=True).select_option("0")
        expect(bench.locator("section.sdg-item")).to_have_count(1)
        save.click()
        expect(save).to_be_disabled()
        saved = (lab.work / "bench_prompts" / "gen_grounded_responses.yaml").read_text("utf-8")
        assert "temperature: 0.2" in saved
        assert notebook.errors() == []


pytestmark = pytest.mark.browser
