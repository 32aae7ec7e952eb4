"""The panel of a prompt: its parts in an editor, what they make of a seed, the teacher's replies, what has changed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdgkit.drafts import PromptDraft
from sdgkit.errors import PromptError, SettingsError
from sdgkit.pages import count
from sdgkit.panels.frame import Panel, teacher_of
from sdgkit.panels.seeds import SeedPanel
from sdgkit.panels.still import Block, Still
from sdgkit.prompts import Prompt
from sdgkit.seeds import read_seeds, skill
from sdgkit.teachers import background
from sdgkit.trying import METHODS, Trial, asked_again, stand_in, trials

SEVERAL = 5  # rows of "Try on 5"


class PromptPanel(Panel):
    """Prompts to edit and to try.

    prompts: the user's folder of prompts, which the next run uses (`prompts=`), made when something is saved; or one
    `Prompt`. seeds: what `load_seeds` takes, also rows of an earlier stage, or a SeedPanel. teacher: for *Try*; a
    TeacherPanel will do. run: a run, or the folder of one that goes on, to say what it would ask again. stage: which
    prompt to begin with. prompt: the `Prompt` as it is being edited. Raises SdgkitError.
    """

    kind, title = "prompt", "Prompt"

    def __init__(
        self,
        prompts: str | Path | Prompt,
        seeds: Any,
        *,
        teacher: Any = None,
        run: Any = None,
        stage: str | None = None,
    ) -> None:
        super().__init__()
        self._teacher, self._run = teacher, run
        self.seeds = seeds
        self._drafts: dict[str, PromptDraft] = {}
        if isinstance(prompts, Prompt):
            self.folder, self.stages = None, [prompts.name]
            self._drafts[prompts.name] = PromptDraft(prompts.name, prompt=prompts)
        else:
            self.folder, self.stages = Path(prompts), METHODS[skill(self._rows())].prompted
        self.stage = stage or self.stages[0]
        self.row, self.told, self._rev, self._round = 0, "", 0, 0
        self.trials: list[Trial | None] = []
        _ = self.draft

    @property
    def draft(self) -> PromptDraft:
        """The `PromptDraft` that is shown."""
        if self.stage not in self.stages:
            raise SettingsError(f"There is no prompt {self.stage!r} here. There are {', '.join(self.stages)}.")
        if self.stage not in self._drafts:
            self._drafts[self.stage] = PromptDraft(self.stage, self.folder)
        return self._drafts[self.stage]

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is being edited. Raises PromptError for what cannot be used."""
        return self.draft.prompt

    def _rows(self) -> list[dict[str, Any]]:
        return read_seeds(self.seeds.seeds if isinstance(self.seeds, SeedPanel) else self.seeds)

    def rows(self) -> list[dict[str, Any]]:
        """The rows that the prompt can be tried on, each with an id."""
        return [{"id": f"s{n}", **stand_in(row, self.stage)} for n, row in enumerate(self._rows(), 1)]

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_stage(self, name: str) -> None:
        """Show another prompt; what was not saved of this one stays."""
        before, self.stage = self.stage, name
        try:
            _ = self.draft
        except Exception:
            self.stage = before
            raise
        self._fresh()
        self.trials = []

    def on_text(self, part: str, text: str) -> None:
        """Take over what was typed."""
        self.draft.set(part, text)
        self.told = ""

    def on_row(self, number: int) -> None:
        """Show what the prompt makes of this row."""
        self.row = int(number)

    def on_undo(self) -> None:
        """Take the last change back."""
        self.draft.undo()
        self._fresh()

    def on_restore(self) -> None:
        """Go back to the shipped prompt; saved only by Save."""
        self.draft.restore()
        self._fresh()
        self.told = "This is the shipped prompt. Save it, or undo."

    def on_save(self) -> None:
        """Save it to the user's folder."""
        self.told = f"Saved in {self.draft.save()}."

    def on_save_as(self, path: str) -> None:
        """Save it to another file."""
        self.told = f"Saved in {self.draft.save_as(path.strip())}."

    def on_try(self, several: bool = False) -> None:
        """Send it to the teacher with the row that is shown, or with five rows at a time."""
        rows = self.rows()
        chosen = rows[self.row : self.row + SEVERAL] if several else [rows[self.row]]
        if several and len(chosen) < SEVERAL:
            chosen = rows[-SEVERAL:]
        prompt, teacher = self.prompt, teacher_of(self._teacher)
        self.trials = [None] * len(chosen)
        self._round += 1
        waiting = background.submit(trials(prompt, chosen, teacher, on_trial=self._taker(self._round)))

        def wait() -> None:
            try:
                waiting.result()
            finally:
                self.trials = [trial for trial in self.trials if trial is not None]

        self.work("Asking the teacher.", _quiet(wait), waiting.cancel)

    def _taker(self, round_: int) -> Callable[[int, Trial], None]:
        def take(place: int, trial: Trial) -> None:
            if round_ == self._round and place < len(self.trials):
                self.trials[place] = trial
                self.render()

        return take

    def _fresh(self) -> None:
        self.told = ""
        self._rev += 1

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        draft, rows = self.draft, self.rows()
        self.row = min(self.row, len(rows) - 1)
        flaws = draft.flaws(rows[self.row])
        return {
            "sign": "warn" if flaws else "good" if not draft.changed else "none",
            "words": self._words(len(flaws)),
            "folder": str(draft.path or "not in a file yet"),
            "stages": self.stages,
            "stage": self.stage,
            "parts": [{"name": name, "text": text} for name, text in draft.texts.items()],
            "flaws": [{"part": flaw.part, "line": flaw.line, "words": flaw.words} for flaw in flaws],
            "rev": f"{self.stage} {self._rev}",
            "rows": [(str(n), f"{row['id']}: {_line(row)}") for n, row in enumerate(rows)],
            "row": str(self.row),
            "messages": self._messages(rows[self.row]),
            "trials": [None if trial is None else _seen(trial) for trial in self.trials],
            "diff": draft.diff(),
            "again": self._again(),
            "changed": draft.changed,
            "can_undo": draft.can_undo,
            "can_save": draft.path is not None,
            "can_try": self._teacher is not None,
            "told": self.told,
        }

    def _words(self, flaws: int) -> str:
        draft = self.draft
        words = ["edited, not saved" if draft.changed else "saved" if _is_saved(draft) else "as shipped"]
        words += [f"{flaws} thing{'' if flaws == 1 else 's'} to mend"] if flaws else []
        return " \u00b7 ".join([f"{self.stage}: {words[0]}", *words[1:]])

    def _messages(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        try:
            return self.draft.prompt.render({name: value for name, value in row.items() if name != "id"})
        except (PromptError, SettingsError):
            return []

    def _again(self) -> str:
        shown = getattr(self._run, "latest", self._run)
        folder = getattr(shown, "out", shown)
        try:
            return asked_again(self.draft.prompt, folder, self.draft.saved)
        except (PromptError, SettingsError):
            return "It cannot be used as it is: a run would stop at once."

    def still(self) -> Still:
        draft = self.draft
        row = self.rows()[self.row]
        flaws = draft.flaws(row)
        blocks = [Block("To mend", "\n".join(f"{f.part}, line {f.line}: {f.words}" for f in flaws))] if flaws else []
        blocks += [
            Block(f"{m['role']} message for {row['id']}", m["content"], folded=True) for m in self._messages(row)
        ]
        if draft.diff():
            blocks.append(Block("Changes", "\n".join(draft.diff())))
        for trial in filter(None, self.trials):
            blocks.append(Block(f"Reply to {trial.id}: {_told(trial)}", trial.text or trial.message))
        if self._again():
            blocks.append(Block(text=self._again()))
        return Still(f"Prompt {draft.path or ''}".strip(), self._words(len(flaws)), blocks=blocks)


def _seen(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "words": _told(trial),
        "good": not trial.reason,
        "message": trial.message,
        "pieces": list(trial.pieces),
        "columns": sorted({column for row in trial.rows for column in row}),
        "score": next(
            (f"score {count(row['score'])}" for row in trial.rows if isinstance(row.get("score"), float)), ""
        ),
    }


def _told(trial: Trial) -> str:
    words = [trial.reason or f"{len(trial.rows)} record{'' if len(trial.rows) == 1 else 's'} read"]
    if trial.seconds:
        words.append(f"{trial.seconds:.2f} s, {count(trial.completion_tokens)} tokens")
    return " \u00b7 ".join(words)


def _is_saved(draft: PromptDraft) -> bool:
    return draft.path is not None and draft.path.exists()


def _line(row: Mapping[str, Any]) -> str:
    """A row in a few words, to choose it by."""
    text = " ".join(str(row.get("context") or row.get("question") or "").split())
    return text[:60] + ("…" if len(text) > 60 else "")


def _quiet(job: Callable[[], None]) -> Callable[[], None]:
    """The job, for which being cancelled is no error."""
    from concurrent.futures import CancelledError

    def run() -> None:
        try:
            job()
        except CancelledError:
            return

    return run
