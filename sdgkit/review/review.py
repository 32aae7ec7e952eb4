"""A review: a person's decisions about samples, and what they imply for the others."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdgkit.decisions import Decision, Decisions, ReviewProgress, Verdict
from sdgkit.errors import RunError, SettingsError
from sdgkit.keywords import known_keywords_throughout
from sdgkit.prompts.faults import faults_in
from sdgkit.quality.agreement import Agreement, as_finished, compare_with_judge, judge_drops
from sdgkit.quality.interval import interval
from sdgkit.review.draw import DRAWN, draw
from sdgkit.review.facts import SampleFacts, parts, score_of
from sdgkit.review.figures import Figures, figures_of
from sdgkit.review.follower import Follower
from sdgkit.review.history import History
from sdgkit.review.new_seeds import extend_seeds
from sdgkit.run import Run, open_run
from sdgkit.samples import TEXTS, Row, content_key, own_question, rows_by_id, seed_of, texts_in

SEED_FILE = "my_seeds.jsonl"


@known_keywords_throughout
class Review:
    """The review of a run.

    Every decision is recorded in the run's journal when the call returns. The training file, the
    card and the exports in the run's folder are updated. Undecided samples count as accepted.

    Args:
        run: A `Run` or its folder.
        later: Whether the files are written soon after a decision, in a thread, instead of before
            the call returns. `write` waits for them.

    Attributes:
        run: The run.
        samples: Its samples as the teacher wrote them, in lineage order.
        by_id: The same by id.
        decisions: All decisions.

    Raises:
        RunError: If there is nothing to review.

    Example:
        >>> import sdgkit as sk
        >>> seeds = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
        >>> with sk.connect("rehearsal") as teacher:
        ...     run = sk.generate(list(seeds)[:1], teacher=teacher, num_contexts=2, profile=False)
        >>> review = sk.Review(run)
        >>> review.reject(review.samples[0]["id"], "not our style")
        >>> review.progress.rejected
        1
    """

    def __init__(self, run: Run | str | Path, *, later: bool = False) -> None:
        if not isinstance(run, Run):
            run = open_run(run)
        self.run = run
        self._follower = Follower(self.run.folder, later=later)
        self._history = History()
        self.read()
        if self.decisions:
            # A process that was killed may have left files that are older than the newest decision.
            # A folder that cannot be written can still be looked at.
            with suppress(RunError):
                self._follow_decisions()

    def read(self) -> "Review":
        """Read again what the run has made and what has been decided, here or elsewhere."""
        self.samples = list(self.run.samples())
        self.by_id = rows_by_id(self.samples)
        self._keys = {id_: content_key(sample) for id_, sample in self.by_id.items()}
        self.decisions = self.run.decisions
        self._judge_drops: dict[str, Row] | None = None
        self._keys_of_drops: list[tuple[str, str]] | None = None
        self._agreement: tuple[Decisions, Agreement | None] | None = None
        return self

    def write(self) -> None:
        """Rewrite the training file, the card and the exports in the folder.

        Raises:
            RunError: If they cannot be written.
        """
        self._follower.write()

    def _follow_decisions(self) -> None:
        """Read the decisions and update the files."""
        self.decisions = self.run.decisions
        self._follower.follow()

    # Deciding -------------------------------------------------------------------------------------

    def accept(self, id: str) -> None:
        """Accept a sample as it is.

        Args:
            id: The sample's id, such as `s3/c7/q2`.
        """
        self.decide([self.decision_of(id, "accept")])

    def reject(self, id: str, reason: str = "") -> None:
        """Reject a sample.

        Args:
            id: The sample's id.
            reason: Why, in a few words.
        """
        self.decide([self.decision_of(id, "reject", reason)])

    def overrule(self, id: str) -> None:
        """Record that a row which the judge dropped was good.

        It counts when your decisions are compared with the judge's (`agreement`). The row does
        not become a sample; if a later run keeps the same row, it is already accepted.

        Args:
            id: The row's id: one of `judge_drops`.

        Raises:
            RunError: If the last judge dropped no row with this id.
        """
        drop = self.judge_drops.get(id)
        if drop is None:
            raise RunError(
                f"The last judge of this run dropped no row {id!r}. `judge_drops` has those that "
                "it dropped.",
                folder=self.run.out,
            )
        self.decide([Decision(content_key(as_finished(drop)), id, "accept")])

    def edit(self, id: str, **texts: str) -> None:
        """Accept a sample with edited texts.

        Args:
            id: The sample's id.
            texts: The new `context`, `question` (without the context above it) or `response`.

        Raises:
            SettingsError: For an empty text, or one that the sample does not have.
        """
        self.decide([self.decision_of(id, "accept", texts=texts)])

    def decision_of(
        self, id: str, verdict: Verdict, reason: str = "", texts: Mapping[str, str] | None = None
    ) -> Decision:
        """Make a decision for `decide` to save.

        Args:
            id: The sample's id.
            verdict: "accept" or "reject".
            reason: Why, in a few words.
            texts: The new texts, as for `edit`.

        Raises:
            RunError: If there is no such sample.
            SettingsError: For an empty text, or one that the sample does not have.
        """
        sample = self.sample(id)
        texts_now = parts(sample)
        for name, text in (texts or {}).items():
            if name not in texts_now:
                raise SettingsError(
                    f"The sample {id} has no text named {name!r}. It has {', '.join(texts_now)}.",
                    setting=name,
                    choices=list(texts_now),
                )
            if not text.strip():
                raise SettingsError(
                    f"The {name} of {id} is empty. Write a text, or reject the sample."
                )
            texts_now[name] = text
        if sample.get("question") != own_question(sample):
            texts_now["question"] = f"{texts_now['context']}\n\n{texts_now['question']}"
        edits = {}
        for name, text in texts_now.items():
            if text != sample.get(name):
                edits[name] = text
        return Decision(content_key(sample), id, verdict, reason.strip(), edits)

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Save several decisions, all or none; `undo` takes them back together."""
        if not decisions:
            return
        self._history.forget_taken_back()
        self.run.decision_book().write(decisions)
        self._follow_decisions()
        self._history.made(self._newest_first()[0].number, len(decisions))

    def undo(self) -> str | None:
        """Take back the latest decision, even one that was made elsewhere.

        Decisions that were made together are taken back together.

        Returns:
            The id of its sample; None if there is nothing to take back.
        """
        if not self.decisions:
            return None
        decisions = self._history.to_undo(self._newest_first())
        self.run.decision_book().take_back(*(decision.number for decision in decisions))
        self._history.taken_back(decisions)
        self._follow_decisions()
        return decisions[0].id

    def _newest_first(self) -> list[Decision]:
        decisions = self.decisions.by_content.values()
        return sorted(decisions, key=lambda decision: decision.number, reverse=True)

    def redo(self) -> str | None:
        """Make the decision again that was taken back last, if none was made since.

        Returns:
            The id of its sample; None if there is nothing to make again.
        """
        decisions = self._history.to_redo
        if not decisions:
            return None
        self.run.decision_book().write(decisions)
        self._follow_decisions()
        self._history.made_again(self._newest_first()[0].number)
        return decisions[-1].id

    @property
    def can_redo(self) -> bool:
        """Whether there is a decision to make again."""
        return bool(self._history.to_redo)

    def make_seed(self, id: str, path: str | Path = SEED_FILE) -> int:
        """Add an accepted or edited sample to a seed file.

        Args:
            id: The sample's id.
            path: The seed file, which ends in `.jsonl`. A new file begins with the run's own seeds.

        Returns:
            How many seeds the file has now.

        Raises:
            SettingsError: If the sample was not accepted.
            SeedError: If it is in the file already.
        """
        if self.state(id) not in ("accepted", "edited"):
            raise SettingsError(
                f"{id} is not accepted. Accept or edit it first: every new sample will imitate it."
            )
        return extend_seeds(self.run, self.as_decided(id), Path(path))

    # Looking --------------------------------------------------------------------------------------

    def sample(self, id: str) -> dict[str, Any]:
        """A sample as the teacher wrote it.

        Raises:
            RunError: If there is no sample with this id.
        """
        if id not in self.by_id:
            example = next(iter(self.by_id), "s1/c1")
            raise RunError(
                f"This run has no sample {id!r}. An id looks like {example}.", folder=self.run.out
            )
        return self.by_id[id]

    def as_decided(self, id: str) -> dict[str, Any]:
        """A sample with the texts of the person who edited it."""
        decision = self.decision(id)
        sample = self.sample(id)
        if decision is None:
            return dict(sample)
        return {**sample, **decision.edits}

    def decision(self, id: str) -> Decision | None:
        """The decision that applies to a sample; None if it is undecided or outdated."""
        return self.decisions.by_content.get(self._keys.get(id, ""))

    def state(self, id: str) -> str:
        """The state of a sample: undecided, accepted, edited, rejected, or outdated.

        An outdated sample was decided, but its content has changed since.
        """
        return self.decisions.state(id, self._keys.get(id, ""))

    def facts(self, id: str) -> SampleFacts:
        """What a sample is found by."""
        decision = self.decision(id)
        return SampleFacts(
            id=id,
            seed=seed_of(id),
            state=self.state(id),
            reason=decision.reason if decision is not None else "",
            score=score_of(self.sample(id)),
        )

    def find(
        self,
        text: str = "",
        *,
        state: str | None = None,
        reason: str | None = None,
        seed: str | None = None,
        score: float | None = None,
        fault: str | None = None,
    ) -> list[str]:
        """Find samples.

        Args:
            text: A text in the sample or in the judge's evaluation; letter case is
                ignored.
            state: The state of the sample.
            reason: The reason of its rejection.
            seed: The seed that it came from, such as `s3`.
            score: The judge's score.
            fault: A kind of fault that the judge named, such as "manner".

        Returns:
            The ids of the samples that match all of these, in lineage order.
        """
        ids = []
        for id_, sample in self.by_id.items():
            facts = self.facts(id_)
            matches = (
                state in (None, facts.state)
                and reason in (None, facts.reason)
                and seed in (None, facts.seed)
                and score in (None, facts.score)
                and (fault is None or fault in faults_in(sample.get("faults")))
                and _contains(sample, text)
            )
            if matches:
                ids.append(id_)
        return ids

    def drawn(self, number: int = DRAWN) -> list[str]:
        """The ids of the samples with which a review begins.

        They are drawn across seeds and scores, the same ones every time.

        Args:
            number: How many (default 20).
        """
        return draw(self.by_id, self._keys, number)

    def _drop_keys(self) -> Sequence[tuple[str, str]]:
        """The ids of the judge's drops with the keys of their contents, worked out once."""
        if not self.decisions:
            return ()
        if self._keys_of_drops is None:
            keys = []
            for id_, drop in self.judge_drops.items():
                keys.append((id_, content_key(as_finished(drop))))
            self._keys_of_drops = keys
        return self._keys_of_drops

    @property
    def judge_drops(self) -> Mapping[str, Row]:
        """The rows that the last judge dropped, by id."""
        if self._judge_drops is None:
            lines = self.run.snapshot().stages
            self._judge_drops = rows_by_id(judge_drops(self.run.drops(), lines))
        return self._judge_drops

    def agreement(self) -> Agreement | None:
        """How far the judge agrees with your decisions, and the rows about which it does not.

        Returns:
            The agreement; None as long as there are no decisions.
        """
        if self._agreement is None or self._agreement[0] is not self.decisions:
            decided = self.decisions.by_content
            samples = []
            for id_, key in self._keys.items():
                if key in decided:
                    samples.append(self.by_id[id_])
            drops = []
            for id_, key in self._drop_keys():
                if key in decided:
                    drops.append(self.judge_drops[id_])
            agreement = compare_with_judge(self.decisions, samples, drops)
            self._agreement = (self.decisions, agreement)
        return self._agreement[1]

    @property
    def progress(self) -> ReviewProgress:
        """How many samples there are, and how many of them were accepted, edited and rejected."""
        return ReviewProgress.of_states(self.state(id_) for id_ in self.by_id)

    def implied(self) -> str:
        """What the drawn samples imply for all samples: "18 of 20 good: 70–97% of all".

        Good is what was accepted unedited.

        Returns:
            The sentence; "" until at least one of them is decided.
        """
        states = [self.state(id_) for id_ in self.drawn()]
        decided = []
        for state in states:
            if state in ("accepted", "edited", "rejected"):
                decided.append(state)
        if not decided:
            return ""
        good = decided.count("accepted")
        sentence = f"{good} of {len(decided)} good"
        if len(decided) == len(self.samples):
            return sentence
        share = interval(good, len(decided))
        return f"{sentence}: {share.low * 100:.0f}\u2013{share.high * 100:.0f}% of all"

    def reasons(self) -> dict[str, int]:
        """The reasons of rejections with their numbers, the most frequent first."""
        reasons = [self.facts(id_).reason for id_ in self.by_id]
        given_reasons = []
        for reason in reasons:
            if reason:
                given_reasons.append(reason)
        return dict(Counter(given_reasons).most_common())

    def figures(self, ids: Iterable[str]) -> Figures:
        """Histograms of some samples; those that were rejected are drawn hollow.

        Args:
            ids: The ids of the samples.
        """
        return figures_of((self.sample(id_), self.facts(id_)) for id_ in ids)


def _contains(sample: Row, text: str) -> bool:
    """Whether a text is in the sample or in the judge's evaluation."""
    texts = texts_in(sample, (*TEXTS, "evaluation"))
    return text.casefold() in " ".join(texts).casefold()
