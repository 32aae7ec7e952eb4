"""The documentation site: it builds from `notebooks/` with strict links and needs no network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import sdgkit

pytestmark = pytest.mark.xdist_group("site")

REPO = Path(__file__).parent.parent.parent
REFERENCE = REPO / "notebooks" / "reference"
# Tags that make a browser fetch something, with the attribute that says from where.
FETCHING = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}


class Fetches(HTMLParser):
    """What a page makes a browser fetch.

    Attributes:
        addresses: Where from.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(FETCHING.get(tag, ""))
        if address:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the one command that builds it."""
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=REPO,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_it_has_a_page_for_every_notebook_and_every_page_of_the_guide(site: Path) -> None:
    notebooks = (REPO / "notebooks").glob("*.ipynb")
    guide = (REPO / "notebooks" / "guide").glob("[!i]*.md")
    pages = [path.stem for path in notebooks] + [f"guide/{path.stem}" for path in guide]
    assert [page for page in pages if not (site / f"{page}.html").is_file()] == []


@pytest.mark.slow
def test_its_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    reports = set((site / "guide" / "gallery").glob("*.html"))
    for page in site.rglob("*.html"):
        addresses = Fetches(page.read_text("utf-8")).addresses
        assert bool(addresses) == (page not in reports), page
        assert not [address for address in addresses if re.match(r"(https?:)?//", address)], page
    for stylesheet in site.rglob("*.css"):
        text = stylesheet.read_text("utf-8")
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", text), stylesheet


@pytest.mark.slow
def test_the_tables_and_blocks_of_a_notebook_are_rendered(site: Path) -> None:
    page = (site / "quickstart.html").read_text("utf-8")
    assert "<h2 " in page and 'class="highlight"' in page and "my_teacher" in page


@pytest.mark.slow
def test_the_reference_shows_what_is_made_at_runtime_as_help_does(site: Path) -> None:
    checks = (site / "reference" / "stages.html").read_text("utf-8")
    stages = (site / "reference" / "method.html").read_text("utf-8")
    assert 'id="sdgkit.checks.length"' in checks and "CheckedText" not in checks
    assert ") -&gt; Dataset" in re.sub(r"<[^>]+>", "", stages)


def test_the_reference_lists_every_public_name_once() -> None:
    text = "\n".join(page.read_text("utf-8") for page in REFERENCE.glob("*.md"))
    documented = re.findall(r"^::: sdgkit\.(\w+)$", text, re.MULTILINE)
    assert sorted(documented) == sorted(set(sdgkit.__all__) - {"__version__"})


def test_the_first_page_of_the_reference_links_to_every_public_name() -> None:
    linked = re.findall(r"\(\w+\.md#sdgkit\.(\w+)\)", (REFERENCE / "index.md").read_text("utf-8"))
    assert sorted(linked) == sorted(set(sdgkit.__all__) - {"__version__"})
