"""A review: a person's decisions about the samples of a run, one by one, and what they imply for the rest."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from time import sleep
from typing import Any

from sdgkit.decisions import TEXTS, Decision, Decisions, Reviewed, content_key, own_question, seed_of
from sdgkit.errors import FolderInUse, RunError, SeedError, SettingsError
from sdgkit.quality.verdicts import interval
from sdgkit.report import length_histogram, score_histogram
from sdgkit.run import Run, open_run
from sdgkit.run.folder import write_reviewed
from sdgkit.seeds import COLUMNS, read_seeds, save_seeds

DRAWN = 20  # samples with which a review begins
STATES = ("undecided", "accepted", "edited", "rejected", "outdated")
SEED_FILE = "my_seeds.jsonl"
Sample = Mapping[str, Any]


class Review:
    """The review of a run, or of a run's folder.

    Every decision is in the run's journal when the call returns, and the training file, the card and the exports in the
    folder follow: before the call returns, or with `later` in a thread soon after (`write` waits for them). Undecided
    samples count as accepted. Raises RunError if there is nothing to review.
    """

    def __init__(self, run: Run | str | Path, *, later: bool = False) -> None:
        self.run = run if isinstance(run, Run) else open_run(run)
        self.samples: list[dict[str, Any]] = []
        self.decisions = Decisions()
        self._by_id: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, str] = {}
        self._writer = _Writer(self.run.out, later)
        self.read()
        self._writer.catch_up(self.decisions)

    def read(self) -> "Review":
        """Take in what the run has made and what was decided meanwhile, here or elsewhere."""
        self.samples = list(self.run.samples())
        self._by_id = {str(sample["id"]): sample for sample in self.samples}
        self._keys = {id: content_key(sample) for id, sample in self._by_id.items()}
        self.decisions = self.run.decisions
        return self

    def write(self) -> None:
        """Write training file, card and exports in the folder anew, if they are not up to date. Raises RunError."""
        self._writer.write()

    # Deciding ---------------------------------------------------------------------------------------------------------

    def accept(self, id: str) -> None:
        """Accept the sample with this id as it is."""
        self.decide([Decision(content_key(self.sample(id)), id, "accept")])

    def reject(self, id: str, reason: str = "") -> None:
        """Reject it, with a reason in a few words."""
        self.decide([Decision(content_key(self.sample(id)), id, "reject", reason=reason.strip())])

    def edit(self, id: str, **texts: str) -> None:
        """Accept it with other texts: `context`, `question` (without the context above it), `response`.

        Raises SettingsError for an empty text, or one that the sample does not have.
        """
        self.decide([self.edited(id, texts)])

    def edited(self, id: str, texts: Mapping[str, str], reason: str = "") -> Decision:
        """The decision that `edit` would make."""
        sample = self.sample(id)
        before = parts(sample)
        for name, text in texts.items():
            if name not in before:
                raise SettingsError(f"The sample {id} has no {name}. It has {', '.join(before)}.")
            if not text.strip():
                raise SettingsError(f"The {name} of {id} is empty. Write a text, or reject the sample.")
        after = {**before, **texts}
        columns = dict(after)
        if sample.get("question") != before.get("question"):
            columns["question"] = f"{after['context']}\n\n{after['question']}"
        changed = {name: text for name, text in columns.items() if text != sample.get(name)}
        return Decision(content_key(sample), id, "accept", reason, changed)

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Save several decisions, all or none."""
        self.run.decision_book().write(decisions)
        self.decisions = self.run.decisions
        self._writer.changed()

    def undo(self) -> str | None:
        """Take the newest decision back, whoever made it; returns the id of its sample, None if there is none."""
        newest = max(self.decisions.by_content.values(), key=lambda decision: decision.number, default=None)
        if newest is None:
            return None
        self.run.decision_book().take_back(newest.number)
        self.decisions = self.run.decisions
        self._writer.changed()
        return newest.id

    def make_seed(self, id: str, path: str | Path = SEED_FILE) -> int:
        """Add an accepted or edited sample to a file of seeds; returns how many seeds are in it.

        path: ends in .jsonl; a new file begins with the run's own seeds. Raises SettingsError for a sample that was not
        accepted, SeedError if it is in the file already.
        """
        decision = self.decision(id)
        if decision is None or decision.verdict != "accept":
            raise SettingsError(f"{id} is not accepted. Accept or edit it first: a seed is what all the others follow.")
        sample = self.as_decided(id)
        seeds = read_seeds(Path(path)) if Path(path).exists() else self._own_seeds()
        further = {name: sample[name] for name in seeds[0] if name in sample}
        seed = {**further, "task_description": sample["task_description"]}
        if "seed_context" in seeds[0]:
            seed["seed_context"] = sample.get("context")
        seed |= {"seed_question": own_question(sample), "seed_response": sample["response"]}
        texts = [[one.get(column) for column in COLUMNS] for one in (*seeds, seed)]
        if texts.pop() in texts:
            raise SeedError(f"{id} is in {path} already.")
        save_seeds([*seeds, seed], path)
        return len(seeds) + 1

    def _own_seeds(self) -> list[dict[str, Any]]:
        plan, out = self.run.plan, self.run.out
        rows = list(plan.rows) if plan is not None else read_seeds(out / "seeds.jsonl") if out else []
        return [{name: value for name, value in row.items() if name != "id"} for row in rows]

    # Looking ----------------------------------------------------------------------------------------------------------

    def sample(self, id: str) -> dict[str, Any]:
        """The sample with this id, as the teacher wrote it. Raises RunError if there is none."""
        if id not in self._by_id:
            known = ", ".join(list(self._by_id)[:3])
            raise RunError(f"There is no sample {id!r} in this run. There are: {known or 'none yet'}, …")
        return self._by_id[id]

    def find_sample(self, id: str) -> dict[str, Any] | None:
        """The sample with this id, None if there is none."""
        return self._by_id.get(id)

    def as_decided(self, id: str) -> dict[str, Any]:
        """The sample with this id, with the texts of a person who edited it."""
        decision = self.decision(id)
        return {**self.sample(id), **(decision.edits if decision else {})}

    def decision(self, id: str) -> Decision | None:
        """The decision that holds for the sample with this id."""
        return self.decisions.by_content.get(self._keys[str(self.sample(id)["id"])])

    def state(self, id: str) -> str:
        """undecided, accepted, edited, rejected, or outdated: decided, but its content has changed since."""
        return self.decisions.state(id, self._keys[str(self.sample(id)["id"])])

    def find(
        self,
        *,
        state: str | None = None,
        score: float | None = None,
        reason: str | None = None,
        seed: str | None = None,
        text: str | None = None,
    ) -> list[str]:
        """The ids of the samples with all of these, in lineage order. text: in the sample or the judge's words."""
        if state is not None and state not in STATES:
            raise SettingsError(f"There is no state {state!r}. The states are {', '.join(STATES)}.")

        def matches(id: str, sample: Sample) -> bool:
            decision = self.decision(id)
            texts = " ".join(str(sample.get(name) or "") for name in (*TEXTS, "evaluation"))
            return (
                (state is None or self.state(id) == state)
                and (score is None or sample.get("score") == score)
                and (reason is None or (decision is not None and decision.reason == reason))
                and (seed is None or seed_of(id) == seed)
                and (text or "").casefold() in texts.casefold()
            )

        return [id for id, sample in self._by_id.items() if matches(id, sample)]

    def drawn(self, number: int = DRAWN) -> list[str]:
        """The ids with which a review begins: drawn across seeds and scores, the same ones every time.

        Seeds take turns, and within a seed the scores do; among equals the hash of the content decides, which is as
        good as chance.
        """
        groups: dict[str, dict[Any, list[str]]] = defaultdict(lambda: defaultdict(list))
        for id in sorted(self._by_id, key=lambda id: self._keys[id]):
            groups[seed_of(id)][self._by_id[id].get("score")].append(id)
        seeds = dict.fromkeys(map(seed_of, self._by_id))
        return _in_turns(_in_turns(groups[seed].values()) for seed in seeds)[:number]

    @property
    def progress(self) -> Reviewed:
        """How many samples there are, and how many of them were accepted, edited and rejected."""
        return Reviewed.of(map(self.state, self._by_id))

    def implied(self) -> str:
        """What the drawn samples imply for all: "18 of 20 good: 70 to 97 %". Good is what was accepted unedited."""
        states = [state for id in self.drawn() if (state := self.state(id)) in ("accepted", "edited", "rejected")]
        if not states:
            return ""
        good = states.count("accepted")
        words = f"{good} of {len(states)} good"
        if len(states) == len(self.samples):
            return words
        low, high = interval(good, len(states))
        return f"{words}: {low * 100:.0f}\u2013{high * 100:.0f} %"

    def reasons(self) -> dict[str, int]:
        """The reasons of the rejected samples, the most frequent first."""
        found = map(self.decision, self._by_id)
        return dict(
            Counter(d.reason for d in found if d is not None and d.verdict == "reject" and d.reason).most_common()
        )

    def scores(self, ids: Iterable[str] | None = None) -> str:
        """A histogram (SVG) of the judge's scores, of these samples or of all; what was rejected is drawn hollow."""
        kept, rejected = self._measured(ids, lambda sample: sample.get("score"))
        return score_histogram(kept, rejected, "rejected")

    def lengths(self, ids: Iterable[str] | None = None) -> str:
        """A histogram (SVG) of the lengths of the responses in characters, with the seeds' marked below."""
        chosen = list(self._by_id if ids is None else ids)
        kept, rejected = self._measured(chosen, lambda sample: len(str(sample.get("response") or "")))
        seeds = {seed_of(id): len(str(self.sample(id).get("seed_response") or "")) for id in chosen}
        return length_histogram("response", kept, seeds, rejected) if chosen else ""

    def _measured(self, ids: Iterable[str] | None, measure: Callable[[Sample], Any]) -> list[Counter[Any]]:
        """How often each number was measured: of the samples that were not rejected, and of those that were."""
        counts: list[Counter[Any]] = [Counter(), Counter()]
        for id in self._by_id if ids is None else ids:
            if isinstance(number := measure(self.sample(id)), int | float):
                counts[self.state(id) == "rejected"][number] += 1
        return counts


