"""Drafts: seeds and prompts while they are being written, with what is wrong in them, undo, and a place to be saved."""

import difflib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, SdgkitError, SeedError, SettingsError
from sdgkit.export import write_text
from sdgkit.prompts import PARTS, Prompt, read_text, shipped
from sdgkit.seeds import COLUMNS, read_seeds, save_seeds
from sdgkit.templates import Template
from sdgkit.trials.seed_check import check_seeds
from sdgkit.trials.trying import method_of

UNDONE_TOGETHER_S = 2.0  # typing within so many seconds is one step for undo
CHECKED = 30  # seeds that are checked while one types; the check compares each with each
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
    """Something being written: its state (a value that is never changed in place), and the states before."""

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
    shipped one. prompt: one to begin with instead. path: where `save` writes; None until `save_as`. saved: the prompt
    as it is saved, or as it began. Raises PromptError.
    """

    def __init__(self, name: str, folder: str | Path | None = None, *, prompt: Prompt | None = None) -> None:
        self.name = name
        self.path = _place(Path(folder), name) if folder is not None else None
        self._source = ""
        if prompt is None:
            source = self.path if self.is_in_a_file else _shipped_path(name)
            if source is None:
                raise PromptError(
                    f"There is no shipped prompt {name}. Give prompt=, or a folder that holds {name}.yaml."
                )
            self._source = read_text(source)
        self.saved = prompt or Prompt.from_yaml(self._source, name)
        super().__init__(_texts_of(self.saved))

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
        if part not in self._state:
            raise SettingsError(f"A prompt has no part {part!r}. It has {', '.join(self._state)}.")
        if text != self._state[part]:
            self._change({**self._state, part: text}, part)

    def restore(self) -> None:
        """Go back to the shipped prompt; nothing is saved by that. Raises PromptError if none ships with sdgkit."""
        path = _shipped_path(self.name)
        if path is None:
            raise PromptError(f"No prompt of the name {self.name} ships with sdgkit.")
        self._change(_texts_of(Prompt.from_yaml(read_text(path), self.name)))

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is now. Raises PromptError for what cannot be used."""
        prompt = self._unchecked()
        if not any(self._state[part].strip() for part in PARTS[1:]):
            raise PromptError(f"{self.name}: the prompt is empty. Write at least the part `generation`.")
        _ = prompt._templates
        return prompt

    def _unchecked(self) -> Prompt:
        read = Prompt.from_yaml(f"generation: x\n{self._state[SETTINGS]}", self.name, f"{self.name}.yaml (settings)")
        texts: dict[str, Any] = {part: _ended(self._state[part], getattr(self.saved, part)) for part in PARTS}
        return replace(read, **texts, _lines={})

    def flaws(self, row: Mapping[str, Any] | None = None) -> list[Flaw]:
        """What is wrong, with part and line; with a row, also what is undefined in it."""
        found = []
        for part in PARTS:
            try:
                template = Template(self._state[part], where=part)
                if row is not None:
                    template.render({name: value for name, value in row.items() if name != "id"})
            except PromptError as error:
                found.append(_flaw(part, str(error)))
        try:
            self._unchecked()
        except SdgkitError as error:
            found.append(_flaw(SETTINGS, str(error)))
        return found

    def diff(self) -> list[str]:
        """The lines that differ from the saved prompt, as a unified diff; empty if none does."""
        before, after = _listed(self._saved), _listed(self._state)
        return list(difflib.unified_diff(before, after, "saved", "edited", n=1, lineterm=""))

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

    def save(self, path: str | Path | None = None) -> Path:
        """Write it to the user's folder, or to another file, which is its own from then on; returns the path.

        Raises PromptError for what cannot be used, SettingsError without a path that ends in .yaml.
        """
        target = Path(path) if path else self.path
        if target is None or target.suffix != ".yaml":
            raise SettingsError(f"{target or 'No file'}: a prompt is saved as YAML. Name one that ends in .yaml.")
        text, prompt = self.yaml(), self.prompt
        write_text(target, [text])
        self.path, self._source, self.saved = target, text, prompt
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
        if like is not None:
            self._put(like, [self._row(like)] * 2)
            return like + 1
        task = self._state[-1]["task_description"] if self._state else ""
        self._change([*self._state, dict.fromkeys(COLUMNS, "") | {"task_description": task}])
        return len(self._state) - 1

    def edit(self, place: int, column: str, text: str) -> None:
        """Put another text into a column of a seed; places count from 0."""
        row = self._row(place)
        if column not in row:
            raise SettingsError(f"A seed has no column {column!r} here. It has {', '.join(row)}.")
        if row[column] != text:
            self._put(place, [{**row, column: text}], f"{place} {column}")

    def remove(self, place: int) -> None:
        """Take a seed out."""
        self._row(place)
        self._put(place, [])

    def _put(self, place: int, rows: list[dict[str, Any]], what: str = "") -> None:
        self._change([*self._state[:place], *rows, *self._state[place + 1 :]], what)

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """The seeds as `generate` takes them. Raises SeedError for what is wrong in them."""
        return read_seeds([_closed(row) for row in self._state])

    def flaws(self) -> dict[int | None, list[Flaw]]:
        """What is wrong by the place of the seed, the gravest first; by None what concerns all of them.

        What `check_seeds` finds is told as well, in the seeds before the first one that is not a whole seed yet.
        """
        if self._found[0] is not self._state:
            self._found = (self._state, _seed_flaws(self._state))
        return self._found[1]

    def load(self, path: str | Path) -> None:
        """Take the seeds of a file in their place; undo brings the earlier ones back. Raises SeedError."""
        self._change([_open(row) for row in read_seeds(Path(path))])
        self._saved, self.path = self._state, Path(path)

    def save(self, path: str | Path | None = None) -> Path:
        """Write them as JSON lines; returns the path. Raises SeedError for a flaw, SettingsError without a path."""
        target = Path(path) if path else self.path
        if target is None:
            raise SettingsError("These seeds have no file yet. Name one that ends in .jsonl.")
        save_seeds(self.seeds, target)
        self.path, self._saved = target, self._state
        return target

    def _row(self, place: int) -> dict[str, Any]:
        if not 0 <= place < len(self._state):
            raise SettingsError(f"There is no seed number {place + 1}: there are {len(self._state)}.")
        row: dict[str, Any] = self._state[place]
        return row


