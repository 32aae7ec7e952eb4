"""The panel of a review: samples beside their seeds and the judge's words, to decide on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.formatting import clip, format_number
from sdgkit.keywords import known_keywords
from sdgkit.panels.frame import Action, Panel
from sdgkit.panels.state import Choice, Figure, PanelState
from sdgkit.prompts.faults import count_faults, faults_in
from sdgkit.review import DRAWN, SEED_FILE, STATES, Review, parts
from sdgkit.run import Run

PAGE_SIZE = 20  # rows on a page of the table
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
class ReviewRow:
    """A sample in the table: what it is found by, and the beginnings of its texts."""

    id: str
    state: str
    reason: str
    score: float | None
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
    can_undo: bool
    can_redo: bool
    seed_file: str
    page: int
    pages: int
    rows: tuple[ReviewRow, ...]
    figures: tuple[Figure, ...]


class ReviewPanel(Panel):
    """Go through samples one by one or in a table, beside their seed and the judge's words.

    Args:
        run: A `Run`, its folder, or a `Review`.
        seed_file: Where *Make this a seed* adds a sample.

    Attributes:
        review: The `Review` that the panel shows.
        ids: The samples that the filters leave, in order.

    Raises:
        RunError: If the folder holds no run.
    """

    kind = "review"

    @known_keywords
    def __init__(
        self, run: Run | Review | str | Path, *, seed_file: str | Path = SEED_FILE
    ) -> None:
        super().__init__()
        self.review = run if isinstance(run, Review) else Review(run, later=True)
        self.ids: list[str] = []
        self._seed_file = str(seed_file)
        self._filters = Filters()
        self._page = 0
        self._current = ""
        self.filter()
        for sample_id in self.ids:
            if self.review.state(sample_id) == "undecided":
                self._current = sample_id
                break

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {
            "filter": self.filter,
            "page": self.show_page,
            "go": self.show_sample,
            "step": self.step,
            "accept": self.accept,
            "reject": self.reject,
            "edit": self.edit,
            "undo": self.undo,
            "redo": self.redo,
            "seed": self.make_seed,
        }

    def filter(
        self,
        *,
        show: str | None = None,
        score: str | None = None,
        fault: str | None = None,
        seed: str | None = None,
        reason: str | None = None,
        text: str | None = None,
    ) -> None:
        """Change some of the `Filters`; the others stay."""
        values = {
            "show": show,
            "score": score,
            "fault": fault,
            "seed": seed,
            "reason": reason,
            "text": text,
        }
        changes = {name: value for name, value in values.items() if value is not None}
        self._filters = replace(self._filters, **changes)
        matching = self._matching_ids()
        if self._filters.show == "drawn":
            drawn = self.review.drawn()
            self.ids = [sample_id for sample_id in drawn if sample_id in matching]
        else:
            self.ids = matching
        self._page = 0
        if self._current not in self.ids:
            self._current = self.ids[0] if self.ids else ""

    def _matching_ids(self) -> list[str]:
        """The samples that the filters leave, of all that the run has."""
        filters = self._filters
        return self.review.find(
            filters.text,
            state=filters.show if filters.show in STATES else None,
            reason=filters.reason or None,
            seed=filters.seed or None,
            score=float(filters.score) if filters.score else None,
            fault=filters.fault or None,
        )

    def show_page(self, number: int) -> None:
        """Show a page of the table, from 0."""
        self._page = number

    def show_sample(self, id: str) -> None:
        """Show the sample with this id."""
        self._current = id

    def step(self, by: int) -> None:
        """Move forward (1) or back (-1)."""
        position = 0
        if self._current in self.ids:
            position = self.ids.index(self._current) + by
        if 0 <= position < len(self.ids):
            self._current = self.ids[position]

    def accept(self) -> None:
        """Accept the sample that is shown, and move to the next."""
        self.review.accept(self._shown())
        self.notice = f"Accepted {self._current}."
        self.step(1)

    def reject(self, reason: str = "") -> None:
        """Reject the sample that is shown, and move to the next.

        Args:
            reason: Why, in a few words.
        """
        self.review.reject(self._shown(), reason)
        self.notice = f"Rejected {self._current}."
        self.step(1)

    def edit(self, texts: Mapping[str, str]) -> None:
        """Accept the sample that is shown with edited texts, and stay on it.

        Args:
            texts: The texts, by name.
        """
        self.review.edit(self._shown(), **texts)
        self.notice = f"Saved {self._current} as edited."

    def undo(self) -> None:
        """Undo the latest decision, and show its sample."""
        sample_id = self.review.undo()
        if sample_id is None:
            self.notice = "There is nothing to undo."
            return
        self.notice = f"Undid the decision about {sample_id}."
        if sample_id in self.review.by_id:
            self._current = sample_id

    def redo(self) -> None:
        """Make the decision again that was undone last, and show its sample."""
        sample_id = self.review.redo()
        if sample_id is None:
            self.notice = "There is nothing to redo."
            return
        self.notice = f"Redid the decision about {sample_id}."
        if sample_id in self.review.by_id:
            self._current = sample_id

    def make_seed(self, path: str) -> None:
        """Add the sample that is shown to a file of seeds.

        Args:
            path: The file.
        """
        self._seed_file = path.strip() or self._seed_file
        number = self.review.make_seed(self._shown(), self._seed_file)
        self.notice = f"Added {self._current} to {self._seed_file}, which has {number} seeds now."

    def _shown(self) -> str:
        """The id of the sample that is shown. Raises SettingsError if there is none."""
        if not self._current:
            raise SettingsError("No sample is shown. Change the filters.")
        return self._current

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> ReviewState:
        """What the panel shows now."""
        review = self.review
        progress = review.progress
        is_complete = progress.decided == progress.samples > 0
        position = self.ids.index(self._current) + 1 if self._current in self.ids else 0
        first = self._page * PAGE_SIZE
        page_ids = self.ids[first : first + PAGE_SIZE]
        page_count = (len(self.ids) + PAGE_SIZE - 1) // PAGE_SIZE
        return ReviewState(
            sign="done" if is_complete else "none",
            status=_status(review),
            folder=str(review.run.out or "in memory"),
            filters=self._filters,
            choices=_choices(review),
            samples=progress.samples,
            total=len(self.ids),
            position=position,
            sample=self._sample() if self._current else None,
            can_undo=bool(review.decisions),
            can_redo=review.can_redo,
            seed_file=self._seed_file,
            page=self._page,
            pages=max(1, page_count),
            rows=tuple(self._row(sample_id) for sample_id in page_ids),
            figures=_figures(review, self.ids),
        )

    def _row(self, sample_id: str) -> ReviewRow:
        facts = self.review.facts(sample_id)
        texts = parts(self.review.as_decided(sample_id))
        return ReviewRow(
            id=sample_id,
            state=facts.state,
            reason=facts.reason,
            score=facts.score,
            question=clip(texts.get("question", ""), CLIPPED),
            response=clip(texts.get("response", ""), CLIPPED),
        )

    def _sample(self) -> SampleState:
        sample = self.review.sample(self._current)
        facts = self.review.facts(self._current)
        written = parts(sample)
        return SampleState(
            id=self._current,
            state=facts.state,
            reason=facts.reason,
            score=facts.score,
            evaluation=str(sample.get("evaluation") or ""),
            faults=tuple(faults_in(sample.get("faults"))),
            texts=parts(self.review.as_decided(self._current)),
            written=written,
            seed_texts={name: str(sample.get(f"seed_{name}") or "") for name in written},
        )


def _status(review: Review) -> str:
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


def _choices(review: Review) -> dict[str, tuple[Choice, ...]]:
    """What each filter offers."""
    facts = [review.facts(sample_id) for sample_id in review.by_id]
    scores = {fact.score for fact in facts if fact.score is not None}
    seeds = dict.fromkeys(fact.seed for fact in facts)
    states = [Choice(state, state) for state in STATES]
    reasons = []
    for reason, number in review.reasons().items():
        reasons.append(Choice(reason, f"{reason} ({number})"))
    faults = [
        Choice(fault.kind, f"{fault.kind} ({fault.number})")
        for fault in count_faults(review.samples)
    ]
    return {
        "show": (Choice("drawn", f"{DRAWN} drawn"), Choice("all", "all"), *states),
        "score": (
            ANY,
            *(Choice(str(float(score)), format_number(score)) for score in sorted(scores)),
        ),
        "fault": (ANY, *faults),
        "seed": (ANY, *(Choice(seed, seed) for seed in seeds)),
        "reason": (ANY, *reasons),
    }


def _figures(review: Review, ids: Iterable[str]) -> tuple[Figure, ...]:
    scores, lengths = review.figures(ids)
    return (
        Figure("Scores", "solid: kept, hollow: rejected", scores),
        Figure("Length of the response", "in characters; the marks below are the seeds", lengths),
    )