class _Writer:
    """Keeps the files that follow from the review up to date; what comes while it writes is taken together."""

    def __init__(self, out: Path | None, later: bool) -> None:
        self._out, self._later, self._stale = out, later, False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sdgkit review")

    def changed(self) -> None:
        self._stale = self._out is not None
        if self._later:
            self._pool.submit(self._rewrite)  # what goes wrong is tried again, and raised, by the next `write`
        else:
            self.write()

    def catch_up(self, decisions: Decisions) -> None:
        """A kernel that was killed may have left files that are older than the newest decision."""
        newest = max((decision.made for decision in decisions.by_content.values()), default=0.0)
        card = self._out / "README.md" if self._out is not None else None
        if newest and card is not None and card.exists() and card.stat().st_mtime < newest:
            with suppress(RunError):  # a folder that cannot be written can still be looked at
                self.changed()

    def write(self) -> None:
        self._pool.submit(self._rewrite).result()

    def _rewrite(self) -> None:
        if not self._stale or self._out is None:
            return
        for pause in (0.2, 0.5, 0.0):
            self._stale = False
            try:
                write_reviewed(self._out)
                return
            except FolderInUse:  # another review for a moment; or a run, which writes them itself when it ends
                sleep(pause)
            except BaseException:
                self._stale = True
                raise


def parts(sample: Sample) -> dict[str, str]:
    """The texts of a sample that a person judges: context (if there is one), its own question, response."""
    texts = {"context": sample.get("context"), "question": own_question(sample), "response": sample.get("response")}
    return {name: text for name, text in texts.items() if isinstance(text, str) and text}


def _in_turns(groups: Iterable[Iterable[str]]) -> list[str]:
    return [one for turn in zip_longest(*groups) for one in turn if one is not None]
