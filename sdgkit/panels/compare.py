"""The panel of a comparison: two versions of a prompt on the same rows, side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.pages import count, counted
from sdgkit.panels.frame import Panel, Stop, teacher_of
from sdgkit.panels.prompt import PromptPanel
from sdgkit.panels.seeds import rows_for, seeds_of
from sdgkit.panels.still import Block
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.trials.trying import Comparison, Outcome, Side

NAMES = ("saved", "edited")


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
        self._panel = one if isinstance(one, PromptPanel) else None
        if self._panel is None and (other is None or rows is None):
            raise SettingsError(
                "Give two prompts and rows: ComparePanel(one, other, seeds, teacher=…); or a PromptPanel."
            )
        self._given: tuple[Any, Any, Any] = (one, other, rows)
        self._teacher = teacher if teacher is not None or self._panel is None else self._panel._teacher
        self._judge, self._prompts = judge, prompts
        self.names = names or (NAMES if self._panel is not None else ("the first", "the second"))
        self.comparison: Comparison | None = None
        self._comparing: Comparison | None = None

    # Clicks -----------------------------------------------------------------------------------------------------------

    def compare(self, most: int | None = None) -> "ComparePanel":
        """Begin; returns at once. most: rows to compare on, default all."""
        one, other, rows = self._versions()
        chosen = rows[: most or len(rows)]
        judge = teacher_of(self._judge) if self._judge is not None else None
        comparing = Comparison(one, other, chosen, teacher_of(self._teacher), judge=judge, prompts=self._prompts)

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

    def on_compare(self, most: Any = None) -> None:
        """Compare, on the first rows or on all."""
        self.compare(int(most) if most else None)

    def _versions(self) -> tuple[Prompt, Prompt, list[dict[str, Any]]]:
        one, other, rows = self._given
        if self._panel is not None:
            if not self._panel.draft.changed:
                raise SettingsError("The prompt is as it was saved: edit it first, then both can be compared.")
            return self._panel.draft.saved, self._panel.prompt, self._panel.rows()
        first, second = (given if isinstance(given, Prompt) else load_prompt(given) for given in (one, other))
        return first, second, rows_for(first.name, seeds_of(rows))

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        comparison = self.comparison
        return {
            "sign": "busy" if self.busy else "good" if comparison else "none",
            "words": self._words(),
            "names": list(self.names),
            "table": table(comparison) if comparison else [],
            "rows": [
                {"id": id, "sides": [_side(side.outcomes[id], comparison.judged) for side in comparison.sides]}
                for id in comparison.ids
            ]
            if comparison
            else [],
        }

    def _words(self) -> str:
        if self.busy and self._comparing is not None:
            requests = sum(run.snapshot().requests for run in self._comparing.runs)
            return f"{self.busy} {counted(requests, 'request')} so far"
        if self.comparison is None:
            return "Not compared yet: Compare asks the teacher for every row with both."
        return self.comparison.words(*self.names)

    def blocks(self) -> Iterator[Block]:
        comparison = self.comparison
        if comparison is None:
            return
        yield Block(columns=("", *self.names), rows=table(comparison))
        for id in comparison.ids[:5]:
            for name, side in zip(self.names, comparison.sides, strict=True):
                shown = _side(side.outcomes[id], comparison.judged)
                yield Block(f"{id}, {name}: {shown['words']}", shown["text"], folded=True)


def table(comparison: Comparison) -> list[tuple[str, str, str]]:
    """The numbers of both sides: (what, of the first, of the second)."""
    sides = comparison.sides
    rows = [("read", *(f"{count(s.parsed)} of {count(s.tried)}" for s in sides))]
    if comparison.judged:
        rows.append(("would pass the filter", *(f"{count(s.passed)} of {count(s.tried)}" for s in sides)))
        rows.append(("mean score", *(_score(s) for s in sides)))
    rows.append(("tokens written", *(count(s.completion_tokens) for s in sides)))
    return rows  # type: ignore[return-value]


def _score(side: Side) -> str:
    return "…" if side.mean_score is None else f"{side.mean_score:.2f}"


def _side(outcome: Outcome, judged: bool) -> dict[str, Any]:
    texts = ["\n".join(str(text[name]) for name in text if name != "score") for text in outcome.texts]
    words = []
    if outcome.scores:
        words.append("score " + ", ".join(count(score) for score in outcome.scores))
    if judged and outcome.texts:
        words.append(
            f"{outcome.kept} of {outcome.tried} kept" if outcome.tried > 1 else "kept" if outcome.kept else "dropped"
        )
    if outcome.reason:
        words.append(outcome.reason)
    good = bool(outcome.texts) and (outcome.kept > 0 or not judged)
    return {"words": " \u00b7 ".join(words), "text": "\n\n".join(texts) or outcome.reply, "good": good}
