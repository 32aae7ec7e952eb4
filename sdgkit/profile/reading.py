"""Reads the YAML text of a profile, and says for each mistake its line and its list."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from sdgkit.checks import read_shipped_check
from sdgkit.errors import ProfileError, SettingsError
from sdgkit.profile.criterion import CRITERION_KEYS, Criterion, split_ids
from sdgkit.prompts.yaml_text import YamlProblem, mapping_entries, read_mapping

_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


class ProfileReader:
    """Reads the YAML text of a profile.

    Args:
        text: The text.
        file: The name of its file, for messages.

    Raises:
        ProfileError: The text is not a YAML mapping.
    """

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        try:
            self._nodes = read_mapping(text)
        except YamlProblem as problem:
            raise ProfileError(
                f"{file}, line {problem.line}: {problem.problem}", file=file, line=problem.line
            ) from None

    def values(self) -> dict[str, Any]:
        """The fields of the profile that are in the text.

        Raises:
            ProfileError: An entry cannot be used.
        """
        readers: dict[str, Callable[[yaml.Node], Any]] = {
            "criteria": self._criteria,
            "variety": self._variety,
            "checks": self._checks,
            "question_steers": self._question_steers,
            "untested_on": self._untested_on,
            "seeds_shown": self._seeds_shown,
        }
        values = {}
        for name, node in self._nodes.items():
            if name not in readers:
                raise self._error(node, name, f"there is no such entry. Use {', '.join(readers)}.")
            values[name] = readers[name](node)
        return values

    def _criteria(self, node: yaml.Node) -> tuple[Criterion, ...]:
        return tuple(self._criterion(entry) for entry in self._entries(node, "criteria"))

    def _criterion(self, node: yaml.Node) -> Criterion:
        if not isinstance(node, yaml.MappingNode):
            return Criterion(self._text_of(node, "criteria"))
        fields = self._mapping(node, "criteria")
        unknown = []
        for name in fields:
            if name not in CRITERION_KEYS:
                unknown.append(name)
        if unknown or "text" not in fields:
            raise self._error(
                node,
                "criteria",
                "an entry is a text, or has the keys text, enabled and broken_by. A text with a "
                "colon in it needs quotes.",
            )
        enabled = True
        if "enabled" in fields:
            enabled = self._truth(fields["enabled"], "criteria")
        broken_by: tuple[str, ...] = ()
        if "broken_by" in fields:
            broken_by = self._ids(fields["broken_by"], "criteria")
        return Criterion(self._text_of(fields["text"], "criteria"), enabled, broken_by)

    def _variety(self, node: yaml.Node) -> dict[str, tuple[str, ...]]:
        if _is_empty(node):
            return {}
        lists = {}
        for name, entries in self._mapping(node, "variety").items():
            texts = self._texts(entries, name)
            if texts:  # a list that is emptied is switched off
                lists[name] = texts
        return lists

    def _checks(self, node: yaml.Node) -> tuple[str, ...]:
        texts = self._texts(node, "checks")
        for text, entry in zip(texts, self._entries(node, "checks"), strict=True):
            try:
                read_shipped_check(text)
            except SettingsError as error:
                raise self._error(entry, "checks", str(error)) from None
        return texts

    def _question_steers(self, node: yaml.Node) -> bool | None:
        if _is_empty(node):
            return None
        return self._truth(node, "question_steers")

    def _untested_on(self, node: yaml.Node) -> tuple[str, ...]:
        return self._ids(node, "untested_on")

    def _seeds_shown(self, node: yaml.Node) -> int | None:
        if _is_empty(node):
            return None
        if not isinstance(node, yaml.ScalarNode) or not _WHOLE_NUMBER.fullmatch(node.value):
            raise self._error(node, "seeds_shown", "it must be a whole number.")
        return int(node.value)

    # Values ---------------------------------------------------------------------------------------

    def _entries(self, node: yaml.Node, name: str) -> Sequence[yaml.Node]:
        """The entries of a list; none for a key without a value."""
        if _is_empty(node):
            return ()
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, name, "it must be a list, each entry after a dash.")
        entries: list[yaml.Node] = node.value
        return entries

    def _texts(self, node: yaml.Node, name: str) -> tuple[str, ...]:
        return tuple(self._text_of(entry, name) for entry in self._entries(node, name))

    def _ids(self, node: yaml.Node, name: str) -> tuple[str, ...]:
        """The ids of seeds: one text with commas between them, or a list."""
        if isinstance(node, yaml.ScalarNode):
            if _is_empty(node):
                return ()
            return split_ids(node.value)
        return self._texts(node, name)

    def _text_of(self, node: yaml.Node, name: str) -> str:
        """A text as it is written, whatever YAML would make of it."""
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(
                node, name, "an entry must be a text. A text with a colon in it needs quotes."
            )
        text = str(node.value).strip()
        if not text:
            raise self._error(node, name, "an entry is empty. Write a text, or remove the dash.")
        return text

    def _truth(self, node: yaml.Node, name: str) -> bool:
        word = ""
        if isinstance(node, yaml.ScalarNode):
            word = str(node.value).lower()
        if word not in _TRUTHS:
            raise self._error(node, name, "it must be true or false.")
        return _TRUTHS[word]

    def _mapping(self, node: yaml.Node, name: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, name, "it must be named lists, such as `size:` with entries.")
        try:
            return mapping_entries(node, self._text)
        except YamlProblem as problem:
            raise ProfileError(
                f"{self._file}, line {problem.line}, list {name}: {problem.problem}",
                file=self._file,
                line=problem.line,
                list=name,
            ) from None

    def _error(self, node: yaml.Node, name: str, problem: str) -> ProfileError:
        line = node.start_mark.line + 1
        return ProfileError(
            f"{self._file}, line {line}, list {name}: {problem}",
            file=self._file,
            line=line,
            list=name,
        )


def _is_empty(node: yaml.Node) -> bool:
    """Whether nothing is written where a value would be, or `null` or `~`."""
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return is_plain and node.value in ("", "~", "null")


def has_content(text: str) -> bool:
    """Whether a YAML text has more than comments and white space."""
    return re.search(r"(?m)^\s*[^#\s]", text) is not None


def plain_values(text: str) -> dict[str, Any]:
    """The values of a profile's YAML text as they are written; only `true` and `false` are read."""
    return {name: _plain_value(node, name) for name, node in read_mapping(text).items()}


def _plain_value(node: yaml.Node, key: str) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain_value(entry, "") for entry in node.value]
    if isinstance(node, yaml.MappingNode):
        return {name.value: _plain_value(value, name.value) for name, value in node.value}
    if key in ("enabled", "question_steers"):
        return _TRUTHS.get(str(node.value).lower(), node.value)
    return node.value
