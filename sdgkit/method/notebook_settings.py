"""The settings of a notebook: variables that a cell or papermill sets, named as the options."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdgkit.files import shipped
from sdgkit.keywords import known_keywords
from sdgkit.method.options import PlanOptions
from sdgkit.seeds import SeedSource, load_seeds
from sdgkit.teachers import connect
from sdgkit.teachers.teacher import Teacher

EXAMPLE = "feedback_to_table.jsonl"
JUDGE_KEY = "SDGKIT_JUDGE_API_KEY"
# The settings of `connect`, and what it calls them.
TEACHER_SETTINGS = {
    "teacher": "kind",
    "base_url": "base_url",
    "model": "model",
    "concurrency": "concurrency",
    "timeout": "timeout",
    "patience": "patience",
}
JUDGE_SETTINGS = ("judge_base_url", "judge_model")
JOB_SETTINGS = ("reuse", *PlanOptions.__annotations__)
SETTINGS = ("seeds", "out", *TEACHER_SETTINGS, *JUDGE_SETTINGS, *JOB_SETTINGS)
# The quickstart's own variables of these names are not settings.
PLAIN = (str, int, float, list, tuple, dict, Path)


@dataclass(frozen=True)
class NotebookSettings:
    """The settings of a notebook, those that are set.

    Attributes:
        values: By name; None means the default and is left out.
    """

    values: Mapping[str, Any]
    _judges: list[Teacher] = field(default_factory=list, repr=False, compare=False)

    @property
    def seeds(self) -> SeedSource:
        """The file of the seeds; the seeds themselves if they are in none that you would edit.

        Raises:
            SeedError: The file cannot be used.
        """
        path = self.values.get("seeds")
        if not path:
            return load_seeds(shipped("notebooks") / "seeds" / EXAMPLE)
        rows = load_seeds(path)
        if not Path(path).is_file():
            return rows
        return Path(path)

    @property
    def out(self) -> Path:
        """The run's folder: `runs/` and the name of the seed file, unless `out` is set."""
        name = Path(str(self.values.get("seeds") or EXAMPLE)).stem
        return Path(str(self.values.get("out") or f"runs/{name}"))

    @property
    def teacher(self) -> dict[str, Any]:
        """What `connect` and `TeacherPanel` accept."""
        connection = {}
        for name, keyword in TEACHER_SETTINGS.items():
            if name in self.values:
                connection[keyword] = self.values[name]
        return connection

    @property
    def job(self) -> dict[str, Any]:
        """What `generate` and `RunPanel` accept, including the judge.

        Raises:
            TeacherError: The judge does not answer.
        """
        job = {}
        for name in JOB_SETTINGS:
            if name in self.values:
                job[name] = self.values[name]
        judge = self._judge()
        if judge is None:
            return job
        return {**job, "judge": judge}

    def _judge(self) -> Teacher | None:
        """Another teacher for the judging, connected once; None if the teacher judges."""
        base_url = self.values.get("judge_base_url")
        model = self.values.get("judge_model")
        if not base_url and not model:
            return None
        if not self._judges:
            if base_url:
                judge = connect(base_url=base_url, model=model, api_key=os.environ.get(JUDGE_KEY))
            else:
                judge = connect(**{**self.teacher, "model": model})
            self._judges.append(judge)
        return self._judges[0]


@known_keywords
def notebook_settings(namespace: Mapping[str, Any]) -> NotebookSettings:
    """The settings that a notebook has set, as variables with the names of the options.

    Args:
        namespace: The notebook's variables: `globals()`.

    Returns:
        The settings; one that is missing or None has its default.

    Example:
        >>> settings = notebook_settings({"base_url": "http://localhost:8000/v1", "target": 500})
        >>> settings.teacher
        {'base_url': 'http://localhost:8000/v1'}
        >>> settings.job
        {'target': 500}
    """
    values = {}
    for name in SETTINGS:
        value = namespace.get(name)
        if isinstance(value, PLAIN):
            values[name] = value
    return NotebookSettings(values)
