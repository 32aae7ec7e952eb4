"""A review by a colleague without Jupyter: a CSV file for a spreadsheet, and back.

A text that a spreadsheet would treat as a formula is written with an apostrophe before it, which is
removed on the way back (https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdgkit.decisions import Decision
from sdgkit.errors import SettingsError
from sdgkit.export import write_text
from sdgkit.review.facts import parts
from sdgkit.review.review import Review
from sdgkit.samples import Row, content_key

COLUMNS = (
    "id",
    "verdict",
    "reason",
    "context",
    "question",
    "response",
    "score",
    "faults",
    "evaluation",
    "seed_context",
    "seed_question",
    "seed_response",
    "content",
)
REQUIRED = ("content", "id", "verdict")  # columns without which no decision can be read
# Characters in a cell of Excel (support.microsoft.com, "Excel specifications and limits").
CELL_LIMIT = 32_767
FIELD_LIMIT = (
    2**31 - 1
)  # characters in a field that Python's csv module reads; its default is 128 KiB
BYTE_ORDER_MARK = "\ufeff"  # by which Excel recognises UTF-8
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

Outcome = Literal["accepted", "edited", "rejected", "unchanged", "outdated"]


@dataclass(frozen=True)
class SpreadsheetResult:
    """What came back from a spreadsheet.

    Attributes:
        accepted: Lines that accept a sample as it is.
        edited: Lines that accept a sample with edited texts.
        rejected: Lines that reject a sample.
        unchanged: Lines without a new decision.
        outdated: Lines about a text that has changed since or no longer exists; they were left out.
    """

    accepted: int
    edited: int
    rejected: int
    unchanged: int
    outdated: int

    def __str__(self) -> str:
        return (
            f"{self.accepted} accepted, {self.edited} edited, {self.rejected} rejected, "
            f"{self.unchanged} unchanged, "
            f"{self.outdated} outdated (left out: their text has changed since)."
        )


@dataclass(frozen=True)
class _Line:
    """A line of the spreadsheet: its number, from 1, and its cells by column."""

    number: int
    cells: dict[str, str]

    @property
    def id(self) -> str:
        return self.cells["id"]

    @property
    def verdict(self) -> str:
        return self.cells["verdict"].strip().casefold()


@dataclass(frozen=True)
class _LineResult:
    """What follows from a line, and the decision to save, if there is a new one."""

    outcome: Outcome
    decision: Decision | None = None


def to_csv(review: Review, path: str | Path) -> int:
    """Write the samples of a review, with what was decided so far, to a CSV file.

    Returns:
        How many samples were written.

    Raises:
        RunError: If the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for sample in review.samples:
        cells = _cells_of(review, sample)
        writer.writerow({name: harmless(str(value)) for name, value in cells.items()})
    write_text(path, [BYTE_ORDER_MARK, text.getvalue()])
    return len(review.samples)


def from_csv(review: Review, path: str | Path) -> SpreadsheetResult:
    """Save the decisions in a file that `to_csv` wrote and someone filled in, all or none.

    A line with other texts than the sample's is an edit. An empty verdict without an edit leaves
    the sample as it is.

    Returns:
        How many lines made each kind of decision.

    Raises:
        SettingsError: For a line that cannot be understood.
    """
    results = []
    for line in _read_lines(Path(path)):
        try:
            results.append(_result_of(line, review))
        except SettingsError as error:
            message = f"{path}, line {line.number} ({line.id}): {error}"
            raise SettingsError(message, setting=error.setting, choices=error.choices) from None
    decisions = []
    for result in results:
        if result.decision is not None:
            decisions.append(result.decision)
    review.decide(decisions)
    counts = Counter(result.outcome for result in results)
    return SpreadsheetResult(
        accepted=counts["accepted"],
        edited=counts["edited"],
        rejected=counts["rejected"],
        unchanged=counts["unchanged"],
        outdated=counts["outdated"],
    )


def harmless(text: str) -> str:
    """The text, written so that a spreadsheet treats it as text; `original` reverses this.

    Example:
        >>> harmless("=1+1")
        "'=1+1"
    """
    if _FORMULA.match(text):
        return f"'{text}"
    return text


def original(cell: str) -> str:
    """The text that `harmless` made this cell of."""
    if cell.startswith("'") and _FORMULA.match(cell):
        return cell[1:]
    return cell


