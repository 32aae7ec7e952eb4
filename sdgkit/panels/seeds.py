"""The panel of the seed examples: cards and a table, what is wrong beside the very field, load and save."""

from pathlib import Path
from typing import Any

from sdgkit.drafts import SeedDraft
from sdgkit.errors import SettingsError
from sdgkit.pages import count
from sdgkit.panels.frame import Panel
from sdgkit.panels.still import Block, Still
from sdgkit.seed_check import Finding, SeedCheck, check_seeds
from sdgkit.seeds import COLUMNS

STILL, CLIPPED = 5, 200  # seeds, and characters of a text, in the still picture


class SeedPanel(Panel):
    """Seeds to write.

    source: a file (which may not exist yet), what `load_seeds` takes, or a `SeedDraft`. draft: the `SeedDraft` that the
    panel shows; seeds: its rows, checked, as `generate` takes them. Raises SeedError for a file that cannot be read.
    """

    kind, title = "seeds", "Seeds"

    def __init__(self, source: Any = None) -> None:
        super().__init__()
        self.draft = source if isinstance(source, SeedDraft) else SeedDraft(source)
        self.open, self.told, self._rev = 0, "", 0
        self._checked: tuple[list[dict[str, str]], SeedCheck] = [], SeedCheck()

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """The seeds as they are now. Raises SeedError for what is wrong in them."""
        return self.draft.seeds

    @property
    def findings(self) -> SeedCheck:
        """What the seed check finds, once nothing else is wrong with the seeds; of no seeds nothing."""
        rows = [dict(row) for row in self.draft.rows]
        if not rows or self.draft.flaws():
            return SeedCheck()
        if rows != self._checked[0]:
            self._checked = rows, check_seeds(self.draft.seeds)
        return self._checked[1]

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_open(self, place: int) -> None:
        """Show this seed for editing."""
        self.open, self.told = int(place), ""

    def on_edit(self, place: int, column: str, text: str) -> None:
        """Take over what was typed."""
        self.draft.edit(int(place), column, text)
        self.told = ""

    def on_add(self) -> None:
        """A new seed at the end."""
        self._change(self.draft.add())

    def on_duplicate(self, place: int) -> None:
        """The same seed once more, to be changed."""
        self._change(self.draft.add(like=int(place)))

    def on_remove(self, place: int) -> None:
        """Take it out; undo brings it back."""
        self.draft.remove(int(place))
        self._change(min(int(place), len(self.draft.rows) - 1))
        self.told = f"Seed {int(place) + 1} is removed. Undo brings it back."

    def on_undo(self) -> None:
        """Take the last change back."""
        self.draft.undo()
        self._change(max(0, min(self.open, len(self.draft.rows) - 1)))

    def on_save(self, path: str = "") -> None:
        """Save them, all or nothing."""
        saved = self.draft.save(path.strip() or None)
        self.told = f"{count(len(self.draft.rows))} seeds saved in {saved}."

    def on_load(self, path: str) -> None:
        """Take the seeds of a file in their place; undo brings the earlier ones back."""
        if not path.strip():
            raise SettingsError("Name the file to load: .jsonl, .json, .csv, .parquet or a qna.yaml.")
        self.draft.load(path.strip())
        self._change(0)
        self.told = f"{count(len(self.draft.rows))} seeds loaded from {path.strip()}."

    def _change(self, place: int) -> None:
        self.open, self.told = place, ""
        self._rev += 1

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        flaws, findings = self.draft.flaws(), self.findings
        path = self.draft.path
        return {
            "sign": "warn" if flaws or findings.count("error") else "good" if self.draft.rows else "none",
            "words": self._words(len(flaws)),
            "folder": str(path or "not in a file yet"),
            "path": str(path if path is not None and Path(path).suffix == ".jsonl" else "my_seeds.jsonl"),
            "columns": list(COLUMNS),
            "seeds": [
                {
                    **{column: row[column] for column in COLUMNS},
                    "flaws": {flaw.part: flaw.words for flaw in flaws.get(place, [])},
                    "findings": [
                        {"column": found.column, "words": _told(found)} for found in findings if found.row == place + 1
                    ],
                }
                for place, row in enumerate(self.draft.rows)
            ],
            "findings": [_told(found) for found in findings if found.row is None],
            "open": self.open,
            "rev": self._rev,
            "changed": self.draft.changed,
            "can_undo": self.draft.can_undo,
            "told": self.told,
        }

    def _words(self, flawed: int) -> str:
        rows = self.draft.rows
        words = [f"{count(len(rows))} seed{'' if len(rows) == 1 else 's'}"] if rows else []
        if flawed:
            words.append(f"{flawed} with something to mend")
        elif self.findings:
            words.append(f"the seed check: {self.findings.note.removesuffix('.')}")
        words += [self.draft.advice()] if self.draft.advice() else []
        words += ["not saved"] if self.draft.changed else []
        return " \u00b7 ".join(words)

    def still(self) -> Still:
        flaws = self.draft.flaws()
        blocks = []
        for place, row in enumerate(self.draft.rows[:STILL]):
            texts = [f"{name}:\n{_clipped(row[name])}" for name in COLUMNS if row[name] and name != "task_description"]
            texts += [f"! {flaw.part} {flaw.words}" for flaw in flaws.get(place, [])]
            blocks.append(Block(f"Seed {place + 1}", "\n\n".join(texts)))
        if self.draft.rows:
            blocks.insert(0, Block("The task", self.draft.rows[0]["task_description"]))
        if self.findings:
            blocks.append(Block("What the seed check finds", repr(self.findings)))
        more = len(self.draft.rows) - STILL
        if more > 0:
            blocks.append(Block(f"and {more} more"))
        return Still(f"Seeds {self.draft.path or ''}".strip(), self._words(len(flaws)), blocks=blocks)


def _told(finding: Finding) -> str:
    return f"{finding.severity}: {finding.what} {finding.advice}"


def _clipped(text: str) -> str:
    return text if len(text) <= CLIPPED else f"{text[:CLIPPED]}… ({count(len(text) - CLIPPED)} more characters)"
