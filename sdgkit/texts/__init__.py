"""Texts as data, in YAML files beside this one: what checks look for, by language, and what is said of a teacher's
troubles. They can be changed and added to without knowing Python."""

from functools import cache
from pathlib import Path
from typing import Any


@cache
def words(name: str) -> dict[str, Any]:
    """What stands in the file of this name."""
    import yaml

    return dict(yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text("utf-8")))
