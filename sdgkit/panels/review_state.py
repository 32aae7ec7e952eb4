"""What the panel of a review shows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sdgkit.formatting import format_number
from sdgkit.panels.state import Choice, Figure, PanelState
from sdgkit.prompts.faults import count_faults
from sdgkit.review import DRAWN, STATES, Review

CLIPPED = 160  # characters of a text in the table

ANY = Choice("", "any")


@dataclass(frozen=True)
class Filters:
    """Which samples are shown; "" narrows nothing down.

    Attributes:
        show: `drawn` (the samples that a review begins with), `all`, or a state.
        score: The judge's score, as text.
        fault: A kind of fault that the judge named.
        seed: The seed that they came from, such as `s3`.
        reason: The reason of a rejection.
        text: A text in the sample or in the judge's words.
    """

    show: str = "drawn"
    score: str = ""
    fault: str = ""
    seed: str = ""
    reason: str = ""
    text: str = ""


@dataclass(frozen=True)
class Sorting:
    """The order of the samples.

    Attributes:
        by: `lineage`, `decision`, `score`, or `length` (of the response).
        descending: Whether the last comes first.
    """

    by: str = "lineage"
    descending: bool = False


@dataclass(frozen=True)
class EndState:
    """The page after the last sample.

    Attributes:
        implied: What the decisions imply for all samples.
        advice: What to do next.
        skipped: The undecided ones among those that were shown.
    """

    implied: str
    advice: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class ReviewRow:
    """A sample in the table: what it is found by, and the beginnings of its texts."""

    id: str
    state: str
    reason: str
    score: float | None
    length: int
    question: str
    response: str


@dataclass(frozen=True)
class SampleState:
    """The sample that is shown.

    Attributes:
        id: Its lineage id.
        state: undecided, accepted, edited, rejected or outdated.
        reason: The reason of a rejection, or "".
        score: The judge's score, None if it is not a number.
        evaluation: The judge's words.
        faults: The kinds of fault that the judge named.
        texts: Its texts with your edits, by name.
        written: Its texts as the teacher wrote them, by name.
        seed_texts: The texts of its seed, by the same names.
    """

    id: str
    state: str
    reason: str
    score: float | None
    evaluation: str
    faults: tuple[str, ...]
    texts: Mapping[str, str]
    written: Mapping[str, str]
    seed_texts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ReviewState(PanelState):
    """What the panel of a review shows.

    Attributes:
        filters: What the filters are set to.
        choices: What each of them offers, by its name.
        samples: How many samples the run has.
        total: How many of them the filters leave.
        position: Which of those is shown, from 1; 0 for none.
        sample: The sample that is shown.
        undecided: How many of those that the filters leave are undecided.
        skipped: How many of these come before the one that is shown.
        meaning: How to read the range in the status, or "".
        end: The page after the last sample, while you are there.
        sorting: The order of the samples.
        can_undo: Whether there is a decision to undo.
        can_redo: Whether there is a decision to redo.
        seed_file: Where *Make this a seed* adds it.
        page: The page of the table, from 0.
        pages: How many pages it has.
        rows: The samples on the page.
        figures: Scores and lengths of the samples that the filters leave.
    """

    filters: Filters
    choices: Mapping[str, tuple[Choice, ...]]
    samples: int
    total: int
    position: int
    sample: SampleState | None
    undecided: int
    skipped: int
    meaning: str
    end: EndState | None
    sorting: Sorting
    can_undo: bool
    can_redo: bool
    seed_file: str
    page: int
    pages: int
    rows: tuple[ReviewRow, ...]
    figures: tuple[Figure, ...]


SORT_KEYS: Mapping[str, Callable[[ReviewRow], Any]] = {
    "lineage": lambda row: row.id,
    "decision": lambda row: STATES.index(row.state),
    "score": lambda row: -1.0 if row.score is None else row.score,
    "length": lambda row: row.length,
}


def status_of(review: Review) -> str:
    """How far the review has got, and what it implies."""
    progress = review.progress
    decided = format_number(progress.decided)
    status = [f"{decided} of {format_number(progress.samples)} reviewed"]
    if progress.edited:
        status.append(f"{progress.edited} edited")
    if progress.rejected:
        status.append(f"{progress.rejected} rejected")
    if progress.outdated:
        status.append(f"{progress.outdated} outdated")
    implied = review.implied()
    if implied:
        status.append(implied)
    agreement = review.agreement()
    if agreement is not None:
        status.append(agreement.summary)
    return " \u00b7 ".join(status)


def choices_of(review: Review) -> dict[str, tuple[Choice, ...]]:
    """What each filter offers."""
    scores = set()
    seeds: dict[str, Choice] = {}
    for sample_id in review.by_id:
        facts = review.facts(sample_id)
        seeds.setdefault(facts.seed, Choice(facts.seed, facts.seed))
        if facts.score is not None:
            scores.add(facts.score)
    states = [Choice(state, state) for state in STATES]
    reasons = []
    for reason, number in review.reasons().items():
        reasons.append(Choice(reason, f"{reason} ({number})"))
    faults = []
    for fault in count_faults(review.samples):
        faults.append(Choice(fault.kind, f"{fault.kind} ({fault.number})"))
    return {
        "show": (Choice("drawn", f"{DRAWN} drawn"), Choice("all", "all"), *states),
        "score": (
            ANY,
            *(Choice(str(float(score)), format_number(score)) for score in sorted(scores)),
        ),
        "fault": (ANY, *faults),
        "seed": (ANY, *seeds.values()),
        "reason": (ANY, *reasons),
    }


def figures_of(review: Review, ids: Iterable[str]) -> tuple[Figure, ...]:
    """Scores and lengths of these samples, as pictures."""
    scores, lengths = review.figures(ids)
    return (
        Figure("Scores", "solid: kept, hollow: rejected", scores),
        Figure("Length of the response", "in characters; the marks below are the seeds", lengths),
    )
