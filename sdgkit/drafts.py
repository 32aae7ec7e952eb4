"""Drafts: seeds and prompts while they are being written, with what is wrong in them, undo, and a place to be saved."""

import difflib
import re
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, SdgkitError, SeedError, SettingsError
from sdgkit.export import write_text
from sdgkit.prompts import PARTS, Prompt, shipped
from sdgkit.seeds import COLUMNS, read_seeds, save_seeds
from sdgkit.templates import Template
from sdgkit.trying import method_of

UNDONE_TOGETHER_S = 2.0  # typing within so many seconds is one step for undo
SETTINGS = "settings"  # the part of a prompt that is not a text: tags and sampling, as YAML
USUAL_SEEDS = 5


@dataclass(frozen=True)
class Flaw:
    """What is wrong. part: of the prompt, or the seed's column. line: in that part, from 1; 0 if none is to blame."""

    part: str
    words: str
    line: int = 0


class _Undoable:
    """Keeps the states before a change. Changes of the same thing soon after each other are one step."""

    def __init__(self) -> None:
        self._before: list[Any] = []
        self._last: tuple[str, float] = ("", 0.0)

    def note(self, what: str, state: Any) -> None:
        same = what == self._last[0] and time.monotonic() - self._last[1] < UNDONE_TOGETHER_S
        if not (same and what):
            self._before.append(state)
        self._last = (what, time.monotonic())

    def take(self) -> Any:
        self._last = ("", 0.0)
        return self._before.pop() if self._before else None

    @property
    def possible(self) -> bool:
        return bool(self._before)


class PromptDraft:
    """A prompt being edited.

    name: its stage's. folder: the user's folder of prompts, where it is saved; what is not there yet begins as the
    shipped one. prompt: one to begin with instead. path: where `save` writes; None until `save_as`. Raises PromptError.
    """

    def __init__(self, name: str, folder: str | Path | None = None, *, prompt: Prompt | None = None) -> None:
        self.name = name
        self.path = _place(Path(folder), name) if folder is not None else None
        source = self.path if self.path is not None and self.path.exists() else _shipped_path(name)
        self._source = _read(source) if prompt is None and source is not None else ""
        if prompt is None and source is None:
            raise PromptError(f"There is no shipped prompt {name}. Give prompt=, or a folder that holds {name}.yaml.")
        self.saved = prompt or Prompt.from_yaml(self._source, name)
        self._texts = _texts_of(self.saved)
        self._undo = _Undoable()

    @property
    def texts(self) -> dict[str, str]:
        """The parts as they are being edited; "settings" holds tags and sampling as YAML."""
        return dict(self._texts)

    def set(self, part: str, text: str) -> None:
        """Put another text into a part."""
        if part not in self._texts:
            raise SettingsError(f"A prompt has no part {part!r}. It has {', '.join(self._texts)}.")
        if text != self._texts[part]:
            self._undo.note(part, dict(self._texts))
            self._texts[part] = text

    def undo(self) -> None:
        """Take the last change back."""
        before = self._undo.take()
        if before is not None:
            self._texts = before

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return self._undo.possible

    def restore(self) -> None:
        """Go back to the shipped prompt; nothing is saved by that. Raises PromptError if none ships with sdgkit."""
        path = _shipped_path(self.name)
        if path is None:
            raise PromptError(f"No prompt of the name {self.name} ships with sdgkit.")
        self._undo.note("", dict(self._texts))
        self._texts = _texts_of(Prompt.from_yaml(_read(path), self.name))

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is now. Raises PromptError for what cannot be used."""
        prompt = self._unchecked()
        if not any(self._texts[part].strip() for part in PARTS[1:]):
            raise PromptError(f"{self.name}: the prompt is empty. Write at least the part `generation`.")
        _ = prompt._templates
        return prompt

    def _unchecked(self) -> Prompt:
        read = Prompt.from_yaml(f"generation: x\n{self._texts[SETTINGS]}", self.name, f"{self.name}.yaml (settings)")
        texts: dict[str, Any] = {part: _ended(self._texts[part], getattr(self.saved, part)) for part in PARTS}
        return replace(read, **texts, _lines={})

    def flaws(self, row: Mapping[str, Any] | None = None) -> list[Flaw]:
        """What is wrong, with part and line; with a row, also what is undefined in it."""
        found = []
        for part in PARTS:
            try:
                template = Template(self._texts[part], where=part)
                if row is not None:
                    template.render({name: value for name, value in row.items() if name != "id"})
            except PromptError as error:
                found.append(_flaw(part, str(error)))
        try:
            self._unchecked()
        except SdgkitError as error:
            found.append(_flaw(SETTINGS, str(error)))
        return found

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self._texts != _texts_of(self.saved)

    def diff(self) -> list[str]:
        """The lines that differ from the saved prompt, as a unified diff; empty if none does."""
        before, after = _listed(_texts_of(self.saved)), _listed(self._texts)
        return [line.rstrip("\n") for line in difflib.unified_diff(before, after, "saved", "edited", n=1, lineterm="")]

    def yaml(self) -> str:
        """The file's text: what has not changed stays as it stands in the file, comments too."""
        prompt, text = self.prompt, self._source
        for part in PARTS:
            if text and getattr(prompt, part) != getattr(self.saved, part):
                text = _with_part(text, part, getattr(prompt, part))
        try:
            kept = bool(text) and Prompt.from_yaml(text, self.name) == prompt
        except PromptError:
            kept = False
        return text if kept else prompt.to_yaml()

    def save(self) -> Path:
        """Write it to the user's folder; returns the path. Raises PromptError, SettingsError without a folder."""
        if self.path is None:
            raise SettingsError("This prompt has no file yet. Use save_as with a path that ends in .yaml.")
        return self.save_as(self.path)

    def save_as(self, path: str | Path) -> Path:
        """Write it to another file, which is its own from then on."""
        path = Path(path)
        if path.suffix != ".yaml":
            raise SettingsError(f"{path}: a prompt is saved as YAML. Choose a name that ends in .yaml.")
        text, prompt = self.yaml(), self.prompt
        write_text(path, [text])
        self.path, self._source, self.saved = path, text, prompt
        self._texts = _texts_of(prompt)
        return path


