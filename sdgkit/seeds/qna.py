"""Reads InstructLab's `qna.yaml` of a skill, versions 1 to 3; one without a version is version 1.

The format is `compositional_skills.json` in instructlab-schema. The reader works on the nodes of
the YAML text, because the values that are made of them no longer have line numbers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sdgkit.prompts.yaml_text import (
    YamlProblem,
    first_line,
    is_block_of_text,
    mapping_entries,
    node_value,
    read_mapping,
    yaml_problem,
)
from sdgkit.seeds.decoding import decode
from sdgkit.seeds.rows import Place, Seed, SourceRow, Unreadable

VERSIONS = ("1", "2", "3")
COLUMN_OF_KEY = {"context": "seed_context", "question": "seed_question", "answer": "seed_response"}


def read_qna(data: bytes, encoding: str | None = None) -> Iterator[SourceRow]:
    """The seed examples of a `qna.yaml`, each with the task description of the file."""
    text = decode(data, encoding)
    try:
        yield from _read_examples(text)
    except YamlProblem as problem:
        raise Unreadable(problem.problem, Place(line=problem.line)) from problem


def is_knowledge(file: Path) -> bool:
    """Whether a file is the `qna.yaml` of knowledge in a taxonomy, which no skill is."""
    if file.suffix.lower() not in (".yaml", ".yml"):
        return False
    try:
        return "document" in read_mapping(file.read_bytes().decode("utf-8-sig"))
    except (YamlProblem, UnicodeDecodeError, OSError):
        return False  # reading its seeds says what is wrong


def _read_examples(text: str) -> Iterator[SourceRow]:
    entries = read_mapping(text)
    if "document" in entries:
        raise Unreadable(
            "this is a knowledge file, but sdgkit generates skills. Use the qna.yaml of a skill.",
            Place(line=1),
        )
    _refuse_missing(entries, ("seed_examples",), line=1)
    if "version" in entries:
        _check_version(entries["version"], text)
    examples = entries["seed_examples"]
    if not isinstance(examples, yaml.SequenceNode):
        raise Unreadable(
            "it must be a list. Begin each seed with a dash.",
            Place(line=_line_of(examples), key="seed_examples"),
        )
    for example in examples.value:
        keys = mapping_entries(example, text)
        _refuse_missing(keys, ("question", "answer"), line=_line_of(example))
        task = {}
        if "task_description" in entries:
            task["task_description"] = entries["task_description"]
        yield _seed_row(example, {**task, **keys}, text)


def _seed_row(example: yaml.Node, keys: Mapping[str, yaml.Node], text: str) -> SourceRow:
    columns: Seed = {}
    places: dict[str, Place] = {}
    for key, node in keys.items():
        column = COLUMN_OF_KEY.get(key, key)
        columns[column] = _value_of(node, text)
        places[column] = Place(line=_line_of(node), key=key)
    return SourceRow(Place(line=_line_of(example)), columns, places)


def _check_version(node: yaml.Node, text: str) -> None:
    value = _value_of(node, text)
    version = str(value).strip().removesuffix(".0")
    if value is not None and version not in VERSIONS:
        raise Unreadable(
            f"version {version:.20} is not known; versions 1, 2 and 3 are read. "
            "Convert the file to one of them.",
            Place(line=_line_of(node), key="version"),
        )


def _refuse_missing(entries: Mapping[str, yaml.Node], needed: tuple[str, ...], line: int) -> None:
    for key in needed:
        if key not in entries:
            raise Unreadable(
                f"the key {key} is missing. Add it; the keys here are: {', '.join(entries)}.",
                Place(line=line),
            )


def _value_of(node: yaml.Node, text: str) -> Any:
    """The value with its type, so that an unquoted Yes or 42 is found not to be text."""
    try:
        value = node_value(node)
    except yaml.YAMLError as error:
        raise yaml_problem(error, text, _line_of(node)) from error
    except (ValueError, LookupError, AttributeError) as error:  # a date such as 2024-13-45
        raise Unreadable(
            f"not a valid value ({first_line(error)}). Put the text in quotes.",
            Place(line=_line_of(node)),
        ) from error
    if is_block_of_text(node) and isinstance(value, str):
        return value.rstrip("\n")  # the line breaks at the end are YAML's notation
    return value


def _line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
