"""What a reviewer decided about samples, and what follows from it for the training file.

A decision applies to a sample's content (its context, question and response), wherever in the run
that is: the same text made again is already decided, and a text that has changed since is not.
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
from sdgkit.journal import JOURNAL_FILE, Journal
from sdgkit.journal.connection import UNREADABLE, connect
from sdgkit.journal.reading import read_row
from sdgkit.keywords import known_keywords_throughout
from sdgkit.samples import Row, content_key

Verdict = Literal["accept", "reject"]
ReviewState = Literal["undecided", "accepted", "edited", "rejected", "outdated"]


@dataclass(frozen=True)
class Decision:
    """One decision of a reviewer.

    Attributes:
        content: The text that it applies to, as returned by `content_key`.
        id: The id that the sample had when the decision was made.
        verdict: Whether the sample may be trained on.
        reason: Why it was rejected.
        edits: Columns as the reviewer wrote them, for an accepted sample.
        number: Counts the decisions in the journal, from 1; 0 for one that is not written yet.
    """

    content: str
    id: str
    verdict: Verdict
    reason: str = ""
    edits: Mapping[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def state(self) -> ReviewState:
        """What a sample with this content is: accepted, edited or rejected."""
        if self.verdict == "reject":
            return "rejected"
        return "edited" if self.edits else "accepted"


@dataclass(frozen=True)
class ReviewProgress:
    """How far a review has got.

    Attributes:
        samples: All samples.
        accepted: Accepted ones, the edited ones included.
        edited: Edited ones.
        rejected: Rejected ones.
        outdated: Samples whose content has changed since they were decided.
    """

    samples: int = 0
    accepted: int = 0
    edited: int = 0
    rejected: int = 0
    outdated: int = 0

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
        """Samples with a decision that still applies."""
        return self.accepted + self.rejected


@known_keywords_throughout
class Decisions:
    """The decisions of a review; the newest one about a content applies.

    Attributes:
        by_content: The newest decision about each content.
        by_id: The newest decision that was made for each id.
    """

    def __init__(self, decisions: Iterable[Decision] = ()) -> None:
        self.by_content: dict[str, Decision] = {}
        self.by_id: dict[str, Decision] = {}
        for decision in decisions:
            self.by_content[decision.content] = decision
            self.by_id[decision.id] = decision

    def __bool__(self) -> bool:
        return bool(self.by_content)

    def state(self, id: str, content: str) -> ReviewState:
        """The state of a sample; `outdated` if its content has changed since it was decided."""
        decision = self.by_content.get(content)
        if decision is not None:
            return decision.state
        if id in self.by_id:
            return "outdated"
        return "undecided"

    def about(self, sample: Row) -> Decision | None:
        """The decision that applies to a sample."""
        if not self:  # saves hashing all samples of a run that nobody reviewed
            return None
        return self.by_content.get(content_key(sample))

    def let_through(self, samples: Iterable[Row]) -> Iterator[dict[str, Any]]:
        """The samples to train on: without the rejected ones, and with the edits."""
        for sample in samples:
            decision = self.about(sample)
            if decision is None:
                yield dict(sample)
            elif decision.verdict == "accept":
                yield {**sample, **decision.edits}

    def edited(self, samples: Iterable[Row]) -> Iterator[tuple[Row, dict[str, Any]]]:
        """The edited samples, as the teacher wrote them and as they were edited."""
        for sample in samples:
            decision = self.about(sample)
            if decision is not None and decision.edits:
                yield sample, {**sample, **decision.edits}

    def progress(self, samples: Iterable[Row]) -> ReviewProgress:
        """How far the review of these samples has got."""
        return ReviewProgress.of_states(
            self.state(str(sample.get("id")), content_key(sample)) for sample in samples
        )


def read_decisions(journal: Journal) -> Decisions:
    """The decisions in a journal."""
    rows = journal.select(
        "SELECT content, id, verdict, reason, edits, number FROM decisions ORDER BY number"
    )
    return Decisions(_read_decision(row) for row in rows)


def _read_decision(row: sqlite3.Row) -> Decision:
    return Decision(**read_row(row))


class DecisionBook:
    """Where decisions are written: the journal in a run's folder, or the one in memory.

    Decisions may be made while a run writes the same journal: each call is a transaction of its
    own.

    Args:
        folder: The run's folder; None for a run in memory.
        journal: The journal of a run in memory.
    """

    def __init__(self, folder: Path | None, journal: Journal | None = None) -> None:
        self.folder = folder
        self._journal = journal

    def write(self, decisions: Sequence[Decision]) -> None:
        """Write these decisions, all or none.

        Raises:
            RunError: The journal cannot be written.
        """
        now = time.time()
        rows = []
        for decision in decisions:
            rows.append(
                (
                    decision.content,
                    decision.id,
                    decision.verdict,
                    decision.reason,
                    json.dumps(dict(decision.edits)),
                    now,
                )
            )
        self._change(
            "INSERT INTO decisions (content, id, verdict, reason, edits, made)"
            " VALUES (?,?,?,?,?,?)",
            rows,
        )

    def take_back(self, *numbers: int) -> None:
        """Forget decisions; the one before each about the same content applies again.

        Args:
            *numbers: The numbers of the decisions.

        Raises:
            RunError: The journal cannot be written.
        """
        self._change("DELETE FROM decisions WHERE number=?", [(number,) for number in numbers])

    def note_export(self, path: str, format: str, test_share: float | None = None) -> None:
        """Remember an export in the run's folder, to write it again after later decisions.

        Args:
            path: The file, relative to the folder.
            format: Its format.
            test_share: The share of contexts that was held out, None if nothing was said.

        Raises:
            RunError: The journal cannot be written.
        """
        noted = format
        if test_share is not None:
            noted = f"{format}={test_share}"
        self._change("INSERT OR REPLACE INTO exports VALUES (?,?)", [(path, noted)])

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if self.folder is None:
            assert self._journal is not None, "a run that was not started has nothing to review"
            self._journal.change(statement, rows)
            return
        path = self.folder / JOURNAL_FILE
        try:
            with closing(connect(self.folder, "rw")) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(statement, rows)
                connection.execute("COMMIT")
        except UNREADABLE as error:
            raise RunError(
                f"The review cannot be saved in {path}: {error}. "
                "Make the folder writable, or copy it.",
                folder=self.folder,
            ) from None
