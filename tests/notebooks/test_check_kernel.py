"""What the first cell of a tutorial says about the kernel that it runs in."""

import re
import tomllib
from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.panels import versions

PYPROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def test_a_kernel_that_is_new_enough_is_told_so(capsys):
    sk.check_kernel()
    first, second = capsys.readouterr().out.splitlines()
    assert re.search(r"ipykernel \d+.*ipywidgets \d+.*all new enough\.$", first)
    assert "SDGKIT_PANELS=live" in second


def test_one_with_a_front_end_is_told_that_panels_are_live(capsys, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "some.ipynb")
    sk.check_kernel()
    assert "Panels are live here" in capsys.readouterr().out


def test_one_that_asked_for_still_pictures_is_told_that_it_has_them(capsys, monkeypatch):
    monkeypatch.setenv("SDGKIT_PANELS", "static")
    sk.check_kernel()
    assert capsys.readouterr().out.splitlines()[1] == "Panels are still pictures here."


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ("6.29.5", "ipykernel 6.29.5 is older than 7.2"),
        ("7.1.10", "ipykernel 7.1.10 is older than 7.2"),
    ],
)
def test_one_that_is_too_old_is_named_with_what_to_install(capsys, monkeypatch, found, words):
    installed = versions.version
    monkeypatch.setattr(
        versions, "version", lambda name: found if name == "ipykernel" else installed(name)
    )
    sk.check_kernel()
    told = capsys.readouterr().out
    assert words in told and "pip install 'ipykernel>=7.2'" in told and "new enough" not in told


@pytest.mark.parametrize("found", ["7.2", "7.10.0", "8.0.0rc1"])
def test_numbers_are_compared_as_numbers(capsys, monkeypatch, found):
    installed = versions.version
    monkeypatch.setattr(
        versions, "version", lambda name: found if name == "ipykernel" else installed(name)
    )
    sk.check_kernel()
    assert "all new enough" in capsys.readouterr().out


def test_what_it_asks_for_is_what_pyproject_asks_for():
    dependencies = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {f"{name}>={required}" for name, required in versions.REQUIRED.items()} <= set(
        dependencies
    )
