"""`sdgkit compare`: two runs side by side."""

from typing import TYPE_CHECKING

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.options import reports
from sdgkit.cli.output import print_document
from sdgkit.cli.terminal import say
from sdgkit.cli.value_types import RUN

if TYPE_CHECKING:
    from sdgkit.run import Run


@command()
@reports
@argument("one", metavar="RUN_A", type=RUN, help="the folder of a run")
@argument("other", metavar="RUN_B", type=RUN, help="the folder of another run")
@option("--html", metavar="FILE.html", help="write a page to this file as well")
def compare(one: "Run", other: "Run", html: str | None) -> None:
    """Compare two runs: settings, funnels, judge, lengths, variety, and samples with the same id.

    Example:
      sdgkit compare runs/before runs/after
      sdgkit compare runs/before runs/after --html compared.html
    """
    from sdgkit.evaluation.run_comparison import compare_runs

    comparison = compare_runs(one, other)
    say(comparison)
    page = None
    if html is not None:
        page = comparison.save_html(html)
        say(f"\nThe page: {page}")
    print_document("compare", {**comparison.as_json(), "page": page})
