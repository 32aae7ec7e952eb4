"""The last lines of a run: what was made, where, what was kept and dropped, what to do next."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgkit.cli.options import command_line
from sdgkit.cli.terminal import counted, lasting, say
from sdgkit.explain import explain
from sdgkit.export import train_file

REHEARSED = "These samples are a rehearsal: rules wrote them, not a model. They show the way; train on none of them."
REASONS_SHOWN = 3


def close(out: Path, summary: Mapping[str, Any], more_files: Mapping[str, str] | None = None) -> None:
    """Say what was made, from what summary.json holds. more_files: further files of the folder, and what is in them."""
    stages = summary["stages"]
    samples = stages[-1]["rows_out"] if stages else 0
    seeds = stages[0]["rows_in"] if stages else 0
    asked = f"{counted(summary['requests'], 'request')}, {lasting(summary['wall_s'])}"
    dropped = Counter[str]()
    for stage in stages:
        dropped.update(stage["dropped"])
    say()
    say(f"{counted(samples, 'sample')} from {counted(seeds, 'seed example')} in {out} ({asked}).")
    if dropped:
        say(f"{counted(dropped.total(), 'row')} dropped: {_biggest(dropped)}.")
    if not samples and dropped:
        cause = explain(summary, tuple, tuple).causes[0]
        say(f"Nothing is left. {cause.stage}: {cause.words} {cause.advice}")
    training = train_file(summary["teacher"])
    _files(
        out,
        {
            "report.html": "the samples beside their seeds, the drops and why: look here first",
            "dataset.jsonl": "every sample with all its columns, scores and lineage",
            training: "the training file: one conversation a sample",
            "dropped.jsonl": "every drop, with its reason and the teacher's reply" if dropped else "",
            **(more_files or {}),
        },
    )


def _biggest(dropped: Counter[str]) -> str:
    shown = [f"{count:,} {reason}" for reason, count in dropped.most_common(REASONS_SHOWN)]
    others = dropped.total() - sum(count for _, count in dropped.most_common(REASONS_SHOWN))
    return ", ".join(shown + ([f"{others:,} for other reasons"] if others else []))


def _files(out: Path, files: Mapping[str, str]) -> None:
    there = {name: words for name, words in files.items() if words and (out / name).exists()}
    width = max((len(name) for name in there), default=0)
    for name, words in there.items():
        say(f"  {name:<{width}}  {words}")


def next_steps(out: Path, summary: Mapping[str, Any], with_a_teacher: str) -> None:
    """What to do now. with_a_teacher: the command that does the same with a real one."""
    if summary["teacher"] != "rehearsal":
        say(f"Next: open {out / 'report.html'}. One sample's whole story: {command_line('show', str(out), 'ID')}")
        return
    say(f"With a real teacher:  {with_a_teacher}")
    say(f"Step by step:         {command_line('lab')}")
    say(REHEARSED)
