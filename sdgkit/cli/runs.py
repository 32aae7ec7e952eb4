"""Commands that take a run's folder: look at it, decide on its samples, and pass them on."""

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.documents import (
    explain_document,
    run_document,
    samples_document,
    status_document,
)
from sdgkit.cli.exit_status import status_of
from sdgkit.cli.options import reports, reports_progress
from sdgkit.cli.output import print_document
from sdgkit.cli.terminal import REHEARSAL_SAMPLES, command_line, say
from sdgkit.cli.value_types import COUNT, RUN, RUN_OR_SHELF, SHARE
from sdgkit.errors import SettingsError
from sdgkit.formatting import format_drops, format_duration, format_samples, pluralize
from sdgkit.funnel import drops_by_reason, shortfall, technical_note

if TYPE_CHECKING:
    from sdgkit.funnel import StageLine, Summary
    from sdgkit.run import Run
    from sdgkit.samples import Row
    from sdgkit.shelf import Shelf

LOOK_EVERY_S = 0.5
FORMAT_HELP = (
    "messages (chat messages, as trainers read them), instructlab, alpaca, sharegpt, preference "
    "(pairs: a response edited in the review and its original; responses to one question with "
    "different scores), parquet, or datasets (a folder with a card and a test split); default "
    "messages"
)
TEST_SHARE_HELP = (
    "share of the contexts to keep for testing: a split of a datasets folder "
    "(default 0.1), left out of a file"
)

run_argument = argument(
    "run", metavar="RUN", type=RUN, help="the folder of a run, such as runs/seeds"
)
format_option = option("--format", "-f", metavar="F", default="messages", help=FORMAT_HELP)
test_share_option = option("--test-share", metavar="SHARE", type=SHARE, help=TEST_SHARE_HELP)


@command()
@reports_progress
@argument(
    "run",
    metavar="RUN",
    type=RUN_OR_SHELF,
    help="the folder of a run, such as runs/seeds, or of several skills",
)
@option("--watch", "-w", is_flag=True, help="keep watching until the run is over")
@option(
    "--min-samples",
    metavar="N",
    type=COUNT,
    help="exit with status 3 if the run ends with fewer than N samples (default: what the run "
    "was started with)",
)
def status(run: "Run | Shelf", watch: bool, min_samples: int | None) -> int:
    """Show how far a run has got, stage by stage. It may still be running.

    The exit status is that of `generate`: 0 done (or still running), 1 failed, 3 finished short,
    130 interrupted and resumable.

    Example:
      sdgkit status runs/seeds --watch
    """
    from sdgkit.cli.progress import ProgressView, progress_line
    from sdgkit.run.folder import read_config
    from sdgkit.run.snapshot import Funnel
    from sdgkit.shelf import Shelf

    if isinstance(run, Shelf):
        from sdgkit.cli.shelf import show_status

        return show_status(run, watch, min_samples)
    snapshot = run.snapshot()
    with ProgressView() as view:
        while watch and snapshot.is_active:
            view.show(snapshot)
            time.sleep(LOOK_EVERY_S)
            snapshot = run.snapshot()
    samples = format_samples(snapshot.samples, snapshot.distinct_answers)
    headline = f"{run.out}: {snapshot.state}, {samples}. {snapshot.message}"
    say(headline.rstrip())
    technical = technical_note(snapshot.stages)
    if technical:
        say(technical)
    if snapshot.stages:
        say(f"\n{Funnel(snapshot.stages)!r}\n\n{progress_line(snapshot)}")
    config = read_config(Path(run.out or ""))
    least = min_samples or config.settings.min_samples
    if snapshot.state == "done":
        _print_shortfall(snapshot.samples, config.target, least)
    exit_status = status_of(snapshot, config.target, least)
    print_document("status", status_document(run, snapshot, exit_status))
    return exit_status


@command()
@reports
@run_argument
@option("-n", "number", metavar="N", type=COUNT, default=3, help="how many to show (default 3)")
def samples(run: "Run", number: int) -> None:
    """Show samples next to their seeds, spread evenly over the run.

    Example:
      sdgkit samples runs/seeds -n 5
    """
    from sdgkit.report.tables import beside_seeds

    view = beside_seeds(run, most=number)
    if not view.rows:
        say("There are no samples yet.")
    else:
        say(view)
    _print_rehearsal_notice(run)
    print_document("samples", samples_document(run, view))