class SeedDraft:
    """Seeds being written.

    source: a file (which may not exist yet), or anything that `load_seeds` takes. rows: the seeds, each with the text
    of its four columns (seed_context "" for a freeform skill) and what further columns it has. path: where `save`
    writes.
    """

    def __init__(self, source: Any = None) -> None:
        self.path = Path(source) if isinstance(source, str | Path) else None
        missing = source is None or (self.path is not None and not self.path.exists())
        self.rows = [] if missing else [_open(row) for row in read_seeds(source)]
        self._saved = deepcopy(self.rows)
        self._undo = _Undoable()

    def add(self, like: int | None = None) -> int:
        """A new seed at the end, empty but for the task description; returns its place. like: a copy of this one."""
        self._undo.note("", deepcopy(self.rows))
        if like is not None:
            self.rows.insert(like + 1, deepcopy(self._row(like)))
            return like + 1
        task = self.rows[-1]["task_description"] if self.rows else ""
        self.rows.append(dict.fromkeys(COLUMNS, "") | {"task_description": task})
        return len(self.rows) - 1

    def edit(self, place: int, column: str, text: str) -> None:
        """Put another text into a column of a seed; places count from 0."""
        row = self._row(place)
        if column not in row:
            raise SettingsError(f"A seed has no column {column!r} here. It has {', '.join(row)}.")
        if row[column] != text:
            self._undo.note(f"{place} {column}", deepcopy(self.rows))
            row[column] = text

    def remove(self, place: int) -> None:
        """Take a seed out."""
        self._row(place)
        self._undo.note("", deepcopy(self.rows))
        del self.rows[place]

    def undo(self) -> None:
        """Take the last change back."""
        before = self._undo.take()
        if before is not None:
            self.rows = before

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return self._undo.possible

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self.rows != self._saved

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """The seeds as `generate` takes them. Raises SeedError for what is wrong in them."""
        return read_seeds([_closed(row) for row in self.rows])

    def flaws(self) -> dict[int, list[Flaw]]:
        """What is wrong, by the place of the seed."""
        found: dict[int, list[Flaw]] = {}
        with_context = sum(bool(row["seed_context"].strip()) for row in self.rows)
        known: dict[tuple[Any, ...], int] = {}
        for place, row in enumerate(self.rows):
            mine = _seed_flaws(_closed(row))
            if 0 < with_context < len(self.rows) and not row["seed_context"].strip():
                words = f"is empty, and {with_context} of {len(self.rows)} seeds have one. Give all a context, or none."
                mine.append(Flaw("seed_context", words))
            first = known.setdefault(tuple(row[column] for column in COLUMNS), place)
            if first != place:
                mine.append(Flaw("seed_question", f"is the same seed as number {first + 1}. Take one out."))
            if mine:
                found[place] = mine
        return found

    def advice(self) -> str:
        """What to do next, in a sentence; "" if nothing is to be said."""
        if not self.rows:
            return "There are no seeds yet. Add one, or load a file."
        if len(self.rows) < USUAL_SEEDS:
            return f"{len(self.rows)} of the usual five or more seeds."
        return ""

    def load(self, path: str | Path) -> None:
        """Take the seeds of a file in their place; undo brings the earlier ones back. Raises SeedError."""
        rows = [_open(row) for row in read_seeds(Path(path))]
        self._undo.note("", deepcopy(self.rows))
        self.rows, self._saved, self.path = rows, deepcopy(rows), Path(path)

    def save(self, path: str | Path | None = None) -> Path:
        """Write them as JSON lines; returns the path. Raises SeedError for a flaw, SettingsError without a path."""
        target = Path(path) if path else self.path
        if target is None:
            raise SettingsError("These seeds have no file yet. Name one that ends in .jsonl.")
        save_seeds(self.seeds, target)
        self.path, self._saved = target, deepcopy(self.rows)
        return target

    def _row(self, place: int) -> dict[str, Any]:
        if not 0 <= place < len(self.rows):
            raise SettingsError(f"There is no seed number {place + 1}: there are {len(self.rows)}.")
        return self.rows[place]


