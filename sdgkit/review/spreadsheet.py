"""A review by a colleague without Jupyter: samples and decisions as a CSV file for a spreadsheet, and back.

What a spreadsheet would take for a formula is written with an apostrophe before it, which is taken off on the way back
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.decisions import Decision, content_key
from sdgkit.errors import SettingsError
from sdgkit.export import write_text
from sdgkit.review import Review, parts

COLUMNS = (
    "id", "verdict", "reason", "context", "question", "response", "score", "evaluation", "seed_context",
    "seed_question", "seed_response", "content",
)  # fmt: skip
NEEDED = ("id", "verdict", "content")
VERDICTS = {"accept": "accept", "accepted": "accept", "yes": "accept", "ok": "accept", "y": "accept", "good": "accept"}
VERDICTS |= {"reject": "reject", "rejected": "reject", "no": "reject", "n": "reject", "bad": "reject", "": ""}
CELL = 32_767  # characters at which Excel cuts a cell off (support.microsoft.com, "Excel specifications and limits")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


@dataclass(frozen=True)
class Taken:
    """What came back from a spreadsheet.

    unchanged: lines that say nothing new. outdated: lines about a text that has changed since, or is gone.
    """

    accepted: int = 0
    edited: int = 0
    rejected: int = 0
    unchanged: int = 0
    outdated: int = 0

    def __str__(self) -> str:
        words = f"{self.accepted} accepted, {self.edited} edited, {self.rejected} rejected, {self.unchanged} unchanged"
        outdated = f"; {self.outdated} left out, because their text has changed since" if self.outdated else ""
        return f"{words}{outdated}."


def to_csv(review: Review, path: str | Path) -> int:
    """Write the samples with what was decided so far; returns how many. Raises RunError if it cannot."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for sample in review.samples:
        writer.writerow([harmless(cell) for cell in _cells(review, sample)])
    write_text(path, ["\ufeff", text.getvalue()])  # the mark by which Excel knows UTF-8
    return len(review.samples)


def from_csv(review: Review, path: str | Path) -> Taken:
    """Take the decisions in a file that `to_csv` wrote and somebody filled in, all or none.

    A line with other texts than the sample's is an edit; an empty verdict without one leaves the sample as it is.
    Raises SettingsError, naming the line, for what cannot be understood.
    """
    counts = dict.fromkeys(("accepted", "edited", "rejected", "unchanged", "outdated"), 0)
    decisions = []
    for line, row in _rows(Path(path)):
        verdict = VERDICTS.get(row["verdict"].strip().casefold())
        if verdict is None:
            raise SettingsError(
                f"{path}, line {line} ({row['id']}): the verdict {row['verdict']!r} is none. Write accept, reject or "
                "nothing; to edit a sample, change its text."
            )
        decision = _decision(review, row, verdict, f"{path}, line {line}")
        if isinstance(decision, str):
            counts[decision] += 1
            continue
        decisions.append(decision)
        counts["rejected" if decision.verdict == "reject" else "edited" if decision.edits else "accepted"] += 1
    if decisions:
        review.decide(decisions)
    return Taken(**counts)


def harmless(text: str) -> str:
    """The text as a spreadsheet takes it for text; `original` takes it back."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(cell: str) -> str:
    """The text that `harmless` made this cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _cells(review: Review, sample: Mapping[str, Any]) -> list[str]:
    decision, shown = review.decision(sample["id"]), review.as_decided(sample["id"])
    own = {
        **{name: shown.get(name) for name in COLUMNS},
        **parts(shown),
        "verdict": decision.verdict if decision else "",
        "reason": decision.reason if decision else "",
        "content": content_key(sample),
    }
    return ["" if own[name] is None else str(own[name]) for name in COLUMNS]


def _decision(review: Review, row: Mapping[str, str], verdict: str, where: str) -> Decision | str:
    """The decision in a line, or the word for why there is none."""
    sample = review.find_sample(row["id"])
    if sample is None or content_key(sample) != row["content"]:
        return "outdated"
    before = review.decision(row["id"])
    if verdict == "reject":
        decision = Decision(row["content"], row["id"], "reject", row.get("reason", "").strip())
    else:
        texts = {name: row[name] for name, text in parts(sample).items() if name in row and _differs(row[name], text)}
        if not verdict and (not texts or before is not None):
            return "unchanged"
        try:
            decision = review.edited(row["id"], texts)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from None
    same = before is not None and replace(before, id=decision.id, made=0.0, number=0) == decision
    return "unchanged" if same else decision


def _differs(cell: str, text: str) -> bool:
    """Whether somebody changed the text; line ends and the place where Excel cuts a cell off do not count."""
    one, other = (value.replace("\r\n", "\n").replace("\r", "\n") for value in (cell, text))
    return one != other and not (len(other) >= CELL - 1 and other.startswith(one.rstrip("\n")) and len(one) > CELL // 2)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of each sample in the file; commas, semicolons or tabs, as the spreadsheet wrote them."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not UTF-8; save it as CSV UTF-8"
        raise SettingsError(f"{path} cannot be read: {words}.") from None
    first = text.partition("\n")[0]
    limit = csv.field_size_limit(2**31 - 1)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in NEEDED if name not in header]
        if missing:
            raise SettingsError(f"{path} has no column {missing[0]}. Take a file that `sdgkit review --to` wrote.")
        for cells in reader:
            if any(cells):
                row = {name: original(cell).replace("\r\n", "\n") for name, cell in zip(header, cells, strict=False)}
                yield reader.line_num, {**dict.fromkeys(NEEDED, ""), **row}
    except csv.Error as error:
        raise SettingsError(f"{path} is broken CSV: {error}. Save it from the spreadsheet again.") from None
    finally:
        csv.field_size_limit(limit)
