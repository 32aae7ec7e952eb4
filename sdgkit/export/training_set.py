"""What one or more runs give to a trainer, in any format, with some held out for testing."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from sdgkit.decisions import Decisions
from sdgkit.errors import SettingsError
from sdgkit.export.files import write_jsonl, write_parquet, write_text
from sdgkit.export.formats import FORMATS, preference
from sdgkit.funnel import REHEARSAL, Summary
from sdgkit.pages import fill
from sdgkit.samples import Row
from sdgkit.stages.repair import FIRST, OTHER_RESPONSE, OTHER_SCORE, REVISED
from sdgkit.stages.rules import REPAIR

_RESPONSE_ID = re.compile(r"/r\d+$")
DIGEST_LENGTH = 12  # hexadecimal digits in the name of a file
TEST_SHARE = 0.1  # of the contexts, by default
EXPORT_FORMATS = (*FORMATS, "preference", "datasets")


@dataclass(frozen=True)
class Part:
    """What one run contributes to a training set.

    Attributes:
        samples: Returns all its samples, a new iterator at each call.
        decisions: What a person decided about them.
        system: The user's own system message.
        skill: The skill's name.
        summary: The run's summary.
        key: What its ids begin with where runs are merged.
        drops: Returns all its drops, a new iterator at each call.
    """

    samples: Callable[[], Iterable[Row]]
    decisions: Decisions
    system: str | None
    skill: str
    summary: Summary
    key: str = ""
    drops: Callable[[], Iterable[Row]] = tuple


@dataclass(frozen=True)
class SplitFile:
    """One split of a datasets folder. rows: how many it has."""

    split: str
    file: str
    rows: int


@dataclass(frozen=True)
class SetPage:
    """Everything that the card of a datasets folder shows.

    Attributes:
        parts: The runs that the set is made of.
        splits: The files of the set.
        samples_by_key: How many samples come from each run, by its key.
    """

    parts: Sequence[Part]
    splits: Sequence[SplitFile]
    samples_by_key: Mapping[str, int]

    @property
    def name(self) -> str:
        """The names of the skills, each once."""
        return " and ".join(dict.fromkeys(part.skill for part in self.parts))

    @property
    def is_rehearsal(self) -> bool:
        """Whether rules, not a model, wrote or judged any of the samples."""
        return _is_rehearsal(self.parts)


def _is_rehearsal(parts: Sequence[Part]) -> bool:
    return any(part.summary.is_rehearsal for part in parts)


@dataclass(frozen=True)
class _TrainingRow:
    """A sample of the set. original: as the teacher wrote it; sample: as it is trained on."""

    part: Part
    original: Row
    sample: Row


class TrainingSet:
    """The samples of some runs that their reviews let through.

    In a set of several runs, each row has a `skill`, the run's key before its id, and a question
    that no earlier row has.

    Args:
        parts: What each run contributes.
    """

    def __init__(self, *parts: Part) -> None:
        self.parts = parts
        self._is_merged = len(parts) > 1

    def write(self, format: str, path: str | Path, *, test_share: float | None = None) -> int:
        """Write the set in a training format.

        Args:
            format: One of `EXPORT_FORMATS`.
            path: The file, or the folder for "datasets".
            test_share: The share of the contexts to hold out, from 0 to less than 1. In a datasets
                folder they are a split of their own (default 0.1); a single file leaves them out
                (default 0).

        Returns:
            How many rows were written.

        Raises:
            SettingsError: The format is unknown, or `test_share` is out of range.
            RunError: A sample has no question or response, or the place cannot be written.
        """
        if format not in EXPORT_FORMATS:
            raise SettingsError(
                f"There is no training format {format!r}. Use one of: {', '.join(EXPORT_FORMATS)}.",
                setting="format",
                choices=EXPORT_FORMATS,
            )
        if format == "datasets":
            return self._write_folder(Path(path), TEST_SHARE if test_share is None else test_share)
        is_test = held_out(self._samples, test_share or 0.0)
        rows = partial(self._formatted, format, lambda sample: not is_test(sample))
        if format == "parquet":
            return write_parquet(path, rows)
        return write_jsonl(path, rows())

    def _write_folder(self, folder: Path, test_share: float) -> int:
        """A folder for `datasets.load_dataset` and the Hub: a Parquet file per split, a card."""
        is_test = held_out(self._samples, test_share)
        splits = [self._write_split(folder, "train", lambda sample: not is_test(sample))]
        if test_share:
            splits.append(self._write_split(folder, "test", is_test))
        samples_by_key = Counter(row.part.key for row in self._rows())
        page = SetPage(self.parts, splits, samples_by_key)
        write_text(folder / "README.md", fill("set.md", page=page))
        rows = 0
        for split in splits:
            rows += split.rows
        return rows

    def _write_split(
        self, folder: Path, split: str, is_in_split: Callable[[Row], bool]
    ) -> SplitFile:
        name = split
        if _is_rehearsal(self.parts):
            name = f"{REHEARSAL}_{split}"
        rows = partial(self._formatted, "parquet", is_in_split)
        unnamed = folder / f"{name}.parquet"
        number = write_parquet(unnamed, rows)
        file = named_by_content(unnamed)
        return SplitFile(split, file.name, number)

    def _formatted(self, format: str, is_in_split: Callable[[Row], bool]) -> Iterator[Row]:
        """The rows of one split in a training format."""
        is_preference = format == "preference"
        if is_preference:
            rows = self._preference_rows()
        else:
            rows = self._rows()
        for row in rows:
            if not is_in_split(row.sample):
                continue
            formatted: Row
            if is_preference:
                formatted = preference(row.original, row.sample, row.part.system)
            else:
                formatted = FORMATS[format](row.sample, row.part.system)
            if self._is_merged:
                formatted = {**formatted, "skill": row.part.skill}
            yield formatted

    def _samples(self) -> Iterator[Row]:
        return (row.sample for row in self._rows())

    def _rows(self) -> Iterator[_TrainingRow]:
        """All samples that the reviews let through."""
        return self._without_repeated_questions(self._reviewed_samples())

    def _preference_rows(self) -> Iterator[_TrainingRow]:
        """The samples whose response a person rewrote, or a judge found better than another."""
        pairs = chain(self._edited_samples(), self._better_samples())
        return self._without_repeated_questions(pairs)

    def _reviewed_samples(self) -> Iterator[_TrainingRow]:
        for part in self.parts:
            for sample in part.decisions.let_through(part.samples()):
                yield _TrainingRow(part, sample, sample)

    def _edited_samples(self) -> Iterator[_TrainingRow]:
        for part in self.parts:
            for original, edited in part.decisions.edited(part.samples()):
                if original.get("response") != edited.get("response"):
                    yield _TrainingRow(part, original, edited)

    def _better_samples(self) -> Iterator[_TrainingRow]:
        """The best response to each question, once for each that the judge gave a lower score.

        The others are further responses to the question, or the other version of a repair.
        """
        for part in self.parts:
            worse = _scored_responses(part.drops())
            for sample in part.decisions.let_through(part.samples()):
                score = sample.get("score")
                if not isinstance(score, int | float):
                    continue
                if _has_worse_version(sample):
                    worse_version = {**sample, "response": sample[OTHER_RESPONSE]}
                    pair = f"{sample['id']}-{_other_version(sample)}"
                    yield _TrainingRow(part, worse_version, {**sample, "id": pair})
                for original in worse.get(_question_id(sample), ()):
                    if original["score"] < score:
                        pair = f"{sample['id']}-{original['id'].rpartition('/')[2]}"
                        yield _TrainingRow(part, original, {**sample, "id": pair})

    def _without_repeated_questions(self, rows: Iterable[_TrainingRow]) -> Iterator[_TrainingRow]:
        """Leave out questions that an earlier part has; in a merged set, add the key to the ids."""
        first_part: dict[bytes, Part] = {}
        for row in rows:
            question = digest_of_text(str(row.sample.get("question")))
            if first_part.setdefault(question, row.part) is not row.part:
                continue
            if self._is_merged:
                merged_id = f"{row.part.key}/{row.sample['id']}"
                yield _TrainingRow(row.part, row.original, {**row.sample, "id": merged_id})
            else:
                yield row


def named_by_content(path: Path) -> Path:
    """Put a digest of a file's content into its name, and remove files of the names before it.

    `datasets` keys its cache by the names in a folder's card and not by what the files hold: under
    the same name it would go on loading what was exported first (huggingface/datasets#2956).

    Args:
        path: The file, such as `train.parquet`.

    Returns:
        Where it is now, such as `train-1a2b3c4d5e6f.parquet`.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:DIGEST_LENGTH]
    named = path.with_name(f"{path.stem}-{digest}{path.suffix}")
    path.replace(named)
    older_name = re.compile(
        rf"{re.escape(path.stem)}-[0-9a-f]{{{DIGEST_LENGTH}}}{re.escape(path.suffix)}"
    )
    for older in path.parent.iterdir():
        if older_name.fullmatch(older.name) and older != named:
            older.unlink()
    return named


