"""The panel of a prompt: its parts in an editor, what they make of a seed, the teacher's replies, what has changed."""

from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, SeedError, SettingsError
from sdgkit.method import METHODS
from sdgkit.pages import count, counted
from sdgkit.panels.frame import Panel, Stop, teacher_of
from sdgkit.panels.seeds import rows_for, seeds_of
from sdgkit.panels.still import Block
from sdgkit.prompts import Prompt
from sdgkit.seeds import skill
from sdgkit.teachers import background
from sdgkit.trials.drafts import PromptDraft
from sdgkit.trials.trying import Trial, asked_again, trials

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
        self.seeds, self._rows = seeds, seeds_of(seeds)
        self._drafts: dict[str, PromptDraft] = {}
        if isinstance(prompts, Prompt):
            self.folder, self.stages = None, [prompts.name]
            self._drafts[prompts.name] = PromptDraft(prompts.name, prompt=prompts)
        else:
            self.folder, self.stages = Path(prompts), METHODS[skill(self._rows)].prompted
        self.stage = stage or self.stages[0]
        self.row = self._rev = 0
        self.trials: list[Trial | None] = []
        self._asking: Future[list[Trial]] = Future()
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

    def rows(self) -> list[dict[str, Any]]:
        """The rows that the prompt can be tried on, each with an id."""
        with suppress(SeedError):  # of a SeedPanel with a seed that is half written: the rows as they were before
            self._rows = seeds_of(self.seeds)
        return rows_for(self.stage, self._rows)

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_stage(self, name: str) -> None:
        """Show another prompt; what was not saved of this one stays."""
        before, self.stage = self.stage, name
        try:
            _ = self.draft
        except Exception:
            self.stage = before
            raise
        self._rev += 1
        self.trials = []

    def on_text(self, part: str, text: str) -> None:
        """Take over what was typed."""
        self.draft.set(part, text)

    def on_row(self, number: int) -> None:
        """Show what the prompt makes of this row."""
        self.row = int(number)

    def on_undo(self) -> None:
        """Take the last change back."""
        self.draft.undo()
        self._rev += 1

    def on_restore(self) -> None:
        """Go back to the shipped prompt; saved only by Save."""
        self.draft.restore()
        self._rev += 1
        self.told = "This is the shipped prompt. Save it, or undo."

    def on_save(self, path: str = "") -> None:
        """Save it to the user's folder, or to another file."""
        self.told = f"Saved in {self.draft.save(path.strip() or None)}."

    def on_try(self, several: bool = False) -> None:
        """Send it to the teacher with the row that is shown, or with five rows at a time."""
        rows = self.rows()
        first = max(0, min(self.row, len(rows) - SEVERAL)) if several else self.row
        chosen = rows[first : first + (SEVERAL if several else 1)]
        prompt, teacher = self.prompt, teacher_of(self._teacher)
        come: list[Trial | None] = [None] * len(chosen)

        def take(place: int, trial: Trial) -> None:
            come[place] = trial
            self.render()

        def begin() -> Stop:
            self.trials = come
            self._asking = background.submit(trials(prompt, chosen, teacher, take))
            return self._asking.cancel

        def wait() -> None:
            try:
                with suppress(CancelledError):
                    self._asking.result()
            finally:
                if self.trials is come:
                    self.trials = [trial for trial in come if trial is not None]

        self.work("Asking the teacher.", wait, begin)

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        draft, rows = self.draft, self.rows()
        self.row = min(self.row, len(rows) - 1)
        flaws = draft.flaws(rows[self.row])
        return {
            "sign": "warn" if flaws else "good" if not draft.changed else "none",
            "words": self._words(len(flaws)),
            "folder": str(draft.path or "not in a file yet"),
            "again": self._again(),
            "stages": self.stages,
            "stage": self.stage,
            "parts": [{"name": name, "text": text} for name, text in draft.texts.items()],
            "flaws": [vars(flaw) for flaw in flaws],
            "rev": f"{self.stage} {self._rev}",
            "rows": [(str(n), f"{row['id']}: {_line(row)}") for n, row in enumerate(rows)],
            "row": str(self.row),
            "messages": self._messages(rows[self.row]),
            "trials": [None if trial is None else _seen(trial) for trial in self.trials],
            "diff": draft.diff(),
            "can_undo": draft.can_undo,
            "can_save": draft.path is not None,
            "can_try": self._teacher is not None,
        }

    def _words(self, flaws: int) -> str:
        draft = self.draft
        state = "edited, not saved" if draft.changed else "saved" if draft.is_in_a_file else "as shipped"
        return f"{self.stage}: {state}" + (f" \u00b7 {counted(flaws, 'thing')} to mend" if flaws else "")

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

    def blocks(self) -> Iterator[Block]:
        draft = self.draft
        row = self.rows()[self.row]
        if flaws := draft.flaws(row):
            yield Block("To mend", "\n".join(f"{flaw.part}, line {flaw.line}: {flaw.words}" for flaw in flaws))
        for message in self._messages(row):
            yield Block(f"{message['role']} message for {row['id']}", message["content"], folded=True)
        if diff := draft.diff():
            yield Block("Changes", "\n".join(diff))
        for trial in filter(None, self.trials):
            yield Block(f"Reply to {trial.id}: {_told(trial)}", trial.reply.text if trial.reply else trial.message)
        if again := self._again():
            yield Block(text=again)


def _seen(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "words": _told(trial),
        "good": not trial.reason,
        "message": trial.message,
        "pieces": list(trial.pieces),
        "score": next((f"score {row['score']:g}" for row in trial.rows if isinstance(row.get("score"), float)), ""),
    }


def _told(trial: Trial) -> str:
    words = [trial.reason or f"{counted(len(trial.rows), 'record')} read"]
    if trial.reply is not None:
        words.append(f"{trial.reply.seconds:.2f} s, {count(trial.reply.completion_tokens)} tokens")
    return " \u00b7 ".join(words)


def _line(row: Mapping[str, Any]) -> str:
    """A row in a few words, to choose it by."""
    names = ("context", "seed_context", "question", "seed_question")
    text = " ".join(next((str(row[name]) for name in names if row.get(name)), "").split())
    return text[:60] + ("…" if len(text) > 60 else "")
