"""The dataset card: `README.md` of a run's folder, in the form that Hugging Face and people read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgkit.decisions import Reviewed
from sdgkit.export import train_file, write_text
from sdgkit.pages import fill
from sdgkit.pages.picture import described, reasons

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(
    path: str | Path,
    summary: Mapping[str, Any],
    sample: Mapping[str, Any] | None,
    system: str | None = None,
    *,
    name: str | None = None,
    reviewed: Reviewed | None = None,
) -> None:
    """Write the card of a finished run.

    `summary` is that of `summary.json`; `sample` one finished sample to show, or None where nothing was kept;
    `system` the user's own system message; `name` the skill's, default the folder's. The licence is left to
    the owner.
    """
    import yaml

    summary = published(summary)
    kept = samples_kept(summary)
    front: dict[str, Any] = {
        "pretty_name": name or skill_name(path),
        "task_categories": ["text-generation"],
        "size_categories": [next((word for limit, word in _SIZES if kept < limit), "n>1M")],
        "tags": ["synthetic", "sdgkit", *(["rehearsal"] if is_rehearsal(summary) else [])],
    }
    if kept:  # an empty file is no split; one configuration, since all of a folder's must have one file type
        files = [{"split": "train", "path": "dataset.parquet"}]
        front["configs"] = [{"config_name": "default", "data_files": files}]
    pieces = fill(
        "card.md",
        front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        name=re.sub(r"([\\`*_{}\[\]()#+!|<>~&$-])", r"\\\1", front["pretty_name"]),
        summary=summary,
        rehearsal=is_rehearsal(summary),
        kept=kept,
        stages=[dict(stage) | {"drawn": described(stage["name"])} for stage in summary["stages"]],
        reasons=reasons,
        sample=sample,
        template=inference_template(summary, system),
        combined="{context}" in inference_template(summary),
        training_file=train_file(summary.get("teacher")),
        reviewed=reviewed if reviewed and reviewed["decided"] else None,
    )
    write_text(path, pieces)


def inference_template(summary: Mapping[str, Any], system: str | None = None) -> str:
    """The messages to send to the tuned model, as JSON, with `{context}` and `{question}` as places to fill.

    The user's message is built as the pipeline's last stage builds it: context, blank line, question where
    there is a context, else the question alone.
    """
    combined = any(stage["name"] == "combine_question_and_context" for stage in summary.get("stages", []))
    turns = [{"role": "system", "content": system}] if system else []
    turns.append({"role": "user", "content": "{context}\n\n{question}" if combined else "{question}"})
    return json.dumps(turns, ensure_ascii=False, indent=2)


def published(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary without what is None, and with the names of teacher and judge as they may be published."""
    known = {name: value for name, value in summary.items() if value is not None}
    model = public(summary.get("model"))
    return {**known, "model": model, "judge": public(summary.get("judge")) or model}


def samples_kept(summary: Mapping[str, Any]) -> int:
    """Rows that came out of the last stage."""
    stages = summary.get("stages") or [{}]
    return int(stages[-1].get("rows_out", 0))


def is_rehearsal(summary: Mapping[str, Any]) -> bool:
    """Whether rules wrote or judged these samples and no model did."""
    return "rehearsal" in (summary.get("teacher"), summary.get("model"), summary.get("judge"))


def skill_name(path: str | Path) -> str:
    """A skill's name from its folder's: `runs/feedback_to_table/…` is `Feedback to table`."""
    words = re.sub(r"[_\s]+", " ", Path(path).resolve().parent.name).strip() or "samples"
    return words[0].upper() + words[1:]


def public(model: Any) -> str:
    """A model's name as it may be published: without the server's folders, for a model served from a path."""
    text = "" if model is None else str(model)
    return re.split(r"[/\\]", text.rstrip("/\\"))[-1] if re.match(r"([/~\\.]|[A-Za-z]:\\)", text) else text
