"""What a notebook shows of a run: yield, samples, causes of drops, files, and what to do next."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sdgkit.export.formats import train_file
from sdgkit.formatting import (
    format_duration,
    format_number,
    format_percent,
    format_samples,
    pluralize,
)
from sdgkit.funnel import REHEARSAL
from sdgkit.pages import fill
from sdgkit.run.jupyter_server import folder_address
from sdgkit.run.snapshot import Snapshot
from sdgkit.samples import Row, own_question
from sdgkit.texts import load_texts

SAMPLES = 3
LOOKED_AT = 300
"""Samples among which those that are shown are chosen."""

CAUSES = 3


@dataclass(frozen=True)
class ShownSample:
    """What is shown of a sample."""

    id: str
    score: Any
    question: str
    response: str


@dataclass(frozen=True)
class DropCount:
    """Rows that a stage dropped for one reason."""

    stage: str
    reason: str
    rows: int


@dataclass(frozen=True)
class Link:
    """A file or folder of the run.

    Attributes:
        name: Its name.
        address: Where it is from the working folder, for a link; "" where no link leads there.
    """

    name: str
    address: str


@dataclass(frozen=True)
class CodeLine:
    """A line of Python, and what it is for."""

    code: str
    purpose: str


@dataclass(frozen=True)
class RunPage:
    """A run as a page.

    Attributes:
        place: Its folder, in words.
        status: Its state and its samples.
        message: Why it is paused, interrupted or failed, or "".
        facts: Numbers with their names.
        samples: A few samples.
        causes: The biggest causes of drops.
        links: Its files and its folder.
        steps: What to do next.
    """

    place: str
    status: str
    message: str
    facts: Sequence[tuple[str, str]]
    samples: Sequence[ShownSample]
    causes: Sequence[DropCount]
    links: Sequence[Link]
    steps: Sequence[CodeLine]

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        samples: Iterator[Row],
        out: Path | None,
        folder: Path | None,
    ) -> "RunPage":
        """The page of a run.

        Args:
            snapshot: Its numbers.
            samples: Its samples; only the first are read.
            out: Its folder, as you passed it.
            folder: Its folder, absolute.
        """
        state = load_texts("run_states").get(snapshot.state, snapshot.state)
        kept = format_samples(snapshot.samples, snapshot.distinct_answers)
        has_samples = snapshot.samples > 0
        if snapshot.state == "new":
            status = str(state)
        else:
            status = f"{state}: {kept}"
        return cls(
            place=str(out or "in memory"),
            status=status,
            message=snapshot.message,
            facts=facts_of(snapshot),
            samples=_chosen(samples) if has_samples else (),
            causes=_causes(snapshot),
            links=links_of(out, folder),
            steps=_steps(snapshot, out),
        )

    def as_html(self) -> str:
        """The page for a notebook."""
        return "".join(fill("run_page.html", page=self))


def facts_of(snapshot: Snapshot) -> list[tuple[str, str]]:
    """The numbers of a run, or of several together, with their names."""
    facts = []
    if snapshot.stages:
        most_tried = max(line.tried for line in snapshot.stages)
        if most_tried:
            share = format_percent(snapshot.samples / most_tried)
            facts.append(("yield", f"{share} of {pluralize(most_tried, 'row')} tried"))
    facts.append(("requests", format_number(snapshot.requests)))
    if snapshot.reused:
        facts.append(("reused", format_number(snapshot.reused)))
    facts.append(("tokens written", format_number(snapshot.completion_tokens)))
    facts.append(("time", format_duration(snapshot.wall_s)))
    return facts


def _chosen(samples: Iterator[Row]) -> list[ShownSample]:
    """A few of the first samples, of as many seeds as there are among them."""
    first_of_seeds: dict[str, Row] = {}
    others: list[Row] = []
    for sample in islice(samples, LOOKED_AT):
        seed = str(sample.get("id", "")).partition("/")[0]
        if seed not in first_of_seeds:
            first_of_seeds[seed] = sample
        elif len(others) < SAMPLES:
            others.append(sample)
        if len(first_of_seeds) == SAMPLES:
            break
    chosen = [*first_of_seeds.values(), *others]
    return [_shown(sample) for sample in chosen[:SAMPLES]]


def _shown(sample: Row) -> ShownSample:
    return ShownSample(
        id=str(sample.get("id", "")),
        score=sample.get("score", ""),
        question=own_question(sample),
        response=str(sample.get("response", "")),
    )


def _causes(snapshot: Snapshot) -> list[DropCount]:
    """The biggest causes of drops, the biggest first."""
    causes = []
    for line in snapshot.stages:
        for reason, rows in line.dropped.items():
            causes.append(DropCount(line.name, reason, rows))
    causes.sort(key=lambda cause: -cause.rows)
    return causes[:CAUSES]


def links_of(out: Path | None, folder: Path | None) -> list[Link]:
    """The run's files, as far as they are there, and its folder."""
    if folder is None:
        return []
    names = ["report.html", train_file(None), train_file(REHEARSAL), "README.md", "dropped.jsonl"]
    links = []
    for name in names:
        path = folder / name
        if path.is_file():
            links.append(Link(name, _address(path)))
    if folder.is_dir():
        links.append(Link(f"{out}/", folder_address(folder)))
    return links


def _address(path: Path) -> str:
    """The path from the working folder, as an address; "" for one outside of it."""
    relative = os.path.relpath(path)
    if relative.startswith(os.pardir):
        return ""
    return quote(Path(relative).as_posix())


def _steps(snapshot: Snapshot, out: Path | None) -> list[CodeLine]:
    place = "run"
    if out is not None:
        place = repr(str(out))
    if snapshot.is_active:
        return [
            CodeLine(f"sk.RunPanel({place})", "watches it"),
            CodeLine("run.wait()", "waits until it is over"),
        ]
    if snapshot.state == "new":
        return [CodeLine("run.start().wait()", "starts it")]
    steps = []
    if snapshot.state != "done" and out is not None:
        steps.append(CodeLine(f"sk.generate({place}, teacher=teacher)", "resumes it"))
    if not snapshot.samples:
        return [*steps, CodeLine("run.explain()", "says where the rows went")]
    return [
        *steps,
        CodeLine(f"sk.ReviewPanel({place})", "accept, reject or edit the samples"),
        CodeLine("run.explain()", "says where the other rows went, and what to change"),
        CodeLine('run.export("messages", "train.jsonl")', "writes what the review lets through"),
    ]
