"""Reads the YAML files in this folder."""

from functools import cache
from pathlib import Path
from typing import Any


@cache
def load_texts(topic: str) -> dict[str, Any]:
    """Load the texts about one topic.

    Args:
        topic: The name of a YAML file in this folder, without `.yaml`.

    Returns:
        The mapping in the file. It is loaded once and shared, so do not change it.

    Example:
        >>> load_texts("run_states")["running"]
        'Running'
    """
    import yaml

    path = Path(__file__).with_name(f"{topic}.yaml")
    return dict(yaml.safe_load(path.read_text("utf-8")))
