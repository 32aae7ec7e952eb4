"""The files of a run's folder, written from the journal, each whole or not at all."""

import json
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sdgkit.decisions import Decisions, read_decisions
from sdgkit.errors import RunError
from sdgkit.export import train_file, write_jsonl, write_parquet, write_text
from sdgkit.export.card import write_card
from sdgkit.export.formats import training_text
from sdgkit.export.training_set import Part, TrainingSet
from sdgkit.files import refuse_way_out, remove_abandoned
from sdgkit.funnel import Summary
from sdgkit.journal import Journal
from sdgkit.profile import PROFILE_FILE
from sdgkit.quality.agreement import compare_with_judge, judge_drops
from sdgkit.quality.verdicts import Calibration
from sdgkit.recorded import read_file
from sdgkit.report import write_report
from sdgkit.run.config import RunConfig
from sdgkit.run.plan import Plan
from sdgkit.run.record import Record
from sdgkit.samples import Row

Kind = TypeVar("Kind")

CONFIG_FILE = "config.json"
SUMMARY_FILE = "summary.json"
SEEDS_FILE = "seeds.jsonl"
CALIBRATION_FILE = "calibration.json"


def write_start(out: Path, plan: Plan) -> None:
    """Write what is needed to repeat the run: its seeds, its config and its profile."""
    remove_abandoned(out)
    write_jsonl(out / SEEDS_FILE, plan.rows)
    config = RunConfig.of(plan, out.resolve().name)
    write_values(out / CONFIG_FILE, config.as_json())
    if plan.profile is not None:
        plan.profile.save(out / PROFILE_FILE)


def write_folder(out: Path, summary: Summary, journal: Journal) -> None:
    """Write everything else: samples, drops, report, summary, training file, card."""
    write_jsonl(out / "dataset.jsonl", journal.samples())
    write_parquet(out / "dataset.parquet", journal.samples)
    write_jsonl(out / "dropped.jsonl", journal.drops())
    _write_report(out, summary, journal)
    write_summary(out, summary)
    _write_reviewed(out, summary, journal)


def write_summary(out: Path, summary: Summary) -> None:
    """Write the summary alone."""
    write_values(out / SUMMARY_FILE, summary.as_json())


def write_calibrated(out: Path) -> None:
    """Write the report again, with the judge's calibration in it.

    Raises:
        FolderInUse: A run is writing the folder. It writes the report at its end.
        RunError: The run never wrote its files.
    """
    with closing(Journal(out)) as journal:
        journal.look_at_files()
        _write_report(out, read_summary(out), journal)


def write_reviewed(out: Path) -> None:
    """Write again what follows from the review: training file, card, exports and report.

    Raises:
        FolderInUse: A run is writing the folder. It writes these files at its end.
        RunError: The run never wrote its files.
    """
    with closing(Journal(out)) as journal:
        journal.look_at_files()
        summary = read_summary(out)
        _write_reviewed(out, summary, journal)
        _write_report(out, summary, journal)


def read_config(out: Path) -> RunConfig:
    """The config in a folder. Raises RunError if there is none yet, or it is broken."""
    return _read_file(RunConfig, out / CONFIG_FILE)


def read_summary(out: Path) -> Summary:
    """The summary in a folder. Raises RunError if there is none yet, or it is broken."""
    return _read_file(Summary, out / SUMMARY_FILE)


def write_values(path: Path, values: object) -> None:
    """Write values as a JSON file that people can read."""
    text = json.dumps(values, ensure_ascii=False, indent=2, default=str)
    write_text(path, [text, "\n"])


def _read_file(kind: type[Kind], path: Path) -> Kind:
    refuse_way_out(path)
    try:
        return read_file(kind, path)
    except OSError:
        raise RunError(
            f"{path.parent} has no readable {path.name}: its run is still in progress, "
            "or stopped before writing it. Run the same command again, with the seeds and --out.",
            folder=path.parent,
        ) from None


def _write_report(out: Path, summary: Summary, journal: Journal) -> None:
    config = read_config(out)
    record = Record(None, journal)
    calibration = _read_calibration(out, summary, config)
    decisions = read_decisions(journal)
    drops = judge_drops(journal.drops(), summary.stages) if decisions else ()
    agreement = compare_with_judge(decisions, journal.samples(), drops)
    write_report(
        out / "report.html",
        summary,
        record,
        name=config.name,
        calibration=calibration,
        agreement=agreement,
    )


def _read_calibration(out: Path, summary: Summary, config: RunConfig) -> Calibration | None:
    """The calibration, if there is one and it is about this judge with these prompts."""
    if not (out / CALIBRATION_FILE).exists():
        return None
    calibration = _read_file(Calibration, out / CALIBRATION_FILE)
    if calibration.applies_to(summary.judge, config.prompts):
        return calibration
    return None


def _write_reviewed(out: Path, summary: Summary, journal: Journal) -> None:
    config = read_config(out)
    decisions = read_decisions(journal)
    sample = next(decisions.let_through(journal.samples()), None)
    if sample is None or _can_be_trained_on(sample):
        _write_exports(out, summary, config, decisions, journal)
    reviewed = decisions.progress(journal.samples())
    write_card(out / "README.md", summary, sample, config.system, config.name, reviewed)


def _can_be_trained_on(sample: Row) -> bool:
    """Whether a sample has a question and a response; a row of a single stage may not."""
    return all(training_text(sample, column) is not None for column in ("question", "response"))


def no_training_file_note(journal: Journal) -> str:
    """Why the samples make no training file, as a sentence; empty if they make one."""
    sample = next(journal.samples(), None)
    if sample is None or _can_be_trained_on(sample):
        return ""
    names = []
    for name in sample:
        if name != "id":
            names.append(name)
    columns = ", ".join(names)
    return (
        f"No training file: it needs a question and a response, and the samples have the columns "
        f"{columns}. End the pipeline with a stage that writes them, such as a Combine stage (in a "
        "flow, a CombineColumnsBlock) with the column question."
    )


def _write_exports(
    out: Path, summary: Summary, config: RunConfig, decisions: Decisions, journal: Journal
) -> None:
    """Write the training file, and every export in the folder that was not deleted."""
    part = Part(
        journal.samples, decisions, config.system, config.name, summary, drops=journal.drops
    )
    training_set = TrainingSet(part)
    training_set.write("messages", out / train_file(summary.teacher))
    for export in journal.exports():
        path = out / export.path
        refuse_way_out(path)
        if not path.resolve().is_relative_to(out.resolve()):
            raise RunError(
                f"The journal in {out} notes an export outside the folder. Nothing is written "
                "there: it was not made by sdgkit.",
                folder=out,
            )
        if path.exists():
            training_set.write(export.format, path, test_share=export.test_share)
