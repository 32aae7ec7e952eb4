"""Whether the kernel behind a notebook is new enough for panels: the first thing a tutorial asks."""

import platform
import re
from importlib.metadata import version

from sdgkit.panels.live import reason_for_a_still_picture

# Below these (as in pyproject.toml) buttons wait until the cell that runs has ended, or panels are not drawn at all.
NEEDED = {"ipykernel": "7.2", "ipywidgets": "8.1.5", "anywidget": "0.10"}


def check_kernel() -> None:
    """Print the versions that panels depend on, what is too old and what to do then, whether panels are live here."""
    from sdgkit import __version__

    found = {name: version(name) for name in NEEDED}
    old = [name for name in NEEDED if _numbers(found[name]) < _numbers(NEEDED[name])]
    listed = ", ".join(f"{name} {number}" for name, number in found.items())
    print(
        f"sdgkit {__version__}, Python {platform.python_version()}, {listed}{'.' if old else ': all new enough.'}"
    )
    for name in old:
        way = f"`pip install '{name}>={NEEDED[name]}'`, and restart the kernel"
        print(
            f"{name} {found[name]} is older than {NEEDED[name]}: panels do not work as they should. Run {way}."
        )
    reason = reason_for_a_still_picture()
    told = reason or "Panels are still pictures here."
    print("Panels are live here: their buttons work." if reason is None else told)


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)[:3]]
