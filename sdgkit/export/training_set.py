"""What one run or several have to give to a trainer, in any of the training formats, with some of it kept apart."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sdgkit.decisions import Decisions
from sdgkit.errors import SettingsError
from sdgkit.export import FORMATS, Row, preference, write_jsonl, write_parquet, write_text
from sdgkit.funnel import Summary
from sdgkit.pages import fill

TEST_SHARE = 0.1
ALL = (*FORMATS, "preference", "datasets")


@dataclass(frozen=True)
class Part:
    """What one run gives. samples: all of them, a new iterator at each call. decisions: what the review decided.
    system: the user's system message. skill: its name. summary: as in summary.json. key: what its ids begin with,
    where runs are merged."""

    samples: Callable[[], Iterable[Row]]
    decisions: Decisions
    system: str | None
    skill: str
    summary: Summary
    key: str = ""


class TrainingSet:
    """The samples of some parts that the review lets through. Of several, each row has a `skill`, its run's name before
    its id, and a question that no row before it has."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts
        self._merged = len(parts) > 1

    def write(self, format: str, path: str | Path, *, test_share: float | None = None) -> int:
        """Write it in a format of `ALL`; returns how many rows.

        test_share: how many of the contexts are kept apart: in a split of their own in a `datasets` folder (default
        0.1), left out of what has but one file (default none).

        Raises SettingsError for an unknown format, RunError for samples without an answer or a place that cannot be
        written.
        """
        if format not in ALL:
            raise SettingsError(
                f"There is no training format {format!r}. Use one of: {', '.join(ALL)}."
            )
        if format == "datasets":
            return self._write_folder(Path(path), TEST_SHARE if test_share is None else test_share)
        rows = partial(self._lines, format, held_out(self._samples, test_share or 0.0))
        return write_parquet(path, rows) if format == "parquet" else write_jsonl(path, rows())

    def _samples(self) -> Iterator[Row]:
        return (sample for _, _, sample in self._rows())

    def _rows(self, rewritten: bool = False) -> Iterator[tuple[Part, Row, dict[str, Any]]]:
        """(part, sample as the teacher wrote it, as it is let through); rewritten: only if a person changed its
        response, otherwise all of them, twice as they are let through."""
        first: dict[bytes, Part] = {}  # by question: the part that has it
        for part in self.parts:
            if rewritten:
                edited = part.decisions.edited(part.samples())
                pairs = (
                    (old, new) for old, new in edited if old.get("response") != new.get("response")
                )
            else:
                pairs = ((sample, sample) for sample in part.decisions.let_through(part.samples()))
            for original, sample in pairs:
                if first.setdefault(_digest(str(sample.get("question"))), part) is part:
                    named = (
                        {**sample, "id": f"{part.key}/{sample['id']}"} if self._merged else sample
                    )
                    yield part, original, named

    def _lines(
        self, format: str, is_apart: Callable[[Row], bool], test: bool = False
    ) -> Iterator[dict[str, Any]]:
        """The rows in this format of one side of the split."""
        is_pair = format == "preference"
        for part, original, sample in self._rows(rewritten=is_pair):
            if is_apart(sample) == test:
                form = partial(preference, original) if is_pair else FORMATS[format]
                yield {
                    **form(sample, part.system),
                    **({"skill": part.skill} if self._merged else {}),
                }

    def _write_folder(self, path: Path, test_share: float) -> int:
        """A folder that `datasets.load_dataset` and the Hub read: a Parquet file for each split, and a card."""
        is_apart = held_out(self._samples, test_share)
        rehearsal = any(part.summary.is_rehearsal for part in self.parts)
        sizes = {}
        for split in ("train", "test") if test_share else ("train",):
            file = f"{'rehearsal_' if rehearsal else ''}{split}.parquet"
            rows = partial(self._lines, "parquet", is_apart, split == "test")
            sizes[split] = (file, write_parquet(path / file, rows))
        numbers = Counter(part.key for part, _, _ in self._rows())
        card = fill("set.md", splits=sizes, rehearsal=rehearsal, parts=self.parts, numbers=numbers)
        write_text(path / "README.md", card)
        return sum(size for _, size in sizes.values())


def held_out(
    samples: Callable[[], Iterable[Row]], share: float = TEST_SHARE
) -> Callable[[Row], bool]:
    """Whether a sample is kept apart from training, by a hash of its context (without one, of its question).

    So no context has samples on both sides, and further samples move none of the others. If there are two contexts at
    all, one of them is on each side. Raises SettingsError for a share that is not from 0 to less than 1.
    """
    if not 0 <= share < 1:
        raise SettingsError(
            f"A test share of {share} cannot be. Give a number from 0 to less than 1, such as 0.1."
        )
    digests = {_group(sample) for sample in samples()} if share else set()
    if len(digests) < 2:
        return lambda sample: False
    limit = min(max(int(share * 2**64), min(digests) + 1), max(digests))
    return lambda sample: _group(sample) < limit


def _group(sample: Row) -> int:
    return int.from_bytes(_digest(str(sample.get("context") or sample.get("question")))[:8], "big")


def _digest(text: str) -> bytes:
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).digest()[:16]


def merged(parts: Sequence[Part]) -> TrainingSet:
    """The set of several runs. Raises SettingsError for fewer than two, and for a rehearsal among real ones."""
    if len(parts) < 2:
        raise SettingsError("Name two runs or more to be merged.")
    rehearsals = [part.key for part in parts if part.summary.is_rehearsal]
    if rehearsals and len(rehearsals) < len(parts):
        raise SettingsError(
            f"{rehearsals[0]} is a rehearsal: rules wrote its samples. Merge it with none of a model."
        )
    return TrainingSet(*parts)
