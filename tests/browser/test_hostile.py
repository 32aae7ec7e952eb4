"""Whatever a teacher or a file says is text, in every panel and every picture."""

import re
from typing import Any

from aiohttp import web
from browser.lab import Lab, Shot
from playwright.sync_api import Locator, Page
from servers import FaultServer, completion, is_probe

MARK = "window.sdgkitWasHere = true"
HOSTILE = (
    f'<img src="x" onerror="{MARK}"><script>{MARK}</script>'
    f'<iframe srcdoc="<script>parent.{MARK}</script>"></iframe>'
    f'<details open ontoggle="{MARK}">[click](javascript:{MARK})</details> '
    f"$\\href{{javascript:{MARK}}}{{x}}$ \"'><b>"
)
CELLS = {
    "start": """
import sdgkit as sk
from IPython.display import display

teacher = sk.connect(base_url={url!r}, model="tiny")
hostile = {hostile!r}
seeds = [
    {{
        "task_description": f"Task {{hostile}}",
        "seed_context": f"Context {{number}} {{hostile}}",
        "seed_question": f"Question {{hostile}}",
        "seed_response": f"Response {{hostile}}",
    }}
    for number in range(2)
]
""",
    "run": "numbers = {'num_contexts': 2, 'num_questions': 1}\n"
    "panel = sk.RunPanel(seeds, teacher=teacher, out='hostile', **numbers)\n"
    "run = await panel.run()",
    "drops": "panel.act('stage', name='filter_grounded_qa_pair')\npanel.wait()\n"
    "panel.act('trace', id=list(run.drops())[0]['id'])",
    "review": "sk.ReviewPanel(run)",
    "seeds": "sk.SeedPanel(seeds)",
    "profile": "profile = sk.Profile(\n"
    "    criteria=(sk.Criterion(hostile, False, ('s1',)),),\n"
    "    variety={hostile: (hostile, 'b')},\n"
    ")\n"
    "sk.ProfilePanel(seeds, teacher=teacher, profile=profile)",
    "prompt": "prompt = sk.PromptPanel('prompts', seeds, teacher=teacher)\n"
    "prompt.act('try', several=False)\n"
    "prompt.wait()\nprompt",
    "compare": "folder = sk.shipped('prompts') / 'grounded'\n"
    "shipped = sk.load_prompt(folder / 'gen_contexts.yaml')\n"
    "compare = sk.ComparePanel(shipped, shipped, seeds, teacher=teacher, names=(hostile, 'b'))\n"
    "compare.compare().wait()\ncompare",
    "studio": "sk.save_seeds(seeds, 'skill/seeds.jsonl')\n"
    "studio = sk.studio('skill', teacher=teacher)\nstudio.act('open', tab='seeds')\nstudio",
    "teacher": "asked = sk.TeacherPanel(base_url={url!r}, model='tiny')\n"
    "asked.act('test', message=hostile)\n"
    "asked.wait()\nasked",
    "trouble": "nowhere = 'http://127.0.0.1:9/<img src=x onerror=1>'\n"
    "wrong = sk.TeacherPanel(base_url=nowhere, model=hostile)\n"
    "wrong.act('test')\nwrong.wait()\nwrong",
    "pictures": "display(run.funnel, run.explain(), run.trace(run.dataset[0]['id']))\n"
    "display(sk.beside_seeds(run.dataset),\n"
    "        sk.as_table(run.dataset), sk.check_seeds(seeds))\n"
    "print(run.dataset.num_rows, run.dropped.num_rows)",
}


def answer(body: dict[str, Any], number: int) -> web.Response:
    """What the prompt asks for, with something hostile in it; every other pair is judged bad."""
    message = body["messages"][-1]["content"]
    if is_probe(body):
        return completion("hello")
    tags = re.findall(r"\[Start of (\w+)\]", message[-700:])
    is_judged = tags[-1:] == ["Score"]
    asked = tags[tags.index("Evaluation") :] if is_judged else tags[-1:]
    score = "1" if "(0 or 1)" in message or number % 2 else "3"
    texts = {"Score": score, "Faults": "none" if score == "3" else "form"}
    parts = [
        f"[Start of {tag}]\n{texts.get(tag, f'{tag} {number} {HOSTILE}')}\n[End of {tag}]"
        for tag in asked
    ]
    return completion("\n".join(parts) or HOSTILE)


def everything(panel: Locator) -> str:
    """What a panel says, in all its tabs and with all that is folded unfolded."""
    texts = []
    tabs: list[Locator | None] = [*panel.get_by_role("tab").all()]
    for tab in tabs or [None]:
        if tab is not None:
            tab.click()
            panel.page.wait_for_timeout(200)
        panel.evaluate(
            "(root) => root.querySelectorAll('details:not([open]) > summary')"
            ".forEach((one) => one.click())"
        )
        panel.page.wait_for_timeout(200)
        texts += [
            panel.inner_text(),
            *(field.input_value() for field in panel.locator("textarea, input").all()),
        ]
    return "\n".join(texts)


def test_a_hostile_reply_shows_as_text_and_does_nothing(lab: Lab, page: Page, shot: Shot) -> None:
    with FaultServer() as server:
        server.behave = answer
        values = {"url": server.base_url, "hostile": HOSTILE}
        cells = {
            name: text.format(**values) if "{url" in text else text for name, text in CELLS.items()
        }
        with lab.open(page, lab.write("hostile", cells)) as notebook:
            for cell in cells:
                notebook.run(cell)
            assert notebook.errors() == []
            kept, dropped = map(int, notebook.printed("pictures").split()[-2:])
            assert kept and dropped, "both shall be shown"
            for kind in (
                "run",
                "review",
                "seeds",
                "profile",
                "prompt",
                "compare",
                "teacher",
                "studio",
            ):
                notebook.show("run" if kind == "run" else kind)
                panel = notebook.panel(kind).first
                panel.scroll_into_view_if_needed()
                if kind == "studio":  # its tabs are opened one by one elsewhere
                    panel = panel.locator(".sdg-part")
                assert "onerror=" in everything(panel), (
                    f"the {kind} panel shows nothing hostile, so nothing is tested"
                )
                assert panel.locator("img, iframe, script").count() == 0
                shot(f"hostile-{kind}", panel)
            for output in (
                "iframe",
                "img[src='x']",
                "[onerror]",
                "[ontoggle]",
                "a[href^='javascript']",
            ):
                assert page.locator(f".jp-OutputArea-output {output}").count() == 0, output
            assert page.evaluate("() => window.sdgkitWasHere") is None
