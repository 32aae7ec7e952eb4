"""Seed examples while they are being written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from sdgkit.errors import SeedError
from sdgkit.evaluation.drafts import Draft, OwnFile, file_to_save, refuse_to_overwrite
from sdgkit.evaluation.kept_draft import DraftFile, KeptDraft
from sdgkit.evaluation.seed_flaws import FlawsByPlace, errors_in, flaws_of
from sdgkit.evaluation.seed_merge import merge_seeds
from sdgkit.evaluation.seed_rules import CONTEXT, TASK
from sdgkit.samples import Row
from sdgkit.seeds import COLUMNS, Seed, SeedSource, read_seeds, save_seeds, seed_texts
from sdgkit.seeds.skill_files import SKILL_SEEDS, is_skill_seed_file, set_aside, takes_the_place_of

NEW_FILE = "my_seeds.jsonl"  # where seeds are saved that are in no file yet


Rows = tuple[Seed, ...]


class SeedDraft(Draft[tuple[Seed, ...]]):
    """Seed examples being written, with undo.

    Every change is kept at once, in a hidden file beside the seed file (`.my_seeds.jsonl.draft`),
    until all of it is saved: the next draft of the same file begins with it. Seeds that came as
    rows have no file, and are kept in memory.

    Args:
        source: A file (which may not exist yet), or anything else that `load_seeds` takes; None for
            no seeds yet.

    Attributes:
        path: The file of the seeds; None until there is one.
        set_aside: The file that the last `save` renamed, since it took its place; otherwise None.
        was_restored: Whether it began with changes that were not saved the last time.

    Raises:
        SeedError: If the seeds cannot be read.
    """

    def __init__(self, source: SeedSource | None = None) -> None:
        self.path = None
        if isinstance(source, str | os.PathLike):
            self.path = Path(source)
        is_new = source is None or (self.path is not None and not self.path.exists())
        self.set_aside: Path | None = None
        self._proposed: list[Seed] = []
        self._own = None
        if self.path is not None:
            self._own = OwnFile(self.path)
        rows: tuple[Seed, ...] = ()
        if source is not None and not is_new:
            rows = _rows_of(source)
        super().__init__(rows)
        self._checked_rows: tuple[Seed, ...] | None = None
        self._flaws: FlawsByPlace = {}
        if source is None:
            self._kept = DraftFile(Path(NEW_FILE))
        elif self.path is not None:
            self._kept = DraftFile(self.path)
        self.was_restored = self._restore()

    @property
    def rows(self) -> list[Seed]:
        """The seeds, each with a text in all four columns ("" for none). Read only."""
        return list(self._history.state)

    @property
    def file_to_offer(self) -> Path:
        """The file that `save` writes by default: JSON lines, beside a file of another format."""
        if self.path is None:
            return Path(NEW_FILE)
        if self.path.suffix == ".jsonl":
            return self.path
        if self.path.is_dir():
            return self.path / SKILL_SEEDS
        if is_skill_seed_file(self.path):
            return self.path.with_name(SKILL_SEEDS)
        return self.path.with_suffix(".jsonl")

    @property
    def seeds(self) -> list[Seed]:
        """The seeds as `generate` takes them.

        Raises:
            SeedError: If they cannot be used.
        """
        return read_seeds(_seeds_of(self._history.state))

    @property
    def unfinished(self) -> list[int]:
        """The places of the seeds that are half written, from 0. `save` leaves them out.

        A new seed without a context is half written where others have one.
        """
        seeds = _seeds_of(self._history.state)
        places = set()
        for place, seed in enumerate(seeds):
            if errors_in(seed):
                places.add(place)
        has_context = any(CONTEXT in seed for seed in seeds)
        for place, row in enumerate(self._history.state):
            is_new = row not in self._history.saved_state
            if has_context and CONTEXT not in seeds[place] and is_new:
                places.add(place)
        return sorted(places)

    def add(self, like: int | None = None) -> int:
        """Add a seed.

        Args:
            like: The place of a seed to copy; the copy comes after it. By default, an empty seed
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
        self._change((*rows[:place], row, *rows[place:]))
        return place

    def is_proposed(self, row: Row) -> bool:
        """Whether the teacher wrote this seed, and it has not been edited yet."""
        return row in self._proposed

    def insert(self, seeds: Sequence[Seed], *, proposed: bool = False) -> int:
        """Add seeds at the end; they may be half written. One empty last seed makes room for them.

        Args:
            seeds: The seeds, each with a text in all four columns.
            proposed: Whether the teacher wrote them.

        Returns:
            The place of the first of them, from 0.
        """
        rows = self._history.state
        if rows and not any(rows[-1][column].strip() for column in COLUMNS if column != TASK):
            rows = rows[:-1]
        new_rows = _as_rows(seeds)
        if proposed:
            self._proposed += new_rows
        self._change((*rows, *new_rows))
        return len(rows)

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
        self._change(changed_rows, topic=f"{place} {column}")

    def remove(self, place: int) -> None:
        """Remove the seed at this place, from 0."""
        rows = self._history.state
        self._change((*rows[:place], *rows[place + 1 :]))

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
            self._flaws = flaws_of(_seeds_of(rows))
            self._checked_rows = rows
        return self._flaws

    def replace(self, rows: Sequence[Row]) -> None:
        """Replace all seeds; undo brings the earlier ones back.

        Args:
            rows: What takes their place; a seed may be half written.
        """
        self._change(_as_rows(rows))

    def load(self, path: str | Path) -> None:
        """Replace the seeds with those of a file; undo brings the earlier ones back.

        Of another file, changes that were not saved the last time are taken as well.

        Raises:
            SeedError: If the file cannot be read.
        """
        own = OwnFile(Path(path))
        rows = _rows_of(own.path)
        is_another = self._own is None or not self._own.is_at(own.path)
        self._history.change(rows)
        self._history.mark_saved(rows)
        if is_another:
            self._own_from_now(own)
            self.was_restored = self._restore()
        else:
            self._own = own
            self._keep()

    def save(self, path: str | Path | None = None, *, overwrite: bool = False) -> Path:
        """Write the seeds as JSON lines, to their own file or another, which becomes their own.

        If they came from a skill's file of another format (`qna.yaml`), that file is renamed
        (`qna.yaml.orig`): a skill has one file of seeds.

        Seeds that are half written are left out; they stay in the draft. If the file was changed
        meanwhile, both versions are merged by row where that is certain.

        Args:
            path: Another file, which ends in `.jsonl`.
            overwrite: Overwrite another file that exists, and changes that were made in their own
                meanwhile.

        Returns:
            The path of the file.

        Raises:
            SeedError: If none of the seeds can be used; then nothing is written.
            SettingsError: If there is no file to save to.
            FileConflict: If something would be overwritten; then nothing is written.
        """
        default = None if self.path is None else self.file_to_offer
        target = file_to_save(path, default, ".jsonl")
        earlier = self.path
        if not overwrite and not self._merge_with(target):
            refuse_to_overwrite(target, self._own)
        saved_rows = self._finished_rows()
        save_seeds(_seeds_of(saved_rows), target)
        self.set_aside = None
        if earlier is not None and takes_the_place_of(target, earlier):
            self.set_aside = set_aside(earlier)
        if self._has_kept and self._kept is not None:
            self._kept.remove()
        self._own_from_now(OwnFile(target))
        self._history.mark_saved(saved_rows)
        self._keep()
        return target

    def follow_file(self) -> bool:
        """Take over changes made to the file in the meantime, where that is safe.

        Returns:
            Whether something came.
        """
        if self.path is None:
            return False
        is_new = self._own is not None and self._own.digest == ""
        if is_new and not self.changed and self.path.exists():
            self.load(self.path)
            return True
        own = OwnFile(self.path)
        has_come = self._merge_with(self.path)
        if has_come:
            self._own = own
            self._keep()
        return has_come

    def _finished_rows(self) -> tuple[Seed, ...]:
        """The seeds that can be used. Raises SeedError if none can."""
        rows = self._history.state
        unfinished = set(self.unfinished)
        finished_rows = []
        for place, row in enumerate(rows):
            if place not in unfinished:
                finished_rows.append(row)
        finished = tuple(finished_rows)
        if not finished:
            read_seeds(_seeds_of(rows))
        return finished

    def _merge_with(self, target: Path) -> bool:
        """Take over changes made to the draft's own file in the meantime, where that is safe."""
        own = self._own
        if own is None or not own.is_at(target) or not own.has_changed:
            return False
        try:
            theirs = _rows_of(target)
        except SeedError:  # nothing to merge with: the conflict is shown
            return False
        merged = merge_seeds(self._history.saved_state, self._history.state, theirs)
        if merged is None:
            return False
        if merged != self._history.state:
            self._history.change(merged)
        self._history.mark_saved(theirs)
        return True

    # Keeping the draft ----------------------------------------------------------------------------

    def _change(self, rows: tuple[Seed, ...], topic: str = "") -> None:
        self._history.change(rows, topic)
        self._keep()

    def _own_from_now(self, own: OwnFile) -> None:
        self.path = own.path
        self._own = own
        self._kept = DraftFile(own.path)
        self._has_kept = False

    def _keep(self) -> None:
        """Keep what is not saved on disk; remove what was kept there once all is saved."""
        if self._kept is None:
            return
        if self.changed:
            rows = list(self._history.state)
            saved_rows = list(self._history.saved_state)
            digest = ""
            if self._own is not None:
                digest = self._own.digest
            proposed_rows = list(filter(self.is_proposed, rows))
            self._kept.write(KeptDraft(rows, saved_rows, digest, proposed_rows))
            self._has_kept = True
        elif self._has_kept:
            self._kept.remove()
            self._has_kept = False

    def _restore(self) -> bool:
        """Begin with the changes that were not saved the last time; undo goes back to the file."""
        drafts = []
        if self._kept is not None:
            drafts = self._kept.read()
        if not drafts:
            return False
        if self._own is None and drafts[0].digest:
            return False  # it belongs to a file that was opened by its name
        self._has_kept = True
        rows = self._history.state
        for kept in drafts:
            rows = self._with_draft(rows, kept)
            self._proposed += _as_rows(kept.proposed_rows)
        if rows != self._history.state:
            self._history.change(rows)
        return self.changed

    def _with_draft(self, rows: Rows, kept: KeptDraft) -> Rows:
        """These seeds with the changes of a draft."""
        their_rows = _as_rows(kept.rows)
        saved_rows = _as_rows(kept.saved_rows)
        is_first = rows is self._history.saved_state
        digest = ""
        if self._own is not None:
            digest = self._own.digest
        if is_first and digest in ("", kept.digest):  # the file is as it was, or gone
            return their_rows
        merged = merge_seeds(saved_rows, their_rows, rows)
        if merged is not None:
            return merged
        if not is_first:  # two panels changed the same seed: both versions stay
            added = []
            for row in their_rows:
                if row not in rows + saved_rows:
                    added.append(row)
            return (*rows, *added)
        self._history.mark_saved(saved_rows)  # saving will ask
        if self._own is not None:
            self._own = OwnFile(self._own.path, kept.digest)
        return their_rows


def _rows_of(source: SeedSource) -> tuple[Seed, ...]:
    """The seeds of a source, each with a text in all four columns."""
    return _as_rows(read_seeds(source))


def _as_rows(seeds: Iterable[Row]) -> tuple[Seed, ...]:
    """Seeds as rows of the draft."""
    rows = []
    for seed in seeds:
        rows.append({**seed, **seed_texts(seed)})
    return tuple(rows)


def _seeds_of(rows: Iterable[Row]) -> list[Seed]:
    """Rows of the draft as seeds: each without its context if that is empty."""
    seeds = []
    for row in rows:
        seed = dict(row)
        if not seed[CONTEXT].strip():
            del seed[CONTEXT]
        seeds.append(seed)
    return seeds
