"""The panel of a prompt: an editor, what is sent, the replies, and what has changed."""

from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdgkit.errors import FileConflict, PromptError, SeedError, SettingsError
from sdgkit.evaluation.bench import Bench
from sdgkit.evaluation.prompt_draft import PromptDraft
from sdgkit.evaluation.prompt_trials import Trial, trials
from sdgkit.evaluation.reuse import asked_again
from sdgkit.evaluation.trial_rows import run_rows, seed_rows
from sdgkit.formatting import pluralize
from sdgkit.journal import JOURNAL_FILE
from sdgkit.keywords import known_keywords_throughout
from sdgkit.method import METHODS
from sdgkit.panels.frame import Action, Cancel, Panel, required_teacher
from sdgkit.panels.prompt_state import (
    BenchTry,
    Part,
    PromptState,
    TrialState,
    row_choices,
    sampling_states,
    sign_of,
    status_of,
)
from sdgkit.panels.run import RunPanel
from sdgkit.panels.seeds import SeedPanel, seeds_of
from sdgkit.panels.state import RESTORED, Choice
from sdgkit.prompts import Prompt
from sdgkit.run import Run, open_run
from sdgkit.samples import without_id
from sdgkit.seeds import Seed, SeedSource, skill
from sdgkit.teachers import background
from sdgkit.teachers.source import TeacherSource

SEVERAL = 5  # rows of *Try on 5*


