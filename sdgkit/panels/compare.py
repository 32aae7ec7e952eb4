"""The panel of a comparison: two versions of a prompt on the same rows, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdgkit.evaluation.bench import inputs_of, text_of
from sdgkit.evaluation.comparison import Comparison, Result, Side
from sdgkit.evaluation.differences import Stretch, mark_differences
from sdgkit.evaluation.trial_rows import run_rows, seed_rows
from sdgkit.formatting import pluralize
from sdgkit.keywords import known_keywords_throughout
from sdgkit.method import run_folder
from sdgkit.panels.frame import Action, Cancel, Panel, required_teacher
from sdgkit.panels.seeds import SeedPanel, seeds_of
from sdgkit.panels.state import PanelState
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.run import Run, open_run
from sdgkit.run.own_seeds import seeds_of_run
from sdgkit.samples import rows_by_id
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
    """What both versions made of one row.

    Attributes:
        id: The row's id.
        inputs: What went into the prompt, by name.
        sides: What each version made of it.
        marked: The text of each version; what the first lacks is marked in the second, and the
            other way round.
    """

    id: str
    inputs: tuple[tuple[str, str], ...]
    sides: tuple[Result, ...]
    marked: tuple[tuple[Stretch, ...], ...]


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


@known_keywords_throughout
class ComparePanel(Panel):
    """Compare two versions of a prompt on the same rows, side by side.

    Args:
        one: A prompt, or its file.
        other: Another version of it, or its file.
        rows: Anything that `load_seeds` accepts, rows of an earlier stage, or a SeedPanel; or a run
            (or its folder), whose rows that reached the stage are used.
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

    def __init__(
        self,
        one: Prompt | str | Path,
        other: Prompt | str | Path,
        rows: "SeedSource | SeedPanel | Run",
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
        self._rows = _rows_to_compare(rows, self._versions[0].name)
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
        rows = self._rows
        if most:
            rows = self._rows[:most]
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
            sign = "none"
            if self.busy:
                sign = "busy"
            return CompareState(sign=sign, status=self._status_without_result(), names=self._names)
        rows = []
        inputs = rows_by_id(self._rows)
        for row_id in comparison.ids:
            results = tuple(side.outcomes[row_id] for side in comparison.sides)
            texts = [text_of(result) for result in results]
            marked = (
                tuple(mark_differences(texts[0], texts[1])),
                tuple(mark_differences(texts[1], texts[0])),
            )
            rows.append(ComparedRow(row_id, inputs_of(inputs[row_id]), results, marked))
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
        requests = 0
        for run in self._running.runs:
            requests += run.snapshot().requests
        return f"{self.busy} {pluralize(requests, 'request')} so far"


def _rows_to_compare(source: "SeedSource | SeedPanel | Run", stage: str) -> list[dict[str, Any]]:
    """The rows, each with an id. Raises SdgkitError."""
    if isinstance(source, Run):
        run = source
    else:
        folder = None if isinstance(source, SeedPanel) else run_folder(source)
        if folder is None:
            return seed_rows(seeds_of(source), stage)
        run = open_run(folder)
    seeds = seeds_of_run(run)
    return run_rows(run, stage, seeds) or seed_rows(seeds, stage)


def _prompt_of(source: Prompt | str | Path) -> Prompt:
    return source if isinstance(source, Prompt) else load_prompt(source)
