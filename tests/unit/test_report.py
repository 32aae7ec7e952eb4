"""The page, the card and the pictures: their numbers, hostile text, labels and memory."""

import json
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import pytest
import yaml

from sdgkit import texts
from sdgkit.errors import RunError
from sdgkit.export.card import write_card
from sdgkit.funnel import StageLine, Summary
from sdgkit.pages.picture import draw_funnel, draw_method
from sdgkit.profile.profile import CHECKS_STAGE
from sdgkit.report import write_report
from sdgkit.samples import Row

REPO = Path(__file__).parent.parent.parent
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>"
    '<a href="javascript:alert(3)">x</a></pre></details>'
    "\"'><svg onload=alert(4)> {{ 7 * 7 }} {% raw %} ![x](http://evil.example/x.png) \x00\x1b[31m"
    "\u202e \ud800 $x$ &amp;"
)


def stage(name: str, rows_in: int, tried: int, rows_out: int, **dropped: int) -> StageLine:
    return StageLine(name, rows_in, tried, rows_out, dropped)


GROUNDED = [
    stage("gen_contexts", 2, 21, 20, duplicate=1),
    stage("gen_grounded_questions", 20, 60, 58, malformed=2),
    stage("eval_grounded_questions", 58, 58, 58),
    stage("filter_grounded_questions", 58, 58, 50, score=8),
    stage("gen_grounded_responses", 50, 50, 49, truncated=1),
    stage("evaluate_grounded_qa_pair", 49, 49, 49),
    stage("filter_grounded_qa_pair", 49, 49, 40, score=9),
    stage("combine_question_and_context", 40, 40, 40),
]


def summary_of(lines: list[StageLine] | None = None, **changes: Any) -> Summary:
    stages = GROUNDED if lines is None else lines
    summary = Summary(
        state="done",
        sessions=1,
        seeds=stages[0].rows_in if stages else 0,
        stages=stages,
        requests=1200,
        retries=3,
        prompt_tokens=90000,
        completion_tokens=40000,
        wall_s=61.5,
        teacher="vllm",
        model="llama",
        sdgkit_version="0.1.0",
    )
    return replace(summary, **changes)


def sample(
    number: int, text: str = "Apples are slow today.", seed: int | None = None, score: float = 3.0
) -> dict[str, Any]:
    return {
        "id": f"s{seed or number % 2 + 1}/c{number}/q1",
        "task_description": "Make a table.",
        "seed_context": "The seed's context.",
        "seed_question": "The seed's question?",
        "seed_response": "The seed's response.",
        "context": text,
        "question": f"{text}\n\nWhat is slow?",
        "response": f"Row {number}: {text}",
        "evaluation": "It fits.",
        "score": score,
    }


def drop(
    number: int,
    stage: str = "filter_grounded_qa_pair",
    reason: str = "score",
    **columns: object,
) -> dict[str, Any]:
    row = sample(number, score=1.0) | {
        "stage": stage,
        "reason": reason,
        "message": "Judged 1.",
        "reply": "raw",
    }
    return row | columns


class Record:
    """A run whose rows these functions return; without any traces."""

    def __init__(
        self,
        samples: Callable[[], Iterable[Row]] = list,
        drops: Callable[[], Iterable[Row]] = list,
    ) -> None:
        self._samples = samples
        self._drops = drops

    def samples(self) -> Iterator[Row]:
        return iter(self._samples())

    def drops(self) -> Iterator[Row]:
        return iter(self._drops())

    def trace(self, id: str) -> NoReturn:
        raise RunError(f"There is no trace of {id}.")

    def lists_drawn_from(self) -> Mapping[str, Sequence[Any]]:
        return {}


class Page(HTMLParser):
    """What a browser makes of the page: elements with attributes, text, cells of the tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.text += "" if tag in ("code", "strong", "span") else "\n"
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data


def page_of(
    folder: Path,
    summary: Summary | None = None,
    samples: Iterable[Row] = (),
    drops: Iterable[Row] = (),
    name: str = "feedback_to_table",
) -> Page:
    path = folder / "report.html"
    record = Record(lambda: samples, lambda: drops)
    write_report(path, summary or summary_of(), record, name=name)
    return Page(path.read_text(encoding="utf-8"))


def labels_of(page: Page) -> list[str]:
    """What the page's pictures say aloud."""
    return [
        attributes["aria-label"]
        for tag, attributes in page.elements
        if tag == "svg" and attributes["role"] == "img"
    ]