@known_keywords_throughout
class PromptPanel(Panel):
    """Edit prompts and try them.

    What you type is kept at once in a hidden file next to your folder of prompts, until it is
    saved: running the cell again, in a new kernel too, shows it again.

    Args:
        prompts: Your folder of prompts, which you pass to a run as `prompts=`; it is made when
            something is saved. Or one `Prompt`.
        seeds: Anything that `load_seeds` accepts, rows of an earlier stage, or a SeedPanel.
        teacher: The teacher for *Try*, or a TeacherPanel.
        run: A run, its panel or its folder, to show which requests it would repeat.
        stage: The stage whose prompt is shown first.

    Attributes:
        kind_of_skill: Grounded or freeform, as the seeds are.

    Raises:
        SdgkitError: If a prompt or seed cannot be used.
    """

    kind = "prompt"
    restored_notice = RESTORED

    def __init__(
        self,
        prompts: str | Path | Prompt,
        seeds: "SeedSource | SeedPanel",
        *,
        teacher: TeacherSource | None = None,
        run: Run | RunPanel | str | Path | None = None,
        stage: str = "",
    ) -> None:
        super().__init__()
        self._teacher = teacher
        self._run = run
        self._seeds = seeds
        self._rows = seeds_of(seeds)
        self.kind_of_skill = skill(self._rows)
        self._drafts: dict[str, PromptDraft] = {}
        self._folder: Path | None = None
        if isinstance(prompts, Prompt):
            self._stages = [prompts.name]
            self._drafts[prompts.name] = PromptDraft(prompts.name, prompt=prompts)
        else:
            self._stages = list(METHODS[self.kind_of_skill].prompted)
            self._folder = Path(prompts)
        self._stage = stage or self._stages[0]
        self._row = 0
        self._revision = 0
        self.trials: list[Trial | None] = []
        self.tries: list[BenchTry] = []
        self._shown_try = 0
        self._rows_of_run: list[dict[str, Any]] = []
        self._seed_rows: list[dict[str, Any]] = []
        self._source_of_seed_rows: tuple[str, list[Seed]] | None = None
        self._asking: Future[list[Trial]] = Future()
        self._draft_of(self._stage)  # read now, so that a file that cannot be used is reported here
        self._read_run()

    @property
    def draft(self) -> PromptDraft:
        """The `PromptDraft` that is shown."""
        return self._draft_of(self._stage)

    def _draft_of(self, stage: str) -> PromptDraft:
        if stage not in self._drafts:
            self._drafts[stage] = PromptDraft(stage, self._folder)
            if self._drafts[stage].was_restored:
                self.notice = RESTORED
        return self._drafts[stage]

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is now.

        Raises:
            PromptError: If it cannot be used.
        """
        return self.draft.prompt

    def rows(self) -> list[dict[str, Any]]:
        """The rows that the prompt can be tried on, each with an id."""
        with suppress(
            SeedError
        ):  # a seed of a SeedPanel is half written: the rows stay as they were
            self._rows = seeds_of(self._seeds)
        source = (self._stage, self._rows)
        if self._source_of_seed_rows != source:
            self._source_of_seed_rows = source
            self._seed_rows = seed_rows(self._rows, self._stage)
        return [*self._rows_of_run, *self._seed_rows]

    def _read_run(self) -> None:
        """Read the rows that reached the stage in the run, where there is one."""
        self._rows_of_run = []
        run = self._run.latest if isinstance(self._run, RunPanel) else self._run
        if run is None:
            return
        if not isinstance(run, Run):
            if not (Path(run) / JOURNAL_FILE).exists():
                return
            run = open_run(run)
        self._rows_of_run = run_rows(run, self._stage, self._rows)

    def use_run(self, run: Run | RunPanel | str | Path | None) -> None:
        """Show which requests another run would repeat."""
        self._run = run
        self._read_run()

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {
            "stage": self.show_stage,
            "text": self.set_text,
            "restore_texts": self.restore_texts,
            "row": self.show_row,
            "undo": self.undo,
            "redo": self.redo,
            "restore": self.restore,
            "save": self.save,
            "load": self.load,
            "dismiss": self.dismiss,
            "try": self.try_out,
            "bench": self.try_versions,
            "show try": self.show_try,
            "name try": self.name_try,
            "sampling": self.set_sampling,
            "cancel": self.cancel,
        }

    def show_stage(self, name: str) -> None:
        """Show another stage's prompt; unsaved changes of this one are kept."""
        self._draft_of(name)
        self._stage = name
        self._read_run()
        self._row = 0
        self.trials = []
        self.conflict = None
        self._revision += 1

    def set_text(self, part: str, text: str) -> None:
        """Replace the text of a part."""
        self.draft.set(part, text)

    def restore_texts(self, stage: str, texts: Mapping[str, str]) -> None:
        """Put back what was typed into a prompt before the kernel was gone.

        Args:
            stage: The prompt's stage.
            texts: Its texts, by part.
        """
        self._draft_of(stage).replace(texts)
        self._stage = stage
        self._revision += 1
        self.notice = RESTORED

    def show_row(self, number: int | str) -> None:
        """Show what the prompt makes of a row, by its number from 0."""
        self._row = int(number)

    def undo(self) -> None:
        """Undo the last change."""
        self.draft.undo()
        self._revision += 1

    def redo(self) -> None:
        """Make the change again that was undone last."""
        self.draft.redo()
        self._revision += 1

    def restore(self) -> None:
        """Put the shipped prompt in place of this one; only *Save* writes it to the file."""
        self.draft.restore()
        self._revision += 1
        self.notice = "This is the shipped prompt. Save it, or undo."

    def load(self, path: str = "") -> None:
        """Replace the prompt by the one in its file, or in another; undo brings yours back.

        Args:
            path: The other file.
        """
        self.draft.load(path.strip() or None)
        self.conflict = None
        self._revision += 1
        self.notice = f"Loaded from {self.draft.path}."
        if self.draft.was_restored:
            self.notice = RESTORED

    def save(self, path: str = "", overwrite: bool = False) -> None:
        """Save the prompt to your folder, or to another file.

        The panel asks before it overwrites changes made to the file in the meantime, or another
        file.

        Args:
            path: The other file.
            overwrite: Overwrite what is in the file.
        """
        try:
            saved = self.draft.save(path.strip() or None, overwrite=overwrite)
        except FileConflict as conflict:
            self.ask_about(conflict)
            return
        self.conflict = None
        self.notice = f"Saved in {saved}."

    def try_out(self, several: bool = False) -> None:
        """Send the prompt to the teacher for the row that is shown, or for five rows at once.

        Args:
            several: Whether to try five rows.
        """
        rows = self._rows_to_send(several)
        prompt = self.prompt
        teacher = required_teacher(self._teacher)
        results: list[Trial | None] = [None] * len(rows)

        def take(place: int, trial: Trial) -> None:
            results[place] = trial
            self.refresh()

        def begin() -> Cancel:
            self.trials = results
            self._asking = background.submit(trials(prompt, rows, teacher, take))
            return self._asking.cancel

        def wait() -> None:
            with suppress(CancelledError):
                self._asking.result()

        self.work("Asking the teacher.", wait, begin)

    def try_versions(self, several: bool = False) -> None:
        """Try the shipped, the saved and the current version on the same rows, with the judge.

        Identical versions are sent only once. Earlier tries stay.

        Args:
            several: Whether to try five rows.
        """
        rows = self._rows_to_send(several)
        stage = self._stage
        versions = self.draft.versions()
        folder = None
        if self._folder is not None and self._folder.is_dir():
            folder = self._folder
        bench = Bench(versions, rows, required_teacher(self._teacher), prompts=folder)

        def begin() -> Cancel:
            bench.start()
            return bench.cancel

        def wait() -> None:
            results = bench.wait()
            if results is None:
                return
            name = f"Try {len(self.tries) + 1}"
            self.tries.append(BenchTry(name, stage, tuple(bench.names), bench.judged, results))
            self._shown_try = len(self.tries) - 1

        self.work(f"Trying {pluralize(len(versions), 'version')}.", wait, begin)

    def show_try(self, number: int | str) -> None:
        """Show an earlier try, by its number from 0."""
        self._shown_try = int(number)

    def name_try(self, name: str) -> None:
        """Give the try that is shown another name."""
        if self.tries and name.strip():
            self.tries[self._shown_try] = replace(self.tries[self._shown_try], name=name.strip())

    def set_sampling(self, name: str, text: str) -> None:
        """Set a sampling parameter of the prompt, such as `temperature`; "" removes it."""
        self.draft.set_sampling(name, text)
        self._revision += 1

    def _rows_to_send(self, several: bool) -> list[dict[str, Any]]:
        rows = self.rows()
        if not several:
            return [rows[self._row]]
        last_start = max(0, len(rows) - SEVERAL)
        start = min(self._row, last_start)
        return rows[start : start + SEVERAL]

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> PromptState:
        """What the panel shows now."""
        draft = self.draft
        rows = self.rows()
        self._row = min(self._row, len(rows) - 1)
        row = rows[self._row]
        flaws = draft.flaws(row)
        return PromptState(
            sign=sign_of(draft, flaws),
            status=status_of(self._stage, draft, flaws),
            folder=str(draft.path or "not in a file yet"),
            rerun=self._rerun(),
            stages=tuple(self._stages),
            stage=self._stage,
            parts=tuple(Part(name, text) for name, text in draft.texts.items()),
            flaws=tuple(flaws),
            revision=f"{self._stage} {self._revision}",
            rows=row_choices(rows),
            row=str(self._row),
            messages=self._messages(row),
            trials=self._trial_states(),
            diff=tuple(draft.diff()),
            can_undo=draft.can_undo,
            can_redo=draft.can_redo,
            can_save=draft.path is not None and draft.changed,
            can_name=draft.path is not None,
            tries=tuple(Choice(str(place), entry.name) for place, entry in enumerate(self.tries)),
            shown_try=self.tries[self._shown_try] if self.tries else None,
            shown_try_number=str(self._shown_try),
            sampling=sampling_states(draft),
            can_try=self._teacher is not None,
            problem=draft.problem,
            is_kept=all(draft.is_kept for draft in self._drafts.values()),
        )

    def _rerun(self) -> str:
        run = self._run.latest if isinstance(self._run, RunPanel) else self._run
        folder = run.out if isinstance(run, Run) else run
        try:
            return asked_again(self.draft.prompt, folder, self.draft.saved)
        except (PromptError, SettingsError):
            return "This prompt cannot be used yet: a run would stop at once."

    def _messages(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """What would be sent for this row; empty if the prompt cannot be used."""
        columns = without_id(row)
        try:
            return list(self.draft.prompt.render(columns))
        except (PromptError, SettingsError):
            return []

    def _trial_states(self) -> tuple[TrialState | None, ...]:
        """The trials; those on their way only while they are."""
        states: list[TrialState | None] = []
        for trial in self.trials:
            if trial is not None:
                states.append(TrialState.of(trial))
            elif self.busy:
                states.append(None)
        return tuple(states)
