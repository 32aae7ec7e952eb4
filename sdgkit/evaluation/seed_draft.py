"""Seed examples while they are being written."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from sdgkit.errors import SeedError
from sdgkit.evaluation.drafts import EditHistory, Flaw, file_to_save
from sdgkit.evaluation.seed_check import check_seeds
from sdgkit.evaluation.seed_findings import Finding
from sdgkit.evaluation.seed_rules import CONTEXT, QUESTION, TASK
from sdgkit.samples import Row
from sdgkit.seeds import COLUMNS, Seed, SeedSource, read_seeds, save_seeds

MAX_CHECKED = 50  # seeds that are checked at each change: that takes some tenths of a second

FlawsByPlace = dict[int | None, list[Flaw]]


class SeedDraft:
    """Seed examples being written, with undo.

    Args:
        source: A file (which may not exist yet), or anything else that `load_seeds` takes; None for
            no seeds yet.

    Attributes:
        path: The file that `save` writes; None until there is one.

    Raises:
        SeedError: If the seeds cannot be read.
    """

    def __init__(self, source: SeedSource | None = None) -> None:
        self.path = Path(source) if isinstance(source, str | os.PathLike) else None
        is_new = source is None or (self.path is not None and not self.path.exists())
        rows = () if is_new or source is None else _rows_of(source)
        self._history = EditHistory[tuple[Seed, ...]](rows)
        self._checked_rows: tuple[Seed, ...] | None = None
        self._flaws: FlawsByPlace = {}

    @property
    def rows(self) -> list[Seed]:
        """The seeds, each with a text in all four columns ("" for none). Read only."""
        return list(self._history.state)

    @property
    def seeds(self) -> list[Seed]:
        """The seeds as `generate` takes them.

        Raises:
            SeedError: If they cannot be used.
        """
        return read_seeds([_seed_of(row) for row in self._history.state])

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return self._history.can_undo

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self._history.changed

    def add(self, like: int | None = None) -> int:
        """Add a seed.

        Args:
            like: The place of a seed to copy; the copy stands after it. By default, an empty seed
                with the task description of the last one is added at the end.

        Returns:
            The place of the new seed, from 0.
        """
        rows = self._history.state
        if like is not None:
            place = like + 1
            row = rows[like]
        else:
            place = len(rows)
            row = dict.fromkeys(COLUMNS, "")
            if rows:
                row[TASK] = rows[-1][TASK]
        self._history.change((*rows[:place], row, *rows[place:]))
        return place

    def edit(self, place: int, column: str, text: str) -> None:
        """Replace a text of a seed.

        Args:
            place: The place of the seed, from 0.
            column: The column.
            text: The new text.
        """
        rows = self._history.state
        if rows[place][column] == text:
            return
        row = {**rows[place], column: text}
        changed_rows = (*rows[:place], row, *rows[place + 1 :])
        self._history.change(changed_rows, topic=f"{place} {column}")

    def remove(self, place: int) -> None:
        """Remove the seed at this place, from 0."""
        rows = self._history.state
        self._history.change((*rows[:place], *rows[place + 1 :]))

    def undo(self) -> None:
        """Take back the last change."""
        self._history.undo()

    def flaws(self) -> FlawsByPlace:
        """Find what is wrong with the seeds.

        What `check_seeds` finds is included for the seeds before the first one that is not
        complete.

        Returns:
            The flaws of each seed that has some, by its place from 0, the most serious first;
            by None, what concerns all of them.
        """
        rows = self._history.state
        if self._checked_rows is not rows:
            self._flaws = _flaws_of([_seed_of(row) for row in rows])
            self._checked_rows = rows
        return self._flaws

    def load(self, path: str | Path) -> None:
        """Replace the seeds with those of a file; undo brings the earlier ones back.

        Raises:
            SeedError: If the file cannot be read.
        """
        rows = _rows_of(Path(path))
        self._history.change(rows)
        self._history.mark_saved(rows)
        self.path = Path(path)

    def save(self, path: str | Path | None = None) -> Path:
        """Write the seeds as JSON lines, to their own file or another, which becomes their own.

        Args:
            path: Another file, which ends in `.jsonl`.

        Returns:
            The path of the file.

        Raises:
            SeedError: If a seed cannot be used; then nothing is written.
            SettingsError: If there is no file to save to.
        """
        target = file_to_save(path, self.path, ".jsonl")
        save_seeds(self.seeds, target)
        self.path = target
        self._history.mark_saved(self._history.state)
        return target


def _rows_of(source: SeedSource) -> tuple[Seed, ...]:
    """The seeds of a source, each with a text in all four columns."""
    rows = []
    for seed in read_seeds(source):
        texts = {column: seed.get(column) or "" for column in COLUMNS}
        rows.append({**seed, **texts})
    return tuple(rows)


def _seed_of(row: Row) -> Seed:
    """A row of the draft as a seed: without its context if that is empty."""
    seed = dict(row)
    if not seed[CONTEXT].strip():
        del seed[CONTEXT]
    return seed


def _flaws_of(seeds: list[Seed]) -> FlawsByPlace:
    """What is wrong with the seeds, by place."""
    flaws: FlawsByPlace = defaultdict(list)
    complete = len(seeds)  # how many seeds there are before the first one that is not
    with_context = sum(CONTEXT in seed for seed in seeds)
    for place, seed in enumerate(seeds):
        errors = _errors_in(seed)
        if with_context and CONTEXT not in seed:
            errors.append(_missing_context(with_context, len(seeds)))
        if errors:
            flaws[place] = errors
            complete = min(complete, place)
    if len(seeds) > MAX_CHECKED:
        hint = (
            f"Up to {MAX_CHECKED} seeds are checked while you write. "
            f"Use check_seeds to check all {len(seeds)}."
        )
        flaws[None] = [Flaw("", hint, severity="hint")]
    elif complete:
        for finding in check_seeds(seeds[:complete]):
            if finding.row is not None:
                flaws[finding.row - 1].append(_flaw_of(finding))
            elif complete == len(seeds):
                flaws[None].append(_flaw_of(finding))
    return flaws


def _errors_in(seed: Seed) -> list[Flaw]:
    """Why a seed cannot be used."""
    errors = []
    try:
        read_seeds([seed])
    except SeedError as error:
        for finding in error.findings:
            if finding.column in seed:
                errors.append(Flaw(finding.column, f"It {finding.problem}"))
            else:
                errors.append(Flaw(QUESTION, f"This seed cannot be used: {finding}"))
    return errors


def _missing_context(with_context: int, seeds: int) -> Flaw:
    return Flaw(
        CONTEXT,
        f"It is empty, but {with_context} of {seeds} seeds have a context. "
        "Give all of them one, or none.",
    )


def _flaw_of(finding: Finding) -> Flaw:
    sentences = f"{finding.problem} {finding.advice}"
    return Flaw(finding.column, sentences, severity=finding.severity)
