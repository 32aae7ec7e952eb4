"""Drafts: seeds and prompts while they are being written, with what is wrong in them, undo, and a place to be saved."""

import difflib
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, SdgkitError, SeedError, SettingsError
from sdgkit.evaluation.method_stages import pipeline_of
from sdgkit.evaluation.seed_check import check_seeds
from sdgkit.files import shipped
from sdgkit.prompts import PARTS, Prompt, load_prompt, read_text
from sdgkit.prompts.template import Template
from sdgkit.seeds import COLUMNS, read_seeds, save_seeds

UNDONE_TOGETHER_S = 2.0  # typing within so many seconds is one step for undo
CHECKED = 50  # seeds that are checked while one types: some tenths of a second
SETTINGS = "settings"  # the part of a prompt that is not a text: tags and sampling, as YAML


@dataclass(frozen=True)
class Flaw:
    """What is wrong. part: of the prompt, or the seed's column. line: in that part, from 1; 0 if none is to blame.
    severity: error (cannot be used so), warning or hint."""

    part: str
    words: str
    line: int = 0
    severity: str = "error"


class _Draft:
    """Something being written: its state (a value that is never changed in place), and the states before.

    path: the file in which it is saved, None as long as there is none.
    """

    path: Path | None = None

    def __init__(self, state: Any) -> None:
        self._state = self._saved = state
        self._before: list[Any] = []
        self._last = ("", 0.0)

    def _change(self, state: Any, what: str = "") -> None:
        """Take over another state. Changes of the same thing soon after each other are one step for undo."""
        now = time.monotonic()
        if not what or what != self._last[0] or now - self._last[1] >= UNDONE_TOGETHER_S:
            self._before.append(self._state)
        self._state, self._last = state, (what, now)

    def undo(self) -> None:
        """Take the last change back."""
        self._last = ("", 0.0)
        if self._before:
            self._state = self._before.pop()

    def _target(self, path: str | Path | None, ending: str) -> Path:
        """The file to save in. Raises SettingsError unless there is one, with this ending."""
        target = Path(path) if path else self.path
        if target is None or target.suffix != ending:
            raise SettingsError(
                f"{target or 'No file'}: name a file to save it in that ends in {ending}."
            )
        return target

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._before)

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return bool(self._state != self._saved)


