"""`sdgkit compare`: two runs side by side."""

import json
from typing import TYPE_CHECKING

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.terminal import say
from sdgkit.cli.value_types import RUN

if TYPE_CHECKING:
    from sdgkit.run import Run


@command()
@argument("one", metavar="RUN_A", type=RUN, help="the folder of a run")
@argument("other", metavar="RUN_B", type=RUN, help="the folder of another run")
@option("--html", metavar="FILE.html", help="write a page to this file as well")
@option("--json", "as_json", is_flag=True, help="print the comparison as JSON")
def compare(one: "Run", other: "Run", html: str | None, as_json: bool) -> None:
    """Compare two runs: settings, funnels, judge, lengths, variety, and samples with the same id.

    Example:
      sdgkit compare runs/before runs/after
      sdgkit compare runs/before runs/after --html compared.html
    """
    from sdgkit.evaluation.run_comparison import compare_runs

    comparison = compare_runs(one, other)
    if as_json:
        print(json.dumps(comparison.as_json(), ensure_ascii=False, indent=2))
    else:
        say(comparison)
    if html is not None:
        path = comparison.save_html(html)
        if not as_json:
            say(f"\nThe page: {path}")
