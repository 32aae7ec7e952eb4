"""What a person decided about samples, as the journal keeps it; and what follows from it for the training file.

A decision holds for a sample's content (its context, question and response), wherever in the run that stands: the same
text made again is decided already, and a text that has changed since is not.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sdgkit.errors import RunError
from sdgkit.journal import JOURNAL_FILE, WAIT_S, Journal
from sdgkit.samples import Row, content_key

Verdict = Literal["accept", "reject"]


@dataclass(frozen=True)
class Decision:
    """One decision.

    content: of which text (`content_key`). id: the sample's when it was made. edits: columns as the person wrote them,
    for an accepted sample. number: counts decisions in the journal, from 1.
    """

    content: str
    id: str
    verdict: Verdict
    reason: str = ""
    edits: Mapping[str, str] = field(default_factory=dict)
    number: int = 0


@dataclass(frozen=True)
class ReviewProgress:
    """How far a review is.

    Attributes:
        samples: All samples.
        accepted: Samples that were accepted, as they are or edited.
        edited: Those of them that were edited.
        rejected: Samples that were rejected.
        outdated: Samples that were decided and have changed since.
    """

    samples: int
    accepted: int
    edited: int
    rejected: int
    outdated: int

    @classmethod
    def of_states(cls, states: Iterable[str]) -> "ReviewProgress":
        """The progress of a review, by what `Decisions.state` says of each sample."""
        counts = Counter(states)
        return cls(
            samples=counts.total(),
            accepted=counts["accepted"] + counts["edited"],
            edited=counts["edited"],
            rejected=counts["rejected"],
            outdated=counts["outdated"],
        )

    @property
    def decided(self) -> int:
        """Samples with a decision that holds."""
        return self.accepted + self.rejected


class Decisions:
    """The newest decision about each content, and about each id that a decision was ever made for."""

    def __init__(self, made: Iterable[Decision] = ()) -> None:
        self.by_content: dict[str, Decision] = {}
        self.by_id: dict[str, Decision] = {}
        for decision in made:
            self.by_content[decision.content] = self.by_id[decision.id] = decision

    def __bool__(self) -> bool:
        return bool(self.by_content)

    def state(self, id: str, content: str) -> str:
        """undecided, accepted, edited, rejected, or outdated: decided, but the content has changed since."""
        decision = self.by_content.get(content)
        if decision is None:
            return "outdated" if id in self.by_id else "undecided"
        return (
            "rejected"
            if decision.verdict == "reject"
            else "edited"
            if decision.edits
            else "accepted"
        )

    def let_through(self, samples: Iterable[Row]) -> Iterator[dict[str, Any]]:
        """The samples to train on: all but the rejected ones, the edited ones as they were edited."""
        for sample in samples:
            decision = self.by_content.get(content_key(sample)) if self else None
            if decision is None or decision.verdict == "accept":
                yield {**sample, **(decision.edits if decision else {})}

    def edited(self, samples: Iterable[Row]) -> Iterator[tuple[Row, dict[str, Any]]]:
        """The edited samples, as they were made and as they were edited."""
        for sample in samples:
            decision = self.by_content.get(content_key(sample)) if self else None
            if decision is not None and decision.edits:
                yield sample, {**sample, **decision.edits}

    def progress(self, samples: Iterable[Row]) -> ReviewProgress:
        """How far the review of these samples is."""
        states = [self.state(str(row.get("id")), content_key(row)) for row in samples]
        return ReviewProgress.of_states(states)


def read_decisions(journal: Journal) -> Decisions:
    """The decisions in a journal."""
    rows = journal.select(
        "SELECT content, id, verdict, reason, edits, number FROM decisions ORDER BY number"
    )
    return Decisions(Decision(**{**dict(row), "edits": json.loads(row["edits"])}) for row in rows)


class DecisionBook:
    """Where decisions are written: the journal in a run's folder, or the one in memory.

    Decisions may be made while a run writes the same journal: each is a transaction of its own. Raises RunError where
    the journal cannot be written.
    """

    def __init__(self, folder: Path | None, journal: Journal | None = None) -> None:
        self.folder, self._journal = folder, journal

    def write(self, decisions: Sequence[Decision]) -> None:
        """Write these decisions down, all or none."""
        rows = [
            (d.content, d.id, d.verdict, d.reason, json.dumps(dict(d.edits)), time.time())
            for d in decisions
        ]
        self._change(
            "INSERT INTO decisions (content, id, verdict, reason, edits, made) VALUES (?,?,?,?,?,?)",
            rows,
        )

    def take_back(self, number: int) -> None:
        """Forget the decision of this number; the one before it about the same content holds again."""
        self._change("DELETE FROM decisions WHERE number=?", [(number,)])

    def note_export(self, path: str, format: str) -> None:
        """Remember an export inside the run's folder, so that it follows later decisions."""
        self._change("INSERT OR REPLACE INTO exports VALUES (?,?)", [(path, format)])

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if self.folder is None:
            assert self._journal is not None, "a run that was not started has nothing to review"
            self._journal.change(statement, rows)
            return
        try:
            with closing(sqlite3.connect(self.folder / JOURNAL_FILE, timeout=WAIT_S)) as sql, sql:
                sql.executemany(statement, rows)
        except sqlite3.Error as error:
            raise RunError(
                f"The review cannot be saved in {self.folder / JOURNAL_FILE}: {error}. Make the folder writable, or copy it."
            ) from None
