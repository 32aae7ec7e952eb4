"""`sdgkit status`, `show` and `export`: looking at a run, from outside the process that writes it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdgkit.cli.closing import REHEARSED
from sdgkit.cli.options import command_line
from sdgkit.cli.terminal import counted, is_live, say
from sdgkit.errors import RunError, SettingsError

if TYPE_CHECKING:
    from sdgkit.run import Run
    from sdgkit.snapshot import Snapshot

LOOK_EVERY_S = 0.5
GOING_ON = ("running", "paused")
RunFolder = Annotated[str | None, typer.Argument(metavar="RUN", show_default=False)]


def status(
    run: RunFolder = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="keep looking until it is over")] = False,
) -> Callable[[], int]:
    """How far a run is: rows tried, out and dropped, stage by stage. RUN is its folder; it may be going on just now.

    Example:
      sdgkit status runs/seeds --watch
    """
    folder = named(run, "status RUN")
    return lambda: _watch(folder) if watch else _look(folder)


def show(
    run: RunFolder = None,
    id: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None,
) -> Callable[[], int]:
    """The whole story of one sample or drop: what the teacher was sent, what it replied, the judge's words, the reason.

    RUN is the run's folder; ID stands in its dataset.jsonl and dropped.jsonl: s3/c7/q2 is the second question of the
    seventh context of the third seed example.

    Example:
      sdgkit show runs/seeds s3/c7/q2
    """
    folder = named(run, "show RUN ID")

    def tell() -> int:
        opened = run_in(folder)
        if id is None:
            known = next(iter(opened.samples()), None) or next(iter(opened.drops()), None)
            like = f", such as {known['id']}" if known else ""
            raise SettingsError(
                f"Say which row: sdgkit show {folder} ID. Ids are in its dataset.jsonl and dropped.jsonl{like}."
            )
        say(opened.trace(id))
        return 0

    return tell


def export(
    run: RunFolder = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="F",
            help="messages (chat messages, as trainers read them), instructlab, alpaca, sharegpt, preference (what the "
            "review edited, beside the original), parquet, or datasets (a folder with card and a test split)",
        ),
    ] = "messages",
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help="where to (a file in the run's folder)", show_default=False),
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(
            "--test-share",
            metavar="SHARE",
            help="contexts kept apart: a split of a datasets folder (default 0.1), left out of a file (default none)",
            show_default=False,
        ),
    ] = None,
) -> Callable[[], int]:
    """Write a run's samples in a training format: JSON Lines, a Parquet file, or a folder for `datasets` and the Hub.

    Samples that a review rejected are left out, edited ones are written as edited.

    Example:
      sdgkit export runs/seeds --format messages --to train.jsonl
    """
    folder = named(run, "export RUN --format F --to FILE")
    return lambda: _export(folder, format, to, test_share)


def _export(folder: Path, format: str, to: str | None, test_share: float | None) -> int:
    from sdgkit.export import train_file

    opened = run_in(folder)
    teacher = json.loads((folder / "config.json").read_text("utf-8")).get("teacher")
    path = Path(to) if to else folder / train_file(teacher, format)
    number = opened.export(format, path, test_share=test_share)
    say(f"{counted(number, 'sample')} in the format {format}: {path}")
    if format == "preference" and not number:
        say("A pair comes of a response that a person edited in the review (ReviewPanel): there is none yet.")
    if teacher == "rehearsal":
        say(REHEARSED)
    return 0


def _look(folder: Path) -> int:
    snapshot = run_in(folder).snapshot()
    say(f"{folder}: {_state(snapshot)}")
    if snapshot.stages:
        from sdgkit.cli.progress import line
        from sdgkit.snapshot import Funnel

        say()
        say(Funnel(snapshot.stages))
        say()
        say(line(snapshot))
    if snapshot.state in ("cancelled", "failed", "interrupted"):
        say(f"To go on: {command_line('generate', str(folder))}")
    return 0


def _watch(folder: Path) -> int:
    from sdgkit.cli.progress import view

    opened = run_in(folder)
    with view() as shown:
        snapshot = opened.snapshot()
        while snapshot.state in GOING_ON:
            shown.show(snapshot)
            time.sleep(LOOK_EVERY_S)
            snapshot = opened.snapshot()
        shown.show(snapshot)
    if is_live():
        say(f"{folder}: {_state(snapshot)}")
        return 0
    return _look(folder)


def _state(snapshot: "Snapshot") -> str:
    from sdgkit.cli.progress import STATE_WORDS

    word = STATE_WORDS.get(snapshot.state, "") or snapshot.state
    samples = counted(snapshot.samples, "sample")
    return f"{word}, {samples}. {snapshot.message}".rstrip()


def named(run: str | None, usage: str) -> Path:
    if run is None:
        raise SettingsError(f"Say which run: sdgkit {usage}. RUN is the folder of a run, such as runs/seeds.")
    return Path(run)


def run_in(folder: Path) -> "Run":
    """The run in the folder that was typed; a folder without one is a bad argument."""
    from sdgkit.run import open_run

    try:
        return open_run(folder)
    except RunError as error:
        raise SettingsError(str(error)) from None
