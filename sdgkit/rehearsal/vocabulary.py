"""The words of the rules: a file in `texts/` for each skill, and a few that all skills share."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_TEXTS = Path(__file__).parent / "texts"


@cache
def vocabulary(name: str) -> dict[str, Any]:
    """The contents of `texts/NAME.toml`."""
    return tomllib.loads((_TEXTS / f"{name}.toml").read_text(encoding="utf-8"))
