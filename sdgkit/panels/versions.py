"""Whether the kernel behind a notebook is new enough for panels: a tutorial asks this first."""

import platform
import re
from importlib.metadata import version

from sdgkit.keywords import known_keywords
from sdgkit.panels.live import reason_for_still_picture

# As in pyproject.toml. Below these, clicks wait until the running cell has ended, or panels are
# not drawn at all.
REQUIRED = {"ipykernel": "7.2", "ipywidgets": "8.1.5", "anywidget": "0.10"}


@known_keywords
def check_kernel() -> None:
    """Print the versions that panels need, what to upgrade, and whether panels are live here."""
    from sdgkit import __version__

    installed = {package: version(package) for package in REQUIRED}
    outdated = [name for name in REQUIRED if _parts(installed[name]) < _parts(REQUIRED[name])]
    versions = ", ".join(f"{name} {number}" for name, number in installed.items())
    verdict = "." if outdated else ": all new enough."
    print(f"sdgkit {__version__}, Python {platform.python_version()}, {versions}{verdict}")
    for name in outdated:
        print(
            f"{name} {installed[name]} is older than {REQUIRED[name]}, so panels will not "
            f"work properly. Run `pip install '{name}>={REQUIRED[name]}'` and restart the kernel."
        )
    reason = reason_for_still_picture()
    if reason is None:
        print("Panels are live here: their buttons work.")
    else:
        print(reason or "Panels are still pictures here.")


def _parts(number: str) -> list[int]:
    """A version's first three numbers, to compare it by."""
    return [int(digits) for digits in re.findall(r"\d+", number)[:3]]
