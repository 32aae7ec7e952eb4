"""CONTRIBUTING.md: its examples run as they stand, on the rehearsal teacher."""

import re
from pathlib import Path
from typing import Any

import pytest

import sdgkit as sk

PAGE = Path(__file__).parent.parent.parent / "CONTRIBUTING.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"


@pytest.mark.parametrize("example", EXAMPLES, ids=["a stage", "a check"])
def test_an_example_for_contributors_runs(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seeds = sk.load_seeds(SEEDS).select(range(2))
    with sk.connect("rehearsal") as teacher:
        names: dict[str, Any] = {"seeds": seeds, "teacher": teacher, "__name__": "example"}
        exec(compile(example, str(PAGE), "exec"), names)
        if "pipeline" in names:
            run = sk.generate(seeds, teacher=teacher, pipeline=names["pipeline"], num_contexts=1)
        else:
            run = names["run"]
    assert run.state == "done"
    assert run.dataset.num_rows > 0