def _open(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **{column: row.get(column) or "" for column in COLUMNS}}


def _closed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "seed_context" or value.strip()}


def _seed_flaws(rows: list[dict[str, Any]]) -> dict[int | None, list[Flaw]]:
    found: dict[int | None, list[Flaw]] = {}
    with_context = sum(bool(row["seed_context"].strip()) for row in rows)
    for place, row in enumerate(rows):
        mine = list(_what_is_missing(_closed(row)))
        if 0 < with_context < len(rows) and not row["seed_context"].strip():
            words = f"It is empty, and {with_context} of {len(rows)} seeds have one. Give all a context, or none."
            mine.append(Flaw("seed_context", words))
        if mine:
            found[place] = mine
    whole = rows[: next((place for place in range(len(rows)) if place in found), len(rows))]
    if len(rows) > CHECKED:
        words = f"They are checked while you write up to {CHECKED} seeds; check_seeds looks at all {len(rows)}."
        return found | {None: [Flaw("", words, severity="hint")]}
    for finding in check_seeds([_closed(row) for row in whole]) if whole else ():
        if finding.row is not None or len(whole) == len(rows):
            flaw = Flaw(finding.column, f"{finding.what} {finding.advice}", severity=finding.severity)
            found.setdefault(finding.row and finding.row - 1, []).append(flaw)
    return found


def _what_is_missing(row: dict[str, Any]) -> Iterator[Flaw]:
    try:
        read_seeds([row])
    except SeedError as error:
        found = re.findall(r"column (\w+)(?::| is) (.*)", str(error))
        yield from (Flaw(column, f"It {words}") for column, words in found)
        if not found:
            yield Flaw("seed_question", str(error))


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


def _texts_of(prompt: Prompt) -> dict[str, str]:
    return {**{part: getattr(prompt, part).rstrip("\n") for part in PARTS}, SETTINGS: _settings_of(prompt)}


def _settings_of(prompt: Prompt) -> str:
    import yaml

    values = {name: part for name, part in prompt.as_json().items() if name not in PARTS}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120).rstrip("\n")


def _ended(text: str, before: str) -> str:
    """A part as it is saved: with the line end that it had, and unchanged if it is the same but for that."""
    if text == before.rstrip("\n"):
        return before
    return f"{text}\n" if text and (not before or before.endswith("\n")) else text


def _listed(texts: Mapping[str, str]) -> list[str]:
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
