"""The last lines of a run: what was made, where, what was kept and dropped, what to do next."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgkit.cli.options import command_line
from sdgkit.cli.terminal import counted, lasting, say
from sdgkit.export import train_file
from sdgkit.pages.picture import reasons

REHEARSED = "These samples are a rehearsal: rules wrote them, not a model. They show the way; train on none of them."


def close(
    out: Path,
    summary: Mapping[str, Any],
    again: list[str],
    *,
    go_on: str = "",
    more_files: Mapping[str, str] | None = None,
) -> None:
    """Say what was made, from what summary.json holds, and what to do now.

    again: the words of the command that did it. go_on: the command that goes on with a cancelled run. more_files:
    further files of the folder, and what is in them.
    """
    stages = summary["stages"]
    samples = counted(stages[-1]["rows_out"] if stages else 0, "sample")
    seeds = counted(stages[0]["rows_in"] if stages else 0, "seed example")
    dropped = sum((Counter(stage["dropped"]) for stage in stages), Counter[str]())
    say(f"\n{samples} from {seeds} in {out} ({counted(summary['requests'], 'request')}, {lasting(summary['wall_s'])}).")
    if dropped:
        say(f"{counted(dropped.total(), 'row')} dropped: {reasons(dropped)}. Why: {command_line('explain', str(out))}")
    if dropped and stages[-1]["rows_out"] == 0:
        from sdgkit.run import open_run

        cause = open_run(out).explain().causes[0]
        say(f"Nothing is left. {cause.stage}: {cause.words} {cause.advice}")
    files = {
        "report.html": "the samples beside their seeds, the drops and why: look here first",
        "dataset.jsonl": "every sample with all its columns, scores and lineage",
        train_file(summary["teacher"]): "the training file: one conversation a sample",
        "dropped.jsonl": "every drop, with its reason and the teacher's reply",
        **(more_files or {}),
    }
    width = max(map(len, files))
    for name, words in files.items():
        if (out / name).exists():
            say(f"  {name:<{width}}  {words}")
    is_rehearsal = summary["teacher"] == "rehearsal"
    if go_on and summary["state"] == "cancelled":
        say(f"To go on: {go_on}")
    elif is_rehearsal:
        there = ("--base-url", "http://localhost:8000/v1", "--out", f"{out}-real")
        say(f"With a real teacher:  {command_line(*again, *there)}")
        say(f"Step by step:         {command_line('lab')}")
    else:
        say(f"Next: open {out / 'report.html'}. One sample's whole story: {command_line('show', str(out), 'ID')}")
    if is_rehearsal:
        say(REHEARSED)
