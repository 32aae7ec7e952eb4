"""A training set mixed of several skills: how many rows of each, and rows of an existing set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError, SettingsError
from sdgkit.export.files import write_jsonl, write_parquet, write_text
from sdgkit.export.formats import FORMATS
from sdgkit.export.training_set import (
    EXPORT_FORMATS,
    Part,
    TrainingSet,
    digest_of_text,
    held_out,
    refuse_mixed_rehearsals,
)
from sdgkit.pages import fill
from sdgkit.samples import Row

MAX_REPEAT = 3.0
"""How often a row may be in the set, by default: what it sees often, a model learns by heart."""

_CHAT_FORMATS = ("messages", "instructlab", "parquet", "datasets")


@dataclass(frozen=True)
class MixPart:
    """A skill of the mix.

    Attributes:
        part: What its run contributes.
        weight: How often each of its rows is in the set, on average: 0.5 takes half of them, 2 all
            of them twice.
    """

    part: Part
    weight: float = 1.0


@dataclass(frozen=True)
class Replay:
    """Rows of an existing set, which keep a model from losing what it could do before.

    Attributes:
        name: The file's name.
        rows: Its rows: with `messages`, or with `question` and `response`.
        share: The share of the whole mix that they are to have, above 0 and below 1.
    """

    name: str
    rows: Sequence[Row]
    share: float


@dataclass(frozen=True)
class MixLine:
    """A line of the mix's table.

    Attributes:
        skill: The skill, or the name of the file of an existing set.
        available: Rows that there are, without those whose question an earlier skill has.
        rows: Rows in the set, the held-out ones included.
        weight: Its weight; None for an existing set.
    """

    skill: str
    available: int
    rows: int
    weight: float | None


@dataclass(frozen=True)
class Mix:
    """A mixed training set that was written.

    Attributes:
        lines: The skills and the existing sets, in order.
        train: Rows to train on.
        test: Rows held out.
        path: The file or folder to train on.
        test_path: The file with the held-out rows; None without one.
        card: The file with the table.
        is_rehearsal: Whether rules, not a model, wrote or judged any of the samples.
    """

    lines: Sequence[MixLine]
    train: int
    test: int
    path: Path
    test_path: Path | None
    card: Path
    is_rehearsal: bool

    @property
    def width(self) -> int:
        """Characters of the longest name in the table."""
        return max(len(line.skill) for line in self.lines)

    def __str__(self) -> str:
        return "".join(fill("mix.txt", mix=self)).rstrip()


def write_mix(
    parts: Sequence[MixPart],
    path: Path,
    format: str = "messages",
    *,
    cap: int | None = None,
    max_repeat: float = MAX_REPEAT,
    replays: Sequence[Replay] = (),
    test_share: float | None = None,
) -> Mix:
    """Write a training set mixed of several skills. The same runs give the same set.

    Args:
        parts: The skills.
        path: The file to write, or the folder for "datasets".
        format: As for `Run.export`.
        cap: The most rows of one skill.
        max_repeat: The highest weight, and how often a row of an existing set may be repeated.
        replays: Existing sets to mix in.
        test_share: The share of the contexts to hold out (default: 0.1 in a folder, else none).

    Raises:
        SettingsError: A weight or share is out of range, a row would be repeated too often, the
            format is unknown, or a rehearsal is among real runs.
        RunError: There are no rows, or they cannot be written.
    """
    if format not in EXPORT_FORMATS or format == "preference":
        choices = []
        for name in EXPORT_FORMATS:
            if name != "preference":
                choices.append(name)
        raise SettingsError(
            f"A mix cannot be written in the format {format!r}. Use one of: {', '.join(choices)}.",
            setting="format",
            choices=choices,
        )
    refuse_mixed_rehearsals([mixed.part for mixed in parts])
    for mixed in parts:
        _check_weight(mixed, max_repeat)
    mixture = _Mixture(parts, cap, format, replays, max_repeat)
    if not mixture.total:
        raise RunError("There is nothing to mix: none of these skills has any samples.")
    written = mixture.write_to(path, test_share)
    write_text(written.card, fill("mix.md", mix=written))
    return written


def _check_weight(mixed: MixPart, max_repeat: float) -> None:
    if not 0 < mixed.weight <= max_repeat:
        raise SettingsError(
            f"{mixed.part.skill}: the weight {mixed.weight:g} is out of range. It must be above 0, "
            f"and at most {max_repeat:g}: every row would be in the set {mixed.weight:g} times. "
            "Generate more samples of the skill, or raise --max-repeat (max_repeat=).",
            setting="weight",
        )


class _Mixture(TrainingSet):
    """The rows of the mix, read from the runs as often as needed.

    Which rows of a skill are in it is decided by a hash of their ids: more samples later do not
    exchange the ones that are there.
    """

    def __init__(
        self,
        parts: Sequence[MixPart],
        cap: int | None,
        format: str,
        replays: Sequence[Replay],
        max_repeat: float,
    ) -> None:
        super().__init__(*(mixed.part for mixed in parts))
        self._is_merged = True
        self._format = format
        self._copies: dict[str, int] = {}  # by the id in the mix
        self.lines: list[MixLine] = []
        by_part: dict[str, list[str]] = {}
        questions: set[bytes] = set()
        for row in super()._rows():
            by_part.setdefault(row.part.key, []).append(str(row.sample["id"]))
            questions.add(digest_of_text(str(row.sample.get("question"))))
        for mixed in parts:
            ids = by_part.get(mixed.part.key, [])
            wanted = round(mixed.weight * len(ids))
            number = wanted
            if cap is not None:
                number = min(cap, wanted)
            self._copies.update(_choose(ids, number))
            self.lines.append(MixLine(mixed.part.skill, len(ids), number, mixed.weight))
        self.total = sum(line.rows for line in self.lines)
        self._replayed: list[_ReplayRow] = []
        shares = 0.0
        for replay in replays:
            shares += replay.share
        for replay in replays:
            self._add(replay, shares, questions, max_repeat)

    def _add(
        self, replay: Replay, all_shares: float, questions: set[bytes], max_repeat: float
    ) -> None:
        if not replay.share > 0 or all_shares >= 1:
            raise SettingsError(
                f"--with {replay.name}={replay.share:g}: shares must be above 0, and below 1 in "
                "all, such as 0.2.",
                setting="replay",
            )
        rows = []
        for number, row in enumerate(replay.rows, 1):
            read = _ReplayRow.read(replay.name, number, row)
            read.refuse_if_unfit(self._format)
            if digest_of_text(read.question) not in questions:
                rows.append(read)
        wanted = round(self.total * replay.share / (1 - all_shares))
        if wanted > max_repeat * len(rows):
            raise SettingsError(
                f"--with {replay.name}={replay.share:g} needs {wanted:,} rows, and the file has "
                f"{len(rows):,}: each would be in the set {wanted / max(1, len(rows)):.1f} times, "
                f"more than --max-repeat ({max_repeat:g}). Lower the share, or add more rows.",
                setting="replay",
            )
        copies = _choose([row.id for row in rows], wanted)
        for read in rows:
            for copy in range(copies.get(read.id, 0)):
                self._replayed.append(read.copy(copy))
        self.lines.append(MixLine(replay.name, len(rows), wanted, None))

    @property
    def is_rehearsal(self) -> bool:
        """Whether rules, not a model, wrote or judged any of the samples."""
        return any(part.summary.is_rehearsal for part in self.parts)

    def write_to(self, path: Path, test_share: float | None) -> Mix:
        """Write the set and return what was written, without its card."""
        if self._format == "datasets":
            self.write("datasets", path, test_share=test_share)
            is_test = held_out(self._samples, 0.1 if test_share is None else test_share)
            test = sum(1 for sample in self._all_samples() if is_test(sample))
            train = self.total - test
            return Mix(self.lines, train, test, path, None, path / "MIX.md", self.is_rehearsal)
        is_test = held_out(self._samples, test_share or 0.0)
        train = self._write_file(path, lambda sample: not is_test(sample))
        test_path = None
        test = 0
        if test_share:
            test_path = path.with_name(f"{path.stem}_test{path.suffix}")
            test = self._write_file(test_path, is_test)
        card = path.with_name(f"{path.stem}.card.md")
        return Mix(self.lines, train, test, path, test_path, card, self.is_rehearsal)

    def _write_file(self, path: Path, is_in_split: Callable[[Row], bool]) -> int:
        rows = partial(self._formatted, self._format, is_in_split)
        if self._format == "parquet":
            return write_parquet(path, rows)
        return write_jsonl(path, rows())

    def _all_samples(self) -> Iterator[Row]:
        yield from self._samples()
        yield from (row.sample for row in self._replayed)

    def _rows(self) -> Iterator[Any]:
        for row in super()._rows():
            id_ = str(row.sample["id"])
            for copy in range(self._copies.get(id_, 0)):
                yield replace(row, sample={**row.sample, "id": _copied(id_, copy)})

    def _formatted(self, format: str, is_in_split: Callable[[Row], bool]) -> Iterator[Row]:
        yield from super()._formatted(format, is_in_split)
        for row in self._replayed:
            if is_in_split(row.sample):
                yield {**row.formatted(format), "skill": row.source}


def _choose(ids: Iterable[str], number: int) -> dict[str, int]:
    """How often each row is in the set, so that there are this many; those of lowest hash first."""
    ordered = sorted(ids, key=lambda id_: hashlib.sha256(id_.encode()).digest())
    copies: Counter[str] = Counter()
    while ordered and number > 0:
        copies.update(ordered[:number])
        number -= len(ordered)
    return dict(copies)


def _copied(id_: str, copy: int) -> str:
    """The id of a copy of a row: ids stay distinct."""
    if copy == 0:
        return id_
    return f"{id_}+{copy}"


@dataclass(frozen=True)
class _ReplayRow:
    """A row of an existing set.

    Attributes:
        source: The name of its file.
        id: Its id in the mix.
        system: Its system message, if it has one.
        question: The first user's message.
        response: The answer; None in a chat of several turns.
        messages: The chat as it is.
    """

    source: str
    id: str
    system: str | None
    question: str
    response: str | None
    messages: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, source: str, number: int, row: Row) -> _ReplayRow:
        id_ = f"{source}/{number}"
        question, response = row.get("question"), row.get("response")
        chat = row.get("messages")
        if isinstance(question, str) and isinstance(response, str) and chat is None:
            chat = [
                {"role": "user", "content": question},
                {"role": "assistant", "content": response},
            ]
        if not isinstance(chat, list) or not chat or not all(map(_is_message, chat)):
            raise SettingsError(
                f"--with {source}, row {number}: it has neither `messages` (a list of role and "
                f"content) nor `question` and `response`. Its columns: {', '.join(row)}.",
                setting="replay",
            )
        system = None
        turns = list(chat)
        if turns[0]["role"] == "system":
            system = str(turns.pop(0)["content"])
        users = []
        for turn in turns:
            if turn["role"] == "user":
                users.append(turn)
        if not users or turns[-1]["role"] != "assistant":
            raise SettingsError(
                f"--with {source}, row {number}: a chat needs a user's message and must end with "
                "the assistant's.",
                setting="replay",
            )
        is_one_turn = [turn["role"] for turn in turns] == ["user", "assistant"]
        answer = None
        if is_one_turn:
            answer = str(turns[-1]["content"])
        return cls(source, id_, system, str(users[0]["content"]), answer, chat)

    @property
    def sample(self) -> Row:
        """The row as a sample, by which it goes to one side of a split."""
        return {"id": self.id, "question": self.question, "response": self.response}

    def copy(self, number: int) -> _ReplayRow:
        """The row under the id of a copy."""
        return replace(self, id=_copied(self.id, number))

    def refuse_if_unfit(self, format: str) -> None:
        """Refuse a chat of several turns where the format has room for one."""
        if self.response is None and format not in _CHAT_FORMATS:
            raise SettingsError(
                f"--with {self.id}: a chat of several turns does not fit the format {format}. "
                "Use --format messages.",
                setting="replay",
            )

    def formatted(self, format: str) -> Row:
        """The row in a training format."""
        if self.response is None:
            chat = []
            for turn in self.messages:
                chat.append({"role": turn["role"], "content": turn["content"]})
            return {"id": self.id, "messages": chat}
        return FORMATS[format](self.sample, self.system)


def _is_message(turn: object) -> bool:
    if not isinstance(turn, Mapping):
        return False
    return isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
