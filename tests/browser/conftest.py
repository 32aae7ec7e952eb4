"""JupyterLab in Chromium, for all tests here. Screenshots lie in tests/output/browser afterwards.

CHROMIUM names another browser binary than /usr/bin/chromium.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from browser.lab import Lab, Shot, ShotOf
    from playwright.sync_api import BrowserContext, Locator, Page, Request, ViewportSize

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
LONGEST_MS = 30_000  # what a busy machine may take for what an idle one does at once
VIEWPORT: "ViewportSize" = {"width": 1280, "height": 1300}
OUTPUT = Path(__file__).parent.parent / "output" / "browser"
LOOPBACK = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")
NOTEBOOKS_OWN_ERROR = "reading 'schema'"  # Notebook 7.6 raises it when it starts
# Chromium asks for nothing on its own, and can run as root in a container.
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They are slow, and get more time than the others."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["BrowserContext"]:
    """A real Chromium. What it has loaded of JupyterLab is kept for the next page."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"There is no Chromium at {CHROMIUM}. On Debian: apt install chromium.")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright."
    )
    sync_api.expect.set_options(timeout=LONGEST_MS)
    home = tmp_path_factory.mktemp("chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=SWITCHES.split(), env=os.environ | {"HOME": str(home)}
        )
        yield launched.new_context(viewport=VIEWPORT, reduced_motion="reduce")
        launched.close()


@pytest.fixture(scope="session")
def lab(browser: "BrowserContext", tmp_path_factory: pytest.TempPathFactory) -> Iterator["Lab"]:
    """One JupyterLab server for all tests of a worker."""
    from browser.lab import Lab

    with Lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def notebook7(
    browser: "BrowserContext", tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Lab"]:
    """One server of Jupyter Notebook 7 for all tests of a worker."""
    pytest.importorskip(
        "notebook", reason="Jupyter Notebook is not installed: pip install notebook."
    )
    from browser.lab import Notebook7

    with Notebook7(tmp_path_factory.mktemp("notebook7")) as server:
        yield server


@pytest.fixture
def page(browser: "BrowserContext") -> Iterator["Page"]:
    """A new page.

    Fails the test whose page asked for anything but loopback, or raised an exception.
    """
    opened = browser.new_page()
    opened.set_viewport_size(VIEWPORT)
    opened.set_default_timeout(LONGEST_MS)
    outside: list[str] = []
    raised: list[str] = []

    def note_request(request: "Request") -> None:
        if not request.url.startswith(LOOPBACK):
            outside.append(request.url)

    def note_error(error: Exception) -> None:
        if NOTEBOOKS_OWN_ERROR not in str(error):
            raised.append(str(error))

    opened.on("request", note_request)
    opened.on("pageerror", note_error)
    yield opened
    opened.close()
    assert not outside, f"the page asked for what is not on this machine: {outside}"
    assert not raised, f"the page raised: {raised}"


@pytest.fixture(scope="session")
def shot_of() -> "ShotOf":
    """Keep a picture of a page, or of an element in it, under tests/output/browser."""

    def keep(subject: "Page | Locator", name: str) -> Path:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        path = OUTPUT / f"{name}.png"
        subject.screenshot(path=path)
        return path

    return keep


@pytest.fixture
def shot(page: "Page", shot_of: "ShotOf") -> "Shot":
    """The same, of the test's own page unless an element is given."""

    def keep(name: str, element: "Locator | None" = None) -> Path:
        return shot_of(page if element is None else element, name)

    return keep
