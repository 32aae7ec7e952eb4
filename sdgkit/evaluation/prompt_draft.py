"""A prompt while it is being edited."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdgkit.errors import PromptError, SdgkitError
from sdgkit.evaluation.drafts import (
    EditHistory,
    Flaw,
    OwnFile,
    file_to_save,
    refuse_to_overwrite,
)
from sdgkit.evaluation.method_stages import pipeline_of
from sdgkit.files import shipped
from sdgkit.prompts import PARTS, Prompt, load_prompt, read_text
from sdgkit.prompts.template import Template
from sdgkit.samples import Row, without_id

SETTINGS = "settings"  # the part of a draft that is not a text: tags and sampling, as YAML


class PromptDraft:
    """A prompt being edited, with undo.

    Args:
        name: The name of its stage.
        folder: The user's folder of prompts, in which it is saved. A prompt that is not there yet
            begins as the shipped one.
        prompt: A prompt to begin with instead.

    Attributes:
        name: The name of its stage.
        path: The file that `save` writes; None until there is one.
        saved: The prompt as it was saved, or as it began.

    Raises:
        PromptError: If the prompt cannot be read.
    """

    def __init__(
        self, name: str, folder: str | Path | None = None, *, prompt: Prompt | None = None
    ) -> None:
        method = pipeline_of(name).name
        self.name = name
        self.path = None if folder is None else _path_in(Path(folder), method, name)
        self._shipped = shipped("prompts") / method / f"{name}.yaml"
        self._own = None if self.path is None else OwnFile(self.path)
        self._layout: str | None = None  # the text of the file that it began as, with its comments
        if prompt is None:
            file = self._shipped
            if self.path is not None and self.is_in_a_file:
                file = self.path
            prompt = load_prompt(file)
            self._layout = read_text(file)
        self.saved = prompt
        self._history = EditHistory(_texts_of(prompt))

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
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return self._history.can_redo

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self._history.changed

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

    def undo(self) -> None:
        """Take back the last change."""
        self._history.undo()

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        self._history.redo()

    def load(self, path: str | Path | None = None) -> None:
        """Replace the prompt by the one in a file; undo brings yours back.

        Args:
            path: The file, which is its own from then on; by default the one that it has.

        Raises:
            PromptError: If the file cannot be used.
            SettingsError: If there is no file.
        """
        target = file_to_save(path, self.path, ".yaml")
        own = OwnFile(target)
        prompt = load_prompt(target)
        self._layout = read_text(target)
        self.path = target
        self._own = own
        self.saved = prompt
        self._history.change(_texts_of(prompt))
        self._history.mark_saved(_texts_of(prompt))

    def restore(self) -> None:
        """Go back to the shipped prompt, without saving it.

        Raises:
            PromptError: If no prompt of this name ships with sdgkit.
        """
        if not self._shipped.exists():
            raise PromptError(
                f"sdgkit ships no prompt named {self.name}: there is nothing to restore."
            )
        self._history.change(_texts_of(load_prompt(self._shipped)))

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
        before = _lines(self._history.saved_state)
        after = _lines(self._history.state)
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
        prompt = self.prompt
        if not overwrite:
            refuse_to_overwrite(target, self._own)
        prompt.save(target, layout=self._layout)
        self.path = target
        self._own = OwnFile(target)
        self.saved = prompt
        self._history.state = _texts_of(prompt)
        self._history.mark_saved(self._history.state)
        return target

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
        # A prompt needs some text. It stands last, so that it does not shift the settings' lines.
        settings = Prompt.from_yaml(f"{texts[SETTINGS]}\ngeneration: x", self.name, SETTINGS)
        parts: dict[str, Any] = {part: texts[part] for part in PARTS}
        return replace(settings, **parts)


def _path_in(folder: Path, method: str, name: str) -> Path:
    """Where `load_prompts` looks for a prompt in the user's folder."""
    inner = folder / method
    return (inner if inner.is_dir() else folder) / f"{name}.yaml"


def _texts_of(prompt: Prompt) -> dict[str, str]:
    """The parts of a prompt as texts to edit."""
    import yaml

    values: dict[str, Any] = prompt.as_json()
    texts = {part: values.pop(part, "") for part in PARTS}
    texts[SETTINGS] = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return texts


def _lines(texts: Mapping[str, str]) -> list[str]:
    """All lines of all parts that are not empty, each part under its name."""
    lines: list[str] = []
    for part, text in texts.items():
        if text:
            lines += [f"{part}:", *text.splitlines()]
    return lines
