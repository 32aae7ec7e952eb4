"""How panels look, from 1366 to 464 pixels, light and dark: legible, all controls with a name.

Screenshots of every panel lie in tests/output/browser afterwards. With SDGKIT_TEST_PICTURES=1 in
the environment the pictures in notebooks/images are made anew from them (needs `pip install
pillow`).
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.lab import Lab, Notebook, ShotOf
from playwright.sync_api import BrowserContext, Locator, Page, expect

import sdgkit as sk

IMAGES = Path(__file__).parent.parent.parent / "notebooks" / "images"
MOST_BYTES = 60_000
KINDS = (
    "teacher",
    "seeds",
    "profile",
    "prompt",
    "compare",
    "run",
    "review",
    "export",
    "shelf",
    "studio",
)
CELLS = {
    "start": """
from dataclasses import replace

import sdgkit as sk

teacher = sk.connect("rehearsal")
seeds = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
contexts = sk.gen_contexts(list(seeds)[:3], teacher=teacher, num_contexts=2)
rows = sk.gen_grounded_questions(contexts, teacher=teacher)
""",
    "teacher": "asked = sk.TeacherPanel()\nasked.act('test')\nasked.wait()\nasked",
    "seeds": "sk.save_seeds(seeds, 'my_seeds.jsonl')\nsk.SeedPanel('my_seeds.jsonl')",
    "profile": "profile = sk.study(seeds, teacher=teacher)\n"
    "rule = sk.Criterion('Every line of the table has a verdict.', False, ('s2', 's4'))\n"
    "studied = replace(profile, criteria=(rule, *profile.criteria))\n"
    "sk.ProfilePanel(seeds, teacher=teacher, profile=studied)",
    "prompt": "stage = 'gen_grounded_responses'\n"
    "prompt = sk.PromptPanel('my_prompts', rows, teacher=teacher, stage=stage)\n"
    "more = prompt.draft.texts['principles'] + '\\n* The table stands alone.'\n"
    "prompt.act('text', part='principles', text=more)\n"
    "prompt.act('try', several=True)\nprompt.wait()\nprompt",
    "compare": "saved, edited = prompt.draft.saved, prompt.prompt\n"
    "compare = sk.ComparePanel(saved, edited, rows, teacher=teacher, names=('saved', 'edited'))\n"
    "compare.compare()\ncompare.wait()\ncompare",
    "run": "run = sk.RunPanel(seeds, teacher=teacher, out='feedback', num_contexts=4)\n"
    "run.start().wait()\n"
    "run",
    "review": "review = sk.ReviewPanel('feedback')\n"
    "for id in review.ids[:6]:\n"
    "    review.act('accept')\n"
    "review.act('reject', reason='row missing')\nreview",
    "export": "export = sk.ExportPanel('feedback')\nexport.act('export')\nexport",
    "shelf": "sk.save_seeds(seeds, 'skills/mail/seeds.jsonl')\n"
    "few = {'num_contexts': 1, 'profile': False}\n"
    "shelf = sk.ShelfPanel('skills', teacher=teacher, out='shelf', **few)\n"
    "shelf.start().latest.wait()\nshelf.act('skill', name='mail')\nshelf",
    "studio": "sk.studio('feedback_skill', teacher=teacher)",
}
# Every text's contrast with what is behind it, as WCAG 2.1 computes it; disabled controls are
# exempt.
ILLEGIBLE = """(root) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.9) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of root.querySelectorAll("*")) {
    const style = getComputedStyle(node);
    const written = [...node.childNodes].map((kid) => (kid.nodeType === 3 ? kid.data : ""));
    const text = written.join("").trim();
    const exempt = !node.getClientRects().length || node.closest(":disabled, [aria-hidden=true]");
    if (!text || exempt || numbers(style.color)[3] === 0) continue;
    const colour = node.closest("svg") && style.fill !== "none" ? style.fill : style.color;
    const [one, other] = [light(numbers(colour)), light(behind(node))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.45) found.push(`${contrast.toFixed(1)}: ${text.slice(0, 60)}`);
  }
  return found;
}"""
# What sticks out of the panel, unless it stands in something that scrolls.
STICKING_OUT = """(root) => {
  const edge = root.getBoundingClientRect().right + 1;
  const scrolls = (node) => {
    for (let at = node.parentElement; at && at !== root; at = at.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return true;
    return false;
  };
  const beyond = (node) => node.getBoundingClientRect().right > edge;
  return [...root.querySelectorAll("*")]
    .filter((node) => node.getClientRects().length && beyond(node) && !scrolls(node))
    .map((node) => `${node.tagName} ${node.className}`);
}"""
# What has scrolled into sight, or changed its theme, is drawn.
TWO_FRAMES = """() => new Promise(
  (done) => requestAnimationFrame(() => requestAnimationFrame(done)))"""
NAMELESS = """(root) => {
  const controls = "button, input, select, textarea, progress, [role=tab], [role=img]";
  const named = (node) =>
    node.getAttribute("aria-label") || node.labels?.length || node.textContent.trim();
  return [...root.querySelectorAll(controls)]
    .filter((node) => !named(node))
    .map((node) => node.outerHTML.slice(0, 120));
}"""


AXE = """async (root) => {
  const standards = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
  const { violations } = await window.axe.run(root, { runOnly: standards });
  const places = (nodes) => nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
  return violations.map(({ id, nodes }) => `${id} (${nodes.length}): ${places(nodes)}`);
}"""


@pytest.fixture(scope="module")
def opened(browser: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """One notebook with every panel in it, each in the middle of its work."""
    page = browser.new_page()
    page.set_default_timeout(30_000)
    server: Lab = request.getfixturevalue(request.param)
    with server.open(page, server.write("look", CELLS)) as notebook:
        for cell in CELLS:
            notebook.run(cell)
        assert notebook.errors() == []
        yield notebook
        notebook.use_theme("light")
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("opened", "width"),
    # 464: beside an open side bar, 360 for the panel
    [("lab", 1366), ("lab", 1280), ("lab", 800), ("lab", 464), ("notebook7", 1280)],
    indirect=["opened"],
    scope="module",
)
def test_every_panel_is_legible_in_its_place_and_has_names_for_a_screen_reader(
    opened: Notebook, shot_of: ShotOf, theme: str, width: int, request: pytest.FixtureRequest
) -> None:
    server = request.node.callspec.params["opened"]
    opened.page.set_viewport_size({"width": width, "height": 2400})
    opened.use_theme(theme)
    faults: dict[str, list[str]] = {}
    for kind in KINDS:
        opened.show(kind)
        panel = opened.panel(kind).first
        panel.scroll_into_view_if_needed()
        if kind == "prompt":
            replies = panel.get_by_role("tab", name="Replies")
            replies.click()
            expect(replies).to_have_attribute("aria-selected", "true")
        opened.page.evaluate(TWO_FRAMES)
        path = shot_of(panel, f"{server}-{kind}-{width}-{theme}")
        checks = {"illegible": ILLEGIBLE, "sticking out": STICKING_OUT, "without a name": NAMELESS}
        for name, script in checks.items():
            wrong: list[str] = panel.evaluate(script)
            if wrong:
                faults[f"{kind}, {name}"] = wrong
        if (theme, width) == ("light", 1366) and os.environ.get("SDGKIT_TEST_PICTURES"):
            make_picture(path, IMAGES / f"{kind}_panel.png")
    assert not faults


def axe() -> str:
    """The script of axe-core, which looks for what keeps people out of a page."""
    package = pytest.importorskip(
        "axe_playwright_python", reason="axe-core is missing: pip install axe-playwright-python."
    )
    return (Path(str(package.__file__)).parent / "axe.min.js").read_text("utf-8")


def violations(element: Locator) -> list[str]:
    """What axe-core finds against WCAG 2.1, levels A and AA, one line each."""
    if not element.page.evaluate("() => Boolean(window.axe)"):
        element.page.evaluate(axe())
    found: list[str] = element.evaluate(AXE)
    return found


@pytest.mark.parametrize("opened", ["lab", "notebook7"], indirect=True, scope="module")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_against_any_panel(opened: Notebook, theme: str) -> None:
    opened.page.set_viewport_size({"width": 1366, "height": 2400})
    opened.use_theme(theme)
    faults: dict[str, list[str]] = {}
    for kind in KINDS:
        opened.show(kind)
        panel = opened.panel(kind).first
        panel.scroll_into_view_if_needed()
        wrong = violations(panel)
        if wrong:
            faults[kind] = wrong
    assert not faults


def test_axe_finds_what_it_is_here_for(page: Page) -> None:
    page.set_content("<html lang=en><title>A</title><button></button></html>")
    [line] = violations(page.locator("html"))
    assert line.startswith("button-name (1)")


def test_axe_finds_nothing_against_a_report(page: Page, tmp_path: Path) -> None:
    seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    with sk.connect("rehearsal") as teacher:
        sk.generate(seeds, teacher=teacher, out=tmp_path / "run", num_contexts=2)
    page.set_content((tmp_path / "run" / "report.html").read_text("utf-8"))
    assert violations(page.locator("html")) == []


def make_picture(screenshot: Path, path: Path) -> None:
    """A small file for the README: at most 900 pixels high, in few colours."""
    from PIL import Image

    image = Image.open(screenshot).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, 900)))
    for colours in (96, 48, 24):
        memory = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(memory, "PNG", optimize=True)
        if memory.tell() < MOST_BYTES:
            break
    path.write_bytes(memory.getvalue())


def test_the_readmes_pictures_are_small() -> None:
    for path in IMAGES.glob("*_panel.png"):
        assert path.stat().st_size < MOST_BYTES, path.name
