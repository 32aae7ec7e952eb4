"""Reads TOML that may be a stranger's."""

import tomllib
from typing import Any

MOST_DOTS = 1_000
"""In one line: a key of 50,000 parts keeps the parser busy for hours."""


def parse_toml(text: str) -> dict[str, Any]:
    """What a text in TOML holds.

    Raises:
        ValueError: It is not TOML, or stands for endless work.
        RecursionError: It is nested too deep.

    Example:
        >>> parse_toml("target = 50")
        {'target': 50}
    """
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS:
            raise ValueError(f"line {number} has more than {MOST_DOTS:,} dots")
    return tomllib.loads(text)
