"""The studio as Voila serves it: a page without cells, from seeds to reviewed samples."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from browser.lab import REPO, UP_S
from browser.test_live_studio import SEEDS, write_seed
from playwright.sync_api import BrowserContext, Request, Route, expect
from servers import free_port

pytest.importorskip("voila", reason="Voila is not installed: pip install voila.")

RUN_MS = 90_000
OWN = ("http://127.0.0.1", "ws://127.0.0.1")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The studio as `sdgkit studio my_skill --voila` serves it; its address."""
    port = free_port()
    options = ["--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"]
    path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    log = folder / "voila.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sdgkit", "studio", "my_skill", "--voila", "--", *options],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path, "HOME": str(folder)},
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + UP_S
        while not _answers(f"http://127.0.0.1:{port}/voila/api/shutdown/none"):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _answers(address: str) -> bool:
    """Whether the server is up: this page is refused, which costs it no kernel."""
    try:
        with urlopen(address, timeout=5):
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False


def stay_here(route: Route, request: Request) -> None:
    """Let nothing leave this machine: Voila's own page asks for MathJax at a host of strangers."""
    if request.url.startswith(OWN):
        route.continue_()
    else:
        route.abort()


def test_the_studio_in_voila_goes_from_seeds_to_reviewed_samples(
    browser: BrowserContext, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.route(lambda url: url.startswith("http"), stay_here)
    with served(tmp_path) as address:
        page.goto(address)
        studio = page.locator("section.sdg-studio")
        expect(studio).to_be_visible(timeout=RUN_MS)
        expect(page.get_by_text("Shift+Enter")).to_have_count(0)
        studio.get_by_role("tab", name="Seeds").click()
        for number, seed in enumerate(SEEDS, 1):
            write_seed(studio, seed, number)
        expect(studio.locator(".sdg-next")).to_contain_text("You have 3 seeds")
        studio.get_by_role("tab", name="Run").click()
        studio.get_by_role("button", name="Start", exact=True).click()
        go_on = studio.get_by_role("button", name="Go to Review")
        expect(studio.locator(".sdg-next")).to_contain_text("Read some", timeout=RUN_MS)
        go_on.click()
        status = studio.locator(".sdg-part .sdg-status")
        for number in range(2):
            expect(status).to_contain_text(f"{number} of ")
            studio.get_by_role("button", name="Accept").click()
        expect(status).to_contain_text("2 of ")
        page.close()
    assert (tmp_path / "my_skill" / "runs" / "my_skill" / "dataset.jsonl").is_file()
    assert len((tmp_path / "my_skill" / "seeds.jsonl").read_text("utf-8").splitlines()) == 3


pytestmark = pytest.mark.browser
