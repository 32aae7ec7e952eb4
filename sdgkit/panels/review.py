"""The panel of a review: samples beside their seeds and the judge's words, to decide on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sdgkit.decisions import Verdict
from sdgkit.errors import SettingsError
from sdgkit.formatting import clip, pluralize
from sdgkit.keywords import known_keywords_throughout
from sdgkit.panels.frame import Action, Panel
from sdgkit.panels.review_state import (
    CLIPPED,
    SORT_KEYS,
    EndState,
    Filters,
    ReviewRow,
    ReviewState,
    SampleState,
    Sorting,
    choices_of,
    figures_of,
    status_of,
)
from sdgkit.prompts.faults import faults_in
from sdgkit.review import SEED_FILE, STATES, Review, conclude, parts
from sdgkit.run import Run

PAGE_SIZE = 20  # rows on a page of the table


@known_keywords_throughout
class ReviewPanel(Panel):
    """Go through samples one by one or in a table, next to their seed and the judge's comments.

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
        self._is_at_end = False
        self._sorting = Sorting()
        self.filter()
        undecided = self._undecided()
        if undecided:
            self._current = undecided[0]

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {
            "filter": self.filter,
            "page": self.show_page,
            "go": self.show_sample,
            "step": self.step,
            "next": self.next_undecided,
            "sort": self.sort,
            "accept": self.accept,
            "reject": self.reject,
            "accept all": self.accept_all,
            "reject all": self.reject_all,
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
        changes = {}
        for name, value in values.items():
            if value is not None:
                changes[name] = value
        self._filters = replace(self._filters, **changes)
        matching = self._matching_ids()
        if self._filters.show == "drawn":
            drawn = self.review.drawn()
            shown = []
            for sample_id in drawn:
                if sample_id in matching:
                    shown.append(sample_id)
            self.ids = shown
        else:
            self.ids = matching
        self._put_in_order()
        self._page = 0
        if self._current not in self.ids:
            self._current = ""
            if self.ids:
                self._current = self.ids[0]
            self._is_at_end = False

    def sort(self, by: str) -> None:
        """Sort the samples, in the table and one by one; by the same again, the other way round.

        Args:
            by: `lineage`, `decision`, `score`, or `length` (of the response).
        """
        if by not in SORT_KEYS:
            raise SettingsError(
                f"Samples cannot be sorted by {by!r}. Sort by {', '.join(SORT_KEYS)}.",
                setting="by",
                choices=list(SORT_KEYS),
            )
        is_same = by == self._sorting.by
        self._sorting = Sorting(by, descending=is_same and not self._sorting.descending)
        self.filter()

    def _put_in_order(self) -> None:
        """Sort `ids`, which are in lineage order; equal ones stay in it."""
        if self._sorting.by == "lineage":
            if self._sorting.descending:
                self.ids.reverse()
            return
        key = SORT_KEYS[self._sorting.by]
        self.ids.sort(key=lambda id_: key(self._row(id_)), reverse=self._sorting.descending)

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
        self._is_at_end = False

    def step(self, by: int) -> None:
        """Move forward (1) or back (-1). After the last sample comes what the review implies."""
        if self._is_at_end:
            self._is_at_end = by > 0
            return
        position = 0
        if self._current in self.ids:
            position = self.ids.index(self._current) + by
        if 0 <= position < len(self.ids):
            self._current = self.ids[position]
        elif position == len(self.ids):
            self._is_at_end = True

    def next_undecided(self) -> None:
        """Move to the next undecided sample; after the last one, back to those you skipped."""
        undecided = self._undecided()
        if not undecided:
            self._is_at_end = True
            return
        position = self._position()
        later = []
        for id_ in undecided:
            if self.ids.index(id_) >= position:
                later.append(id_)
        self.show_sample((later or undecided)[0])

    def _undecided(self) -> list[str]:
        """The undecided among the samples that the filters leave."""
        undecided = []
        for id_ in self.ids:
            if self.review.state(id_) in ("undecided", "outdated"):
                undecided.append(id_)
        return undecided

    def _position(self) -> int:
        """The position of the sample that is shown, from 1; 0 for none."""
        if self._is_at_end:
            return len(self.ids)
        if self._current not in self.ids:
            return 0
        return self.ids.index(self._current) + 1

    def accept(self, id: str = "") -> None:
        """Accept the sample that is shown, and move to the next.

        Args:
            id: Another sample, such as one of the table; then nothing moves.
        """
        self.review.accept(id or self._shown())
        self.notice = f"Accepted {id or self._current}."
        if not id:
            self.step(1)

    def reject(self, reason: str = "", id: str = "") -> None:
        """Reject the sample that is shown, and move to the next.

        Args:
            reason: Why, in a few words.
            id: Another sample, such as one of the table; then nothing moves.
        """
        self.review.reject(id or self._shown(), reason)
        self.notice = f"Rejected {id or self._current}."
        if not id:
            self.step(1)

    def accept_all(self) -> None:
        """Accept all undecided samples that the filters leave; *Undo* reverts all of it."""
        self._decide_all("accept", "Accepted")

    def reject_all(self, reason: str = "") -> None:
        """Reject all undecided samples that the filters leave; *Undo* reverts all of it.

        Args:
            reason: Why, in a few words.
        """
        self._decide_all("reject", "Rejected", reason)

    def _decide_all(self, verdict: Verdict, word: str, reason: str = "") -> None:
        undecided = self._undecided()
        decisions = [self.review.decision_of(id_, verdict, reason) for id_ in undecided]
        self.review.decide(decisions)
        self.notice = f"{word} {pluralize(len(decisions), 'sample')}. Undo reverts them all."

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
            self.show_sample(sample_id)

    def redo(self) -> None:
        """Make the decision again that was undone last, and show its sample."""
        sample_id = self.review.redo()
        if sample_id is None:
            self.notice = "There is nothing to redo."
            return
        self.notice = f"Redid the decision about {sample_id}."
        if sample_id in self.review.by_id:
            self.show_sample(sample_id)

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
        if self._is_at_end:
            raise SettingsError("This is the end of the samples. Go back to one to decide on it.")
        return self._current

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> ReviewState:
        """What the panel shows now."""
        review = self.review
        progress = review.progress
        is_complete = progress.decided == progress.samples > 0
        position = self._position()
        undecided = self._undecided()
        before = set(self.ids[: max(0, position - 1)])
        conclusion = conclude(review)
        end = None
        if self._is_at_end:
            end = EndState(conclusion.implied, conclusion.advice, tuple(undecided))
        first = self._page * PAGE_SIZE
        page_ids = self.ids[first : first + PAGE_SIZE]
        page_count = (len(self.ids) + PAGE_SIZE - 1) // PAGE_SIZE
        return ReviewState(
            sign="done" if is_complete else "none",
            status=status_of(review),
            folder=str(review.run.out or "in memory"),
            filters=self._filters,
            choices=choices_of(review),
            samples=progress.samples,
            total=len(self.ids),
            position=position,
            sample=self._sample() if self._current and not self._is_at_end else None,
            undecided=len(undecided),
            skipped=sum(id_ in before for id_ in undecided),
            meaning=conclusion.meaning,
            end=end,
            sorting=self._sorting,
            can_undo=bool(review.decisions),
            can_redo=review.can_redo,
            seed_file=self._seed_file,
            page=self._page,
            pages=max(1, page_count),
            rows=tuple(self._row(sample_id) for sample_id in page_ids),
            figures=figures_of(review, self.ids),
        )

    def _row(self, sample_id: str) -> ReviewRow:
        facts = self.review.facts(sample_id)
        texts = parts(self.review.as_decided(sample_id))
        return ReviewRow(
            id=sample_id,
            state=facts.state,
            reason=facts.reason,
            score=facts.score,
            length=len(texts.get("response", "")),
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
