"""The gallery: the page of the guide that shows what every shipped skill gives."""

import html
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import sdgkit as sk

REPO = Path(__file__).parents[2]
GUIDE = REPO / "notebooks" / "guide"
SEED_FILES = sorted((REPO / "notebooks" / "seeds").glob("*.jsonl"))
SKILLS = [path.stem for path in SEED_FILES]
SAMPLES = 10


@dataclass(frozen=True)
class Shown:
    """What a page shows of one skill: the texts that unfold, by the id of their seed or sample."""

    section: str
    texts: dict[str, list[str]]

    def ids(self, pattern: str) -> list[str]:
        return [name for name in self.texts if re.fullmatch(pattern, name)]


def shown(page: Path) -> dict[str, Shown]:
    """The sections of a gallery's page, by skill."""
    sections = re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)[1:]
    skills = {}
    for section in sections:
        texts = {}
        for name, body in re.findall(
            r"<summary><b>([\w/]+).*?</b>.*?</summary>(.*?)</details>", section, re.DOTALL
        ):
            pieces = re.findall(r"<pre[^>]*>(.*?)</pre>", body, re.DOTALL)
            texts[name] = [html.unescape(piece) for piece in pieces]
        skills[section.splitlines()[0]] = Shown(section, texts)
    return skills


def form(page: Path) -> dict[str, tuple[int, int]]:
    """How many seeds and samples a page shows of each skill."""
    counts = {}
    for skill, part in shown(page).items():
        counts[skill] = (len(part.ids(r"s\d+")), len(part.ids(r"s\d+/.+")))
    return counts


def stages(skill: str) -> list[str]:
    """The stages that work on the seeds of a shipped skill."""
    text = (REPO / "notebooks" / "seeds" / f"{skill}.jsonl").read_text("utf-8")
    pipeline = sk.GROUNDED if '"seed_context"' in text else sk.FREEFORM
    return [stage.name for stage in pipeline.stages]


def test_the_gallery_shows_every_shipped_skill_with_all_its_seeds_and_ten_samples() -> None:
    expected = {}
    for path in SEED_FILES:
        expected[path.stem] = (len(path.read_text("utf-8").splitlines()), SAMPLES)
    assert form(GUIDE / "gallery.md") == expected


@pytest.mark.parametrize("seed_file", SEED_FILES, ids=SKILLS)
def test_the_seeds_in_the_gallery_are_those_that_are_shipped(seed_file: Path) -> None:
    texts = shown(GUIDE / "gallery.md")[seed_file.stem].texts
    for number, line in enumerate(seed_file.read_text("utf-8").splitlines(), 1):
        seed = json.loads(line)
        columns = ("seed_context", "seed_question", "seed_response")
        assert texts[f"s{number}"] == [seed[column] for column in columns if column in seed]


@pytest.mark.parametrize("skill", SKILLS)
def test_a_skill_in_the_gallery_leads_to_its_report_and_shows_every_stage(skill: str) -> None:
    section = shown(GUIDE / "gallery.md")[skill].section
    report = (GUIDE / "gallery" / f"{skill}.html").read_text("utf-8")
    picture = (GUIDE / "gallery" / f"{skill}.svg").read_text("utf-8")
    assert f"](gallery/{skill}.html)" in section and f"](gallery/{skill}.svg)" in section
    assert "<strong>This is a rehearsal.</strong>" in report
    for stage in stages(skill):
        assert stage in picture
        assert stage in report.replace("<wbr>", "")


def test_the_gallery_says_that_rules_wrote_it_and_with_which_command() -> None:
    introduction = (GUIDE / "gallery.md").read_text("utf-8").partition("\n## ")[0]
    assert "rules, not a model" in introduction
    assert "python tests/gallery.py" in introduction


def test_readme_and_guide_lead_to_the_gallery() -> None:
    assert "(notebooks/guide/gallery.md)" in (REPO / "README.md").read_text("utf-8")
    assert "(gallery.md)" in (GUIDE / "index.md").read_text("utf-8")


@pytest.mark.slow
def test_one_command_makes_a_gallery_of_the_same_form(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(REPO / "tests" / "gallery.py"), "--guide", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert form(tmp_path / "gallery.md") == form(GUIDE / "gallery.md")
    made = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert made == {path.name for path in (GUIDE / "gallery").iterdir()}
