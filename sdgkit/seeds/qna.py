"""InstructLab's qna.yaml of a skill, read so that every value keeps its line.

Source: `compositional_skills.json` in instructlab-schema; versions 2 and 3 are alike for skills. Works on
YAML's nodes, because the values made from them have lost their lines, and an unquoted Yes has become a bool.
"""

from typing import Any

import yaml

from sdgkit.errors import SeedError

COLUMNS = {"context": "seed_context", "question": "seed_question", "answer": "seed_response"}
TEXT = "tag:yaml.org,2002:str"

Keys = dict[str, yaml.Node]


def read_qna(name: str, text: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """For each seed its place, its columns, and the columns' places. Raises `SeedError`.

    The line breaks that end a block of text belong to YAML's notation and are taken off. Top-level keys other
    than `task_description` and `seed_examples` describe the contribution and are left out.
    """
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
        return _rows(name, top)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}, line {mark.line + 1}" if mark else name
        raise SeedError(f"{where}: broken YAML ({error.problem}). Correct the line.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SeedError(f"{name}, line {line}: YAML does not allow a character here. Take it out.") from error
    except RecursionError as error:
        raise SeedError(f"{name}: the YAML is nested too deeply. A seed's columns hold text.") from error


def _rows(name: str, top: yaml.Node | None) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    keys = _keys(name, top, "A qna.yaml has version, task_description and seed_examples")
    if "document" in keys or "domain" in keys:
        raise SeedError(
            f"{name}: this is a knowledge file (it has a document or a domain), and sdgkit makes skills. "
            "Give the qna.yaml of a skill: version, task_description, seed_examples with question and answer."
        )
    _need(name, 1, keys, "version", "task_description", "seed_examples")
    if _value(name, keys["version"]) not in (2, 3):
        raise SeedError(
            f"{name}, {_line(keys['version'])}, key version: only versions 2 and 3 are read. "
            "Bring the file to one of them (for skills, they are alike)."
        )
    examples = keys["seed_examples"]
    if not isinstance(examples, yaml.SequenceNode):
        raise SeedError(f"{name}, {_line(examples)}, key seed_examples: is not a list. Begin each seed with a dash.")
    task = {"task_description": keys["task_description"]}
    return [_row(name, example, task) for example in examples.value]


def _row(name: str, example: yaml.Node, task: Keys) -> tuple[str, dict[str, Any], dict[str, str]]:
    keys = _keys(name, example, "A seed example has question, answer and perhaps context")
    if "questions_and_answers" in keys:
        raise SeedError(
            f"{name}, {_line(example)}: this example is of a knowledge file, and sdgkit makes skills. "
            "Give the qna.yaml of a skill, with question and answer in each example."
        )
    _need(name, example.start_mark.line + 1, keys, "question", "answer")
    columns, places = {}, {}
    for key, node in (task | keys).items():
        column = COLUMNS.get(key, key)
        columns[column] = _value(name, node)
        places[column] = _line(node) if key == column else f"{_line(node)}, key {key}"
    return _line(example), columns, places


def _keys(name: str, node: yaml.Node | None, wanted: str) -> Keys:
    if not isinstance(node, yaml.MappingNode):
        raise SeedError(f"{name}, {_line(node) if node else 'line 1'}: there are no keys here. {wanted}.")
    keys: Keys = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise SeedError(f"{name}, {_line(key)}: a key is not text. {wanted}.")
        if key.value in keys:
            raise SeedError(f"{name}, {_line(key)}, key {key.value}: stands there twice. Keep one of them.")
        keys[key.value] = value
    return keys


def _need(name: str, line: int, keys: Keys, *needed: str) -> None:
    for key in needed:
        if key not in keys:
            raise SeedError(f"{name}, line {line}: the key {key} is missing. Add it; there are: {', '.join(keys)}.")


def _value(name: str, node: yaml.Node) -> Any:
    """A scalar's value with its type, so that an unquoted Yes or 42 is found to be no text."""
    if not isinstance(node, yaml.ScalarNode):
        raise SeedError(f"{name}, {_line(node)}: a list or a mapping, not text. Write text, or take the key out.")
    if node.tag == TEXT:
        return node.value.rstrip("\n") if node.style in ("|", ">") else node.value
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, LookupError, AttributeError) as error:  # after a tag such as !!int
        kind = node.tag.rpartition(":")[2]
        raise SeedError(f"{name}, {_line(node)}: this is no {kind}. Put the text in quotes.") from error


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"
