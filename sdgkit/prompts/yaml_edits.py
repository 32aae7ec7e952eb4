"""Changes some entries of a prompt's YAML text and leaves the rest as its author wrote it.

Only the characters of the values that differ are replaced, so every other line stays as it is. A
round-trip library (ruamel.yaml 0.19 was tried) keeps most comments but lays out the whole file
anew, and a removed entry takes the comment of the next one with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import yaml

from sdgkit.prompts.prompt_yaml import EMPTY_VALUES, write_yaml
from sdgkit.prompts.yaml_text import is_block_of_text, read_entries

_ANY_WIDTH = 10**9
_COMMENT_BESIDE = re.compile(r"[^\S\n]+#.*")


@dataclass(frozen=True)
class Edit:
    """A stretch of a text, and what to put in its place.

    Attributes:
        start: The index of the first character to replace.
        end: The index after the last character to replace.
        replacement: The text to put there.
    """

    start: int
    end: int
    replacement: str


@dataclass(frozen=True)
class _Change:
    """A value in a YAML text, and the value to replace it with.

    Attributes:
        node: Where the value is.
        before: The value.
        after: What it is to become; None if it is to be emptied.
    """

    node: yaml.Node
    before: Any
    after: Any


def update_yaml(text: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Change the entries of a prompt's YAML text that differ.

    Args:
        text: The YAML text.
        before: The entries that it holds, as `Prompt.as_json` gives them.
        after: The entries that it is to hold.

    Returns:
        The text with the values that differ replaced. An entry that `after` lacks is emptied, one
        that the text lacks is added at its end.

    Raises:
        YamlProblem: If the text cannot be read.
    """
    edits: list[Edit] = []
    added = {}
    for name, value in after.items():
        if before.get(name) != value:
            added[name] = value
    for key, node in read_entries(text):
        added.pop(key.value, None)
        change = _Change(node, before.get(key.value), after.get(key.value))
        if change.before != change.after:
            edits += _edits_inside(change) or [_edit_of_entry(text, key, change)]
    for edit in reversed(edits):
        text = text[: edit.start] + edit.replacement + text[edit.end :]
    if added:
        text = text.rstrip("\n") + "\n" + write_yaml(added)
    return text


def heading_of(text: str) -> str:
    """The comment lines and blank lines with which a YAML text begins."""
    lines = text.splitlines(keepends=True)
    heading = takewhile(lambda line: line.startswith("#") or not line.strip(), lines)
    return "".join(heading)


def _edits_inside(change: _Change) -> list[Edit]:
    """The edits of the single values that differ in a list or mapping.

    Empty if it takes more than that, such as another length.
    """
    edits: list[Edit] = []
    for inner in _changes_inside(change):
        if isinstance(inner.node, yaml.CollectionNode):
            inner_edits = _edits_inside(inner)
            if not inner_edits:
                return []
            edits += inner_edits
        elif is_block_of_text(inner.node) or isinstance(inner.after, list | dict):
            return []
        else:
            start = inner.node.start_mark.index
            end = inner.node.end_mark.index
            edits.append(Edit(start, end, _on_one_line(inner.after)))
    return edits


def _changes_inside(change: _Change) -> list[_Change]:
    """What changes inside a list or mapping that keeps its length or keys."""
    node = change.node
    before = change.before
    after = change.after
    changes: list[_Change] = []
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key, value_node in node.value:
            changes.append(_Change(value_node, before[key.value], after[key.value]))
    elif isinstance(before, list) and isinstance(after, list):
        nodes = node.value
        if len(nodes) == len(before) == len(after):
            changes = [_Change(*values) for values in zip(nodes, before, after, strict=True)]
    edited = []
    for inner in changes:
        if inner.before != inner.after:
            edited.append(inner)
    return edited


def _on_one_line(value: object) -> str:
    """A single value as YAML that can stand anywhere."""
    style = None
    if isinstance(value, str):
        style = '"'
    text = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=_ANY_WIDTH)
    return text.removesuffix("...\n").strip()


def _edit_of_entry(text: str, key: yaml.ScalarNode, change: _Change) -> Edit:
    """The edit that replaces an entry as a whole; a comment on its line stays beside its key."""
    name = key.value
    node = change.node
    start = key.start_mark.index
    end = start + len(text[start : _end_of_value(node)].rstrip())
    if change.after is None:
        entry = f"{name}: {EMPTY_VALUES.get(name, '')}".rstrip()
    else:
        entry = write_yaml({name: change.after}).rstrip("\n")
    comment = _COMMENT_BESIDE.match(text, end)
    if comment is not None:
        end = comment.end()
    elif is_block_of_text(node):
        comment = _COMMENT_BESIDE.search(text, node.start_mark.index, text.find("\n", start))
    if comment is not None:
        first_line, line_break, rest = entry.partition("\n")
        entry = f"{first_line}{comment[0]}{line_break}{rest}"
    return Edit(start, end, entry)


def _end_of_value(node: yaml.Node) -> int:
    """The index after a value.

    PyYAML ends an indented list or mapping where the next key begins, after the comments between
    them; this is where its last entry ends.
    """
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end_of_value(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)
