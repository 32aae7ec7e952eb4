"""Whether the kernel behind a notebook is new enough for panels: a tutorial asks this first."""

import platform
import re
from importlib.metadata import version

from sdgkit.keywords import known_keywords
from sdgkit.panels.live import reason_for_still_picture

# As in pyproject.toml; the first three are what Google Colab has.
REQUIRED = {"ipykernel": "6.17", "ipywidgets": "7.7.1", "ipython": "7.34", "anywidget": "0.10"}
# Older kernels answer a click only when the running cell has ended.
CLICKS_MEANWHILE = "7.2"
BROKEN = "7.0"  # updates from the background do not reach the front end


@known_keywords
def check_kernel() -> None:
    """Print the versions that panels need, what to upgrade, and whether panels are live here."""
    from sdgkit import __version__

    installed = {package: version(package) for package in REQUIRED}
    problems = []
    versions = []
    for name, number in installed.items():
        versions.append(f"{name} {number}")
        problem = _problem(name, number)
        if problem:
            problems.append(problem)
    installed_versions = ", ".join(versions)
    verdict = ": all new enough."
    if problems:
        verdict = "."
    print(
        f"sdgkit {__version__}, Python {platform.python_version()}, {installed_versions}{verdict}"
    )
    for problem in problems:
        print(problem)
    reason = reason_for_still_picture()
    if reason is None:
        print("Panels are live here: their buttons work.")
    else:
        print(reason or "Panels are still pictures here.")


def kernel_limit() -> str:
    """What an older kernel cannot do while a cell runs, in one line; "" for a newer one."""
    number = version("ipykernel")
    if _parts(number) >= _parts(CLICKS_MEANWHILE):
        return ""
    return (
        f"ipykernel {number} is older than {CLICKS_MEANWHILE}, so a click waits until the running "
        "cell has ended: interrupt the kernel to cancel, or end a cell with the panel and press "
        "Start."
    )


def _problem(name: str, number: str) -> str:
    """What is wrong with this version of a package, and what to do; "" if nothing is."""
    required = REQUIRED[name]
    is_ipykernel = name == "ipykernel"
    is_broken = is_ipykernel and _parts(number)[:2] == _parts(BROKEN)
    if is_broken or _parts(number) < _parts(required):
        wanted = required
        if is_ipykernel:
            wanted = CLICKS_MEANWHILE
        return (
            f"{name} {number} is older than {wanted}, so panels will not work properly. "
            f"Run `pip install '{name}>={wanted}'` and restart the kernel."
        )
    limit = ""
    if is_ipykernel:
        limit = kernel_limit()
    if not limit:
        return ""
    install = f"pip install '{name}>={CLICKS_MEANWHILE}'"
    return f"{limit} Everything else works. Where you can, run `{install}` and restart the kernel."


def _parts(number: str) -> list[int]:
    """A version's first three numbers, to compare it by."""
    return [int(digits) for digits in re.findall(r"\d+", number)[:3]]