class PromptDraft(_Draft):
    """A prompt being edited.

    name: its stage's. folder: the user's folder of prompts, where it is saved; what is not there yet begins as the
    shipped one. prompt: one to begin with instead. path: where `save` writes; None until it is saved as a file. saved:
    the prompt as it is saved, or as it began. Raises PromptError.
    """

    def __init__(
        self, name: str, folder: str | Path | None = None, *, prompt: Prompt | None = None
    ) -> None:
        self.name = name
        self._layout: str | None = None  # the text of the file that it began as, with its comments
        self._shipped = shipped("prompts") / pipeline_of(name).name / f"{name}.yaml"
        if folder is not None:  # where `load_prompts` looks for it
            inner = Path(folder) / pipeline_of(name).name
            self.path = (inner if inner.is_dir() else Path(folder)) / f"{name}.yaml"
        if prompt is None:
            source = self.path if self.path is not None and self.is_in_a_file else self._shipped
            prompt = load_prompt(source)
            self._layout = read_text(source)
        self.saved = prompt
        super().__init__(_texts_of(prompt))

    @property
    def is_in_a_file(self) -> bool:
        """Whether there is a file of it in the user's folder."""
        return self.path is not None and self.path.exists()

    @property
    def texts(self) -> dict[str, str]:
        """The parts as they are being edited; "settings" holds tags and sampling as YAML."""
        return dict(self._state)

    def set(self, part: str, text: str) -> None:
        """Put another text into a part."""
        if text != self._state[part]:
            self._change({**self._state, part: text}, part)

    def restore(self) -> None:
        """Go back to the shipped prompt; nothing is saved by that. Raises PromptError if none ships with sdgkit."""
        if not self._shipped.exists():
            raise PromptError(f"No prompt of the name {self.name} ships with sdgkit.")
        self._change(_texts_of(load_prompt(self._shipped)))

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is now. Raises PromptError for what cannot be used."""
        return Prompt.from_yaml(self._unchecked().to_yaml(), self.name)

    def _unchecked(self) -> Prompt:
        # A prompt needs some text; it stands last, so that the lines of the settings are their own.
        read = Prompt.from_yaml(f"{self._state[SETTINGS]}\ngeneration: x", self.name, SETTINGS)
        return replace(read, **{part: self._state[part] for part in PARTS})

    def flaws(self, row: Mapping[str, Any] | None = None) -> list[Flaw]:
        """What is wrong, with part and line; with a row, also what is undefined in it."""
        found = []
        for part in (*PARTS, SETTINGS):
            try:
                if part == SETTINGS:
                    self._unchecked()
                    continue
                template = Template(self._state[part], part=part)
                if row is not None:
                    template.render({name: value for name, value in row.items() if name != "id"})
            except PromptError as error:
                problem = error.problem[:1].upper() + error.problem[1:]
                found.append(Flaw(part, problem, error.line or 0))
            except SdgkitError as error:
                found.append(Flaw(part, str(error)))
        return found

    def diff(self) -> list[str]:
        """The lines that differ from the saved prompt, as a unified diff; empty if none does."""
        before, after = (
            [
                line
                for part, text in texts.items()
                if text
                for line in (f"{part}:", *text.splitlines())
            ]
            for texts in (self._saved, self._state)
        )
        return list(difflib.unified_diff(before, after, "saved", "edited", n=1, lineterm=""))

    def save(self, path: str | Path | None = None) -> Path:
        """Write it to the user's folder, or to another file, which is its own from then on; returns the path.

        Only the parts that differ are rewritten in a file, so its comments stay. Raises PromptError for what cannot be used, SettingsError without a path that ends in .yaml.
        """
        target, prompt = self._target(path, ".yaml"), self.prompt
        prompt.save(target, layout=self._layout)
        self.path, self.saved = target, prompt
        self._state = self._saved = _texts_of(prompt)
        return target


class SeedDraft(_Draft):
    """Seeds being written.

    source: a file (which may not exist yet), or anything that `load_seeds` takes. rows: the seeds, each with the text
    of its four columns (seed_context "" for a freeform skill) and what further columns it has. path: where `save`
    writes.
    """

    def __init__(self, source: Any = None) -> None:
        self.path = Path(source) if isinstance(source, str | Path) else None
        missing = source is None or (self.path is not None and not self.path.exists())
        super().__init__([] if missing else [_open(row) for row in read_seeds(source)])
        self._found: tuple[Any, dict[int | None, list[Flaw]]] = (None, {})

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The seeds; to be changed by the methods alone."""
        return list(self._state)

    def add(self, like: int | None = None) -> int:
        """A new seed at the end, empty but for the task description; returns its place. like: a copy of this one."""
        place = len(self._state) if like is None else like + 1
        row = dict.fromkeys(COLUMNS, "") if like is None else self._state[like]
        if like is None and self._state:
            row["task_description"] = self._state[-1]["task_description"]
        self._change([*self._state[:place], row, *self._state[place:]])
        return place

    def edit(self, place: int, column: str, text: str) -> None:
        """Put another text into a column of a seed; places count from 0."""
        if self._state[place][column] != text:
            row = {**self._state[place], column: text}
            self._change(
                [*self._state[:place], row, *self._state[place + 1 :]], f"{place} {column}"
            )

    def remove(self, place: int) -> None:
        """Take a seed out."""
        self._change([*self._state[:place], *self._state[place + 1 :]])

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """The seeds as `generate` takes them. Raises SeedError for what is wrong in them."""
        return read_seeds([_closed(row) for row in self._state])

    def flaws(self) -> dict[int | None, list[Flaw]]:
        """What is wrong by the place of the seed, the gravest first; by None what concerns all of them.

        What `check_seeds` finds is told as well, in the seeds before the first one that is not a whole seed yet.
        """
        if self._found[0] is not self._state:
            self._found = (self._state, _seed_flaws([_closed(row) for row in self._state]))
        return self._found[1]

    def load(self, path: str | Path) -> None:
        """Take the seeds of a file in their place; undo brings the earlier ones back. Raises SeedError."""
        self._change([_open(row) for row in read_seeds(Path(path))])
        self._saved, self.path = self._state, Path(path)

    def save(self, path: str | Path | None = None) -> Path:
        """Write them as JSON lines; returns the path. Raises SeedError for a flaw, SettingsError without a path."""
        target = self._target(path, ".jsonl")
        save_seeds(self.seeds, target)
        self.path, self._saved = target, self._state
        return target


def _open(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **{column: row.get(column) or "" for column in COLUMNS}}


def _closed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "seed_context" or value.strip()}


def _seed_flaws(rows: list[dict[str, Any]]) -> dict[int | None, list[Flaw]]:
    found: dict[Any, list[Flaw]] = defaultdict(list)
    with_context = sum("seed_context" in row for row in rows)
    for place, row in enumerate(rows):
        try:
            read_seeds([row])
        except SeedError as error:
            for finding in error.findings:
                if finding.column in row:
                    flaw = Flaw(finding.column, f"It {finding.problem}")
                else:
                    flaw = Flaw("seed_question", f"This seed cannot be used: {finding}")
                found[place].append(flaw)
        if with_context and "seed_context" not in row:
            words = f"It is empty, and {with_context} of {len(rows)} seeds have one. Give all a context, or none."
            found[place].append(Flaw("seed_context", words))
    if len(rows) > CHECKED:
        words = f"They are checked while you write up to {CHECKED} seeds; check_seeds looks at all {len(rows)}."
        return found | {None: [Flaw("", words, severity="hint")]}
    whole = rows[: min(found, default=len(rows))]
    for finding in check_seeds(whole) if whole else ():
        if finding.row is not None or len(whole) == len(rows):
            flaw = Flaw(
                finding.column, f"{finding.problem} {finding.advice}", severity=finding.severity
            )
            found[finding.row and finding.row - 1].append(flaw)
    return found


def _texts_of(prompt: Prompt) -> dict[str, str]:
    import yaml

    others = {name: part for name, part in prompt.as_json().items() if name not in PARTS}
    settings = yaml.safe_dump(others, sort_keys=False, allow_unicode=True, width=120)
    return {**{part: getattr(prompt, part) for part in PARTS}, SETTINGS: settings}