def _print_shortfall(samples: int, target: int | None, min_samples: int | None) -> None:
    sentence = shortfall(samples, target, min_samples)
    if sentence:
        say(sentence)


@command()
@run_argument
@argument("id", metavar="ID", help="the id of a sample or drop, such as s3/c7/q2")
def show(run: "Run", id: str) -> None:
    """Show the whole history of one sample or drop: prompts, replies, the judge's evaluation.

    s3/c7/q2 is the second question about the seventh context of the third seed example.

    Example:
      sdgkit show runs/seeds s3/c7/q2
    """
    say(run.trace(id))


@command()
@reports
@run_argument
def explain(run: "Run") -> None:
    """Explain where a run's samples went, and what to change.

    Names the most frequent causes of drops, with an example of each: prompt and raw reply.

    Example:
      sdgkit explain runs/seeds
    """
    explanation = run.explain()
    say(explanation)
    print_document("explain", explain_document(run, explanation))


@command()
@run_argument
@option("--to", metavar="FILE.csv", help="write the samples to this file, to decide on them there")
@option("--from", "back", metavar="FILE.csv", help="read the decisions from this file")
def review(run: "Run", to: str | None, back: str | None) -> None:
    """Review samples in a spreadsheet, for example with a colleague who has no Jupyter.

    Write the file, then read it back. Write accept or reject in the column `verdict`, or leave it
    empty, and say why in `reason`; to edit a question or a response, change it. The decisions are
    recorded in the run, and its training file, card and exports are updated.

    Example:
      sdgkit review runs/seeds --to review.csv
      sdgkit review runs/seeds --from review.csv
    """
    from sdgkit.review import Review, spreadsheet

    if (to is None) == (back is None):
        raise SettingsError(
            "Give either --to FILE.csv (write the samples) or --from FILE.csv (read the decisions)."
        )
    if back is not None:
        say(spreadsheet.from_csv(Review(run), back))
        return
    assert to is not None
    samples = pluralize(spreadsheet.to_csv(Review(run), to), "sample")
    say(f"Wrote {samples} to {to}. Next: {command_line('review', run.out, '--from', to)}")


@command()
@reports
@run_argument
@format_option
@option("--to", metavar="FILE", help="where to write (default: in the run's folder)")
@test_share_option
def export(run: "Run", format: str, to: str | None, test_share: float | None) -> None:
    """Write a run's samples in a training format.

    Samples that a review rejected are left out; edited ones are written as edited.

    Example:
      sdgkit export runs/seeds --format messages --to train.jsonl
    """
    from sdgkit.export import train_file

    path = to or f"{run.out}/{train_file(run.part().summary.teacher, format)}"
    number = run.export(format, path, test_share=test_share)
    say(f"Wrote {pluralize(number, 'sample')} in the format {format}: {path}")
    if format == "preference" and number == 0:
        say(
            "A pair needs a response that you edited in the review (ReviewPanel), or several "
            "responses to a question (generate --responses 2) with different scores. There is none "
            "yet."
        )
    _print_rehearsal_notice(run)
    document = {"folder": str(run.out), "path": str(path), "format": format, "samples": number}
    print_document("export", document)


@command()
@argument(
    "runs", metavar="RUN...", type=RUN, nargs=-1, required=True, help="the folders of the runs"
)
@option("--to", metavar="FILE", help="where to write (default: in the working folder)")
@format_option
@test_share_option
def merge(runs: tuple["Run", ...], to: str | None, format: str, test_share: float | None) -> None:
    """Merge several runs into one training file.

    Each row names its skill, and no question appears twice.

    Example:
      sdgkit merge runs/mail runs/tables --to train.jsonl
    """
    from sdgkit.export import train_file
    from sdgkit.publish import merge as merge_runs

    is_rehearsed = runs[0].part().summary.is_rehearsal  # then all of them are
    prefix = ""
    if is_rehearsed:
        prefix = "rehearsal_"
    path = to or f"{prefix}merged_{train_file(None, format)}"
    samples = pluralize(merge_runs(runs, path, format, test_share=test_share), "sample")
    say(f"Wrote {samples} from {pluralize(len(runs), 'run')} in the format {format}: {path}")
    _print_rehearsal_notice(runs[0])


