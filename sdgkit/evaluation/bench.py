"""A bench for prompts: the shipped version, the saved one and the current one on the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.evaluation.comparison import Result, Side, VersionTrial
from sdgkit.evaluation.differences import Stretch, mark_differences
from sdgkit.prompts import Prompt
from sdgkit.samples import Row
from sdgkit.teachers.source import TeacherSource

INPUTS = ("task_description", "seed_context", "seed_question", "seed_response")
GIVEN = ("context", "question", "response")


@dataclass(frozen=True)
class BenchCell:
    """What one version made of one row.

    Attributes:
        stretches: The columns that were read from the reply, or the reply that could not be read;
            what the version to its left lacks is new.
        scores: The judge's scores.
        evaluations: The judge's words.
        kept: How many records pass the judge's filter.
        tried: How many there were.
        reason: Why the reply could not be read, or "".
    """

    stretches: tuple[Stretch, ...]
    scores: tuple[float, ...]
    evaluations: tuple[str, ...]
    kept: int
    tried: int
    reason: str


@dataclass(frozen=True)
class BenchRow:
    """A row, and what each version made of it.

    Attributes:
        id: The row's id.
        inputs: What went into the prompt, by name: the example, and what is asked about.
        cells: What each version made of it, in the order of the versions.
    """

    id: str
    inputs: tuple[tuple[str, str], ...]
    cells: tuple[BenchCell, ...]


class Bench:
    """Versions of a prompt on the same rows, with the judge's comments. Equal ones are sent once.

    Args:
        versions: The versions by name.
        rows: The rows, each with an id.
        teacher: The teacher.
        judge: Another teacher for the judging.
        prompts: The folder with the judge's prompt.

    Attributes:
        names: The names of the versions, in order.
        judged: Whether the stage is followed by a judge.

    Raises:
        SettingsError: If these are not versions of one stage's prompt, or there are no rows.
    """

    def __init__(
        self,
        versions: Mapping[str, Prompt],
        rows: Sequence[Row],
        teacher: TeacherSource,
        *,
        judge: TeacherSource | None = None,
        prompts: str | Path | None = None,
    ) -> None:
        if not versions:
            raise SettingsError("There is no version of the prompt to try.")
        self.names = list(versions)
        distinct: list[Prompt] = []
        for version in versions.values():
            if version not in distinct:
                distinct.append(version)
        self._places = [distinct.index(version) for version in versions.values()]
        self._rows = rows
        self._trial = VersionTrial(distinct, rows, teacher, judge=judge, prompts=prompts)
        self.judged = self._trial.judged

    def start(self) -> "Bench":
        """Start asking; returns at once."""
        self._trial.start()
        return self

    def cancel(self) -> None:
        """Stop within a moment."""
        self._trial.cancel()

    @property
    def requests(self) -> int:
        """How many requests were answered so far."""
        return sum(run.snapshot().requests for run in self._trial.runs)

    def wait(self) -> tuple[BenchRow, ...] | None:
        """Wait for the results; None if it was cancelled.

        Raises:
            SdgkitError: What stopped it.
        """
        sides = self._trial.wait()
        if not self._trial.is_done:
            return None
        return tuple(self._row(row, sides) for row in self._rows)

    def _row(self, row: Row, sides: Sequence[Side]) -> BenchRow:
        row_id = str(row["id"])
        cells: list[BenchCell] = []
        text_before: str | None = None
        for place in self._places:
            result = sides[place].outcomes[row_id]
            text = text_of(result)
            compared = text
            if text_before is not None:
                compared = text_before
            cells.append(_cell(result, tuple(mark_differences(text, compared))))
            text_before = text
        return BenchRow(row_id, inputs_of(row), tuple(cells))


def inputs_of(row: Row) -> tuple[tuple[str, str], ...]:
    """What goes into a prompt, by name: what is asked about, then the example."""
    inputs = []
    for name in (*GIVEN, *INPUTS):
        if row.get(name):
            inputs.append((name, str(row[name])))
    return tuple(inputs)


def _cell(result: Result, stretches: tuple[Stretch, ...]) -> BenchCell:
    return BenchCell(
        stretches=stretches,
        scores=tuple(result.scores),
        evaluations=tuple(result.evaluations),
        kept=result.kept,
        tried=result.tried,
        reason=result.reason,
    )


def text_of(result: Result) -> str:
    """What a version made of the row, without a score; or the reply that could not be read."""
    records = []
    for columns in result.texts:
        values = []
        for name, value in columns.items():
            if name != "score":
                values.append(str(value))
        records.append("\n".join(values))
    return "\n\n".join(records) or result.reply
