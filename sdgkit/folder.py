"""The files of a run's folder, written whole or not at all from the journal."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdgkit.card import public, write_card
from sdgkit.decisions import read_decisions
from sdgkit.errors import RunError
from sdgkit.export import train_file, write_jsonl, write_parquet, write_text
from sdgkit.journal import Journal
from sdgkit.plans import Plan, prompt_parts
from sdgkit.report import write_report
from sdgkit.teachers.teacher import Teacher
from sdgkit.trace import Trace
from sdgkit.training_set import Part, TrainingSet


def write_start(out: Path, plan: Plan) -> None:
    """What is needed to run it again: seeds.jsonl and config.json."""
    write_jsonl(out / "seeds.jsonl", list(plan.rows))
    config = {
        "pipeline": plan.pipeline.name,
        "name": plan.name,
        "settings": dict(plan.settings),
        "teacher": plan.teacher.kind if plan.teacher else None,
        "model": _publishable(plan.teacher),
        "judge": _publishable(plan.judge),
        "target": plan.target,
        "system": plan.system,
        "prompts": {name: prompt_parts(prompt) for name, prompt in plan.prompts.items()},
    }
    _write_json(out / "config.json", config)


def write_folder(out: Path, plan: Plan, summary: Mapping[str, Any], journal: Journal) -> None:
    """Everything else, from what is finished: samples, drops, training file, numbers, report and card."""
    samples, drops = journal.samples, journal.drops
    write_jsonl(out / "dataset.jsonl", samples)
    write_parquet(out / "dataset.parquet", samples)
    write_jsonl(out / "dropped.jsonl", drops)
    report = out / "report.html"
    write_report(report, summary, samples, drops, lambda id: Trace.of(journal, id).exchanges, name=plan.name or None)
    _write_json(out / "summary.json", summary)
    _write_reviewed(out, journal, summary, plan.system, plan.name)


def write_reviewed(out: Path) -> None:
    """What follows from the review, written again: the training file, the card, the exports that lie in the folder.

    Raises FolderInUse while a run writes the folder (it ends with writing these), RunError if the run never wrote its
    files.
    """
    journal = Journal(out)
    try:
        try:
            config, summary = (json.loads((out / name).read_text("utf-8")) for name in ("config.json", "summary.json"))
        except (OSError, ValueError):
            raise RunError(f"{out} holds no files of a finished run yet. Go on with the run; it writes them.") from None
        _write_reviewed(out, journal, summary, config.get("system"), config.get("name") or "")
    finally:
        journal.close()


def _write_reviewed(out: Path, journal: Journal, summary: Mapping[str, Any], system: str | None, name: str) -> None:
    decisions = read_decisions(journal)

    def let_through() -> Iterator[dict[str, Any]]:
        return decisions.let_through(journal.samples())

    def edited() -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        return decisions.edited(journal.samples())

    if _trainable(journal.samples()):
        mine = TrainingSet(Part(let_through, edited, system, name or out.name, summary))
        mine.write("messages", out / train_file(summary["teacher"]))
        for row in journal.select("SELECT * FROM exports ORDER BY path"):
            if (out / row["path"]).exists():  # one that was deleted is not wanted any more
                format, _, share = row["format"].partition("=")
                mine.write(format, out / row["path"], **({"test_share": float(share)} if share else {}))
    reviewed = decisions.count(journal.samples()) if decisions else None
    write_card(out / "README.md", summary, next(let_through(), None), system, name=name or None, reviewed=reviewed)


def _publishable(teacher: Teacher | None) -> str | None:
    """The model's name, unless it is a path on the server: no absolute path is in the folder's files."""
    return teacher.model if teacher is not None and public(teacher.model) == teacher.model else None


def _trainable(samples: Iterator[Mapping[str, Any]]) -> bool:
    """Whether the samples have what a training file needs; the rows of a single stage may not. An empty run has an
    empty file."""
    first = next(samples, None)
    return first is None or all(isinstance(first.get(column), str) for column in ("question", "response"))


def _write_json(path: Path, value: Any) -> None:
    write_text(path, [json.dumps(value, ensure_ascii=False, indent=2, default=str), "\n"])
