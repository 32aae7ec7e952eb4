"""What the first cell of a tutorial says about the kernel that it runs in."""

import asyncio
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.panels import versions

PYPROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def install_ipykernel(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that this version of ipykernel is installed."""

    def version(name: str) -> str:
        return number if name == "ipykernel" else metadata.version(name)

    monkeypatch.setattr(versions, "version", version)


def test_a_kernel_that_is_new_enough_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    sk.check_kernel()
    first, second = capsys.readouterr().out.splitlines()
    assert re.search(r"ipykernel \d+.*ipywidgets \d+.*all new enough\.$", first)
    assert "SDGKIT_PANELS=live" in second


def test_one_with_a_front_end_has_live_panels(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "some.ipynb")
    sk.check_kernel()
    assert "Panels are live here" in capsys.readouterr().out


def test_one_that_asked_for_still_pictures_has_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDGKIT_PANELS", "static")
    sk.check_kernel()
    assert capsys.readouterr().out.splitlines()[1] == "Panels are still pictures here."


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("6.9.5", "ipykernel 6.9.5 is older than 7.2, so panels will not work properly"),
        ("7.0.1", "ipykernel 7.0.1 is older than 7.2, so panels will not work properly"),
    ],
)
def test_one_that_is_too_old_is_named_with_what_to_install(
    number: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install_ipykernel(number, monkeypatch)
    sk.check_kernel()
    printed = capsys.readouterr().out
    assert sentence in printed and "pip install 'ipykernel>=7.2'" in printed
    assert "new enough" not in printed


@pytest.mark.parametrize("number", ["6.17.1", "6.29.5", "7.1.10"])
def test_one_that_does_not_hear_clicks_while_a_cell_runs_says_so_in_one_line(
    number: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install_ipykernel(number, monkeypatch)
    sk.check_kernel()
    _, line, _ = capsys.readouterr().out.splitlines()
    assert f"ipykernel {number} is older than 7.2, so a click waits" in line
    assert "Everything else works" in line and "pip install 'ipykernel>=7.2'" in line


def test_a_live_panel_says_what_such_a_kernel_cannot_do_while_its_cell_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    install_ipykernel("6.17.1", monkeypatch)
    seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    with sk.connect("rehearsal") as teacher:
        panel = sk.RunPanel(seeds, teacher=teacher, num_contexts=1, profile=False)
        _ = panel.view
        asyncio.run(panel.run())
        assert "a click waits until the running cell has ended" in panel.view.state["notice"]


@pytest.mark.parametrize("number", ["7.2", "7.10.0", "8.0.0rc1"])
def test_versions_are_compared_as_numbers(
    number: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install_ipykernel(number, monkeypatch)
    sk.check_kernel()
    assert "all new enough" in capsys.readouterr().out


def test_it_requires_what_pyproject_requires() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    required = {f"{name}>={number}" for name, number in versions.REQUIRED.items()}
    assert required <= set(project["dependencies"])
