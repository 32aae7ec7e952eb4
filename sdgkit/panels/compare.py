"""The panel of a comparison: two versions of a prompt on the same rows, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.evaluation.comparison import Comparison, Result, Side
from sdgkit.evaluation.trial_rows import seed_rows
from sdgkit.formatting import pluralize
from sdgkit.keywords import known_keywords
from sdgkit.panels.frame import Action, Cancel, Panel, required_teacher
from sdgkit.panels.seeds import SeedPanel, seeds_of
from sdgkit.panels.state import PanelState
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.seeds import SeedSource
from sdgkit.teachers.source import TeacherSource


@dataclass(frozen=True)
class SideNumbers:
    """The numbers of one version, as `Side` has them."""

    tried: int
    parsed: int
    passed: int
    mean_score: float | None
    completion_tokens: int

    @classmethod
    def of(cls, side: Side) -> "SideNumbers":
        """The numbers of this side."""
        return cls(
            tried=side.tried,
            parsed=side.parsed,
            passed=side.passed,
            mean_score=side.mean_score,
            completion_tokens=side.completion_tokens,
        )


@dataclass(frozen=True)
class ComparedRow:
    """What both versions made of one row."""

    id: str
    sides: tuple[Result, ...]


@dataclass(frozen=True, kw_only=True)
class CompareState(PanelState):
    """What the panel of a comparison shows.

    Attributes:
        names: What the two versions are called.
        judged: Whether a judge scored the results.
        sides: The numbers of each version; empty until there are some.
        rows: The results, row by row.
    """

    names: tuple[str, str]
    judged: bool = False
    sides: tuple[SideNumbers, ...] = ()
    rows: tuple[ComparedRow, ...] = ()


class ComparePanel(Panel):
    """Compare two versions of a prompt on the same rows, side by side.

    Args:
        one: A prompt, or its file.
        other: Another version of it, or its file.
        rows: What `load_seeds` takes, rows of an earlier stage, or a SeedPanel.
        teacher: The teacher, or a TeacherPanel.
        names: What the two versions are called.
        judge: Another teacher for the judging.
        prompts: The folder with the judge's prompt.

    Attributes:
        comparison: The `Comparison`, once there is one.

    Raises:
        SdgkitError: If the prompts or rows cannot be used.
    """

    kind = "compare"

    @known_keywords
    def __init__(
        self,
        one: Prompt | str | Path,
        other: Prompt | str | Path,
        rows: "SeedSource | SeedPanel",
        *,
        teacher: TeacherSource | None = None,
        names: Sequence[str] = ("the first", "the second"),
        judge: TeacherSource | None = None,
        prompts: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.comparison: Comparison | None = None
        self._running: Comparison | None = None
        self._versions = (_prompt_of(one), _prompt_of(other))
        self._rows = seed_rows(seeds_of(rows), self._versions[0].name)
        self._names = (names[0], names[1])
        self._teacher = teacher
        self._judge = judge
        self._prompts = prompts

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {"compare": self.compare, "cancel": self.cancel}

    def compare(self, most: int = 0) -> "ComparePanel":
        """Start the comparison; returns at once.

        Args:
            most: How many rows to compare on; 0 for all.
        """
        rows = self._rows[:most] if most else self._rows
        comparison = Comparison(
            *self._versions,
            rows,
            required_teacher(self._teacher),
            judge=self._judge,
            prompts=self._prompts,
        )

        def begin() -> Cancel:
            self.comparison = None
            self._running = comparison.start()
            return comparison.cancel

        def wait() -> None:
            self.redraw_until(lambda: not self.busy)
            comparison.wait()
            if all(run.state == "done" for run in comparison.runs):
                self.comparison = comparison

        self.work(f"Comparing on {pluralize(len(rows), 'row')}.", wait, begin)
        return self

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> CompareState:
        """What the panel shows now."""
        comparison = self.comparison
        if comparison is None:
            sign = "busy" if self.busy else "none"
            return CompareState(sign=sign, status=self._status_without_result(), names=self._names)
        rows = []
        for row_id in comparison.ids:
            results = tuple(side.outcomes[row_id] for side in comparison.sides)
            rows.append(ComparedRow(row_id, results))
        return CompareState(
            sign="good",
            status=comparison.summary(*self._names),
            names=self._names,
            judged=comparison.judged,
            sides=tuple(SideNumbers.of(side) for side in comparison.sides),
            rows=tuple(rows),
        )

    def _status_without_result(self) -> str:
        if not self.busy or self._running is None:
            return "Not compared yet: Compare sends every row to the teacher with both versions."
        requests = sum(run.snapshot().requests for run in self._running.runs)
        return f"{self.busy} {pluralize(requests, 'request')} so far"


def _prompt_of(source: Prompt | str | Path) -> Prompt:
    return source if isinstance(source, Prompt) else load_prompt(source)
