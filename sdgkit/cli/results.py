"""`sdgkit explain`, `merge` and `push`: what became of a run, and what is made of its samples elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sdgkit.cli.closing import REHEARSED
from sdgkit.cli.runs import RunFolder, named, run_in
from sdgkit.cli.terminal import counted, say
from sdgkit.errors import SettingsError

TestShare = Annotated[
    float | None,
    typer.Option("--test-share", metavar="SHARE", help="contexts kept apart, as in sdgkit export", show_default=False),
]


def explain(run: RunFolder = None) -> Callable[[], int]:
    """Why a run kept so few samples: the biggest causes, an example of each with prompt and reply, and what to change.

    Example:
      sdgkit explain runs/seeds
    """
    folder = named(run, "explain RUN")

    def tell() -> int:
        say(run_in(folder).explain())
        return 0

    return tell


def merge(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN...", show_default=False)] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="FILE", help="where to (by default, here)", show_default=False)
    ] = None,
    format: Annotated[
        str, typer.Option("--format", "-f", metavar="F", help="as in sdgkit export; messages by default")
    ] = "messages",
    test_share: TestShare = None,
) -> Callable[[], int]:
    """Merge the samples of several runs into one training file, with each row's skill, and no question twice.

    Example:
      sdgkit merge runs/mail runs/tables --to train.jsonl
    """
    folders = [Path(run) for run in runs or ()]
    if len(folders) < 2:
        raise SettingsError("Say which runs: sdgkit merge RUN RUN --to FILE. RUN is the folder of a run.")

    def write() -> int:
        from sdgkit.export import train_file
        from sdgkit.publish import merge as merge_runs

        teachers = [run_in(folder).part().summary.get("teacher") for folder in folders]
        path = Path(to or f"merged_{train_file(None, format)}")
        if to is None and "rehearsal" in teachers:
            path = Path(f"rehearsal_{path}")
        number = merge_runs(folders, path, format, test_share=test_share)
        say(f"{counted(number, 'sample')} of {counted(len(folders), 'run')} in the format {format}: {path}")
        if "rehearsal" in teachers:
            say(REHEARSED)
        return 0

    return write


def push(
    run: RunFolder = None,
    repo_id: Annotated[str | None, typer.Argument(metavar="OWNER/NAME", show_default=False)] = None,
    public: Annotated[bool, typer.Option("--public", help="for everybody to see; without it, for you alone")] = False,
    test_share: TestShare = None,
) -> Callable[[], int]:
    """Push a run's samples to the Hugging Face Hub, as a dataset with a card and a test split.

    This is the one command that connects to another place than the teacher. It writes with the token in HF_TOKEN, or
    that of `hf auth login`.

    Example:
      sdgkit push runs/seeds me/feedback-tables
    """
    folder = named(run, "push RUN OWNER/NAME")
    if repo_id is None:
        raise SettingsError(f"Say where to: sdgkit push {folder} OWNER/NAME, the name of a dataset on the Hub.")

    def send() -> int:
        from sdgkit.publish import push as push_run

        opened = run_in(folder)
        say(f"Pushed to {push_run(opened, repo_id, private=not public, test_share=test_share)}")
        if opened.part().summary.get("teacher") == "rehearsal":
            say(REHEARSED)
        return 0

    return send
