"""The seed check: what is wrong with seed examples, by the five qualities of a good one, before anything is paid for.

Every rule is one that the seeds themselves can answer. What only a reader can tell is left to a judge: with a teacher,
each seed is scored by the run's own prompt, and one that its own judge would drop is the best warning there is.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sdgkit.calibration import as_sample, judge_rows
from sdgkit.checks.facts import FactsInContext
from sdgkit.checks.rules import Table, refusal
from sdgkit.method import plan
from sdgkit.pages import fill, visible
from sdgkit.quality.duplicates import pieces, similarity
from sdgkit.seeds import read_seeds
from sdgkit.teachers.teacher import Teacher
from sdgkit.texts import words

Seed = Mapping[str, Any]
Severity = Literal["error", "warning", "hint"]
TASK, INPUT, OUTPUT, UNAMBIGUOUS, VARIETY = (
    "clear task",
    "realistic input",
    "complete output",
    "no ambiguity",
    "variety",
)
INPUTS = ("seed_context", "seed_question")
USUAL = 5  # seed examples; fewer show no range
SHORT_TASK, SHORT_CONTEXT = 6, 4  # words
MOST = 0.6  # share of responses that makes their form the form of the set
ALIKE = 0.8  # similarity of two inputs from which they are hardly two examples
SAME_LENGTH = 0.1  # spread of the lengths, in parts of their mean, below which they are one length


@dataclass(frozen=True)
class Finding:
    """One thing about one seed. row: which, from 1, or None for all of them. column: where. quality: of the five.
    severity: error (would teach something wrong), warning or hint. what: is the matter; advice: what to do."""

    row: int | None
    column: str
    quality: str
    severity: Severity
    what: str
    advice: str


class SeedCheck(list[Finding]):
    """Findings, the gravest first; prints as text, and as a table in a notebook."""

    def count(self, severity: Any) -> int:
        """How many findings there are of a severity."""
        return sum(finding.severity == severity for finding in self)

    def _note(self) -> str:
        if not self:
            return "Nothing was found: clear task, realistic input, complete output, no ambiguity, variety."
        numbers = [(self.count(name), name) for name in ("error", "warning", "hint")]
        return ", ".join(f"{number} {name}{'s' * (number > 1)}" for number, name in numbers if number) + "."

    def __repr__(self) -> str:
        lines = [f"{_place(f)}: {f.severity} ({f.quality}): {f.what} {f.advice}" for f in self]
        return str(visible("\n".join([*lines, self._note()])))

    def _repr_html_(self) -> str:
        rows = [[_place(f), f.severity, f.quality, f.what, f.advice] for f in self]
        head = ["seed", "severity", "quality", "what", "advice"]
        return "".join(fill("measures.html", head=head, rows=rows, note=self._note()))


def check_seeds(seeds: Any, teacher: Teacher | None = None, *, prompts: Any = None) -> SeedCheck:
    """What is wrong with the seeds.

    seeds: what `load_seeds` takes. teacher: also has it judge each seed, as a run would judge a sample. prompts: as of
    `generate`. Raises SeedError for what is no seed at all, TeacherError.
    """
    rows = read_seeds(seeds)
    found = [*_task(rows), *_input(rows), *_output(rows), *_ambiguity(rows), *_variety(rows)]
    if teacher is not None:
        found += _judged(seeds, teacher, prompts)
    rank = ("error", "warning", "hint")
    return SeedCheck(sorted(found, key=lambda f: (rank.index(f.severity), f.row or 0)))


def _place(finding: Finding) -> str:
    where = "all seeds" if finding.row is None else f"seed {finding.row}"
    return f"{where}, {finding.column}" if finding.column else where


# Clear task and behaviour ---------------------------------------------------------------------------------------------


def _task(rows: Sequence[Seed]) -> Iterator[Finding]:
    def found(row: int | None, severity: Severity, what: str, advice: str) -> Finding:
        return Finding(row, "task_description", TASK, severity, what, advice)

    tasks = Counter(_plain(row["task_description"]) for row in rows)
    if len(tasks) > 1:
        usual = tasks.most_common(1)[0][0]
        others = [str(number) for number, row in enumerate(rows, 1) if _plain(row["task_description"]) != usual]
        what = f"There are {len(tasks)} different tasks in one file (other than most: seed {', '.join(others[:5])})."
        yield found(None, "warning", what, "Give a skill one description, and another skill a file of its own.")
    for number, row in _first_of_each(rows, "task_description"):
        text = row["task_description"]
        where = None if len(tasks) == 1 else number
        if _words(text) < SHORT_TASK and len(text) < 40:
            advice = "Say what goes in, what comes out, in which form, and what to do in the difficult cases."
            yield found(where, "warning", f"It says little: \u201c{text}\u201d.", advice)
        elif _plain(text) == _plain(row["seed_question"]):
            advice = "Describe the task as one explains it to a colleague; the question is one case of it."
            yield found(where, "warning", "It is the question once more.", advice)
        yield from _placeholders(where, "task_description", text, TASK, "warning")


# Realistic input ------------------------------------------------------------------------------------------------------


def _input(rows: Sequence[Seed]) -> Iterator[Finding]:
    for number, row in enumerate(rows, 1):
        for column in INPUTS:
            text = row.get(column)
            if text is None:
                continue
            yield from _placeholders(number, column, text, INPUT, "warning")
            least = SHORT_CONTEXT if column == "seed_context" else 2
            if _words(text) < least:
                what, advice = f"It is very short: \u201c{text}\u201d.", "Use one as it really comes in."
                yield Finding(number, column, INPUT, "warning", what, advice)
            elif _is_keywords(text):
                advice = "Write it as people do; new ones will be written in its style."
                yield Finding(number, column, INPUT, "warning", "It is a list of keywords.", advice)
        if _plain(row["seed_question"]) == _plain(row["task_description"]):
            what, advice = "It is the task description once more.", "Ask it as a user would."
            yield Finding(number, "seed_question", INPUT, "hint", what, advice)


def _placeholders(row: int | None, column: str, text: str, quality: str, severity: Severity) -> Iterator[Finding]:
    found = _pattern("placeholders").search(text)
    if found:
        what = f"\u201c{found[0]}\u201d was left to be filled in."
        yield Finding(row, column, quality, severity, what, "Fill it in; the teacher would copy it.")


def _words(text: str) -> int:
    """How many words there are; of scripts that put no spaces between them, how many signs."""
    return len(text.split()) + sum(ord(letter) > 0x2E80 for letter in text)


def _is_keywords(text: str) -> bool:
    items = [item.strip() for item in re.split(r"[,;\n|/]", text) if item.strip()]
    short = sum(len(item.split()) <= 2 for item in items)
    return len(items) >= 4 and short >= 0.8 * len(items) and not re.search(r"[.!?:]\s|[.!?]$|\d", text)


# Complete and correctly formatted output ------------------------------------------------------------------------------


def _forms(text: str) -> set[str]:
    return {name for name, form in _known_forms().items() if re.search(form["looks"], text)}


def _output(rows: Sequence[Seed]) -> Iterator[Finding]:
    def found(row: int, severity: Severity, what: str, advice: str) -> Finding:
        return Finding(row, "seed_response", OUTPUT, severity, what, advice)

    forms = [_forms(row["seed_response"]) for row in rows]
    numbers = Counter(form for having in forms for form in having)
    usual = {form for form, number in numbers.items() if len(rows) > 2 and number >= MOST * len(rows)}
    heads = Counter(tuple(t.head) for row in rows if (t := Table.of(row["seed_response"])))
    talking = [bool(_pattern("talk").match(row["seed_response"].casefold())) for row in rows]
    for number, (row, having) in enumerate(zip(rows, forms, strict=True), 1):
        text = row["seed_response"]
        yield from _placeholders(number, "seed_response", text, OUTPUT, "error")
        for form in sorted(usual - having):
            what = f"It is not {_known_forms()[form]['name']}, as most responses are."
            yield found(number, "warning", what, "Give all responses one form: the form is what is learnt first.")
        asked = _asked(row) - having
        if asked and not having & (usual | _asked(row)):
            form = _known_forms()[min(asked)]["name"]
            yield found(number, "warning", f"{form} is asked for, and it is none.", "Answer in the form asked for.")
        yield from _malformed(number, text, having, heads)
        yield from _broken_off(number, text)
        if talking[number - 1] and sum(talking) <= len(rows) / 2:
            advice = "Begin with the answer itself, as the others do."
            yield found(number, "warning", f"It begins with talk: \u201c{text[:40]}\u201d.", advice)
        if refused := refusal(text):
            yield found(number, "error", f"It declines: \u201c{refused}\u201d.", "Write the answer that you want.")
        if any(_plain(text) == _plain(str(row.get(column))) for column in INPUTS):
            yield found(number, "error", "It only repeats the input.", "Write the answer that you want.")
        elif missing := FactsInContext()({**as_sample(row), "seed_response": ""}):
            advice = "Check it: what the input does not say, the teacher will learn to make up."
            yield found(number, "hint", missing, advice)


def _asked(row: Seed) -> set[str]:
    texts = f"{row['task_description']}\n{row['seed_question']}"
    return {name for name, form in _known_forms().items() if "asked" in form and re.search(form["asked"], texts)}


def _known_forms() -> dict[str, dict[str, str]]:
    return dict(words("seed_check")["forms"])


def _malformed(number: int, text: str, forms: set[str], heads: Counter[tuple[str, ...]]) -> Iterator[Finding]:
    """What is wrong inside its form."""
    table = Table.of(text) if "table" in forms else None
    column, advice = "seed_response", "Correct it: a flaw in a seed is a flaw in every sample."
    if table is not None and (flaw := table.flaw()):
        yield Finding(number, column, OUTPUT, "error", flaw, advice)
    if table is not None and (usual := heads.most_common(1)[0]) and tuple(table.head) != usual[0] and usual[1] > 1:
        what = f"Its table's head is {' | '.join(table.head)}; most are {' | '.join(usual[0])}."
        yield Finding(number, column, OUTPUT, "warning", what, "Give all tables one head.")
    if "json" in forms:
        inner = re.sub(r"\A\s*```\w*\s*|\s*```\s*\Z", "", text)
        try:
            json.loads(inner)
        except ValueError as error:
            if re.search(r'"\s*:|[\]}]\s*\Z', inner):
                yield Finding(number, column, OUTPUT, "error", f"It is not JSON: {error}.", advice)


def _broken_off(number: int, text: str) -> Iterator[Finding]:
    """Signs that the end is missing."""
    last = text.rstrip()[-60:]
    word = re.search(r"([^\W\d_]+)$", last)
    sign = ""
    if re.search(r"(?:[,(\[{\u201e\u2013\u2014]|\.{3}|\u2026|\[\u2026\])$", last):
        sign = last[-1]
    elif word and word[1].casefold() in words("seed_check")["unfinished"].split() and word[1].islower():
        sign = word[1]
    elif text.count("```") % 2:
        sign = "a code fence that is not closed"
    if sign:
        what = f"It seems to be cut off: it ends with \u201c{sign}\u201d."
        yield Finding(number, "seed_response", OUTPUT, "error", what, "Write it to its end.")


# No ambiguity ---------------------------------------------------------------------------------------------------------


def _ambiguity(rows: Sequence[Seed]) -> Iterator[Finding]:
    inputs = [pieces(f"{row.get('seed_context') or ''}\n{row['seed_question']}") for row in rows]
    for later, row in enumerate(rows):
        for earlier, other in enumerate(rows[:later]):
            same = similarity(inputs[earlier], inputs[later])
            answers = similarity(pieces(other["seed_response"]), pieces(row["seed_response"]))
            if same >= 0.95 and answers < 0.95:
                severity: Severity = "error" if same == 1 else "warning"
                what = f"The same input as seed {earlier + 1} has another answer."
                advice = "Keep one of them, or say in the input what makes the difference."
                yield Finding(later + 1, "seed_response", UNAMBIGUOUS, severity, what, advice)
                break
            asked_alike = _plain(other["seed_question"]) == _plain(row["seed_question"])
            one, two = _forms(other["seed_response"]), _forms(row["seed_response"])
            if asked_alike and (one or two) and not one & two:
                what = f"The same question is answered in another form than in seed {earlier + 1}."
                advice = "Choose one form, or ask differently where another one is wanted."
                yield Finding(later + 1, "seed_response", UNAMBIGUOUS, "warning", what, advice)
                break


# Variety --------------------------------------------------------------------------------------------------------------


def _variety(rows: Sequence[Seed]) -> Iterator[Finding]:
    if len(rows) < USUAL:
        what = f"There {'is one seed' if len(rows) == 1 else f'are {len(rows)} seeds'}; five or more are usual."
        yield Finding(None, "", VARIETY, "warning", what, "Add some that differ in length, tone and difficulty.")
    column = "seed_context" if "seed_context" in rows[0] else "seed_question"
    inputs = [pieces(row[column]) for row in rows]
    for later in range(len(rows)):
        likeness = [(similarity(inputs[earlier], inputs[later]), earlier + 1) for earlier in range(later)]
        best = max(likeness, default=(0.0, 0))
        if best[0] >= ALIKE:
            what = f"It is {'the same as' if best[0] == 1 else 'nearly'} that of seed {best[1]}."
            yield Finding(later + 1, column, VARIETY, "warning", what, "Replace one of them by another case.")
    if len(rows) < USUAL:
        return
    lengths = [len(row[column]) for row in rows]
    mean = sum(lengths) / len(lengths)
    if max(lengths) - min(lengths) < 2 * SAME_LENGTH * mean:
        advice = "Add short and long ones, as they really come in; the samples will be as long as the seeds."
        yield Finding(None, column, VARIETY, "hint", "All are of one length.", advice)
    openings = Counter(" ".join(row[column].split()[:2]).casefold() for row in rows)
    if openings.most_common(1)[0][1] > 0.8 * len(rows):
        what = f"They all begin alike: \u201c{openings.most_common(1)[0][0]} …\u201d."
        yield Finding(None, column, VARIETY, "hint", what, "Vary tone and wording, as different people write.")


# The judge ------------------------------------------------------------------------------------------------------------


def _judged(seeds: Any, teacher: Teacher, prompts: Any) -> Iterator[Finding]:
    planned = plan(seeds, prompts=prompts)
    rows = [{**as_sample(row), "id": str(number)} for number, row in enumerate(planned.rows, 1)]
    judged = judge_rows(teacher, rows, planned)
    for row, kept in judged.verdicts:
        if not kept:
            what = f"Its own judge would drop it (score {row['score']:g}): {row['evaluation']}"
            advice = f"Correct the seed, or say in {judged.prompt}.yaml what is right about it."
            yield Finding(int(row["id"]), "seed_response", OUTPUT, "warning", what, advice)
    for drop in judged.unsure:
        advice = f"Look at the prompt {judged.prompt}: samples like this seed will be lost."
        yield Finding(int(drop["id"]), "seed_response", OUTPUT, "warning", f"No verdict: {drop['message']}", advice)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in words("seed_check")[name]))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _first_of_each(rows: Sequence[Seed], column: str) -> Iterator[tuple[int, Seed]]:
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        if row[column] not in seen:
            seen.add(row[column])
            yield number, row
