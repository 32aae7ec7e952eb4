"""Makes the gallery: a page of the guide that shows a rehearsal of each shipped skill.

`python tests/gallery.py` (or `nox -s gallery`) runs each seed file in `notebooks/seeds` as a
newcomer would, with every setting at its default, and writes `notebooks/guide/gallery.md`, and for
each skill the picture of its funnel and its report into `notebooks/guide/gallery/`.
"""

import argparse
import contextlib
import html
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

import sdgkit as sk  # noqa: E402
from sdgkit.formatting import format_number  # noqa: E402
from sdgkit.funnel import Summary  # noqa: E402
from sdgkit.pages.picture import draw_funnel  # noqa: E402
from sdgkit.report.tables import spread_evenly  # noqa: E402
from sdgkit.samples import TEXTS, Row, own_question  # noqa: E402

GUIDE = REPO / "notebooks" / "guide"
SAMPLES_SHOWN = 10
QUESTION_SHOWN = 80  # characters, beside an id
# Signs that Markdown, or a test of the guide's words and links, would read as its own.
SIGNS = {"`": "&#96;", "[": "&#91;", "]": "&#93;", "*": "&#42;", "_": "&#95;", "|": "&#124;"}
INTRODUCTION = """\
# Gallery

What will you get? For each skill that ships with sdgkit, this page shows the seeds, ten unedited
samples, the funnel of the run, and a link to its report.

**All samples here are from the rehearsal teacher: rules, not a model.** They show the form of what
you will get, not its quality: do not train on them. With a [real teacher](teachers.md), pages and
files look the same.

| skill | seeds | samples | requests |
|---|---|---|---|
{rows}

Every setting is at its default: ten contexts for each seed and three questions for each context,
or thirty questions for each seed of a skill without contexts. Made on {day} with sdgkit {version}
by `python tests/gallery.py`, which you can run again in a checkout. `sdgkit lab` copies the seed
files; `sdgkit generate` with one of them makes the same run.
"""
SECTION = """\
## {name}

> {task}

### Seeds of {name}

{seeds}

### Ten samples of {name}

{shown} of {samples} samples, spread evenly over the run, as the rehearsal teacher wrote
them.

{blocks}

### Where the rows of {name} went

[![{alternative}](gallery/{name}.svg)](gallery/{name}.html)

The [report of this run](gallery/{name}.html) shows more samples next to their seeds, examples of
every kind of drop, and the judge's comments.
"""


@dataclass(frozen=True)
class Exhibit:
    """A finished rehearsal of one skill.

    Attributes:
        name: The skill's name.
        seeds: Its seeds.
        samples: The samples to show.
        summary: What became of the run.
        report: Its report, as HTML.
    """

    name: str
    seeds: Sequence[Row]
    samples: Sequence[Row]
    summary: Summary
    report: str


def seed_files() -> list[Path]:
    """The seeds of every shipped skill."""
    return sorted((REPO / "notebooks" / "seeds").glob("*.jsonl"))


def rehearse(seed_file: Path) -> Exhibit:
    """Run a skill in the working folder, with every setting at its default."""
    name = seed_file.stem
    folder = Path("runs") / name
    seeds = list(sk.load_seeds(seed_file))
    with sk.connect() as teacher:
        run = sk.generate(seeds, teacher=teacher, out=folder)
    samples = list(run.samples())
    shown = [samples[place] for place in spread_evenly(len(samples), SAMPLES_SHOWN)]
    report = (folder / "report.html").read_text("utf-8")
    return Exhibit(name, seeds, shown, run.summary, report)


def as_text(value: object) -> str:
    """A text as HTML that no Markdown renderer changes."""
    text = html.escape(str(value), quote=False)
    for sign, entity in SIGNS.items():
        text = text.replace(sign, entity)
    return text


def seed_block(number: int, seed: Row) -> str:
    """A seed, folded."""
    texts = {column: str(seed.get(f"seed_{column}") or "") for column in TEXTS}
    return block(f"s{number}", texts)


def sample_block(sample: Row) -> str:
    """A sample, folded, with the judge's score."""
    texts = {column: str(sample.get(column) or "") for column in TEXTS}
    texts["question"] = own_question(sample)
    score = f"score {format_number(sample['score'])}"
    return block(f"{sample['id']} · {score}", texts)


def block(title: str, texts: dict[str, str]) -> str:
    """Texts that unfold below the beginning of their question."""
    question = " ".join(texts["question"].split())
    if len(question) > QUESTION_SHOWN:
        question = f"{question[:QUESTION_SHOWN]}…"
    lines = [f"<details><summary><b>{title}</b> · {as_text(question)}</summary>", ""]
    for column, text in texts.items():
        if text:
            lines.append(f"<p><b>{column}</b></p>")
            lines.append(f'<pre style="white-space:pre-wrap">{as_text(text)}</pre>')
            lines.append("")
    lines.append("</details>")
    return "\n".join(lines)


def section(exhibit: Exhibit) -> str:
    """What the page shows of one skill."""
    summary = exhibit.summary
    seed_blocks = [seed_block(number, seed) for number, seed in enumerate(exhibit.seeds, 1)]
    sample_blocks = [sample_block(sample) for sample in exhibit.samples]
    funnel = f"Funnel: {summary.seeds} seeds, {summary.samples_kept} samples"
    return SECTION.format(
        name=exhibit.name,
        task=as_text(exhibit.seeds[0]["task_description"]),
        seeds="\n\n".join(seed_blocks),
        shown=len(exhibit.samples),
        samples=summary.samples_kept,
        blocks="\n\n".join(sample_blocks),
        alternative=funnel,
    )


def introduction(exhibits: Sequence[Exhibit]) -> str:
    """What stands above all skills."""
    rows = []
    for exhibit in exhibits:
        summary = exhibit.summary
        cells = [
            f"[{exhibit.name}](#{exhibit.name})",
            format_number(summary.seeds),
            format_number(summary.samples_kept),
            format_number(summary.requests),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return INTRODUCTION.format(
        rows="\n".join(rows), day=date.today().isoformat(), version=sk.__version__
    )


def write_gallery(guide: Path) -> None:
    """Run all shipped skills and write the page, the pictures and the reports below a folder."""
    target = guide / "gallery"
    target.mkdir(parents=True, exist_ok=True)
    with a_new_working_folder():
        exhibits = [rehearse(seed_file) for seed_file in seed_files()]
    parts = [introduction(exhibits)]
    for exhibit in exhibits:
        parts.append(section(exhibit))
        funnel = draw_funnel(exhibit.summary.stages, seeds=exhibit.summary.seeds)
        (target / f"{exhibit.name}.svg").write_text(f"{funnel.strip()}\n", "utf-8")
        (target / f"{exhibit.name}.html").write_text(exhibit.report, "utf-8")
    (guide / "gallery.md").write_text("\n".join(parts), "utf-8")


@contextlib.contextmanager
def a_new_working_folder() -> Iterator[None]:
    """Work where no settings lie, and leave no run behind."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--guide", type=Path, default=GUIDE, help="the folder to write to")
    write_gallery(parser.parse_args().guide.resolve())


if __name__ == "__main__":
    main()