def test_the_table_adds_up_and_has_the_summary_s_numbers(tmp_path: Path) -> None:
    page = page_of(tmp_path, samples=[sample(n) for n in range(40)])
    rows = [[int(cell) for cell in cells[1:]] for cells in page.rows[1:9]]
    assert [cells[0].split("dropped")[0] for cells in page.rows[1:9]] == [s.name for s in GROUNDED]
    for rows_in, tried, out, dropped in rows:
        assert tried == out + dropped
        assert rows_in <= tried
    assert [row[0] for row in rows[1:]] == [row[2] for row in rows[:-1]]
    assert page.rows[9][1:] == ["2", "", "40", str(sum(row[3] for row in rows))]
    assert "dropped: malformed 2" in page.rows[2][0]


def test_the_heading_names_the_skill_the_teacher_and_the_date(tmp_path: Path) -> None:
    page = page_of(tmp_path, summary_of(), [sample(n) for n in range(40)])
    assert "feedback_to_table" in page.text
    assert "40 samples kept from 2 seed examples, 21 rows dropped" in page.text
    assert re.search(
        r"Teacher llama · judge llama · 20\d\d-\d\d-\d\d \d\d:\d\d · 1 min 2 s"
        r" · sdgkit 0\.1\.0",
        page.text,
    )
    assert "rehearsal" not in page.text


