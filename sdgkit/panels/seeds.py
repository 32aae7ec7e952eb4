"""The panel of the seed examples: write, check, load and save them."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sdgkit.errors import FileConflict, SeedError
from sdgkit.evaluation.drafts import Flaw
from sdgkit.evaluation.seed_check import check_seeds
from sdgkit.evaluation.seed_draft import SeedDraft
from sdgkit.evaluation.seed_flaws import flaw_of_finding
from sdgkit.evaluation.seed_paste import seeds_in_table
from sdgkit.evaluation.seed_preview import Preview, preview_seed, propose_seed
from sdgkit.evaluation.seed_rules import TASK
from sdgkit.formatting import pluralize
from sdgkit.keywords import known_keywords_throughout
from sdgkit.panels.frame import Action, Panel, required_teacher
from sdgkit.panels.state import RESTORED, PanelState
from sdgkit.seeds import COLUMNS, Seed, SeedSource, read_seeds, seed_texts
from sdgkit.teachers.source import TeacherSource

SEVERITIES = ("error", "warning", "hint")


@dataclass(frozen=True, kw_only=True)
class SeedsState(PanelState):
    """What the panel of the seeds shows.

    Attributes:
        path: The file that *Save* offers.
        columns: The names of a seed's columns.
        seeds: The seeds, each with its `flaws`.
        flaws_of_all: What concerns all seeds.
        open_place: The place of the seed that is open for editing, from 0.
        revision: Changes when texts were replaced other than by typing.
        can_undo: Whether there is something to undo.
        can_redo: Whether there is something to redo.
        problem: Why what you type is not kept until you save it, or "".
        is_kept: Whether what is not saved is on disk.
        can_ask: Whether there is a teacher to ask.
        previews: The samples that the teacher made of a seed.
        previewed: The place of that seed, from 0.
    """

    path: str
    columns: tuple[str, ...]
    seeds: list[dict[str, Any]]
    flaws_of_all: list[Flaw]
    open_place: int
    revision: int
    can_undo: bool
    can_redo: bool
    problem: str
    is_kept: bool
    can_ask: bool
    previews: tuple[Preview, ...]
    previewed: int


@known_keywords_throughout
class SeedPanel(Panel):
    """Write and check seed examples.

    What you type is kept at once in a hidden file next to the seed file, until it is saved: running
    the cell again, in a new kernel too, shows it again.

    Args:
        source: A file (which may not exist yet), anything that `load_seeds` accepts, or a
            `SeedDraft`.
        teacher: The teacher who judges the seeds, proposes further ones, and makes samples of one;
            or a TeacherPanel.

    Attributes:
        draft: The `SeedDraft` that the panel shows.

    Raises:
        SeedError: If the file cannot be read.

    Example:
        >>> seed = {"task_description": "Greet.", "seed_question": "Hi", "seed_response": "Hello"}
        >>> panel = SeedPanel([seed])
        >>> panel.act("duplicate", place=0)
        >>> len(panel.seeds)
        2
    """

    kind = "seeds"
    restored_notice = RESTORED

    def __init__(
        self,
        source: "SeedSource | SeedDraft | None" = None,
        *,
        teacher: TeacherSource | None = None,
    ) -> None:
        super().__init__()
        self._teacher = teacher
        self._judged: dict[str, list[Flaw]] = {}  # by the seed, what its judge found
        self._previews: tuple[Preview, ...] = ()
        self._previewed = 0
        self.draft = source if isinstance(source, SeedDraft) else SeedDraft(source)
        self._open_place = 0
        self._revision = 0
        if self.draft.was_restored:
            self.notice = RESTORED

    @property
    def seeds(self) -> list[Seed]:
        """The seeds as they are now, checked, as `generate` takes them.

        Raises:
            SeedError: If a seed cannot be used yet.
        """
        return self.draft.seeds

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {
            "open": self.open,
            "edit": self.edit,
            "add": self.add,
            "duplicate": self.duplicate,
            "remove": self.remove,
            "undo": self.undo,
            "redo": self.redo,
            "save": self.save,
            "dismiss": self.dismiss,
            "load": self.load,
            "restore": self.restore,
            "paste": self.paste,
            "judge": self.judge,
            "propose": self.propose,
            "preview": self.preview,
            "cancel": self.cancel,
        }

    def open(self, place: int) -> None:
        """Open the seed at this place, from 0, for editing."""
        self._open_place = place

    def edit(self, place: int, column: str, text: str) -> None:
        """Replace the text of a seed's column."""
        number_of_seeds = len(self.draft.rows)
        if place >= number_of_seeds:
            there_are = pluralize(number_of_seeds, "seed")
            raise SeedError(f"There is no seed {place + 1}: the panel has {there_are}.")
        self.draft.edit(place, column, text)

    def add(self) -> None:
        """Add a seed at the end."""
        self._show_changed(self.draft.add())

    def duplicate(self, place: int) -> None:
        """Add a copy of a seed right after it."""
        self._show_changed(self.draft.add(like=place))

    def remove(self, place: int) -> None:
        """Remove a seed."""
        self.draft.remove(place)
        self._show_changed(place)
        self.notice = f"Removed seed {place + 1}. Undo brings it back."

    def undo(self) -> None:
        """Undo the last change."""
        self.draft.undo()
        self._show_changed(self._open_place)

    def redo(self) -> None:
        """Make the change again that was undone last."""
        self.draft.redo()
        self._show_changed(self._open_place)

    def save(self, path: str = "", overwrite: bool = False) -> None:
        """Save the seeds, and keep those that are half written as a draft.

        Changes made to their file in the meantime are merged where that is safe; otherwise the
        panel asks. It also asks before it overwrites another file.

        Args:
            path: The file, by default the one that they came from.
            overwrite: Overwrite what is in the file.
        """
        rows_before = self.draft.rows
        try:
            saved = self.draft.save(path.strip() or None, overwrite=overwrite)
        except FileConflict as conflict:
            self.ask_about(conflict)
            return
        self.conflict = None
        self.notice = f"Saved in {saved}."
        if self.draft.rows != rows_before:
            self._show_changed(self._open_place)
            self.notice = f"Saved in {saved}, together with the changes made there in the meantime."
        set_aside = self.draft.set_aside
        if set_aside is not None:
            self.notice += f" The file that they came from is now called {set_aside.name}."
        unfinished = len(self.draft.unfinished)
        if unfinished:
            left_out = pluralize(unfinished, "half-written seed")
            self.notice += f" Left out {left_out}: kept here as a draft."

    def load(self, path: str) -> None:
        """Replace the seeds with those of a file; undo brings the earlier ones back."""
        self.draft.load(path.strip())
        self.conflict = None
        self._show_changed(0)
        self.notice = f"Loaded from {path.strip()}."
        if self.draft.was_restored:
            self.notice = RESTORED

    def follow_file(self) -> None:
        """Take over changes made to the file in the meantime, where that is safe."""
        if self.draft.follow_file():
            self._show_changed(self._open_place)

    def paste(self, text: str) -> None:
        """Add the rows that were copied in a spreadsheet.

        Args:
            text: The rows, their cells separated by tabs.
        """
        rows = self.draft.rows
        task = ""
        if rows:
            task = rows[-1][TASK]
        seeds = seeds_in_table(text, task)
        self._show_changed(self.draft.insert(seeds))
        self.notice = f"Pasted {pluralize(len(seeds), 'seed')}. Undo removes them."

    def judge(self) -> None:
        """Have the teacher judge each seed, with another seed as its example, as in a run."""
        teacher = required_teacher(self._teacher)
        seeds = self.draft.seeds

        def ask() -> None:
            without_judge = list(check_seeds(seeds))
            judged: dict[str, list[Flaw]] = {}
            number = 0
            for finding in check_seeds(seeds, teacher):
                if finding.row is not None and finding not in without_judge:
                    flaws = judged.setdefault(_key(seeds[finding.row - 1]), [])
                    flaws.append(flaw_of_finding(finding))
                    number += 1
            self._judged = judged
            result = "no objection"
            if number:
                result = pluralize(number, "objection")
            self.notice = f"{teacher.model} judged {pluralize(len(seeds), 'seed')}: {result}."

        self.work("Judging the seeds, each with another as its example.", ask)

    def propose(self) -> None:
        """Have the teacher write a further seed in the manner of the one that is open, to edit."""
        teacher = required_teacher(self._teacher)
        seed = self._open_seed()

        def ask() -> None:
            proposal = propose_seed(seed, teacher=teacher)
            place = self.draft.insert([proposal], proposed=True)
            self._show_changed(place)
            self.notice = f"{teacher.model} wrote this seed. Edit it until it shows what you want."

        self.work("Writing a seed.", ask)

    def preview(self, place: int) -> None:
        """Have the teacher make two samples of a seed."""
        teacher = required_teacher(self._teacher)
        [seed] = read_seeds([_filled_columns(self.draft.rows[place])])

        def ask() -> None:
            self._previews = tuple(preview_seed(seed, teacher=teacher))
            self._previewed = place

        self.work("Making two samples of this seed.", ask)

    def _open_seed(self) -> Seed:
        """The seed that is open, if it can be used; otherwise the first that can."""
        rows = self.draft.rows
        unfinished = set(self.draft.unfinished)
        usable = [place for place in range(len(rows)) if place not in unfinished]
        if not usable:
            raise SeedError("Complete one seed first: the teacher starts from it.")
        place = usable[0]
        if self._open_place in usable:
            place = self._open_place
        return _filled_columns(rows[place])

    def restore(self, rows: list[Seed]) -> None:
        """Put back the seeds that were typed before the kernel was gone or the cell ran again."""
        self.draft.replace(rows)
        self._show_changed(self._open_place)
        self.notice = RESTORED

    def _show_changed(self, place: int) -> None:
        last_place = len(self.draft.rows) - 1
        self._open_place = max(0, min(place, last_place))
        self._revision += 1

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> SeedsState:
        """What the panel shows now."""
        draft = self.draft
        flaws_by_place = draft.flaws()
        severities: Counter[str] = Counter(flaw.severity for flaw in flaws_by_place.get(None, []))
        to_fill_in = 0
        seeds = []
        for place, row in enumerate(draft.rows):
            flaws = [*flaws_by_place.get(place, []), *self._judged.get(_key(row), [])]
            for flaw in flaws:
                if flaw.severity == "error" and not row.get(flaw.part, "").strip():
                    to_fill_in += 1
                else:
                    severities[flaw.severity] += 1
            is_proposed = draft.is_proposed(row)
            drawn = {"flaws": [asdict(flaw) for flaw in flaws], "is_proposed": is_proposed}
            seeds.append({**row, **drawn})
        return SeedsState(
            sign="busy" if self.busy else _sign(draft, severities, to_fill_in),
            status=self.busy or _status(draft, severities, to_fill_in),
            folder=str(draft.path or "not in a file yet"),
            path=str(draft.file_to_offer),
            columns=tuple(COLUMNS),
            seeds=seeds,
            flaws_of_all=flaws_by_place.get(None, []),
            open_place=self._open_place,
            revision=self._revision,
            can_undo=draft.can_undo,
            can_redo=draft.can_redo,
            problem=draft.problem,
            is_kept=draft.is_kept,
            can_ask=self._teacher is not None,
            previews=self._previews,
            previewed=self._previewed,
        )


