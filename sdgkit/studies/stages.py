"""The two stages of a study: writing the notes, and testing the criteria on each seed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.pipeline import Pipeline
from sdgkit.profile import distinct
from sdgkit.prompts import Prompt
from sdgkit.samples import Row
from sdgkit.stages import Reading, Stage, Step, is_truncated
from sdgkit.teachers.teacher import Reply

VARIETY = {"kinds": "kind", "cases": "case", "settings": "setting", "sizes": "size"}
"""The lists of the notes, and what they are called in a profile."""

MOST_ENTRIES = 12
"""Entries of a list that are kept, whatever a teacher writes."""

_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s+|^\s*•\s*")
_VERDICT = re.compile(r"\b(yes|no)\b[\W_]*$", re.IGNORECASE)
_FIRST_WORD = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)
_NUMBERED = re.compile(r"^\W*(?:rule\s+|criterion\s+)?(\d{1,3})\s*[^\w\s]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class WriteNotes(Stage):
    """Asks the teacher for its notes on all seeds: criteria, the lists of variety, steering.

    The columns hold what was read: lists of texts, and `steering`, which is True, False or None.
    """

    columns: Sequence[str] = ("criteria", *VARIETY, "steering")
    role = "teacher"

    async def change(self, step: Step) -> Mapping[str, Any]:
        notes = await self._ask_for_columns(step)
        return {**step.row, **notes}

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        """Read the notes. A reply without one complete set of lists is malformed."""
        parsed = prompt.parse(reply.text, self.columns, cut_off=is_truncated(reply))
        rows = []
        for record in parsed.rows:
            if notes := _notes_in(record):
                rows.append(notes)
        return Reading(texts=parsed.rows, rows=rows[:1])


@dataclass(frozen=True, kw_only=True)
class AnswerCriteria(Stage):
    """Asks whether a seed's response meets each criterion: `broken` has the numbers of the others.

    The judge is asked, since it will go by the same criteria.
    """

    columns: Sequence[str] = ("findings",)
    role = "judge"

    async def change(self, step: Step) -> Mapping[str, Any]:
        findings = await self._ask_for_columns(step)
        return {**step.row, **findings}

    def read(self, prompt: Prompt, row: Row, reply: Reply) -> Reading:
        """Read the findings. A reply that does not answer every criterion once is malformed."""
        parsed = prompt.parse(reply.text, self.columns, cut_off=is_truncated(reply))
        rows = []
        for record in parsed.rows:
            verdicts = verdicts_in(record["findings"])
            if sorted(verdicts) == list(range(1, len(row["criteria"]) + 1)):
                broken = []
                for number, is_met in verdicts.items():
                    if not is_met:
                        broken.append(number)
                rows.append({"findings": record["findings"], "broken": broken})
        return Reading(texts=parsed.rows, rows=rows[:1])


STUDY = Pipeline("study", (WriteNotes(name="write_profile"), AnswerCriteria(name="test_criteria")))


def entries_in(text: str) -> tuple[str, ...]:
    """The entries of a list, one a line, without bullets, numbers and repeats.

    Example:
        >>> entries_in("- a form\\n2. a chat\\n\\n* A form")
        ('a form', 'a chat')
    """
    entries = []
    for line in text.splitlines():
        entry = _BULLET.sub("", line).strip()
        if any(character.isalnum() for character in entry):
            entries.append(entry)
    return distinct(entries)[:MOST_ENTRIES]


def verdicts_in(text: str) -> dict[int, bool]:
    """For each numbered line whether it ends, or begins, with yes or no.

    Lines without a number continue the one before. Empty if a number is answered twice, or not
    with yes or no.

    Example:
        >>> verdicts_in("1: the date is in line 2: yes\\n2: no greeting: **no**")
        {1: True, 2: False}
    """
    verdicts: dict[int, bool] = {}
    for number, answer in _numbered_answers(text):
        word = _VERDICT.search(answer) or _FIRST_WORD.search(answer)
        if word is None or number in verdicts:
            return {}
        verdicts[number] = word[1].lower() == "yes"
    return verdicts


def _numbered_answers(text: str) -> list[tuple[int, str]]:
    answers: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = _NUMBERED.match(line)
        if match is not None and int(match[1]) <= len(answers) + 1:
            answers.append((int(match[1]), line[match.end() :]))
        elif answers:
            number, answer = answers[-1]
            answers[-1] = (number, f"{answer} {line}".strip())
    return answers


def _notes_in(record: Mapping[str, str]) -> dict[str, Any]:
    """The notes in a record; empty if one of its lists is."""
    notes: dict[str, Any] = {}
    for name in ("criteria", *VARIETY):
        notes[name] = list(entries_in(record[name]))
    if not all(notes.values()):
        return {}
    word = _FIRST_WORD.search(record["steering"])
    if word is None:
        notes["steering"] = None
    else:
        notes["steering"] = word[1].lower() == "yes"
    return notes
