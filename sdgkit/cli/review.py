"""`sdgkit review`: the samples as a spreadsheet for a colleague without Jupyter, and the colleague's decisions back."""

from collections.abc import Callable
from typing import Annotated

import typer

from sdgkit.cli.runs import RunFolder, named, run_in
from sdgkit.cli.terminal import counted, say
from sdgkit.errors import SettingsError


def review(
    run: RunFolder = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE.csv", help="write the samples, to be decided on", show_default=False),
    ] = None,
    back: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE.csv", help="take the decisions in it", show_default=False),
    ] = None,
) -> Callable[[], int]:
    """Review a run's samples in a spreadsheet: write them to a file, and take the decisions from it afterwards.

    The column `verdict` takes accept, reject or nothing, `reason` says why; changed questions or responses are edits.
    Decisions are recorded in the run; its training file, its card and its exports follow them.

    Example:
      sdgkit review runs/seeds --to review.csv
      sdgkit review runs/seeds --from review.csv
    """
    folder = named(run, "review RUN --to FILE.csv")
    if (to is None) == (back is None):
        raise SettingsError("Say one of --to FILE.csv (write the samples) and --from FILE.csv (take the decisions).")

    def pass_on() -> int:
        from sdgkit import spreadsheet
        from sdgkit.review import Review

        run_in(folder)
        opened = Review(folder)
        if to is not None:
            say(
                f"{counted(spreadsheet.to_csv(opened, to), 'sample')} in {to}. Then: sdgkit review {folder} --from {to}"
            )
        else:
            assert back is not None
            say(spreadsheet.from_csv(opened, back))
        return 0

    return pass_on
