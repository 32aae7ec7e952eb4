"""The documents that commands print with --json: the same values as the Python objects have.

`notebooks/guide/output.schema.json` describes them; the guide links to it.
"""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgkit.evaluation.estimate import Estimate
    from sdgkit.evaluation.seed_findings import SeedCheck
    from sdgkit.evaluation.students import Evaluation
    from sdgkit.quality.verdicts import Calibration
    from sdgkit.report.explain import Cause, Explanation
    from sdgkit.report.tables import RowView
    from sdgkit.run import Run
    from sdgkit.run.snapshot import Snapshot
    from sdgkit.shelf import Shelf, ShelfSnapshot
    from sdgkit.teachers import Reply, Teacher


def run_document(run: "Run", exit_status: int) -> dict[str, Any]:
    """What `summary.json` holds of a run, where it is, and what can be trained on."""
    from sdgkit.export import train_file

    summary = run.summary
    training_file = Path(run.out or "") / train_file(summary.teacher)
    has_one = run.out is not None and summary.samples_kept and training_file.exists()
    shown_file = None
    if has_one:
        shown_file = str(training_file)
    return {
        "folder": str(run.out),
        "exit_status": exit_status,
        **summary.as_json(),
        "training_file": shown_file,
        "is_rehearsal": summary.is_rehearsal,
        "shortfall": summary.shortfall,
    }


def status_document(run: "Run", snapshot: "Snapshot", exit_status: int) -> dict[str, Any]:
    """How far a run is: its snapshot."""
    return {"folder": str(run.out), "exit_status": exit_status, **snapshot.as_json()}


def shelf_document(shelf: "Shelf", snapshot: "ShelfSnapshot", exit_status: int) -> dict[str, Any]:
    """How far several skills are: the snapshot of all together, and of each by its name."""
    skills = {}
    for name, state in snapshot.skills.items():
        skills[name] = state.as_json()
    return {
        "folder": str(shelf.out),
        "exit_status": exit_status,
        **snapshot.whole.as_json(),
        "skills": skills,
    }


def samples_document(run: "Run", view: "RowView") -> dict[str, Any]:
    """The samples that are shown, with all their columns."""
    return {"folder": str(run.out), "total": view.total, "samples": view.rows}


def explain_document(run: "Run", explanation: "Explanation") -> dict[str, Any]:
    """Where the rows went; of an example, its id."""
    values = _values(explanation)
    values["causes"] = [
        {**_values(cause), "example": cause.example.id if cause.example is not None else None}
        for cause in explanation.causes
    ]
    return {"folder": str(run.out), "headline": explanation.headline, **values}


def estimate_document(estimated: "Estimate", out: Path) -> dict[str, Any]:
    """What a run would need and yield."""
    values = _values(estimated)
    del values["expected"]
    expected = {name: getattr(estimated, name) for name in ("samples", "low", "high", "fits")}
    return {"folder": str(out), "exit_status": 0, **expected, **values}


def check_document(findings: "SeedCheck", exit_status: int) -> dict[str, Any]:
    """What a seed check found."""
    return {
        "exit_status": exit_status,
        "errors": findings.count("error"),
        "warnings": findings.count("warning"),
        "hints": findings.count("hint"),
        **_values(findings),
    }


def ask_document(teacher: "Teacher", reply: "Reply") -> dict[str, Any]:
    """One reply, and who gave it."""
    return {
        "model": teacher.model,
        "base_url": teacher.base_url,
        "is_rehearsal": teacher.is_rehearsal,
        "notes": list(teacher.notes),
        **_values(reply),
    }


def calibrate_document(run: "Run", calibration: "Calibration") -> dict[str, Any]:
    """How far the judge can be trusted."""
    return {"folder": str(run.out), **_values(calibration)}


def evaluate_document(run: "Run", evaluation: "Evaluation", page: str) -> dict[str, Any]:
    """Whose answers the judge preferred."""
    return {"folder": str(run.out), "page": page, **_values(evaluation)}


def _values(
    value: "Calibration | Cause | Estimate | Evaluation | Explanation | Reply | SeedCheck",
) -> dict[str, Any]:
    return {entry.name: getattr(value, entry.name) for entry in fields(value)}
