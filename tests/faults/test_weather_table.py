"""Every row of the guide's table of failures, on a small job."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_weather import KINDS, SMALL, can_mount, face, read_rows, scene

from sdgkit.teachers import retry_policy

IN_FLIGHT = 16


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter waits; and the key."""
    monkeypatch.setattr(retry_policy, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry_policy, "QUIET_SECONDS", 0.3)
    monkeypatch.setattr(retry_policy, "REFUSED_KEY_SECONDS", 0.3)
    monkeypatch.setattr("sdgkit.teachers.diagnosis.LONGEST_RETRY_AFTER", 0.5)
    monkeypatch.setenv("SDGKIT_API_KEY", "key")


@pytest.fixture(scope="module")
def calm_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The samples of a calm run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDGKIT_API_KEY", "key")
        folder = tmp_path_factory.mktemp("calm")
        with scene(folder, SMALL, in_process=True) as calm:
            KINDS["calm"].act(calm)
            yield read_rows(calm.out / "dataset.jsonl")


def _parameters() -> list[Any]:
    parameters = []
    for name, kind in KINDS.items():
        marks = [pytest.mark.slow] if kind.needs_process else []
        parameters.append(pytest.param(name, marks=marks))
    return parameters


@pytest.mark.parametrize("name", _parameters())
def test_no_weather_loses_a_row_and_each_ends_in_its_status_and_its_sentence(
    calm_rows: dict[str, Any], tmp_path: Path, name: str
) -> None:
    kind = KINDS[name]
    if name == "full_disk" and not can_mount():
        pytest.skip("needs a file system of its own, which this system does not give to processes")
    with scene(tmp_path, SMALL, in_process=True) as weathered:
        outcome = face(kind, weathered, calm_rows)
        said = weathered.endings[0].said
    assert outcome.status == kind.status, said
    assert outcome.lost == 0, said
    assert not kind.says or outcome.message, said
    assert "Traceback" not in said
    if not kind.asks_anew:
        assert (outcome.dropped > 0) == (kind.drops > 0)
    if name not in ("folder_deleted", "journal_deleted"):  # whose record is gone
        assert outcome.answered_again <= IN_FLIGHT * SMALL.kills, (
            "more is paid twice than in flight"
        )


def test_the_guides_table_has_every_kind_of_weather_once(repo: Path) -> None:
    guide = (repo / "notebooks" / "guide" / "weather.md").read_text("utf-8")
    named = re.findall(r"(?m)^\| (?!what fails|---)(.+?) \|", guide)
    assert named == [kind.name for kind in KINDS.values()]