def test_a_rehearsal_says_so_first(tmp_path: Path) -> None:
    summary = summary_of(teacher="rehearsal", model="rehearsal")
    body = page_of(tmp_path, summary, [sample(1)]).text.partition("}\n")[2]
    assert body.index("This is a rehearsal.") < body.index("kept from")
    write_card(tmp_path / "README.md", summary, sample(1), None, name="mail")
    first_line = (
        (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n")[2].splitlines()[0]
    )
    assert "rehearsal" in first_line and "do not train on them" in first_line


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page = page_of(tmp_path, samples=[sample(1)], drops=[drop(2)])
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "link", "object", "embed", "base", "form"}
    policy = [attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src=|url\(|@import|//)", text.replace("http://www.w3.org/2000/svg", ""))


def test_hostile_text_in_every_column_stays_text(tmp_path: Path) -> None:
    calm = page_of(tmp_path / "calm", samples=[sample(1)], drops=[drop(2, vary={"a": "b"})])
    row = dict.fromkeys(sample(1), HOSTILE) | {"score": 3.0, "vary": {HOSTILE: HOSTILE}}
    lost = row | {"stage": HOSTILE, "reason": HOSTILE, "message": HOSTILE, "reply": HOSTILE}
    stages = [*GROUNDED[:-1], stage(HOSTILE, 40, 41, 40, **{HOSTILE: 1})]
    summary = summary_of(
        stages, model=HOSTILE, judge=HOSTILE, notes=[HOSTILE], sdgkit_version=HOSTILE
    )
    page = page_of(tmp_path, summary, [row], [lost], name=HOSTILE)
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in calm.elements} | {
        "wbr",
        "ul",
        "li",
    }
    assert not [attrs for _, attrs in page.elements if any(name.startswith("on") for name in attrs)]
    assert not [attrs for _, attrs in page.elements if "javascript" in str(attrs.get("href"))]
    assert page.text.count("<script>alert(1)</script>") > 10
    raw = (tmp_path / "report.html").read_bytes()
    assert b"\x00" not in raw and b"\x1b" not in raw and "\u202e".encode() not in raw
    assert "\u2400\u241b[31m[U+202E]" in raw.decode()


def test_sixty_samples_are_shown_from_all_seeds(tmp_path: Path) -> None:
    samples = [sample(n, seed=1 + n // 100) for n in range(500)]
    page = page_of(tmp_path, summary_of([stage("gen_contexts", 5, 500, 500)]), samples)
    assert "60 of 500 shown" in page.text
    shown = re.findall(r"(s\d)/c\d+/q1\s*score 3", page.text)
    assert [shown.count(f"s{seed}") for seed in range(1, 6)] == [12] * 5
    assert re.findall(r"Seed (s\d)", page.text) == [f"s{seed}" for seed in range(1, 6)]


def test_a_sample_stands_beside_its_seed_and_its_question_without_the_context(
    tmp_path: Path,
) -> None:
    page = page_of(tmp_path, samples=[sample(1)])
    for words in (
        "Apples are slow today.",
        "The seed's context.",
        "The seed's response.",
        "It fits.",
    ):
        assert words in page.text
    assert re.search(
        r"question of the sample\s*What is slow\?\s*question of the seed\s*The seed's question\?",
        page.text,
    )


def test_drops_stand_under_stage_and_reason_with_message_reply_and_row(tmp_path: Path) -> None:
    drops = [drop(n) for n in range(9)]
    drops += [
        drop(9, "gen_grounded_questions", "malformed", message="No tags.", reply="<p>Sure!</p>")
    ]
    drops += [drop(10, "gen_grounded_questions", "my_check", message="Not German.", reply=None)]
    stages = [
        GROUNDED[0],
        stage("gen_grounded_questions", 20, 60, 58, malformed=1, my_check=1),
        *GROUNDED[2:],
    ]
    text = " ".join(
        page_of(tmp_path, summary_of(stages), drops=drops)
        .text.partition("By stage and reason")[2]
        .split()
    )
    assert text.index("gen_grounded_questions") < text.index("filter_grounded_qa_pair")
    assert "malformed · 1 row" in text and "score · 9 rows" in text
    assert "No tags. raw reply <p>Sure!</p> columns of the row when it was dropped" in text
    assert "Not German. columns of the row when it was dropped" in text
    assert len(re.findall("Judged 1", text)) == 3


def test_an_empty_run_shows_where_all_rows_went_and_what_to_change(tmp_path: Path) -> None:
    stages = [*GROUNDED[:3], stage("filter_grounded_questions", 58, 58, 0, score=58)]
    stages += [stage(s.name, 0, 0, 0) for s in GROUNDED[4:]]
    text = page_of(
        tmp_path, summary_of(stages, state="cancelled"), [], [drop(1, "filter_grounded_questions")]
    ).text
    assert "No sample was kept." in text
    assert re.search(
        r"filter_grounded_questions: the judge turned down 58 of 58 rows \(100%\)\.", text
    )
    assert "This run was cancelled." in text
    write_card(tmp_path / "README.md", summary_of(stages), None, None, name="mail")
    assert "No sample was kept" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_run_that_failed_before_its_first_stage_has_its_page(tmp_path: Path) -> None:
    text = page_of(tmp_path, summary_of([], state="failed")).text
    assert "This run has failed." in text and "no rows were made" in text


def test_figures_have_labels_with_their_numbers(tmp_path: Path) -> None:
    samples = [sample(n, score=2.0 + n % 2) for n in range(40)]
    page = page_of(tmp_path, samples=samples, drops=[drop(n) for n in range(9)])
    labels = labels_of(page)
    assert "Scores. 1: 0 kept, 9 dropped; 2: 20 kept, 0 dropped; 3: 20 kept, 0 dropped." in labels
    assert any(
        "Lengths of the contexts in characters: median 22, of the seeds' 19." in label
        for label in labels
    )
    assert (
        "filter_grounded_qa_pair keeps pairs with score 2 or 3. 49 in, 40 out, dropped 9: score 9."
        in labels[0]
    )


def test_the_seed_columns_of_a_user_s_own_rows_may_hold_numbers(tmp_path: Path) -> None:
    page = page_of(tmp_path, samples=[sample(1) | {"seed_response": 7}])
    labels = labels_of(page)
    assert any(
        "Lengths of the responses" in label and "of the seeds' 1." in label for label in labels
    )


def test_twenty_thousand_samples_are_read_in_little_memory(tmp_path: Path) -> None:
    def samples() -> Iterator[Row]:
        return (sample(n, text="word " * 200 + str(n), seed=1 + n // 30) for n in range(20_000))

    def drops() -> Iterator[Row]:
        return (drop(n, reply="reply " * 200) for n in range(20_000))

    write_report(
        tmp_path / "small.html", summary_of(), Record(lambda: [sample(1)]), name="x"
    )  # loads what it needs
    tracemalloc.start()
    write_report(tmp_path / "report.html", summary_of(), Record(samples, drops), name="x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15e6  # 20,000 samples are 40 MB
    assert (tmp_path / "report.html").stat().st_size < 2e6


def test_the_readme_s_picture_is_up_to_date(tmp_path: Path) -> None:
    assert (REPO / "notebooks/images/method.svg").read_text(encoding="utf-8") == draw_method()


@pytest.mark.parametrize("pipeline", ["grounded", "freeform"])
def test_the_picture_names_every_stage_in_order_in_its_label_and_its_text(pipeline: str) -> None:
    root = ElementTree.fromstring(draw_method(pipeline))
    drawn = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    names = list(texts.load_texts("stages")[pipeline])
    assert [text for text in drawn if text in names] == names
    places = [root.attrib["aria-label"].index(f" {name} ") for name in names]
    assert places == sorted(places)
    assert not list(root.iter("{http://www.w3.org/2000/svg}style"))


def test_the_profiles_checks_are_not_taken_for_a_stage_of_your_own() -> None:
    picture = draw_funnel([GROUNDED[0], stage(CHECKS_STAGE, 20, 20, 11, length=9)])
    text = "".join(ElementTree.fromstring(picture).itertext())
    assert "the profile's checks" in text and "of your own" not in text


def test_the_picture_shows_any_list_of_stages_with_what_is_working() -> None:
    text = "".join(
        ElementTree.fromstring(
            draw_funnel([GROUNDED[0], stage("in_german", 20, 20, 11, in_german=4)])
        ).itertext()
    )
    assert "a stage of your own" in text and "2 in · 21 tried · 20 out" in text
    assert "dropped 4: in_german 4 · 5 working" in text


def test_the_bars_of_the_picture_are_as_long_as_their_numbers() -> None:
    root = ElementTree.fromstring(draw_funnel([stage("filter_questions", 100, 100, 75, score=25)]))
    widths = [
        float(bar.attrib["width"]) for bar in root.iter() if bar.get("height") in ("8", "6.5")
    ]
    assert widths == [300, 98.5]  # of 400 px; the hollow bar's line adds 1.5


def front_matter_of(card: str) -> dict[str, Any]:
    front_matter: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return front_matter


def test_the_card_s_front_matter_is_yaml_and_names_the_files(tmp_path: Path) -> None:
    write_card(
        tmp_path / "README.md", summary_of(), sample(1), None, name="Mail: in house style # 1"
    )
    front = front_matter_of((tmp_path / "README.md").read_text(encoding="utf-8"))
    assert front["pretty_name"] == "Mail: in house style # 1"
    assert "synthetic" in front["tags"] and "rehearsal" not in front["tags"]
    assert [config["data_files"][0]["path"] for config in front["configs"]] == ["dataset.parquet"]
    assert "license" not in front


def template_in(card: str) -> list[dict[str, str]]:
    [block] = re.findall(r"```json\n(.*?)```", card, re.DOTALL)
    template: list[dict[str, str]] = json.loads(block)
    return template


def test_the_card_gives_the_exact_template_for_inference(tmp_path: Path) -> None:
    write_card(
        tmp_path / "README.md", summary_of(), sample(1), 'You are "brief" & <kind>.', name="mail"
    )
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    grounded = template_in(card)
    assert 'You are \\"brief\\" & <kind>.' in card
    assert grounded[0] == {"role": "system", "content": 'You are "brief" & <kind>.'}
    asked = grounded[1]["content"].replace("{context}", "Apples are slow today.")
    assert asked.replace("{question}", "What is slow?") == sample(1)["question"]
    write_card(
        tmp_path / "README.md",
        summary_of([stage("gen_questions", 1, 1, 1)]),
        sample(1),
        None,
        name="mail",
    )
    freeform = template_in((tmp_path / "README.md").read_text(encoding="utf-8"))
    assert freeform == [{"role": "user", "content": "{question}"}]


def test_hostile_text_stays_inside_the_card_s_fences(tmp_path: Path) -> None:
    text = "````\n# Not a heading\n" + HOSTILE
    stages = [*GROUNDED, stage("a|b`<b>\n|", 40, 40, 40)]
    write_card(
        tmp_path / "README.md",
        summary_of(stages, model="`x`\n# y"),
        sample(1, text=text),
        None,
        name="*a* <b> [c](d)",
    )
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", card)
    assert "Not a heading" not in outside and "<script" not in outside and "\n# y" not in outside
    assert "# `*a* <b> [c](d)`" in outside
    assert r"| `a\|b <b> \|` |" in outside


def test_a_text_of_megabytes_is_cut_with_a_note(tmp_path: Path) -> None:
    page = page_of(tmp_path, samples=[sample(1, text="x" * 3_000_000)])
    assert "[… 2,980,000 more characters]" in page.text
