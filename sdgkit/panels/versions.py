"""Whether the kernel behind a notebook is new enough for panels: the first thing a tutorial asks."""

import platform
import re
from importlib.metadata import PackageNotFoundError, version

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

    found = {name: _installed(name) for name in NEEDED}
    listed = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    flaws = [flaw for name in NEEDED if (flaw := _flaw(name, found[name], *NEEDED[name]))]
    print(f"sdgkit {__version__}, Python {platform.python_version()}, {listed}{'.' if flaws else ': all new enough.'}")
    for flaw in flaws:
        print(flaw)
    reason = reason_for_a_still_picture()
    told = reason or "Panels are still pictures here."
    print("Panels are live here: their buttons work." if reason is None else told)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)[:3]]


def _flaw(name: str, found: str | None, needed: str, trouble: str) -> str:
    """What is wrong with the version that was found; "" if nothing is."""
    if found and _numbers(found) >= _numbers(needed):
        return ""
    what = f"{found} is older than {needed}" if found else f"is not installed, and {needed} or newer is needed"
    return f"{name} {what}: {trouble}. Install it with `pip install '{name}>={needed}'`, and restart the kernel."
