"""The commands that take a run's folder: look at it, decide on its samples, and pass them on."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdgkit.cli.closing import REHEARSED
from sdgkit.cli.options import RunFolder, command_line, option
from sdgkit.cli.terminal import counted, is_live, say
from sdgkit.errors import RunError, SettingsError

if TYPE_CHECKING:
    from sdgkit.run import Run

LOOK_EVERY_S = 0.5
FORMATS = (
    "messages (chat messages, as trainers read them), instructlab, alpaca, sharegpt, preference (what the review "
    "edited, beside the original), parquet, or datasets (a folder with card and a test split); messages by default"
)
Format = Annotated[str, option(FORMATS, "F", "--format", "-f")]
TestShare = Annotated[
    float | None, option("contexts kept apart: a split of a datasets folder (default 0.1), left out of a file", "SHARE")
]


def status(
    run: RunFolder, watch: Annotated[bool, option("keep looking until it is over", None, "--watch", "-w")] = False
) -> int:
    """How far a run is, stage by stage. It may be going on just now.

    Example:
      sdgkit status runs/seeds --watch
    """
    from sdgkit.cli.progress import View, line, state_of
    from sdgkit.run.snapshot import Funnel

    opened = run_in(run)
    snapshot = opened.snapshot()
    if watch:
        with View() as view:
            view.show(snapshot)
            while snapshot.is_going:
                time.sleep(LOOK_EVERY_S)
                snapshot = opened.snapshot()
                view.show(snapshot)
    say(f"{run}: {state_of(snapshot)}, {counted(snapshot.samples, 'sample')}. {snapshot.message}".rstrip())
    if snapshot.stages and not (watch and is_live()):
        say(f"\n{Funnel(snapshot.stages)!r}\n\n{line(snapshot)}")
    if snapshot.state in ("cancelled", "failed", "interrupted"):
        say(f"To go on: {command_line('generate', str(run))}")
    return 0


def show(
    run: RunFolder,
    id: Annotated[str, typer.Argument(metavar="ID", help="the id of a sample or drop, such as s3/c7/q2")],
) -> int:
    """The whole story of one sample or drop: prompts, replies, judge's words.

    s3/c7/q2 is the second question of the seventh context of the third seed example.

    Example:
      sdgkit show runs/seeds s3/c7/q2
    """
    say(run_in(run).trace(id))
    return 0


def explain(run: RunFolder) -> int:
    """Where a run's samples went, and what to change.

    It names the biggest causes, with an example of each: prompt and raw reply.

    Example:
      sdgkit explain runs/seeds
    """
    say(run_in(run).explain())
    return 0


def review(
    run: RunFolder,
    to: Annotated[str | None, option("write the samples, to be decided on", "FILE.csv")] = None,
    back: Annotated[str | None, option("take the decisions in it", "FILE.csv", "--from")] = None,
) -> int:
    """Decide on samples in a spreadsheet, with a colleague who has no Jupyter.

    Write the file, then read it back. The column `verdict` takes accept, reject or nothing, `reason` says why; changed
    questions or responses are edits. Decisions are recorded in the run; its training file, its card and its exports
    follow them.

    Example:
      sdgkit review runs/seeds --to review.csv
      sdgkit review runs/seeds --from review.csv
    """
    from sdgkit.review import Review, spreadsheet

    if (to is None) == (back is None):
        raise SettingsError("Say one of --to FILE.csv (write the samples) and --from FILE.csv (take the decisions).")
    run_in(run)
    opened = Review(run)
    if back is not None:
        say(spreadsheet.from_csv(opened, back))
    elif to is not None:
        then = command_line("review", str(run), "--from", to)
        say(f"{counted(spreadsheet.to_csv(opened, to), 'sample')} in {to}. Then: {then}")
    return 0


def export(
    run: RunFolder,
    format: Format = "messages",
    to: Annotated[str | None, option("where to (by default, in the run's folder)", "FILE")] = None,
    test_share: TestShare = None,
) -> int:
    """Write a run's samples in a training format.

    Samples that a review rejected are left out, edited ones are written as edited.

    Example:
      sdgkit export runs/seeds --format messages --to train.jsonl
    """
    from sdgkit.export import train_file

    opened = run_in(run)
    path = Path(to) if to else run / train_file(_teacher_of(opened), format)
    number = opened.export(format, path, test_share=test_share)
    say(f"{counted(number, 'sample')} in the format {format}: {path}")
    if format == "preference" and not number:
        say("A pair comes of a response that a person edited in the review (ReviewPanel): there is none yet.")
    _tell_rehearsed(opened)
    return 0


def merge(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="the folders of the runs")],
    to: Annotated[str | None, option("where to (by default, here)", "FILE")] = None,
    format: Format = "messages",
    test_share: TestShare = None,
) -> int:
    """Merge several runs into one training file, with each row's skill, and no question twice.

    Example:
      sdgkit merge runs/mail runs/tables --to train.jsonl
    """
    from sdgkit.export import train_file
    from sdgkit.publish import merge as merge_runs

    if len(runs) < 2:
        raise SettingsError("Merging takes two runs or more: sdgkit merge RUN RUN --to FILE.")
    opened = [run_in(run) for run in runs]
    rehearsed = "rehearsal_" * any(_teacher_of(run) == "rehearsal" for run in opened)
    path = Path(to or f"{rehearsed}merged_{train_file(None, format)}")
    number = merge_runs(runs, path, format, test_share=test_share)
    say(f"{counted(number, 'sample')} of {counted(len(runs), 'run')} in the format {format}: {path}")
    _tell_rehearsed(*opened)
    return 0


def push(
    run: RunFolder,
    repo_id: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="the name of a dataset on the Hub")],
    public: Annotated[bool, option("for everybody to see; without it, for you alone", None, "--public")] = False,
    test_share: TestShare = None,
) -> int:
    """Push a run's samples to the Hugging Face Hub, with a card and a test split.

    This is the one command that connects to another place than the teacher. It writes with the token in HF_TOKEN, or
    that of `hf auth login`.

    Example:
      sdgkit push runs/seeds me/feedback-tables
    """
    from sdgkit.publish import push as push_run

    opened = run_in(run)
    say(f"Pushed to {push_run(opened, repo_id, private=not public, test_share=test_share)}")
    _tell_rehearsed(opened)
    return 0


def run_in(folder: Path) -> "Run":
    """The run in the folder that was typed; a folder without one is a bad argument."""
    from sdgkit.run import open_run

    try:
        return open_run(folder)
    except RunError as error:
        raise SettingsError(str(error)) from None


def _teacher_of(run: "Run") -> str | None:
    return run.summary.get("teacher")


def _tell_rehearsed(*runs: "Run") -> None:
    if any(_teacher_of(run) == "rehearsal" for run in runs):
        say(REHEARSED)
