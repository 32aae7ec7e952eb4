"""The panel of a prompt: its parts in an editor, what they make of a seed, the teacher's replies, what has changed."""

from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, SeedError, SettingsError
from sdgkit.evaluation.prompt_draft import PromptDraft
from sdgkit.evaluation.prompt_trials import Trial, trials
from sdgkit.evaluation.reuse import asked_again
from sdgkit.formatting import pluralize
from sdgkit.method import METHODS
from sdgkit.panels.frame import Panel, Stop, teacher_of
from sdgkit.panels.seeds import rows_for, seeds_of
from sdgkit.prompts import Prompt
from sdgkit.seeds import skill
from sdgkit.teachers import background

SEVERAL = 5  # rows of "Try on 5"


class PromptPanel(Panel):
    """Prompts to edit and to try.

    prompts: the user's folder of prompts, which the next run uses (`prompts=`), made when something is saved; or one
    `Prompt`. seeds: what `load_seeds` takes, also rows of an earlier stage, or a SeedPanel. teacher: for *Try*; a
    TeacherPanel will do. run: a run, or the folder of one that goes on, to say what it would ask again. stage: which
    prompt to begin with. prompt: the `Prompt` as it is being edited. Raises SdgkitError.
    """

    kind = "prompt"

    def __init__(
        self,
        prompts: str | Path | Prompt,
        seeds: Any,
        *,
        teacher: Any = None,
        run: Any = None,
        stage: str = "",
    ) -> None:
        super().__init__()
        self.teacher, self._run = teacher, run
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
        if self.stage not in self._drafts:
            self._drafts[self.stage] = PromptDraft(self.stage, self.folder)
        return self._drafts[self.stage]

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is being edited. Raises PromptError for what cannot be used."""
        return self.draft.prompt

    def rows(self) -> list[dict[str, Any]]:
        """The rows that the prompt can be tried on, each with an id."""
        with suppress(
            SeedError
        ):  # of a SeedPanel with a seed that is half written: the rows as they were before
            self._rows = seeds_of(self.seeds)
        return rows_for(self.stage, self._rows)

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_stage(self, name: str) -> None:
        """Show another prompt; what was not saved of this one stays."""
        self.stage, self.trials = name, []
        self._rev += 1

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
        prompt, teacher = self.prompt, teacher_of(self.teacher)
        come: list[Trial | None] = [None] * len(chosen)

        def take(place: int, trial: Trial) -> None:
            come[place] = trial
            self.render()

        def begin() -> Stop:
            self.trials = come
            self._asking = background.submit(trials(prompt, chosen, teacher, take))
            return self._asking.cancel

        def wait() -> None:
            with suppress(CancelledError):
                self._asking.result()

        self.work("Asking the teacher.", wait, begin)

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        draft, rows = self.draft, self.rows()
        self.row = min(self.row, len(rows) - 1)
        row, flaws = rows[self.row], draft.flaws(rows[self.row])
        state = (
            "edited, not saved"
            if draft.changed
            else "saved"
            if draft.is_in_a_file
            else "as shipped"
        )
        run, messages = getattr(self._run, "latest", self._run), []
        try:
            again = asked_again(draft.prompt, getattr(run, "out", run), draft.saved)
            messages = draft.prompt.render(
                {name: value for name, value in row.items() if name != "id"}
            )
        except (PromptError, SettingsError):
            again = "It cannot be used as it is: a run would stop at once."
        return {
            "sign": "warn" if flaws else "good" if not draft.changed else "none",
            "words": f"{self.stage}: {state}"
            + (f" \u00b7 {pluralize(len(flaws), 'thing')} to mend" if flaws else ""),
            "folder": str(draft.path or "not in a file yet"),
            "again": again,
            "stages": self.stages,
            "stage": self.stage,
            "parts": [{"name": name, "text": text} for name, text in draft.texts.items()],
            "flaws": [vars(flaw) for flaw in flaws],
            "rev": f"{self.stage} {self._rev}",
            "rows": [
                (str(number), f"{row['id']}: {_line(row)}") for number, row in enumerate(rows)
            ],
            "row": str(self.row),
            "messages": messages,
            "trials": [trial and _raw(trial) for trial in self.trials if trial or self.busy],
            "diff": draft.diff(),
            "can_undo": draft.can_undo,
            "can_save": draft.path is not None,
            "can_try": self.teacher is not None,
        }


def _raw(trial: Trial) -> dict[str, Any]:
    reply = (
        {"seconds": trial.reply.seconds, "tokens": trial.reply.completion_tokens}
        if trial.reply
        else None
    )
    return vars(trial) | {"messages": [], "reply": reply}


def _line(row: Mapping[str, Any]) -> str:
    """A row in a few words, to choose it by."""
    text = " ".join(
        str(row.get("context") or row.get("seed_context") or row["seed_question"]).split()
    )
    return text if len(text) <= 60 else f"{text[:60]}…"
