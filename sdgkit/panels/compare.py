"""The panel of a comparison: two versions of a prompt on the same rows, side by side."""

from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.pages import count, counted
from sdgkit.panels.frame import Panel, Stop, teacher_of
from sdgkit.panels.prompt import PromptPanel
from sdgkit.panels.seeds import rows_for, seeds_of
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.trials.comparing import Comparing, Comparison, Outcome


class ComparePanel(Panel):
    """Two versions of a prompt on the same rows: replies side by side, scores, how many were read, how many would pass.

    one, other: two prompts of one stage, or their files. rows: what `load_seeds` takes, or rows of an earlier stage.
    Or one alone is a PromptPanel: then its saved and its edited prompt are compared, on its seeds, with its teacher.
    judge: another teacher for judging. prompts: a folder with the judge's prompt. names: what the versions are called.
    comparison: the `Comparison`, once there is one. Raises SettingsError.
    """

    kind, title = "compare", "Compare"

    def __init__(
        self,
        one: Prompt | str | Path | PromptPanel,
        other: Prompt | str | Path | None = None,
        rows: Any = None,
        *,
        teacher: Any = None,
        judge: Any = None,
        prompts: Any = None,
        names: tuple[str, str] | None = None,
    ) -> None:
        super().__init__()
        edits = isinstance(one, PromptPanel)
        if not edits and (other is None or rows is None):
            raise SettingsError(
                "Give two prompts and rows, ComparePanel(one, other, seeds, teacher=…), or a PromptPanel."
            )
        self._given: tuple[Any, Any, Any] = (one, other, rows)
        self._teacher = teacher or (one.teacher if isinstance(one, PromptPanel) else None)
        self._judge, self._prompts = judge, prompts
        self.names = names or (("saved", "edited") if edits else ("the first", "the second"))
        self.comparison: Comparison | None = None
        self._comparing: Comparing | None = None

    # Clicks -----------------------------------------------------------------------------------------------------------

    def compare(self, most: int = 0) -> "ComparePanel":
        """Begin; returns at once. most: rows to compare on, default all."""
        one, other, rows = self._versions()
        chosen = rows[: most or len(rows)]
        judge = teacher_of(self._judge) if self._judge is not None else None
        comparing = Comparing(one, other, chosen, teacher_of(self._teacher), judge=judge, prompts=self._prompts)

        def begin() -> Stop:
            self.comparison, self._comparing = None, comparing.start()
            return comparing.cancel

        def wait() -> None:
            self.tick(lambda: not self.busy)
            comparison = comparing.wait()
            if all(run.state == "done" for run in comparing.runs):
                self.comparison = comparison

        self.work(f"Comparing on {counted(len(chosen), 'row')}.", wait, begin)
        return self

    on_compare = compare

    def _versions(self) -> tuple[Prompt, Prompt, list[dict[str, Any]]]:
        one, other, rows = self._given
        if isinstance(one, PromptPanel):
            if not one.draft.changed:
                raise SettingsError("The prompt is as it was saved: edit it first, then both can be compared.")
            return one.draft.saved, one.prompt, one.rows()
        first, second = (given if isinstance(given, Prompt) else load_prompt(given) for given in (one, other))
        return first, second, rows_for(first.name, seeds_of(rows))

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        comparison, words = self.comparison, "Not compared yet: Compare asks the teacher for every row with both."
        if self.busy and self._comparing is not None:
            requests = sum(run.snapshot().requests for run in self._comparing.runs)
            words = f"{self.busy} {counted(requests, 'request')} so far"
        elif comparison is not None:
            words = comparison.words(*self.names)
        return {
            "sign": "busy" if self.busy else "good" if comparison else "none",
            "words": words,
            "names": self.names,
            "table": table(comparison) if comparison else [],
            "rows": replies(comparison) if comparison else [],
        }


def table(comparison: Comparison) -> list[list[str]]:
    """The numbers of both sides: what, of the first, of the second."""
    rows = [["read"], ["would pass the filter"], ["mean score"], ["tokens written"]]
    for side in comparison.sides:
        score = "…" if side.mean_score is None else f"{side.mean_score:.2f}"
        tokens = count(side.completion_tokens)
        numbers = [f"{side.parsed} of {side.tried}", f"{side.passed} of {side.tried}", score, tokens]
        rows = [[*row, number] for row, number in zip(rows, numbers, strict=True)]
    return rows if comparison.judged else [rows[0], rows[-1]]


def replies(comparison: Comparison) -> list[dict[str, Any]]:
    """What both sides made of each row."""
    rows = [(id, [side.outcomes[id] for side in comparison.sides]) for id in comparison.ids]
    return [{"id": id, "sides": [_side(outcome, comparison.judged) for outcome in sides]} for id, sides in rows]


def _side(outcome: Outcome, judged: bool) -> dict[str, Any]:
    texts = ["\n".join(str(text[name]) for name in text if name != "score") for text in outcome.texts]
    words = ["score " + ", ".join(map(count, outcome.scores))] if outcome.scores else []
    words += [f"{outcome.kept} of {outcome.tried} kept"] if judged and texts else []
    words += [outcome.reason] if outcome.reason else []
    good = bool(texts) and (outcome.kept > 0 or not judged)
    return {"words": " \u00b7 ".join(words), "text": "\n\n".join(texts) or outcome.reply, "good": good}