def _sign(draft: SeedDraft, severities: Counter[str], to_fill_in: int) -> str:
    if severities["error"] or severities["warning"]:
        return "warn"
    if draft.rows and not to_fill_in:
        return "good"
    return "none"


def _key(seed: Seed) -> str:
    """What a seed is recognised by: its texts."""
    return json.dumps(_filled_columns(seed), sort_keys=True)


def _filled_columns(row: Seed) -> Seed:
    """The four columns of a seed, without those that are empty."""
    filled = {}
    for column, text in seed_texts(row).items():
        if text.strip():
            filled[column] = text
    return filled


def _status(draft: SeedDraft, severities: Counter[str], to_fill_in: int) -> str:
    """How many seeds there are, how many flaws, and whether all is saved."""
    if not draft.rows:
        parts = ["There are no seeds yet. Add one, load a file, or paste from a spreadsheet."]
    else:
        parts = [pluralize(len(draft.rows), "seed")]
    if to_fill_in:
        parts.append(f"{pluralize(to_fill_in, 'field')} to fill in")
    for severity in SEVERITIES:
        if severities[severity]:
            parts.append(pluralize(severities[severity], severity))
    if draft.changed:
        parts.append("not saved")
    return " \u00b7 ".join(parts)


def seeds_of(source: "SeedSource | SeedPanel") -> list[Seed]:
    """The seeds of a SeedPanel, or of anything that `load_seeds` takes.

    Raises:
        SeedError: If a seed cannot be used.
    """
    return read_seeds(source.seeds if isinstance(source, SeedPanel) else source)
