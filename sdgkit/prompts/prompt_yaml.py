"""A prompt as YAML: reading its entries and writing them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sdgkit.errors import PromptError
from sdgkit.formatting import visible
from sdgkit.prompts.sampling import SAMPLING, check_sampling
from sdgkit.prompts.yaml_text import (
    YamlProblem,
    is_block_of_text,
    node_value,
    read_mapping,
    yaml_problem,
)

PARTS = ("system", "introduction", "principles", "examples", "generation")
TAGS = ("start_tags", "end_tags")
USER_PARTS = PARTS[1:]
LONGEST_TAG_SHOWN = 60  # characters, in a message
EMPTY_VALUES = {**dict.fromkeys(TAGS, "[]"), "sampling": "{}"}

# A variable as older InstructLab files write it, for str.format; to Jinja2 it would be plain text.
_SINGLE_BRACES = re.compile(
    r"(?<!\{)\{(task_description|num_samples|(?:seed_)?(?:context|question|response))\}(?!\})"
)


@dataclass(frozen=True)
class _EntryRule:
    """What type an entry must have when it is read as YAML.

    Attributes:
        type: The Python type of its value.
        requirement: What it must be, in words.
    """

    type: type
    requirement: str


_ENTRY_RULES = {
    **dict.fromkeys(PARTS, _EntryRule(str, "text")),
    **dict.fromkeys(TAGS, _EntryRule(list, "a list of texts, one per output column")),
    "sampling": _EntryRule(dict, f"a mapping of {', '.join(SAMPLING)}"),
}


@dataclass(frozen=True)
class PromptEntries:
    """What a prompt's YAML file holds.

    Attributes:
        parts: The text of each part; "" where it is absent.
        start_tags: One tag for each output column.
        end_tags: One tag for each output column.
        sampling: The sampling settings.
        lines: The line in which the text of each entry begins, from 1.
    """

    parts: Mapping[str, str]
    start_tags: tuple[str, ...]
    end_tags: tuple[str, ...]
    sampling: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)


def read_yaml(text: str, file: str) -> PromptEntries:
    """Read the YAML text of a prompt.

    Args:
        text: The text.
        file: The name of its file, for messages.

    Raises:
        PromptError: If the text is not YAML, holds a part that a prompt does not have, is
            empty, or does not pair its tags.
        SettingsError: For a sampling setting that does not exist or is out of its range.
    """
    try:
        nodes = read_mapping(text)
    except YamlProblem as problem:
        raise _error(file, problem.problem, line=problem.line) from None
    values = {}
    lines = {}
    for name, node in nodes.items():
        values[name] = _entry_value(name, node, text, file)
        lines[name] = _first_text_line(node)
    parts = {}
    for part in PARTS:
        parts[part] = _SINGLE_BRACES.sub(r"{{ \1 }}", values.get(part) or "")
    if not any(parts[part] for part in USER_PARTS):
        raise _error(file, "the prompt is empty. Write at least the part generation.")
    start_tags = _tags(values.get("start_tags"))
    end_tags = _tags(values.get("end_tags"))
    _check_pairs(start_tags, end_tags, file)
    sampling = values.get("sampling") or {}
    check_sampling(sampling, file)
    return PromptEntries(parts, start_tags, end_tags, sampling, lines)


def check_values(values: Mapping[str, Any], origin: str) -> None:
    """Check the values of a prompt that was recorded as JSON.

    Args:
        values: The values by entry, as `Prompt.as_json` gives them.
        origin: The name of the prompt, for messages.

    Raises:
        PromptError: An entry does not exist, or has the wrong type.
        SettingsError: For a sampling setting that does not exist or is out of its range.
    """
    for name, value in values.items():
        rule = _ENTRY_RULES.get(name)
        if rule is None or not isinstance(value, rule.type):
            problem = f"{visible(name)!r} is not part of a prompt, or has the wrong type."
            raise _error(origin, problem)
    tags = {name: values.get(name) or [""] for name in TAGS}
    for name in TAGS:
        if not all(isinstance(tag, str) for tag in tags[name]):
            raise _error(origin, f"{name} must be {_ENTRY_RULES[name].requirement}.", part=name)
    _check_pairs(tuple(tags["start_tags"]), tuple(tags["end_tags"]), origin)
    check_sampling(values.get("sampling") or {}, origin)


def _entry_value(name: str, node: yaml.Node, text: str, file: str) -> Any:
    """The value of one entry, of the type that it must have, or None."""
    line = node.start_mark.line + 1
    if name not in _ENTRY_RULES:
        names = ", ".join(_ENTRY_RULES)
        raise _error(file, f"unknown part {name!r}. Use {names}.", line=line, part=name)
    try:
        value = node_value(node)
    except Exception as error:  # also Python's own, where a tag such as !!int does not fit
        problem = yaml_problem(error, text, line)
        raise _error(file, problem.problem, line=problem.line, part=name) from None
    rule = _ENTRY_RULES[name]
    if value is not None and not isinstance(value, rule.type):
        raise _error(file, f"{name} must be {rule.requirement}.", line=line, part=name)
    if name in TAGS and isinstance(value, list):
        _check_tags(name, node, value, text, file)
    return value


def _check_tags(name: str, node: yaml.Node, tags: list[Any], text: str, file: str) -> None:
    """Refuse what YAML makes of a tag without quotes: a list, a mapping or a number."""
    for tag, tag_node in zip(tags, node.value, strict=True):
        if tag is None or isinstance(tag, str):
            continue
        written = text[tag_node.start_mark.index : tag_node.end_mark.index].strip()
        shown = visible(written)[:LONGEST_TAG_SHOWN]
        raise _error(
            file,
            f"{name} must be texts; put each into quotes: '{shown}'.",
            line=tag_node.start_mark.line + 1,
            part=name,
        )


def _first_text_line(node: yaml.Node) -> int:
    """The line, from 1, in which the text of a value begins: a block begins below its key."""
    line = node.start_mark.line + 1
    if not is_block_of_text(node):
        return line
    return line + 1


def _tags(value: list[Any] | None) -> tuple[str, ...]:
    return tuple(str(tag or "").strip() for tag in value or [""])


def _check_pairs(start_tags: tuple[str, ...], end_tags: tuple[str, ...], file: str) -> None:
    if len(start_tags) != len(end_tags):
        raise _error(
            file,
            f"it has {len(start_tags)} start_tags and {len(end_tags)} end_tags. "
            "Use one start/end tag pair per column.",
            part="start_tags",
        )
    if "" in start_tags[1:]:
        raise _error(
            file,
            "a start tag is empty. Only the first start tag may be empty; give the others a text.",
            part="start_tags",
        )


def _error(
    file: str, problem: str, *, line: int | None = None, part: str | None = None
) -> PromptError:
    place = file
    if line is not None:
        place = f"{file}, line {line}"
    return PromptError(f"{place}: {problem}", file=file, line=line, part=part, problem=problem)


WIDTH = 120  # characters of a line, for text that may be broken
_UNUSUAL_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")  # which YAML keeps in double quotes only


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as a block."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if _UNUSUAL_LINE_ENDS.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def write_yaml(values: Mapping[str, Any]) -> str:
    """The YAML text of a prompt's entries, as `Prompt.as_json` gives them."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
