"""The commands that take a run's folder: look at it, decide on its samples, and pass them on."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sdgkit.cli.options import Command
from sdgkit.cli.terminal import REHEARSED, say, typed
from sdgkit.errors import SettingsError
from sdgkit.formatting import format_duration, pluralize

if TYPE_CHECKING:
    from sdgkit.run import Run

LOOK_EVERY_S = 0.5


@Command
def status(run: "Run", watch: bool) -> None:
    """How far a run is, stage by stage. It may be going on just now.

    Example:
      sdgkit status runs/seeds --watch
    """
    from sdgkit.cli.progress import View, line
    from sdgkit.run.snapshot import Funnel

    with View() as view:
        while (snapshot := run.snapshot()).is_going and watch:
            view.show(snapshot)
            time.sleep(LOOK_EVERY_S)
    say(
        f"{run.out}: {snapshot.state}, {pluralize(snapshot.samples, 'sample')}. {snapshot.message}".rstrip()
    )
    if snapshot.stages:
        say(f"\n{Funnel(snapshot.stages)!r}\n\n{line(snapshot)}")


@Command
def show(run: "Run", id: str) -> None:
    """The whole story of one sample or drop: prompts, replies, judge's words.

    s3/c7/q2 is the second question of the seventh context of the third seed example.

    Example:
      sdgkit show runs/seeds s3/c7/q2
    """
    say(run.trace(id))


@Command
def explain(run: "Run") -> None:
    """Where a run's samples went, and what to change.

    It names the biggest causes, with an example of each: prompt and raw reply.

    Example:
      sdgkit explain runs/seeds
    """
    say(run.explain())


@Command
def review(run: "Run", to: str | None, back: str | None) -> None:
    """Decide on samples in a spreadsheet, with a colleague who has no Jupyter.

    Write the file, then read it back. The column `verdict` takes accept, reject or nothing, `reason` says why; changed
    questions or responses are edits. Decisions are recorded in the run; its training file, its card and its exports
    follow them.

    Example:
      sdgkit review runs/seeds --to review.csv
      sdgkit review runs/seeds --from review.csv
    """
    from sdgkit.review import Review, spreadsheet

    if back and not to:
        say(spreadsheet.from_csv(Review(run), back))
    elif to and not back:
        written = pluralize(spreadsheet.to_csv(Review(run), to), "sample")
        say(f"{written} in {to}. Then: {typed('review', run.out, '--from', to)}")
    else:
        raise SettingsError(
            "Say one of --to FILE.csv (write the samples) and --from FILE.csv (take the decisions)."
        )


@Command
def export(run: "Run", format: str, to: str | None, test_share: float | None) -> None:
    """Write a run's samples in a training format.

    Samples that a review rejected are left out, edited ones are written as edited.

    Example:
      sdgkit export runs/seeds --format messages --to train.jsonl
    """
    from sdgkit.export import train_file

    path = to or f"{run.out}/{train_file(run.part().summary.teacher, format)}"
    number = run.export(format, path, test_share=test_share)
    say(f"{pluralize(number, 'sample')} in the format {format}: {path}")
    if format == "preference" and not number:
        say(
            "A pair comes of a response that a person edited in the review (ReviewPanel): there is none yet."
        )
    _tell_if_rehearsed(run)


@Command
def merge(runs: tuple["Run", ...], to: str | None, format: str, test_share: float | None) -> None:
    """Merge several runs into one training file, with each row's skill, and no question twice.

    Example:
      sdgkit merge runs/mail runs/tables --to train.jsonl
    """
    from sdgkit.export import train_file
    from sdgkit.publish import merge as merge_runs

    rehearsal = runs[0].part().summary.is_rehearsal  # then all of them are
    path = to or f"{'rehearsal_' if rehearsal else ''}merged_{train_file(None, format)}"
    number = merge_runs(runs, path, format, test_share=test_share)
    say(
        f"{pluralize(number, 'sample')} of {pluralize(len(runs), 'run')} in the format {format}: {path}"
    )
    _tell_if_rehearsed(runs[0])


@Command
def push(run: "Run", repo_id: str, public: bool, test_share: float | None) -> None:
    """Push a run's samples to the Hugging Face Hub, with a card and a test split.

    This is the one command that connects to another place than the teacher. It writes with the token in HF_TOKEN, or
    that of `hf auth login`.

    Example:
      sdgkit push runs/seeds me/feedback-tables
    """
    from sdgkit.publish import push as push_run

    say(f"Pushed to {push_run(run, repo_id, private=not public, test_share=test_share)}")
    _tell_if_rehearsed(run)


def close(run: "Run") -> None:
    """The last lines of a run that is done: what was made, where, what was kept and dropped, what to do next."""
    from sdgkit.export import train_file
    from sdgkit.pages.picture import reasons
    from sdgkit.run.snapshot import Funnel

    summary, out = run.summary, Path(run.out or "")
    stages, asked = summary.stages, pluralize(summary.requests, "request")
    kept, seeds = (
        pluralize(summary.samples_kept, "sample"),
        pluralize(stages[0].rows_in, "seed example"),
    )
    dropped = sum((Counter(stage.dropped) for stage in stages), Counter[str]())
    say(
        f"\n{Funnel(stages)!r}\n\n{kept} from {seeds} in {out} ({asked}, {format_duration(summary.wall_s)})."
    )
    if run.warning or not summary.samples_kept:
        say(f"\n{run.explain()}\n")
    elif dropped:
        say(
            f"{pluralize(dropped.total(), 'row')} dropped: {reasons(dropped)}. Why: {typed('explain', out)}"
        )
    for words, name in (
        ("Look first at", "report.html"),
        ("Train on", train_file(summary.teacher)),
    ):
        if (out / name).exists():  # rows of a stage by itself are nothing to train on
            say(f"{words:<20} {out}/{name}")
    if summary.teacher == "rehearsal":
        say(
            f"With a real teacher  the same command and --base-url http://localhost:8000/v1 --out {out}-real"
        )
        say(f"The tutorials        {typed('lab')}\n{REHEARSED}")


def _tell_if_rehearsed(run: "Run") -> None:
    if run.part().summary.is_rehearsal:
        say(REHEARSED)
