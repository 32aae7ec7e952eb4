"""The skills on which quality is measured, from the YAML files in `quality/`.

Each file has the seeds of a skill and, written before anything was generated: the cases of its
rules that good data covers, each with a pattern by which it is recognized; good rows of new
material; faults, each a good row with one thing wrong; and questions or contexts that do not fit
the task.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from sdgkit.samples import Row, own_question

FOLDER = Path(__file__).parent / "quality"

MATERIAL = ("context", "question", "response")


@dataclass(frozen=True)
class Case:
    """A case of a skill's rules.

    Attributes:
        name: What happens in it.
        patterns: A regular expression for each column in which it leaves a mark.
    """

    name: str
    patterns: Mapping[str, re.Pattern[str]]

    def is_in(self, sample: Row) -> bool:
        """Whether a sample is of this case."""
        texts = {**sample, "question": own_question(sample)}
        return all(
            pattern.search(str(texts.get(column) or ""))
            for column, pattern in self.patterns.items()
        )


@dataclass(frozen=True)
class KnownRow:
    """A row of which it is known whether it is good.

    Attributes:
        id: Its name, unique in its skill.
        kind: "good", or the kind of fault that it has.
        columns: Its material: context (if the skill has contexts), question and perhaps response.
        why: What is wrong with it, where the kind does not say enough.
    """

    id: str
    kind: str
    columns: Mapping[str, str]
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it ought to be kept."""
        return self.kind == "good"


@dataclass(frozen=True)
class Skill:
    """A skill with what is known about it.

    Attributes:
        name: The name of its file.
        values: What the file holds.
    """

    name: str
    values: Mapping[str, Any]

    @cached_property
    def seeds(self) -> list[dict[str, str]]:
        """The seed examples."""
        task = self.values["task_description"]
        rows = []
        for seed in self.values["seeds"]:
            texts = {f"seed_{column}": str(text) for column, text in seed.items()}
            rows.append({"task_description": task, **texts})
        return rows

    @cached_property
    def cases(self) -> list[Case]:
        """The cases that good data covers."""
        cases = []
        for entry in self.values["cases"]:
            patterns = {
                column: re.compile(text) for column, text in entry.items() if column != "name"
            }
            cases.append(Case(entry["name"], patterns))
        return cases

    @cached_property
    def good(self) -> list[KnownRow]:
        """Rows with a right response."""
        return [KnownRow(entry["id"], "good", _material(entry)) for entry in self.values["good"]]

    @cached_property
    def faults(self) -> list[KnownRow]:
        """Rows whose response has one fault."""
        good = {row.id: row for row in self.good}
        rows = []
        for number, entry in enumerate(self.values["faults"], 1):
            original = good[entry["of"]]
            response = entry.get("response")
            if response is None:
                right, wrong = entry["change"]
                response = _changed(original.columns["response"], right, wrong)
            id_ = f"{original.id}-{entry['kind']}-{number}"
            columns = {**original.columns, "response": str(response)}
            rows.append(KnownRow(id_, entry["kind"], columns))
        return rows

    @cached_property
    def questions(self) -> list[KnownRow]:
        """Questions (with their contexts): those of the good rows, and some that do not fit."""
        good = {row.id: row for row in self.good}
        rows = []
        for row in self.good:
            rows.append(KnownRow(row.id, "good", _without_response(row.columns)))
        for number, entry in enumerate(self.values["unfit"], 1):
            columns = _material(entry)
            if "of" in entry:
                columns = {**_without_response(good[entry["of"]].columns), **columns}
            rows.append(KnownRow(f"unfit-{number}", "unfit", columns, entry["why"]))
        return rows

    def for_judge(self, row: KnownRow, place: int) -> dict[str, Any]:
        """A known row as a judge sees it, beside one of the seeds in turn.

        Args:
            row: The row.
            place: Which of the rows it is.
        """
        return {**self.seeds[place % len(self.seeds)], **row.columns, "id": row.id}


def _material(entry: Mapping[str, Any]) -> dict[str, str]:
    return {column: str(entry[column]) for column in MATERIAL if column in entry}


def _without_response(columns: Mapping[str, str]) -> dict[str, str]:
    return {column: text for column, text in columns.items() if column != "response"}


def _changed(response: str, right: str, wrong: str) -> str:
    """The response with one place changed.

    Raises:
        ValueError: The place is not there exactly once.
    """
    if response.count(right) != 1:
        raise ValueError(f"{right!r} must be in the response once: {response!r}")
    return response.replace(right, wrong)


def load_skills(names: Sequence[str] = ()) -> list[Skill]:
    """The skills of the set, all of them if none is named.

    Raises:
        ValueError: There is no skill of a name.
    """
    skills = []
    for path in sorted(FOLDER.glob("*.yaml")):
        skills.append(Skill(path.stem, yaml.safe_load(path.read_text("utf-8"))))
    known = {skill.name: skill for skill in skills}
    for name in names:
        if name not in known:
            raise ValueError(f"There is no skill {name!r}. Choose from {', '.join(known)}.")
    return [known[name] for name in names] if names else skills