def held_out(
    samples: Callable[[], Iterable[Row]], share: float = TEST_SHARE
) -> Callable[[Row], bool]:
    """Decide by a hash of their context which samples are held out of training.

    Without a context, the question decides. No context has samples on both sides, and samples added
    later do not move the others. If there are at least two contexts, each side gets one.

    Args:
        samples: Returns all samples, a new iterator at each call.
        share: The share of the contexts to hold out, from 0 to less than 1.

    Returns:
        A function that says whether a sample is held out.

    Raises:
        SettingsError: The share is out of range.
    """
    if not 0 <= share < 1:
        raise SettingsError(
            f"test_share must be at least 0 and less than 1, such as 0.1, not {share}.",
            setting="test_share",
        )
    if share == 0:
        return lambda sample: False
    hashes = {_context_hash(sample) for sample in samples()}
    if len(hashes) < 2:
        return lambda sample: False
    limit = max(int(share * 2**64), min(hashes) + 1)  # at least one context is held out,
    limit = min(limit, max(hashes))  # and at least one is not
    return lambda sample: _context_hash(sample) < limit


def _context_hash(sample: Row) -> int:
    """A number from 0 to 2**64 that represents the sample's context."""
    digest = digest_of_text(str(sample.get("context") or sample.get("question")))
    return int.from_bytes(digest[:8], "big")


