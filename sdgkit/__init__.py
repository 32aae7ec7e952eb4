"""sdgkit: five seed examples in, a fine-tuning set out that its owner has seen, understood and trusts.

`import sdgkit as sk`, then `sk.connect`, `sk.load_seeds`, the eight stages by their names, `sk.generate`,
`sk.open_run`. Everything is loaded when it is first used; `__init__.pyi` says where it lives.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_IMPORTS = ast.parse(Path(__file__).with_suffix(".pyi").read_text("utf-8")).body
_HOME = {
    name.name: one.module
    for one in _IMPORTS
    if isinstance(one, ast.ImportFrom)
    for name in one.names
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sdgkit' has no attribute {name!r}")
    home = _HOME[name]
    if home == "sdgkit":  # a room that is public as a whole
        return import_module(f"sdgkit.{name}")
    value = globals()[name] = getattr(import_module(str(home)), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
