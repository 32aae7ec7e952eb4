"""The dataset card: `README.md` of a run's folder, in the form that Hugging Face and people read."""

from __future__ import annotations

from pathlib import Path

from sdgkit.decisions import Reviewed
from sdgkit.export import Row, train_file, write_text
from sdgkit.funnel import Summary
from sdgkit.pages import fill


def write_card(
    path: str | Path,
    summary: Summary,
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
        rehearsal=summary.is_rehearsal,
        kept=summary.samples_kept,
        sample=sample,
        system=system,
        training_file=train_file(summary.teacher),
        reviewed=reviewed,
    )
    write_text(path, pieces)