@command()
@run_argument
@argument("repo_id", metavar="OWNER/NAME", help="the name of a dataset on the Hub")
@option("--public", is_flag=True, help="make the dataset public (by default it is private)")
@test_share_option
def push(run: "Run", repo_id: str, public: bool, test_share: float | None) -> None:
    """Push a run's samples to the Hugging Face Hub, with a card and a test split.

    It uses the token in HF_TOKEN, or that of `hf auth login`. Apart from seeds that you name as
    hub:OWNER/NAME, sdgkit connects to the Hub for nothing else.

    Example:
      sdgkit push runs/seeds me/feedback-tables
    """
    from sdgkit.publish import push as push_run

    address = push_run(run, repo_id, private=not public, test_share=test_share)
    say(f"Pushed to {address}")
    _print_rehearsal_notice(run)


def print_ending(
    run: "Run", min_samples: int | None = None, *, command: str = "generate", **further: str
) -> int:
    """Print what a finished run kept and dropped, where it is, and what to do next.

    Args:
        run: The run.
        min_samples: How many samples it had to keep; None for what it was started with.
        command: The name of the command.
        further: What else its document holds.

    Returns:
        The exit status.
    """
    from sdgkit.run.snapshot import Funnel

    summary = run.summary
    out = Path(run.out or "")
    technical = technical_note(summary.stages)
    is_said = any(note.startswith(technical) for note in run.notes)
    if technical and not is_said:
        say(f"\n{technical} Why: {command_line('explain', out)}")
    stages = summary.stages
    samples = pluralize(summary.samples_kept, "sample")
    seeds = pluralize(stages[0].rows_in, "seed example")
    requests = pluralize(summary.requests, "request")
    duration = format_duration(summary.wall_s)
    say(f"\n{Funnel(stages)!r}\n\n{samples} from {seeds} in {out} ({requests}, {duration}).")
    if run.warning or summary.samples_kept == 0:
        say(f"\n{run.explain()}\n")
    else:
        _print_twins(summary, out)
        _print_drops(stages, out)
    _print_sample(run, summary.samples_kept)
    _print_next_steps(out, summary)
    least = min_samples or summary.min_samples
    _print_shortfall(summary.samples_kept, summary.target, least)
    status = status_of(run.snapshot(), summary.target, least)
    print_document(command, {**run_document(run, status), **further})
    return status


def _print_sample(run: "Run", samples: int) -> None:
    """Print one sample next to its seed: the one in the middle."""
    from sdgkit.report.tables import beside_seeds

    middle = list(islice(run.samples(), samples // 2, samples // 2 + 1))
    if middle and _has_answer(middle[0]):
        say(f"\nOne of them, next to its seed (more: {command_line('samples', run.out)}):\n")
        text = str(beside_seeds(middle)).rsplit("\n\n", 1)[0]
        say(f"{text}\n")


def _has_answer(row: "Row") -> bool:
    return isinstance(row.get("question"), str) and isinstance(row.get("response"), str)


def _print_twins(summary: "Summary", out: Path) -> None:
    distinct = summary.distinct_answers
    if distinct is not None and distinct < summary.samples_kept:
        samples = format_samples(summary.samples_kept, distinct)
        say(f"{samples}. What to change: {command_line('explain', out)}")


def _print_drops(stages: Sequence["StageLine"], out: Path) -> None:
    dropped = drops_by_reason(stages)
    if dropped:
        rows = pluralize(dropped.total(), "row")
        say(f"{rows} dropped: {format_drops(dropped)}. Why: {command_line('explain', out)}")


def _print_next_steps(out: Path, summary: "Summary") -> None:
    from sdgkit.export import train_file

    is_rehearsed = summary.is_rehearsal
    report = out / "report.html"
    training_file = out / train_file(summary.teacher)
    if report.exists():
        say(f"Look first at         {report}")
    if (
        summary.samples_kept and training_file.exists()
    ):  # the rows of a single stage are nothing to train on
        label = "Train on"
        if is_rehearsed:
            label = "See the format in"
        say(f"{label:<21} {training_file}")
    if is_rehearsed:
        say(
            "With a real teacher   add --base-url http://localhost:8000/v1 "
            f"--out {out}-real to the same command"
        )
        say(f"The tutorials         {command_line('lab')}\n{REHEARSAL_SAMPLES}")


def _print_rehearsal_notice(run: "Run") -> None:
    if run.part().summary.is_rehearsal:
        say(REHEARSAL_SAMPLES)