def _open(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{column: row.get(column) or "" for column in COLUMNS},
        **{k: v for k, v in row.items() if k not in COLUMNS},
    }


def _closed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "seed_context" or value.strip()}


def _seed_flaws(row: dict[str, Any]) -> list[Flaw]:
    try:
        read_seeds([row])
    except SeedError as error:
        found = re.findall(r"column (\w+)(?::| is) (.*)", str(error))
        return [Flaw(column, words) for column, words in found] or [Flaw("seed_question", str(error))]
    return []


def _flaw(part: str, words: str) -> Flaw:
    """The flaw that an error tells of: its part, and its line if it names one."""
    line = re.search(r", line (\d+)", words)
    tidy = re.sub(r"^[^:]*?(, line \d+)?: ", "", words, count=1)
    return Flaw(part, tidy[:1].upper() + tidy[1:], int(line[1]) if line else 0)


def _place(folder: Path, name: str) -> Path:
    """Where `load_prompts` looks for it in a folder."""
    inner = folder / method_of(name)
    return (inner if inner.is_dir() else folder) / f"{name}.yaml"


def _shipped_path(name: str) -> Path | None:
    path = shipped("prompts") / method_of(name) / f"{name}.yaml"
    return path if path.exists() else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"Cannot read the prompt {path}: {getattr(error, 'strerror', None) or error}.") from None


def _texts_of(prompt: Prompt) -> dict[str, str]:
    return {**{part: getattr(prompt, part).rstrip("\n") for part in PARTS}, SETTINGS: _settings_of(prompt)}


def _settings_of(prompt: Prompt) -> str:
    import yaml

    values: dict[str, Any] = {"start_tags": list(prompt.start_tags), "end_tags": list(prompt.end_tags)}
    if prompt.sampling:
        values["sampling"] = dict(prompt.sampling)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120).rstrip("\n")


def _ended(text: str, before: str) -> str:
    """A part as it is saved: with the line end that it had, and unchanged if it is the same but for that."""
    return (
        before
        if text == before.rstrip("\n")
        else f"{text}\n"
        if text and (not before or before.endswith("\n"))
        else text
    )


def _listed(texts: Mapping[str, str]) -> Sequence[str]:
    """A prompt's texts as lines, each part under its name."""
    return [line for part, text in texts.items() if text for line in (f"{part}:", *text.split("\n"))]


def _with_part(text: str, part: str, value: str) -> str:
    """The YAML text with one part replaced, or put in before the tags; the rest stays as it stands."""
    import yaml

    tree: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    nodes = {key.value: (key, node) for key, node in tree.value}
    block = "\n".join(f"  {line}" if line else "" for line in value.rstrip("\n").split("\n"))
    fresh = f"{part}: |{'' if value.endswith(chr(10)) else '-'}\n{block}\n\n" if value else ""
    if part in nodes:
        key, node = nodes[part]
        return text[: key.start_mark.index] + fresh + text[node.end_mark.index :].lstrip("\n")
    at = nodes["start_tags"][0].start_mark.index if "start_tags" in nodes else 0
    return text[:at] + fresh + text[at:]