def digest_of_text(text: str) -> bytes:
    """A hash of a text in which white space makes no difference."""
    spaced = " ".join(text.split())
    return hashlib.sha256(spaced.encode("utf-8", "surrogatepass")).digest()[:16]


def merged(parts: Sequence[Part]) -> TrainingSet:
    """The training set of several runs.

    Args:
        parts: What each run contributes; either all of them are rehearsals or none.

    Raises:
        SettingsError: There are fewer than two, or a rehearsal is among real runs.
    """
    if len(parts) < 2:
        raise SettingsError("Name at least two runs to merge.", setting="runs")
    refuse_mixed_rehearsals(parts)
    return TrainingSet(*parts)


def refuse_mixed_rehearsals(parts: Sequence[Part]) -> None:
    """Refuse a rehearsal among real runs. Raises SettingsError."""
    rehearsals = []
    for part in parts:
        if part.summary.is_rehearsal:
            rehearsals.append(part.key)
    if rehearsals and len(rehearsals) < len(parts):
        raise SettingsError(
            f"{rehearsals[0]} is a rehearsal: its samples were written by rules, not by a model. "
            "Leave it out.",
            setting="runs",
        )


def _scored_responses(drops: Iterable[Row]) -> dict[str, list[Row]]:
    """The dropped rows with a response and a score, by the question that they answer.

    Only where a question has several responses, with ids such as s3/c7/q2/r1.
    """
    by_question: dict[str, list[Row]] = {}
    for drop in drops:
        has_score = isinstance(drop.get("score"), int | float)
        is_one_of_several = _RESPONSE_ID.search(str(drop["id"])) is not None
        if has_score and is_one_of_several and isinstance(drop.get("response"), str):
            by_question.setdefault(_question_id(drop), []).append(drop)
    return by_question


def _has_worse_version(sample: Row) -> bool:
    """Whether a repair has left the sample with another response, which has a lower score."""
    other_score = sample.get(OTHER_SCORE)
    return isinstance(other_score, int | float) and other_score < sample["score"]


def _other_version(sample: Row) -> str:
    return FIRST if sample.get(REPAIR) == REVISED else REVISED


def _question_id(row: Row) -> str:
    return str(row["id"]).rpartition("/")[0]
