"""The dataset card: `README.md` of a run's folder, in the form that Hugging Face and people read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgkit.decisions import Reviewed
from sdgkit.export import Row, train_file, write_text
from sdgkit.pages import fill


def write_card(
    path: str | Path,
    summary: Row,
    sample: Row | None,
    system: str | None,
    name: str,
    reviewed: Reviewed | None = None,
) -> None:
    """Write the card of a finished run.

    `summary` is that of `summary.json`; `sample` one finished sample to show, or None where nothing was kept;
    `system` the user's own system message; `name` the skill's. The licence is left to the owner.
    """
    pieces = fill(
        "card.md",
        name=name,
        summary=summary,
        rehearsal=is_rehearsal(summary),
        kept=samples_kept(summary),
        sample=sample,
        system=system,
        training_file=train_file(summary.get("teacher")),
        reviewed=reviewed,
    )
    write_text(path, pieces)


def samples_kept(summary: Mapping[str, Any]) -> int:
    """Rows that came out of the last stage."""
    stages = summary["stages"]
    return int(stages[-1]["rows_out"]) if stages else 0


def is_rehearsal(summary: Mapping[str, Any]) -> bool:
    """Whether rules wrote or judged these samples and no model did."""
    return "rehearsal" in (summary.get("teacher"), summary.get("model"), summary.get("judge"))
