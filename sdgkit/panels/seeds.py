"""The panel of the seed examples: cards and a table, what is wrong beside the very field, load and save."""

from collections import Counter
from typing import Any

from sdgkit.evaluation.method_stages import stand_in
from sdgkit.evaluation.seed_draft import SeedDraft
from sdgkit.formatting import pluralize
from sdgkit.panels.frame import Panel
from sdgkit.seeds import COLUMNS, read_seeds


class SeedPanel(Panel):
    """Seeds to write.

    source: a file (which may not exist yet), what `load_seeds` takes, or a `SeedDraft`. draft: the `SeedDraft` that the
    panel shows; seeds: its rows, checked, as `generate` takes them. Raises SeedError for a file that cannot be read.
    """

    kind = "seeds"

    def __init__(self, source: Any = None) -> None:
        super().__init__()
        self.draft = source if isinstance(source, SeedDraft) else SeedDraft(source)
        self.open, self._rev = 0, 0

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """The seeds as they are now. Raises SeedError for what is wrong in them."""
        return self.draft.seeds

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_open(self, place: int) -> None:
        """Show this seed for editing."""
        self.open = place

    def on_edit(self, place: int, column: str, text: str) -> None:
        """Take over what was typed."""
        self.draft.edit(place, column, text)

    def on_add(self) -> None:
        """A new seed at the end."""
        self._change(self.draft.add())

    def on_duplicate(self, place: int) -> None:
        """The same seed once more, to be changed."""
        self._change(self.draft.add(like=place))

    def on_remove(self, place: int) -> None:
        """Take it out; undo brings it back."""
        self.draft.remove(place)
        self._change(place)
        self.told = f"Seed {place + 1} is removed. Undo brings it back."

    def on_undo(self) -> None:
        """Take the last change back."""
        self.draft.undo()
        self._change(self.open)

    def on_save(self, path: str = "") -> None:
        """Save them, all or nothing."""
        self.told = f"Saved in {self.draft.save(path.strip() or None)}."

    def on_load(self, path: str) -> None:
        """Take the seeds of a file in their place; undo brings the earlier ones back."""
        self.draft.load(path.strip())
        self._change(0)
        self.told = f"Loaded from {path.strip()}."

    def _change(self, place: int) -> None:
        self.open = max(0, min(place, len(self.draft.rows) - 1))
        self._rev += 1

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        draft, flaws = self.draft, self.draft.flaws()
        grave = Counter(flaw.severity for found in flaws.values() for flaw in found)
        empty = "There are no seeds yet. Add one, or load a file."
        words = [pluralize(len(draft.rows), "seed") if draft.rows else empty]
        words += [
            pluralize(grave[severity], severity)
            for severity in ("error", "warning", "hint")
            if grave[severity]
        ]
        words += ["not saved"] if draft.changed else []
        return {
            "sign": "warn"
            if grave["error"] + grave["warning"]
            else "good"
            if draft.rows
            else "none",
            "words": " \u00b7 ".join(words),
            "folder": str(draft.path or "not in a file yet"),
            "path": str(
                draft.path if draft.path and draft.path.suffix == ".jsonl" else "my_seeds.jsonl"
            ),
            "columns": COLUMNS,
            "seeds": [
                row | {"flaws": [vars(flaw) for flaw in flaws.get(at, [])]}
                for at, row in enumerate(draft.rows)
            ],
            "about_all": [vars(flaw) for flaw in flaws.get(None, [])],
            "open": self.open,
            "rev": self._rev,
            "can_undo": draft.can_undo,
        }


def seeds_of(given: Any) -> list[dict[str, Any]]:
    """The seeds of a SeedPanel, or in what `load_seeds` takes (rows of an earlier stage, too). Raises SeedError."""
    return read_seeds(given.seeds if isinstance(given, SeedPanel) else given)


def rows_for(stage: str, seeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows on which this stage's prompt can be tried, each with an id."""
    return [{"id": f"s{number}", **stand_in(row, stage)} for number, row in enumerate(seeds, 1)]
