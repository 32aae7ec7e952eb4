"""A prompt while it is being edited."""

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, SdgkitError, SettingsError
from sdgkit.evaluation.drafts import (
    Draft,
    Flaw,
    OwnFile,
    file_to_save,
    refuse_to_overwrite,
)
from sdgkit.evaluation.kept_draft import DraftFile, KeptDraft
from sdgkit.evaluation.method_stages import pipeline_of
from sdgkit.files import shipped
from sdgkit.prompts import PARTS, Prompt, load_prompt, read_text
from sdgkit.prompts.template import Template
from sdgkit.samples import Row, without_id

SETTINGS = "settings"  # the part of a draft that is not a text: tags and sampling, as YAML


class PromptDraft(Draft[dict[str, str]]):
    """A prompt being edited, with undo.

    Every change of a prompt in a folder is kept at once, in a hidden file beside the folder
    (`.prompts.gen_contexts.yaml.draft`), until it is saved: the next draft of the same prompt
    begins with it. One that was saved elsewhere or loaded is kept beside its file.

    Args:
        name: The name of its stage.
        folder: The user's folder of prompts, in which it is saved. A prompt that is not there yet
            begins as the shipped one.
        prompt: A prompt to begin with instead.

    Attributes:
        name: The name of its stage.
        path: The file that `save` writes; None until there is one.
        saved: The prompt as it was saved, or as it began.
        was_restored: Whether it began with changes that were not saved the last time.

    Raises:
        PromptError: If the prompt cannot be read.
    """

    def __init__(
        self, name: str, folder: str | Path | None = None, *, prompt: Prompt | None = None
    ) -> None:
        method = pipeline_of(name).name
        self.name = name
        self.path = None
        if folder is not None:
            self.path = _path_in(Path(folder), method, name)
        self._shipped = shipped("prompts") / method / f"{name}.yaml"
        self._own = None
        if self.path is not None:
            self._own = OwnFile(self.path)
        self._layout: str | None = None  # the text of the file that it began as, with its comments
        if prompt is None:
            file = self._shipped
            if self.path is not None and self.is_in_a_file:
                file = self.path
            prompt = load_prompt(file)
            self._layout = read_text(file)
        self.saved = prompt
        super().__init__(_editable_texts(prompt))
        if folder is not None:
            place = Path(os.path.abspath(folder))
            self._kept = DraftFile(place.with_name(f"{place.name}.{name}.yaml"))
        self.was_restored = self._restore()

    @property
    def is_in_a_file(self) -> bool:
        """Whether the user's folder has a file of it."""
        return self.path is not None and self.path.exists()

    @property
    def file(self) -> Path:
        """The file that holds it as it was saved: the user's, or the shipped one."""
        if self.path is not None and self.path.exists():
            return self.path
        return self._shipped

    @property
    def texts(self) -> dict[str, str]:
        """The parts as they are being edited; "settings" has tags and sampling as YAML."""
        return dict(self._history.state)

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is now.

        Raises:
            PromptError: If it cannot be used.
        """
        return Prompt.from_yaml(self._unchecked_prompt().to_yaml(), self.name)

    def set(self, part: str, text: str) -> None:
        """Replace the text of a part.

        Args:
            part: A part of the prompt, or "settings".
            text: The new text.
        """
        texts = self._history.state
        if text != texts[part]:
            self._history.change({**texts, part: text}, topic=part)
            self._keep()

    def replace(self, texts: Mapping[str, str]) -> None:
        """Replace several parts at once; undo brings the earlier ones back.

        Args:
            texts: The new texts, by part.
        """
        self._history.change({**self._history.state, **texts})
        self._keep()

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling parameters as they are being edited; none if they cannot be read."""
        try:
            return dict(self._unchecked_prompt().sampling)
        except SdgkitError:
            return {}

    def set_sampling(self, name: str, text: str) -> None:
        """Set a sampling parameter, such as `temperature`.

        Args:
            name: The parameter.
            text: Its value; "" removes it.

        Raises:
            SettingsError: The value is not a number.
            PromptError: The settings cannot be read as they stand.
        """
        sampling = dict(self._unchecked_prompt().sampling)
        sampling.pop(name, None)
        if text.strip():
            try:
                sampling[name] = json.loads(text.strip())
            except ValueError:
                raise SettingsError(f"{name} must be a number, not {text!r}.") from None
        changed = replace(self._unchecked_prompt(), sampling=sampling)
        self.set(SETTINGS, _editable_texts(changed)[SETTINGS])

    def versions(self) -> dict[str, Prompt]:
        """The versions to set beside each other: shipped, saved and now, as far as there are.

        Raises:
            PromptError: The prompt as it is now cannot be used.
        """
        versions = {}
        if self._shipped.exists():
            versions["shipped"] = load_prompt(self._shipped)
        return {**versions, "saved": self.saved, "now": self.prompt}

    def load(self, path: str | Path | None = None) -> None:
        """Replace the prompt by the one in a file; undo brings yours back.

        Args:
            path: The file, which is its own from then on; by default the one that it has. Of
                another file, changes that were not saved the last time are taken as well.

        Raises:
            PromptError: If the file cannot be used.
            SettingsError: If there is no file.
        """
        target = file_to_save(path, self.path, ".yaml")
        own = OwnFile(target)
        is_another = self._own is None or not self._own.is_at(target)
        prompt = load_prompt(target)
        self._layout = read_text(target)
        self.path = target
        self._own = own
        self.saved = prompt
        self._history.change(_editable_texts(prompt))
        self._history.mark_saved(_editable_texts(prompt))
        self._forget_kept(target, is_another=is_another)
        self.was_restored = is_another and self._restore()

    def restore(self) -> None:
        """Go back to the shipped prompt, without saving it.

        Raises:
            PromptError: If no prompt of this name ships with sdgkit.
        """
        if not self._shipped.exists():
            raise PromptError(
                f"sdgkit ships no prompt named {self.name}: there is nothing to restore."
            )
        self._history.change(_editable_texts(load_prompt(self._shipped)))
        self._keep()

    def flaws(self, row: Row | None = None) -> list[Flaw]:
        """Find what is wrong with the prompt.

        Args:
            row: A row to render it with: variables that this row does not have are also flaws.
        """
        flaws = []
        for part in (*PARTS, SETTINGS):
            try:
                self._check(part, row)
            except PromptError as error:
                sentence = error.problem[:1].upper() + error.problem[1:]
                flaws.append(Flaw(part, sentence, line=error.line or 0))
            except SdgkitError as error:
                flaws.append(Flaw(part, str(error)))
        return flaws

    def diff(self) -> list[str]:
        """The lines that differ from the saved prompt, as a unified diff; empty if none does."""
        before = _all_lines(self._history.saved_state)
        after = _all_lines(self._history.state)
        return list(difflib.unified_diff(before, after, "saved", "edited", n=1, lineterm=""))

    def save(self, path: str | Path | None = None, *, overwrite: bool = False) -> Path:
        """Write the prompt to the user's folder, or to another file, which is its own from then on.

        In a file that exists, only the parts that differ are rewritten, so its comments stay.

        Args:
            path: Another file, which ends in `.yaml`.
            overwrite: Overwrite another file that exists, and changes that were made in the
                prompt's own meanwhile.

        Returns:
            The path of the file.

        Raises:
            PromptError: If the prompt cannot be used.
            SettingsError: If there is no file to save to.
            FileConflict: If something would be overwritten.
        """
        target = file_to_save(path, self.path, ".yaml")
        is_another = self._own is None or not self._own.is_at(target)
        prompt = self.prompt
        if not overwrite:
            refuse_to_overwrite(target, self._own)
        prompt.save(target, layout=self._layout)
        self.path = target
        self._own = OwnFile(target)
        self.saved = prompt
        self._history.state = _editable_texts(prompt)
        self._history.mark_saved(self._history.state)
        self._forget_kept(target, is_another=is_another)
        return target

    # Keeping the draft ----------------------------------------------------------------------------

    def _keep(self) -> None:
        """Keep what is not saved on disk; remove what was kept there once all is saved."""
        if self._kept is None:
            return
        if self.changed:
            digest = ""
            if self._own is not None:
                digest = self._own.digest
            texts = dict(self._history.state)
            saved_texts = dict(self._history.saved_state)
            self._kept.write(KeptDraft([texts], [saved_texts], digest))
            self._has_kept = True
        elif self._has_kept:
            self._kept.remove()
            self._has_kept = False

    def _forget_kept(self, target: Path, *, is_another: bool) -> None:
        """Remove what was kept, now that all is in a file, which is the draft's own from now on."""
        if self._has_kept and self._kept is not None:
            self._kept.remove()
        self._has_kept = False
        if is_another:
            self._kept = DraftFile(target)

    def _restore(self) -> bool:
        """Begin with the changes that were not saved the last time; undo goes back to the file.

        Where two panels changed the same part, undo leads to the version of the first.
        """
        drafts = []
        if self._kept is not None:
            drafts = self._kept.read()
        for kept in drafts:
            self._has_kept = True
            texts = _only(kept.rows)
            saved_texts = _only(kept.saved_rows)
            changes = {}
            for part, text in texts.items():
                if part in self._history.state and text != saved_texts.get(part):
                    changes[part] = str(text)
            if changes:
                self._history.change({**self._history.state, **changes})
            self._ask_if_both_changed(changes, kept)
        return self.changed

    def _ask_if_both_changed(self, changes: Mapping[str, str], kept: KeptDraft) -> None:
        """Where a part was changed in the file as well, saving asks about it."""
        if self._own is None or not self._own.digest or self._own.digest == kept.digest:
            return
        in_file = self._history.saved_state
        saved_texts = _only(kept.saved_rows)
        if any(in_file[part] != saved_texts.get(part) for part in changes):
            self._own = OwnFile(self._own.path, kept.digest)

    def _check(self, part: str, row: Row | None) -> None:
        """Check a single part. Raises SdgkitError."""
        if part == SETTINGS:
            self._unchecked_prompt()
            return
        template = Template(self._history.state[part], part=part)
        if row is not None:
            template.render(without_id(row))

    def _unchecked_prompt(self) -> Prompt:
        """The prompt with its settings checked and its texts unchecked. Raises PromptError."""
        texts = self._history.state
        # A prompt needs some text. It comes last, so that it does not shift the settings' lines.
        settings = Prompt.from_yaml(f"{texts[SETTINGS]}\ngeneration: x", self.name, SETTINGS)
        parts: dict[str, Any] = {part: texts[part] for part in PARTS}
        return replace(settings, **parts)


def _path_in(folder: Path, method: str, name: str) -> Path:
    """Where `load_prompts` looks for a prompt in the user's folder."""
    inner = folder / method
    return (inner if inner.is_dir() else folder) / f"{name}.yaml"


def _only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The one row of a prompt's kept draft; empty where another program changed the file."""
    if not rows:
        return {}
    return rows[0]


def _editable_texts(prompt: Prompt) -> dict[str, str]:
    """The parts of a prompt as texts to edit."""
    import yaml

    values: dict[str, Any] = prompt.as_json()
    texts = {part: values.pop(part, "") for part in PARTS}
    texts[SETTINGS] = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return texts


def _all_lines(texts: Mapping[str, str]) -> list[str]:
    """All lines of all parts that are not empty, each part under its name."""
    lines: list[str] = []
    for part, text in texts.items():
        if text:
            lines += [f"{part}:", *text.splitlines()]
    return lines