def _cells_of(review: Review, sample: Row) -> dict[str, object]:
    """The cells of a sample, as it was decided so far."""
    as_decided = review.as_decided(sample["id"])
    cells = {**as_decided, **parts(as_decided), "content": content_key(sample)}
    decision = review.decision(sample["id"])
    if decision is not None:
        cells["verdict"] = decision.verdict
        cells["reason"] = decision.reason
    filled = {}
    for name, value in cells.items():
        if value is not None:
            filled[name] = value
    return filled


def _result_of(line: _Line, review: Review) -> _LineResult:
    """What follows from a line. Raises SettingsError if it cannot be understood."""
    if line.verdict not in ("accept", "reject", ""):
        raise SettingsError(
            f"the verdict {line.cells['verdict']!r} is not valid. Write accept or reject, "
            "or leave it empty; to edit a sample, change its text.",
            setting="verdict",
            choices=("accept", "reject", ""),
        )
    sample = review.by_id.get(line.id)
    if sample is None or content_key(sample) != line.cells["content"]:
        return _LineResult("outdated")
    before = review.decision(line.id)
    if line.verdict == "reject":
        decision = review.decision_of(line.id, "reject", line.cells.get("reason", ""))
    else:
        texts = _texts_in(line, sample, before)
        decision = review.decision_of(line.id, "accept", texts=texts)
        if not line.verdict and not decision.edits:
            return _LineResult("unchanged")
    if before is not None and _say_the_same(before, decision):
        return _LineResult("unchanged")
    return _LineResult(_outcome_of(decision), decision)


def _outcome_of(decision: Decision) -> Outcome:
    if decision.verdict == "reject":
        return "rejected"
    return "edited" if decision.edits else "accepted"


def _say_the_same(before: Decision, after: Decision) -> bool:
    """Whether two decisions about the same content are the same in all that a person wrote."""
    return (
        before.verdict == after.verdict
        and before.reason == after.reason
        and before.edits == after.edits
    )


def _texts_in(line: _Line, sample: Row, before: Decision | None) -> dict[str, str]:
    """The texts that a line requests; for an unchanged cell, the text that it was made from.

    Args:
        line: The line.
        sample: Its sample, as the teacher wrote it.
        before: The decision so far, whose edits the cells may show.
    """
    edits: Mapping[str, str] = {}
    if before is not None:
        edits = before.edits
    written = parts(sample)
    shown = parts({**sample, **edits})
    texts = {}
    for name, text in written.items():
        if name not in line.cells:
            continue
        cell = line.cells[name]
        if not _was_changed(cell, shown[name]):
            texts[name] = shown[name]
        elif not _was_changed(cell, text):
            texts[name] = text
        else:
            texts[name] = cell
    return texts


def _was_changed(cell: str, text: str) -> bool:
    """Whether someone changed the text in a cell.

    Line ends, and the place where Excel cuts a long text off, make no difference.
    """
    cell_text = "\n".join(cell.splitlines())
    whole_text = "\n".join(text.splitlines())
    if cell_text == whole_text:
        return False
    was_cut = len(whole_text) >= CELL_LIMIT - 1 and len(cell_text) > CELL_LIMIT // 2
    return not (was_cut and whole_text.startswith(cell_text))


def _read_lines(path: Path) -> list[_Line]:
    """The lines of the samples in a CSV file. Raises SettingsError."""
    try:
        return _parse(path.read_text("utf-8-sig"), path)
    except OSError as error:
        reason = str(error.strerror or error)
    except (UnicodeDecodeError, csv.Error) as error:
        reason = str(error)
    raise SettingsError(
        f"{path} cannot be read: {reason}. Save it as CSV UTF-8 from the spreadsheet."
    )


def _parse(text: str, path: Path) -> list[_Line]:
    """The lines in a CSV text, whose cells are separated by commas, semicolons or tabs."""
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    _refuse_missing(reader.fieldnames or (), path)
    lines = []
    for row in reader:
        if row["id"]:  # spreadsheets leave lines of empty cells at the end
            cells = {}
            for name in COLUMNS:
                if name in row:
                    cells[name] = _cell_text(row[name])
            lines.append(_Line(reader.line_num, cells))
    return lines


def _refuse_missing(columns: Sequence[str], path: Path) -> None:
    """Raises SettingsError if a column is missing without which no decision can be read."""
    for name in REQUIRED:
        if name not in columns:
            raise SettingsError(
                f"{path} has no column {name!r}. Use a file that `sdgkit review --to` wrote.",
                setting=name,
            )


def _cell_text(cell: str) -> str:
    return original(cell).replace("\r\n", "\n")
