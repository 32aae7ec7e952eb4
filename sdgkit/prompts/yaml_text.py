"""Reads YAML that users write: values with the lines they stand in, and no aliases.

An alias lets a few lines stand for millions of values (a "billion laughs" file), so it is refused
before anything is built from it.
"""

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


class _Loader(yaml.SafeLoader):
    """Reads YAML without aliases."""

    def fetch_alias(self) -> None:
        raise yaml.MarkedYAMLError(
            problem="aliases are not read; a text that begins with * needs quotes",
            problem_mark=self.get_mark(),
        )


def read_mapping(text: str) -> dict[str, yaml.Node]:
    """Read a YAML text that is a mapping.

    Returns:
        The node of each value, by its key. A node knows where it stands.

    Raises:
        YamlProblem: If the text is not valid YAML or not a mapping of different text keys.
    """
    return {key.value: value for key, value in read_entries(text)}


def read_entries(text: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Read a YAML text that is a mapping; like `read_mapping`, with the nodes of the keys too."""
    try:
        return _entries(yaml.compose(text, Loader=_Loader))
    except Exception as error:  # also Python's own: deep nesting, "\UFFFFFFFF"
        raise yaml_problem(error, text) from error


def mapping_entries(node: yaml.Node, text: str) -> dict[str, yaml.Node]:
    """The node of each value in a mapping inside a text that was read, by its key."""
    try:
        return {key.value: value for key, value in _entries(node)}
    except yaml.YAMLError as error:
        raise yaml_problem(error, text) from error


def node_value(node: yaml.Node) -> Any:
    """The value of a node, with the type that YAML gives it.

    Raises:
        ValueError, LookupError, AttributeError: For a date that does not exist, or a tag such as
            `!!int` before something else.
        yaml.YAMLError: For a tag that stands for a Python object.
    """
    return SafeConstructor().construct_object(node, deep=True)


def is_block_of_text(node: yaml.Node) -> bool:
    """Whether a value is text below its key, after `|` or `>`."""
    return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")


def yaml_problem(error: BaseException, text: str, line: int = 1) -> YamlProblem:
    """What went wrong in reading or building YAML, in words and with its line.

    Args:
        error: What PyYAML raised, or Python on its behalf.
        text: The text that was read.
        line: The line to name if the error does not know its own.
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
    """The first line of what an error says, or its kind if it says nothing."""
    sentences = str(error).splitlines()
    return sentences[0] if sentences else type(error).__name__


def _entries(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        mark = None if node is None else node.start_mark
        raise yaml.MarkedYAMLError(problem="it must be a mapping", problem_mark=mark)
    keys: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key.value, str):
            raise yaml.MarkedYAMLError(
                problem=f"the key {key.value!s:.40} is not text", problem_mark=key.start_mark
            )
        if key.value in keys:
            raise yaml.MarkedYAMLError(
                problem=f"the key {key.value:.40} appears twice", problem_mark=key.start_mark
            )
        keys.add(key.value)
    return list(node.value)
