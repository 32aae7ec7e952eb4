"""Reads YAML that users write: values with their line numbers, and bounded work.

Every YAML file that a user writes is read here. An alias lets a few lines stand for millions of
values (a "billion laughs" file), so it is refused before anything is built from it; so is absurdly
deep nesting. A number in base 60, as YAML 1.1 reads 12:30, is text.
"""

import re
from typing import Any

import yaml
from yaml.constructor import SafeConstructor


class YamlProblem(Exception):
    """A YAML text that cannot be read.

    Attributes:
        problem: What is wrong and what to do about it.
        line: The line of the text in which it is wrong, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


DEEPEST = 50
"""Levels of lists and mappings in one another."""

MOST_NODES = 50_000
"""Entries of a file; PyYAML reads some 20,000 a second."""

LARGEST = 8 * 2**20
"""Characters of a file."""

# Texts that YAML 1.1 takes for a number to the base of 60.
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_NULL_TAG = "tag:yaml.org,2002:null"
_TEXT_TAG = "tag:yaml.org,2002:str"


class _Loader(yaml.SafeLoader):
    """Reads YAML without aliases, deep nesting and numbers to the base of 60."""

    _depth = 0
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        self._nodes += 1
        if self._depth > DEEPEST or self._nodes > MOST_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"more than {DEEPEST} levels deep, or more than {MOST_NODES:,} entries",
                problem_mark=self.get_mark(),
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def resolve(self, kind: type[yaml.Node], value: str, implicit: bool | tuple[bool, bool]) -> Any:
        tag = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        if tag in _NUMBER_TAGS and _BASE_60.fullmatch(value):
            return _TEXT_TAG
        return tag

    def fetch_alias(self) -> None:
        raise yaml.MarkedYAMLError(
            problem="YAML aliases are not supported; put a text that begins with * in quotes",
            problem_mark=self.get_mark(),
        )


def read_mapping(text: str) -> dict[str, yaml.Node]:
    """Read a YAML text that is a mapping.

    Returns:
        The node of each value, by its key. A node records its position in the text.

    Raises:
        YamlProblem: If the text is not valid YAML or not a mapping with distinct text keys.
    """
    return {key.value: value for key, value in read_entries(text)}


def read_document(text: str) -> yaml.Node | None:
    """Read a YAML text as nodes, None if it is empty.

    Raises:
        YamlProblem: If the text is not valid YAML.
    """
    try:
        return _compose(text)
    except Exception as error:  # also Python's own: deep nesting, "\UFFFFFFFF"
        raise yaml_problem(error, text) from error


def _compose(text: str) -> yaml.Node | None:
    if len(text) > LARGEST:
        raise ValueError(f"it has {len(text):,} characters; at most {LARGEST:,} are read")
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def read_entries(text: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Read a YAML text that is a mapping; like `read_mapping`, with the nodes of the keys too."""
    try:
        return _mapping_entries(_compose(text))
    except Exception as error:  # also Python's own: deep nesting, "\UFFFFFFFF"
        raise yaml_problem(error, text) from error


def mapping_entries(node: yaml.Node, text: str) -> dict[str, yaml.Node]:
    """The node of each value in a mapping inside a text that was read, by its key."""
    try:
        return {key.value: value for key, value in _mapping_entries(node)}
    except yaml.YAMLError as error:
        raise yaml_problem(error, text) from error


def node_value(node: yaml.Node) -> Any:
    """The value of a node, with the type that YAML gives it.

    Raises:
        ValueError, LookupError, AttributeError: For a date that does not exist, or a tag such as
            `!!int` before something else.
        yaml.YAMLError: For a tag that means a Python object.
    """
    return SafeConstructor().construct_object(node, deep=True)


def written_value(node: yaml.Node, text: str) -> Any:
    """The value of a node in which a text stays as it is written.

    YAML 1.1 reads NO, on, 007 and 2024-05-01 as something else than their letters. A whole number
    or decimal that is written the way Python writes it is a number; any other scalar is text.

    Args:
        node: A node of a text that was read.
        text: The whole text.

    Raises:
        YamlProblem: It is empty, or has a tag such as `!!binary`.
    """
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [written_value(entry, text) for entry in node.value]
    if isinstance(node, yaml.MappingNode):
        entries = mapping_entries(node, text)
        return {name: written_value(entry, text) for name, entry in entries.items()}
    if is_quoted_or_block(node):
        return str(node.value)
    if node.tag == _NULL_TAG:
        raise YamlProblem("an entry is empty. Write it, or remove its line.", line)
    if node.tag.startswith("!") or node.tag == "tag:yaml.org,2002:binary":
        raise YamlProblem(f"the tag {node.tag:.40} is not supported. Remove it.", line)
    if node.tag in _NUMBER_TAGS and _PLAIN_NUMBER.fullmatch(node.value):
        number = node_value(node)
        if str(number) == node.value:
            return number
    return str(node.value)


def is_quoted_or_block(node: yaml.Node) -> bool:
    """Whether a value can only be text."""
    return isinstance(node, yaml.ScalarNode) and node.style is not None


def is_block_of_text(node: yaml.Node) -> bool:
    """Whether a value is text below its key, after `|` or `>`."""
    return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")


def yaml_problem(error: BaseException, text: str, line: int = 1) -> YamlProblem:
    """What went wrong in reading or building YAML, in words and with its line.

    Args:
        error: What PyYAML raised, or Python on its behalf.
        text: The text that was read.
        line: The line to name if the error does not carry one.
    """
    reason = ""
    if isinstance(error, yaml.MarkedYAMLError):
        reason = error.problem or ""
        if error.problem_mark is not None:
            line = error.problem_mark.line + 1
    elif isinstance(error, yaml.reader.ReaderError):  # a character that YAML does not allow
        line = text.count("\n", 0, error.position) + 1
    reason = reason or first_line(error)
    return YamlProblem(f"not valid YAML ({reason}). Correct the line.", line)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind if the message is empty."""
    sentences = str(error).splitlines()
    if sentences:
        return sentences[0]
    return type(error).__name__


def _mapping_entries(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        mark = None
        if node is not None:
            mark = node.start_mark
        raise yaml.MarkedYAMLError(problem="it must be a mapping", problem_mark=mark)
    keys: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key.value, str):
            raise yaml.MarkedYAMLError(
                problem="a list or an object stands where a key should", problem_mark=key.start_mark
            )
        if key.value in keys:
            raise yaml.MarkedYAMLError(
                problem=f"the key {key.value:.40} appears twice", problem_mark=key.start_mark
            )
        keys.add(key.value)
    return list(node.value)
