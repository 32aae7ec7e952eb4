"""Whether the kernel behind a notebook is new enough for panels: the first thing a tutorial asks."""

import platform
import re
from importlib.metadata import version

from sdgkit.panels.live import reason_for_a_still_picture

# What goes wrong below these versions, which are those of pyproject.toml.
NEEDED = {
    "ipykernel": ("7.2", "buttons wait until the cell that runs has ended"),
    "ipywidgets": ("8.1.5", "panels are not drawn"),
    "anywidget": ("0.10", "panels are not drawn"),
}


def check_kernel() -> None:
    """Print the versions that panels depend on, what is too old and what to do then, and whether panels are live here.

    Raises SettingsError if the environment variable SDGKIT_PANELS says something else than live or static.
    """
    from sdgkit import __version__

    found = {name: version(name) for name in NEEDED}
    old = [name for name in NEEDED if _numbers(found[name]) < _numbers(NEEDED[name][0])]
    listed = ", ".join(f"{name} {number}" for name, number in found.items())
    print(f"sdgkit {__version__}, Python {platform.python_version()}, {listed}{'.' if old else ': all new enough.'}")
    for name in old:
        needed, trouble = NEEDED[name]
        way = f"Install it with `pip install '{name}>={needed}'`, and restart the kernel."
        print(f"{name} {found[name]} is older than {needed}: {trouble}. {way}")
    reason = reason_for_a_still_picture()
    told = reason or "Panels are still pictures here."
    print("Panels are live here: their buttons work." if reason is None else told)


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)[:3]]
