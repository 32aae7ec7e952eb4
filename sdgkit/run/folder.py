"""The files of a run's folder, written whole or not at all from the journal."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from sdgkit.decisions import read_decisions
from sdgkit.errors import RunError
from sdgkit.export import train_file, write_jsonl, write_parquet, write_text
from sdgkit.export.card import write_card
from sdgkit.export.training_set import Part, TrainingSet
from sdgkit.formatting import public_model_name
from sdgkit.funnel import Summary
from sdgkit.journal import Journal
from sdgkit.quality.verdicts import Calibration
from sdgkit.report import write_report
from sdgkit.run.plan import Plan
from sdgkit.run.record import Record
from sdgkit.teachers.teacher import Teacher

CALIBRATION = "calibration.json"


def config_of(plan: Plan, folder: str) -> dict[str, Any]:
    """What config.json holds. folder: the run's name, if the seeds have none."""
    return {
        "pipeline": plan.pipeline.name,
        "name": plan.name or folder,
        "settings": dict(plan.settings),
        "teacher": plan.teacher.kind if plan.teacher else None,
        "model": _publishable(plan.teacher),
        "judge": _publishable(plan.judge),
        "target": plan.target,
        "system": plan.system,
        "prompts": {name: prompt.as_json() for name, prompt in plan.prompts.items()},
    }


def write_start(out: Path, plan: Plan) -> None:
    """What is needed to run it again: seeds.jsonl and config.json."""
    write_jsonl(out / "seeds.jsonl", plan.rows)
    write_values(out / "config.json", config_of(plan, out.resolve().name))


def write_folder(out: Path, summary: Summary, journal: Journal) -> None:
    """Everything else, from what is finished: samples, drops, training file, numbers, report and card."""
    write_jsonl(out / "dataset.jsonl", journal.samples())
    write_parquet(out / "dataset.parquet", journal.samples)
    write_jsonl(out / "dropped.jsonl", journal.drops())
    _write_report(out, summary, journal)
    write_values(out / "summary.json", summary.as_json())
    _write_reviewed(out, summary, journal)


def write_calibrated(out: Path) -> None:
    """The report, written again with the judge's calibration in it.

    Raises FolderInUse while a run writes the folder (it ends with writing it), RunError if it never wrote its files.
    """
    with closing(Journal(out)) as journal:
        _write_report(out, read_summary(out), journal)


def write_reviewed(out: Path) -> None:
    """What follows from the review, written again: the training file, the card, the exports that lie in the folder.

    Raises FolderInUse while a run writes the folder (it ends with writing these), RunError if the run never wrote its
    files.
    """
    with closing(Journal(out)) as journal:
        _write_reviewed(out, read_summary(out), journal)


def read_values(out: Path, name: str) -> dict[str, Any]:
    """What config.json or summary.json in a folder says. Raises RunError where it is not written yet, or broken."""
    try:
        return dict(json.loads((out / name).read_text("utf-8")))
    except (OSError, ValueError):
        words = f"{out} holds no {name} that can be read: its run is still going on, or never came so far."
        raise RunError(f"{words} Run the same command again, with the seeds and --out.") from None


def read_summary(out: Path) -> Summary:
    """What summary.json in a folder says. Raises RunError where it is not written yet, or broken."""
    return Summary.from_json(read_values(out, "summary.json"))


def _write_report(out: Path, summary: Summary, journal: Journal) -> None:
    """The report, with the calibration if there is one and it is of this judge with these prompts."""
    config, calibration = read_values(out, "config.json"), None
    if (out / CALIBRATION).exists():
        found = Calibration.from_json(read_values(out, CALIBRATION))
        calibration = found if found.applies_to(summary.judge, config["prompts"]) else None
    record = Record(None, journal)
    write_report(out / "report.html", summary, record, name=config["name"], calibration=calibration)


def _write_reviewed(out: Path, summary: Summary, journal: Journal) -> None:
    config, decisions = read_values(out, "config.json"), read_decisions(journal)
    name, system, sample = (
        config["name"],
        config["system"],
        next(decisions.let_through(journal.samples()), None),
    )
    if sample is None or all(
        isinstance(sample.get(text), str) for text in ("question", "response")
    ):
        mine = TrainingSet(Part(journal.samples, decisions, system, name, summary))
        mine.write("messages", out / train_file(summary.teacher))
        for export in journal.exports():
            if (out / export.path).exists():  # one that was deleted is not wanted any more
                mine.write(export.format, out / export.path, test_share=export.test_share)
    write_card(out / "README.md", summary, sample, system, name, decisions.progress(journal.samples()))


def _publishable(teacher: Teacher | None) -> str | None:
    """The model's name, unless it is a path on the server: no absolute path is in the folder's files."""
    return (
        teacher.model
        if teacher is not None and public_model_name(teacher.model) == teacher.model
        else None
    )


def write_values(path: Path, value: Any) -> None:
    """Write values as a JSON file that people can read."""
    write_text(path, [json.dumps(value, ensure_ascii=False, indent=2, default=str), "\n"])
