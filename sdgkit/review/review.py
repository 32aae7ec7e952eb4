"""A review: a person's decisions about the samples of a run, one by one, and what they imply for the rest."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from time import sleep
from typing import Any

from sdgkit.decisions import Decision, Reviewed, Verdict, reviewed
from sdgkit.errors import FolderInUse, RunError, SeedError, SettingsError
from sdgkit.quality.verdicts import interval
from sdgkit.report import length_histogram, score_histogram
from sdgkit.run import Run, open_run
from sdgkit.run.folder import write_reviewed
from sdgkit.samples import TEXTS, content_key, own_question, seed_of
from sdgkit.seeds import COLUMNS, read_seeds, save_seeds

DRAWN = 20  # samples with which a review begins
STATES = ("undecided", "accepted", "edited", "rejected", "outdated")
SEED_FILE = "my_seeds.jsonl"


class Review:
    """The review of a run, or of a run's folder.

    Every decision is in the run's journal when the call returns, and the training file, the card and the exports in the
    folder follow: before the call returns, or with `later` in a thread soon after (`write` waits for them). Undecided
    samples count as accepted. Raises RunError if there is nothing to review.
    """

    def __init__(self, run: Run | str | Path, *, later: bool = False) -> None:
        self.run = run if isinstance(run, Run) else open_run(run)
        self._later = later
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sdgkit review")
        self._writing: Future[None] = Future()
        self.read()
        if (
            self.decisions
        ):  # a kernel that was killed may have left files that are older than the newest decision
            with suppress(RunError):  # a folder that cannot be written can still be looked at
                self._changed()

    def read(self) -> "Review":
        """Take in what the run has made and what was decided meanwhile, here or elsewhere."""
        self.samples = list(self.run.samples())
        self.by_id = {str(sample["id"]): sample for sample in self.samples}
        self._keys = {id: content_key(sample) for id, sample in self.by_id.items()}
        self.decisions = self.run.decisions
        return self

    def write(self) -> None:
        """Write training file, card and exports in the folder anew. Raises RunError."""
        self._pool.submit(self._write).result()

    def _changed(self) -> None:
        self.decisions = self.run.decisions
        if self._later:  # nobody waits for the one before: if it has not begun yet, this one takes its decisions along
            self._writing.cancel()
        writing = self._writing = self._pool.submit(self._write)
        if not self._later:
            writing.result()

    def _write(self) -> None:
        for pause in (0.2, 0.5, 0.0):
            with suppress(
                FolderInUse
            ):  # another review for a moment; or a run, which writes them itself when it ends
                return write_reviewed(self.run.out) if self.run.out is not None else None
            sleep(pause)

    # Deciding ---------------------------------------------------------------------------------------------------------

    def accept(self, id: str) -> None:
        """Accept the sample with this id as it is."""
        self.decide([self.decision_of(id, "accept")])

    def reject(self, id: str, reason: str = "") -> None:
        """Reject it, with a reason in a few words."""
        self.decide([self.decision_of(id, "reject", reason)])

    def edit(self, id: str, **texts: str) -> None:
        """Accept it with other texts: `context`, `question` (without the context above it), `response`.

        Raises SettingsError for an empty text, or one that the sample does not have.
        """
        self.decide([self.decision_of(id, "accept", texts=texts)])

    def decision_of(
        self, id: str, verdict: Verdict, reason: str = "", texts: Mapping[str, str] | None = None
    ) -> Decision:
        """A decision that `decide` can save. texts: those of `edit`."""
        sample = self.sample(id)
        after = parts(sample)
        for name, text in (texts or {}).items():
            if name not in after:
                raise SettingsError(f"The sample {id} has no {name}. It has {', '.join(after)}.")
            if not text.strip():
                raise SettingsError(
                    f"The {name} of {id} is empty. Write a text, or reject the sample."
                )
            after[name] = text
        if sample.get("question") != own_question(sample):
            after["question"] = f"{after['context']}\n\n{after['question']}"
        changed = {name: text for name, text in after.items() if text != sample.get(name)}
        return Decision(content_key(sample), id, verdict, reason.strip(), changed)

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Save several decisions, all or none."""
        self.run.decision_book().write(decisions)
        self._changed()

    def undo(self) -> str | None:
        """Take the newest decision back, whoever made it; returns the id of its sample, None if there is none."""
        newest = max(
            self.decisions.by_content.values(), key=lambda decision: decision.number, default=None
        )
        if newest is None:
            return None
        self.run.decision_book().take_back(newest.number)
        self._changed()
        return newest.id

    def make_seed(self, id: str, path: str | Path = SEED_FILE) -> int:
        """Add an accepted or edited sample to a file of seeds; returns how many seeds are in it.

        path: ends in .jsonl; a new file begins with the run's own seeds. Raises SettingsError for a sample that was not
        accepted, SeedError if it is in the file already.
        """
        if self.state(id) not in ("accepted", "edited"):
            raise SettingsError(
                f"{id} is not accepted. Accept or edit it first: a seed is what all the others follow."
            )
        known = (
            Path(path)
            if Path(path).exists() or self.run.out is None
            else self.run.out / "seeds.jsonl"
        )
        rows = read_seeds(known) if known.exists() or self.run.plan is None else self.run.plan.rows
        seeds = [{name: value for name, value in row.items() if name != "id"} for row in rows]
        sample = self.as_decided(id)
        sample |= {"seed_context": sample.get("context"), "seed_question": own_question(sample)}
        sample |= {"seed_response": sample["response"]}
        seed = {name: sample[name] for name in seeds[0] if name in sample}
        if any(all(one.get(column) == seed.get(column) for column in COLUMNS) for one in seeds):
            raise SeedError(f"{id} is in {path} already.")
        save_seeds([*seeds, seed], path)
        return len(seeds) + 1

    # Looking ----------------------------------------------------------------------------------------------------------

    def sample(self, id: str) -> dict[str, Any]:
        """The sample with this id, as the teacher wrote it. Raises RunError if there is none."""
        if id not in self.by_id:
            raise RunError(
                f"There is no sample {id!r} in this run. An id is like {next(iter(self.by_id), 's1/c1')}."
            )
        return self.by_id[id]

    def as_decided(self, id: str) -> dict[str, Any]:
        """The sample with this id, with the texts of a person who edited it."""
        decision = self.decision(id)
        return {**self.sample(id), **(decision.edits if decision else {})}

    def decision(self, id: str) -> Decision | None:
        """The decision that holds for the sample with this id."""
        return self.decisions.by_content.get(self._keys.get(id, ""))

    def state(self, id: str) -> str:
        """undecided, accepted, edited, rejected, or outdated: decided, but its content has changed since."""
        return self.decisions.state(id, self._keys.get(id, ""))

    def facts(self, id: str) -> dict[str, Any]:
        """What samples are found by: id, seed, state, reason of a rejection, score (None if it is no number)."""
        decision, score = self.decision(id), self.sample(id).get("score")
        return {
            "id": id,
            "seed": seed_of(id),
            "state": self.state(id),
            "reason": decision.reason if decision else "",
            "score": score if isinstance(score, int | float) else None,
        }

    def find(self, text: str = "", **facts: Any) -> list[str]:
        """The ids of the samples with these `facts`, in lineage order. text: in the sample or the judge's words."""
        found = []
        for id, sample in self.by_id.items():
            texts = " ".join(str(sample.get(name) or "") for name in (*TEXTS, "evaluation"))
            if facts.items() <= self.facts(id).items() and text.casefold() in texts.casefold():
                found.append(id)
        return found

    def drawn(self, number: int = DRAWN) -> list[str]:
        """The ids with which a review begins: drawn across seeds and scores, the same ones every time.

        Seeds take turns, and within a seed the scores do; among equals the hash of the content decides, which is as
        good as chance.
        """
        groups: dict[str, dict[Any, list[str]]] = {
            seed_of(id): defaultdict(list) for id in self.by_id
        }
        for id in sorted(self.by_id, key=self._keys.__getitem__):
            groups[seed_of(id)][self.by_id[id].get("score")].append(id)
        return _in_turns(_in_turns(scores.values()) for scores in groups.values())[:number]

    @property
    def progress(self) -> Reviewed:
        """How many samples there are, and how many of them were accepted, edited and rejected."""
        return reviewed(map(self.state, self.by_id))

    def implied(self) -> str:
        """What the drawn samples imply for all: "18 of 20 good: 70–97% of all". Good is what was accepted unedited."""
        states = [
            state
            for id in self.drawn()
            if (state := self.state(id)) in ("accepted", "edited", "rejected")
        ]
        if not states:
            return ""
        good = states.count("accepted")
        low, high = interval(good, len(states))
        share = (
            f": {low * 100:.0f}\u2013{high * 100:.0f}% of all"
            if len(states) < len(self.samples)
            else ""
        )
        return f"{good} of {len(states)} good{share}"

    def reasons(self) -> dict[str, int]:
        """The reasons of the rejected samples, the most frequent first."""
        return dict(
            Counter(
                reason for id in self.by_id if (reason := self.facts(id)["reason"])
            ).most_common()
        )

    def figures(self, ids: Iterable[str]) -> tuple[str, str]:
        """Histograms (SVG) of these samples' scores, and of the lengths of their responses in characters, with the
        seeds' marked below; what was rejected is drawn hollow. "" where there is nothing to draw."""
        scores: dict[bool, Counter[float]] = defaultdict(Counter)  # by whether they are rejected
        lengths: dict[bool, Counter[int]] = defaultdict(Counter)
        seeds = {}
        for facts in map(self.facts, ids):
            sample, rejected = self.sample(facts["id"]), facts["state"] == "rejected"
            scores[rejected].update([facts["score"]] if facts["score"] is not None else [])
            lengths[rejected][len(str(sample.get("response") or ""))] += 1
            seeds[facts["seed"]] = len(str(sample.get("seed_response") or ""))
        drawn = length_histogram("response", lengths[False], seeds.values(), lengths[True]) if seeds else ""
        return score_histogram(scores[False], scores[True], "rejected"), drawn


def parts(sample: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a sample that a person judges: context (if there is one), its own question, response."""
    texts = {
        "context": sample.get("context"),
        "question": own_question(sample),
        "response": sample.get("response"),
    }
    return {name: text for name, text in texts.items() if isinstance(text, str) and text}


def _in_turns(groups: Iterable[Iterable[str]]) -> list[str]:
    return [one for turn in zip_longest(*groups) for one in turn if one is not None]
