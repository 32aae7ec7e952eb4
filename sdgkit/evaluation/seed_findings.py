"""What the seed check finds: single findings, and all of them with who looked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sdgkit.formatting import pluralize, visible
from sdgkit.pages.noted_table import NotedTable
from sdgkit.texts import load_texts

Severity = Literal["error", "warning", "hint"]
SEVERITIES: Sequence[Severity] = ("error", "warning", "hint")  # the most serious first
NOTHING_FOUND = (
    "No problems found: clear task, realistic input, complete output, no ambiguity, variety."
)
HEADER = ("seed", "severity", "quality", "problem", "advice")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a seed, or with all of them together.

    Attributes:
        row: The number of the seed, from 1; None if it concerns all seeds.
        column: The column that it concerns; "" if it concerns the set.
        quality: Which quality of a good seed is missing: "clear task", "realistic input", "complete
            output", "no ambiguity" or "variety".
        severity: "error" (the seed would teach something wrong), "warning" or "hint".
        problem: What is wrong.
        advice: What to do about it.
    """

    row: int | None
    column: str
    quality: str
    severity: Severity
    problem: str
    advice: str

    @property
    def what(self) -> str:
        """The problem, under the name that it had in 0.1."""
        return self.problem

    @property
    def place(self) -> str:
        """Which seed and which column, such as "seed 3, seed_response"."""
        seed = "all seeds" if self.row is None else f"seed {self.row}"
        return f"{seed}, {self.column}" if self.column else seed


@dataclass(frozen=True, repr=False)
class SeedCheck:
    """The result of a seed check; it prints as text, and as a table in a notebook.

    It is a sequence of its findings: empty, and so false, if there are none.

    Attributes:
        findings: What was found, the most serious first.
        judge: The model that judged the seeds; None if no teacher was asked.
    """

    findings: Sequence[Finding]
    judge: str | None = None

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, place: int) -> Finding:
        return self.findings[place]

    def count(self, severity: Severity) -> int:
        """The number of findings of one severity."""
        number = 0
        for finding in self.findings:
            if finding.severity == severity:
                number += 1
        return number

    @property
    def note(self) -> str:
        """How many findings there are, and who looked."""
        counts = []
        for severity in SEVERITIES:
            number = self.count(severity)
            if number:
                counts.append(pluralize(number, severity))
        sentence = NOTHING_FOUND
        if counts:
            sentence = f"{', '.join(counts)}."
        if self.judge is None:
            return sentence
        return f"{sentence} The judge ({self.judge}) scored each seed with another as its example."

    def __repr__(self) -> str:
        lines = []
        for finding in self.findings:
            kind = f"{finding.severity} ({finding.quality})"
            lines.append(f"{finding.place}: {kind}: {finding.problem} {finding.advice}")
        return visible("\n".join([*lines, self.note]))

    def _repr_html_(self) -> str:
        rows = []
        for finding in self.findings:
            rows.append(
                [finding.place, finding.severity, finding.quality, finding.problem, finding.advice]
            )
        return NotedTable(HEADER, rows, self.note).as_html()


def make_finding(
    name: str, row: int | None, column: str, *, severity: Severity | None = None, **quotes: object
) -> Finding:
    """The finding of this name in `texts/seed_check.yaml`.

    Args:
        name: Its name there.
        row: The number of the seed, from 1; None for all seeds.
        column: The column that it concerns; "" for the set.
        severity: Replaces the severity given there.
        quotes: What its sentences quote, by the names in braces.
    """
    texts = load_texts("seed_check")["findings"][name]
    return Finding(
        row=row,
        column=column,
        quality=texts["quality"],
        severity=severity or texts["severity"],
        problem=texts["problem"].format(**quotes),
        advice=texts["advice"].format(**quotes),
    )
