"""Which files of a folder its dataset card names: the `configs` in the README of a Hub dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sdgkit.errors import SeedError
from sdgkit.prompts.yaml_text import YamlProblem, node_value, read_document

CARD = "README.md"
_FENCE = "---"
_DEFAULT = "default"


def files_named_in_card(folder: Path, split: str) -> list[Path]:
    """The files of one split that the card of a dataset names; [] where it names none.

    Of several configurations the one called `default` is read, as `load_dataset` does.

    Args:
        folder: The folder of the dataset.
        split: The split to read where there are several.

    Raises:
        SeedError: There are several configurations or splits, and no such one.
    """
    configuration = _configuration(folder)
    if configuration is None:
        return []
    patterns = _patterns(folder, configuration.get("data_files"), split)
    base = folder
    data_dir = configuration.get("data_dir")
    if isinstance(data_dir, str):
        base = folder / data_dir
    files: dict[Path, None] = {}
    for pattern in patterns:
        for path in sorted(base.glob(pattern.lstrip("/"))):
            if path.is_file():
                files[path] = None
    return list(files)


def _configuration(folder: Path) -> Mapping[str, Any] | None:
    """The configuration to read; None where the card has none."""
    configurations = []
    for entry in _configurations_of(folder):
        if isinstance(entry, dict) and "data_files" in entry:
            configurations.append(entry)
    if len(configurations) < 2:
        return configurations[0] if configurations else None
    for entry in configurations:
        if entry.get("default") is True or entry.get("config_name") == _DEFAULT:
            return entry
    names = ", ".join(str(entry.get("config_name")) for entry in configurations)
    raise SeedError(
        f"{folder}: a dataset with the configurations {names}. Give the file of one of them.",
        file=folder,
    )


def _configurations_of(folder: Path) -> list[object]:
    """The entries of `configs` in the card's front matter; [] where it cannot be read."""
    try:
        text = (folder / CARD).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return []
    lines = text.split("\n")
    if lines[0].strip() != _FENCE:
        return []
    front_matter = []
    for line in lines[1:]:
        if line.strip() == _FENCE:
            break
        front_matter.append(line)
    try:
        document = read_document("\n".join(front_matter))
        value = node_value(document) if document is not None else None
    except (YamlProblem, yaml.YAMLError, ValueError, LookupError, AttributeError):
        return []
    configs = value.get("configs") if isinstance(value, dict) else None
    return configs if isinstance(configs, list) else []


def _patterns(folder: Path, data_files: object, split: str) -> list[str]:
    """The patterns of the files of one split."""
    by_split: dict[str, list[str]] = {}
    entries = data_files if isinstance(data_files, list) else [data_files]
    for entry in entries:
        if isinstance(entry, dict):
            name = str(entry.get("split", split))
            by_split.setdefault(name, []).extend(_texts(entry.get("path")))
        else:
            by_split.setdefault(split, []).extend(_texts(entry))
    if split in by_split:
        return by_split[split]
    if len(by_split) == 1:
        return next(iter(by_split.values()))
    raise SeedError(
        f"{folder}: a dataset with the splits {', '.join(by_split)}. Give the file of one of them.",
        file=folder,
    )


def _texts(value: object) -> list[str]:
    texts = []
    for entry in value if isinstance(value, list) else [value]:
        # A pattern may lead out of the folder, which may be a stranger's: none does.
        if isinstance(entry, str) and entry and ".." not in Path(entry).parts:
            texts.append(entry)
    return texts
