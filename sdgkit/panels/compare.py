"""The panel of a comparison: two versions of a prompt on the same rows, side by side."""

from typing import Any

from sdgkit.evaluation.comparison import Comparison
from sdgkit.formatting import pluralize
from sdgkit.panels.frame import Panel, Stop, teacher_of
from sdgkit.panels.seeds import rows_for, seeds_of
from sdgkit.prompts import Prompt, load_prompt

NUMBERS = (
    "tried",
    "parsed",
    "passed",
    "mean_score",
    "completion_tokens",
)  # of a side, that are shown


class ComparePanel(Panel):
    """Two versions of a prompt on the same rows: replies side by side, scores, how many were read, how many would pass.

    one, other: two prompts of one stage, or their files. rows: what `load_seeds` takes, or rows of an earlier stage.
    names: what the versions are called. judging: `judge`, another teacher, and `prompts`, a folder with the judge's
    prompt. comparison: the `Comparison`, once there is one. Raises SdgkitError.
    """

    kind = "compare"

    def __init__(
        self,
        one: Any,
        other: Any,
        rows: Any,
        *,
        teacher: Any = None,
        names: Any = None,
        **judging: Any,
    ) -> None:
        super().__init__()
        self.one, self.other = (
            given if isinstance(given, Prompt) else load_prompt(given) for given in (one, other)
        )
        self.rows = rows_for(self.one.name, seeds_of(rows))
        self.names = names or ("the first", "the second")
        self._teacher, self._judging = teacher, judging
        self.comparison: Comparison | None = None
        self._comparing: Comparison | None = None

    def compare(self, most: int = 0) -> "ComparePanel":
        """Begin; returns at once. most: rows to compare on, default all."""
        chosen = self.rows[: most or len(self.rows)]
        comparing = Comparison(
            self.one, self.other, chosen, teacher_of(self._teacher), **self._judging
        )

        def begin() -> Stop:
            self.comparison, self._comparing = None, comparing.start()
            return comparing.cancel

        def wait() -> None:
            self.tick(lambda: not self.busy)
            comparison = comparing.wait()
            if all(run.state == "done" for run in comparing.runs):
                self.comparison = comparison

        self.work(f"Comparing on {pluralize(len(chosen), 'row')}.", wait, begin)
        return self

    on_compare = compare

    def seen(self) -> dict[str, Any]:
        done, words = (
            self.comparison,
            "Not compared yet: Compare asks the teacher for every row with both.",
        )
        if self.busy and self._comparing is not None:
            requests = sum(run.snapshot().requests for run in self._comparing.runs)
            words = f"{self.busy} {pluralize(requests, 'request')} so far"
        sign = "busy" if self.busy else "none"
        seen: dict[str, Any] = {
            "sign": sign,
            "words": words,
            "names": self.names,
            "sides": [],
            "rows": [],
        }
        if done is None:
            return seen
        return seen | {
            "sign": "good",
            "words": done.words(*self.names),
            "judged": done.judged,
            "sides": [{name: getattr(side, name) for name in NUMBERS} for side in done.sides],
            "rows": [
                {"id": id, "sides": [vars(side.outcomes[id]) for side in done.sides]}
                for id in done.ids
            ],
        }
