"""A review by a colleague without Jupyter: samples and decisions as a CSV file for a spreadsheet, and back.

What a spreadsheet would take for a formula is written with an apostrophe before it, which is taken off on the way back
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdgkit.decisions import Decision
from sdgkit.errors import SettingsError
from sdgkit.export import write_text
from sdgkit.review import Review, parts
from sdgkit.samples import content_key

COLUMNS = (
    "id", "verdict", "reason", "context", "question", "response", "score", "evaluation", "seed_context",
    "seed_question", "seed_response", "content",
)  # fmt: skip
NEEDED = {"id", "verdict", "content"}  # columns without which nothing can be taken back
CELL = 32_767  # characters at which Excel cuts a cell off (support.microsoft.com, "Excel specifications and limits")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


class Taken(Counter[str]):
    """What came back from a spreadsheet: how many lines were accepted, edited, rejected, unchanged (they say nothing
    new) or outdated (about a text that has changed since, or is gone)."""

    def __str__(self) -> str:
        words = ", ".join(
            f"{self[word]} {word}" for word in ("accepted", "edited", "rejected", "unchanged")
        )
        return f"{words}, {self['outdated']} outdated (left out: their text has changed since)."


def to_csv(review: Review, path: str | Path) -> int:
    """Write the samples with what was decided so far; returns how many. Raises RunError if it cannot."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for sample in review.samples:
        decision, shown = review.decision(sample["id"]), review.as_decided(sample["id"])
        row = {**shown, **parts(shown), "content": content_key(sample)}
        row |= {"verdict": decision.verdict, "reason": decision.reason} if decision else {}
        writer.writerow(
            {name: harmless(str(value)) for name, value in row.items() if value is not None}
        )
    write_text(path, ["\ufeff", text.getvalue()])  # the mark by which Excel knows UTF-8
    return len(review.samples)


def from_csv(review: Review, path: str | Path) -> Taken:
    """Take the decisions in a file that `to_csv` wrote and somebody filled in, all or none.

    A line with other texts than the sample's is an edit; an empty verdict without one leaves the sample as it is.
    Raises SettingsError, naming the line, for what cannot be understood.
    """
    taken, decisions = Taken(), []
    known = {sample["id"]: sample for sample in review.samples}
    for line, row in _rows(Path(path)):
        try:
            decision = _decision(review, row, known.get(row["id"], {}))
        except SettingsError as error:
            raise SettingsError(f"{path}, line {line} ({row['id']}): {error}") from None
        if isinstance(decision, Decision):
            decisions.append(decision)
            decision = (
                "rejected"
                if decision.verdict == "reject"
                else "edited"
                if decision.edits
                else "accepted"
            )
        taken[decision] += 1
    review.decide(decisions)
    return taken


def harmless(text: str) -> str:
    """The text as a spreadsheet takes it for text; `original` takes it back."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(cell: str) -> str:
    """The text that `harmless` made this cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _decision(review: Review, row: Mapping[str, str], sample: Mapping[str, Any]) -> Decision | str:
    """The decision in a line, or the word for why there is none."""
    verdict, before = row["verdict"].strip().casefold(), review.decision(row["id"])
    if verdict not in ("accept", "reject", ""):
        raise SettingsError(
            f"the verdict {row['verdict']!r} is none. Write accept, reject or nothing; to edit it, change its text."
        )
    if content_key(sample) != row["content"]:
        return "outdated"
    if verdict == "reject":
        decision = review.decision_of(row["id"], "reject", row.get("reason", ""))
    else:
        decision = review.decision_of(row["id"], "accept", texts=_texts(row, sample, before))
        if not verdict and not decision.edits:
            return "unchanged"
    told = (decision.verdict, decision.reason, decision.edits)
    return (
        "unchanged"
        if before and (before.verdict, before.reason, before.edits) == told
        else decision
    )


def _texts(
    row: Mapping[str, str], sample: Mapping[str, Any], before: Decision | None
) -> dict[str, str]:
    """The texts that a line wants: what stands in its cells; of a cell that nobody changed, the text it was made of."""
    written = parts(sample)
    shown = parts({**sample, **(before.edits if before else {})})
    texts = {}
    for name in written.keys() & row.keys():
        known = (text for text in (shown[name], written[name]) if not _differs(row[name], text))
        texts[name] = next(known, row[name])
    return texts


def _differs(cell: str, text: str) -> bool:
    """Whether somebody changed the text; line ends and the place where Excel cuts a cell off do not count."""
    one, other = ("\n".join(value.splitlines()) for value in (cell, text))
    return one != other and not (
        len(one) > CELL // 2 and len(other) >= CELL - 1 and other.startswith(one)
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of each sample in the file; commas, semicolons or tabs, as the spreadsheet wrote them."""
    try:
        text = path.read_text("utf-8-sig")
        first = text.partition("\n")[0]
        csv.field_size_limit(2**31 - 1)  # a context may well be longer than the module's 128 KiB
        reader = csv.DictReader(
            io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), restval=""
        )
        if missing := NEEDED - set(reader.fieldnames or ()):
            raise SettingsError(
                f"{path} has no column {min(missing)}. Take a file that `sdgkit review --to` wrote."
            )
        for row in reader:
            if row["id"]:  # spreadsheets leave lines of empty cells at the end
                cells = {
                    name: original(row[name]).replace("\r\n", "\n")
                    for name in COLUMNS
                    if name in row
                }
                yield reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        words = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{path} cannot be read: {words}. Save it as CSV UTF-8 from the spreadsheet."
        ) from None
