"""Reads the lists from which each context draws, from a YAML file."""

from pathlib import Path
from typing import Any

import yaml

from sdgkit.errors import SettingsError
from sdgkit.prompts.yaml_text import YamlProblem, mapping_entries, read_document, written_value


def read_lists(path: str | Path) -> dict[str, list[Any]]:
    """Read named lists from a YAML file. Texts stay as they are written: NO, on, 12:30, 007.

    Args:
        path: The file.

    Returns:
        The lists by name.

    Raises:
        SettingsError: The file cannot be read, or is not a mapping of lists; with the line, and the
            name of the list.
    """
    file = Path(path)
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise _refused(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise _refused(f"{file} is not UTF-8 text. Save it as UTF-8.") from None
    try:
        return _lists_in(text, file)
    except YamlProblem as problem:
        raise _refused(f"{file} cannot be read, line {problem.line}: {problem.problem}") from None


def _lists_in(text: str, file: Path) -> dict[str, list[Any]]:
    document = read_document(text)
    if not isinstance(document, yaml.MappingNode):
        raise YamlProblem("vary must be named lists, such as mood: [calm, angry].", 1)
    lists = {}
    for name, node in mapping_entries(document, text).items():
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise YamlProblem(f"{name} must be a list with entries: {name}: [one, two].", line)
        try:
            lists[name] = [written_value(entry, text) for entry in node.value]
        except YamlProblem as problem:
            raise YamlProblem(f"list {name}: {problem.problem}", problem.line) from None
    return lists


def _refused(sentence: str) -> SettingsError:
    return SettingsError(f"--vary {sentence}", setting="vary")
