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

from sdgkit.checks.facts import FactsInContext
from sdgkit.checks.rules import Table, refusal
from sdgkit.method import plan
from sdgkit.pages import counted, fill, visible
from sdgkit.quality.duplicates import pieces, similarity
from sdgkit.seeds import read_seeds
from sdgkit.teachers.teacher import Teacher
from sdgkit.texts import words
from sdgkit.trials.calibration import as_sample, judge_rows

Seed = Mapping[str, Any]
Severity = Literal["error", "warning", "hint"]
INPUTS = ("seed_context", "seed_question")
USUAL = 5  # seed examples; fewer show no range
SHORT_TASK, SHORT_CONTEXT, SHORT_QUESTION = 6, 4, 2  # words
MOST = 0.6  # share of responses that makes their form the form of the set
SAME = 0.95  # similarity from which two texts are one
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
    """Findings, the gravest first; prints as text, and as a table in a notebook. judge: the model that judged the seeds
    as well, or None."""

    judge: str | None = None

    def count(self, severity: Any) -> int:
        """How many findings there are of a severity."""
        return sum(finding.severity == severity for finding in self)

    @property
    def note(self) -> str:
        """How many there are, and who looked."""
        numbers = [(self.count(name), name) for name in ("error", "warning", "hint")]
        found = ", ".join(counted(number, name) for number, name in numbers if number)
        nothing = "Nothing was found: clear task, realistic input, complete output, no ambiguity, variety"
        return f"{found or nothing}." + (f" The judge {self.judge} has scored each seed." if self.judge else "")

    def __repr__(self) -> str:
        lines = [f"{_place(f)}: {f.severity} ({f.quality}): {f.what} {f.advice}" for f in self]
        return str(visible("\n".join([*lines, self.note])))

    def _repr_html_(self) -> str:
        rows = [[_place(f), f.severity, f.quality, f.what, f.advice] for f in self]
        head = ["seed", "severity", "quality", "what", "advice"]
        return "".join(fill("measures.html", head=head, rows=rows, note=self.note))


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
    check = SeedCheck(sorted(found, key=lambda f: (rank.index(f.severity), f.row or 0)))
    check.judge = None if teacher is None else teacher.model
    return check


def _place(finding: Finding) -> str:
    where = "all seeds" if finding.row is None else f"seed {finding.row}"
    return f"{where}, {finding.column}" if finding.column else where


def _found(name: str, row: int | None, column: str, **said: Any) -> Finding:
    """The finding of this name in texts/seed_check.yaml. said: what its sentences quote, or another severity."""
    listed = {**words("seed_check")["findings"][name], **said}
    what, advice = (listed[part].format(**said) for part in ("what", "advice"))
    return Finding(row, column, listed["quality"], listed["severity"], what, advice)


# Clear task and behaviour ---------------------------------------------------------------------------------------------


def _task(rows: Sequence[Seed]) -> Iterator[Finding]:
    column = "task_description"
    tasks = Counter(_plain(row[column]) for row in rows)
    if len(tasks) > 1:
        usual = tasks.most_common(1)[0][0]
        others = [str(number) for number, row in enumerate(rows, 1) if _plain(row[column]) != usual]
        yield _found("tasks", None, column, tasks=len(tasks), others=", ".join(others[:5]))
    for text, number in {row[column]: number for number, row in reversed(list(enumerate(rows, 1)))}.items():
        where = None if len(tasks) == 1 else number
        if _words(text) < SHORT_TASK and len(text) < 40:
            yield _found("short_task", where, column, text=text)
        elif _plain(text) == _plain(rows[number - 1]["seed_question"]):
            yield _found("task_is_question", where, column)
        yield from _placeholders(where, column, text)


# Realistic input ------------------------------------------------------------------------------------------------------


def _input(rows: Sequence[Seed]) -> Iterator[Finding]:
    for number, row in enumerate(rows, 1):
        for column in INPUTS:
            text = row.get(column)
            if text is None:
                continue
            yield from _placeholders(number, column, text)
            if _words(text) < (SHORT_CONTEXT if column == "seed_context" else SHORT_QUESTION):
                yield _found("short_input", number, column, text=text)
            elif _is_keywords(text):
                yield _found("keywords", number, column)
        if _plain(row["seed_question"]) == _plain(row["task_description"]):
            yield _found("question_is_task", number, "seed_question")


def _placeholders(row: int | None, column: str, text: str) -> Iterator[Finding]:
    if found := _pattern("placeholders").search(text):
        name = "placeholder" if column in INPUTS else f"placeholder_{column.rpartition('_')[2]}"
        yield _found(name, row, column, text=found[0])


def _words(text: str) -> int:
    """How many words there are; of scripts that put no spaces between them, how many signs."""
    return len(text.split()) + sum(ord(letter) > 0x2E80 for letter in text)


def _is_keywords(text: str) -> bool:
    items = [item.strip() for item in re.split(r"[,;\n|/]", text) if item.strip()]
    short = sum(len(item.split()) <= 2 for item in items)
    return len(items) >= 4 and short >= 0.8 * len(items) and not re.search(r"[.!?:]\s|[.!?]$|\d", text)


# Complete and correctly formatted output ------------------------------------------------------------------------------


def _output(rows: Sequence[Seed]) -> Iterator[Finding]:
    column, known = "seed_response", words("seed_check")["forms"]
    forms = [_forms(row[column]) for row in rows]
    numbers = Counter(form for having in forms for form in having)
    usual = {form for form, number in numbers.items() if len(rows) > 2 and number >= MOST * len(rows)}
    heads = Counter(tuple(t.head) for row in rows if (t := Table.of(row[column])))
    talking = [bool(_pattern("talk").match(row[column].casefold())) for row in rows]
    for number, (row, having) in enumerate(zip(rows, forms, strict=True), 1):
        text = row[column]
        yield from _placeholders(number, column, text)
        for form in sorted(usual - having):
            yield _found("other_form", number, column, form=known[form]["name"])
        asked = _forms(f"{row['task_description']}\n{row['seed_question']}", "asked")
        if asked - having and not having & (usual | asked):
            yield _found("not_as_asked", number, column, form=known[min(asked - having)]["name"])
        yield from _malformed(number, text, having, heads)
        if sign := _broken_off(text):
            yield _found("broken_off", number, column, sign=sign)
        if talking[number - 1] and sum(talking) <= len(rows) / 2:
            yield _found("talk", number, column, text=text[:40])
        if refused := refusal(text):
            yield _found("declines", number, column, text=refused)
        if any(_plain(text) == _plain(str(row.get(name))) for name in INPUTS):
            yield _found("repeats_input", number, column)
        elif missing := FactsInContext()({**as_sample(row), column: ""}):
            yield _found("made_up", number, column, missing=missing)


def _forms(text: str, sign: str = "looks") -> set[str]:
    """The forms that a text has, or, by the sign "asked", asks for."""
    return {name for name, form in words("seed_check")["forms"].items() if sign in form and re.search(form[sign], text)}


def _malformed(number: int, text: str, forms: set[str], heads: Counter[tuple[str, ...]]) -> Iterator[Finding]:
    """What is wrong inside its form."""
    table, column = Table.of(text) if "table" in forms else None, "seed_response"
    if table is not None:
        usual, times = heads.most_common(1)[0]
        if flaw := table.flaw():
            yield _found("flaw", number, column, flaw=flaw)
        if tuple(table.head) != usual and times > 1:
            yield _found("other_head", number, column, head=" | ".join(table.head), usual=" | ".join(usual))
    if "json" in forms:
        inner = re.sub(r"\A\s*```\w*\s*|\s*```\s*\Z", "", text)
        try:
            json.loads(inner)
        except ValueError as error:
            if re.search(r'"\s*:|[\]}]\s*\Z', inner):
                yield _found("flaw", number, column, flaw=f"It is not JSON: {error}.")


def _broken_off(text: str) -> str:
    """The sign that the end is missing, "" if there is none."""
    last = text.rstrip()[-60:]
    word = re.search(r"([^\W\d_]+)$", last)
    if re.search(r"(?:[,(\[{\u201e\u2013\u2014]|\.{3}|\u2026|\[\u2026\])$", last):
        return last[-1]
    if word and word[1].casefold() in words("seed_check")["unfinished"].split() and word[1].islower():
        return word[1]
    return "a code fence that is not closed" if text.count("```") % 2 else ""


# No ambiguity ---------------------------------------------------------------------------------------------------------


def _ambiguity(rows: Sequence[Seed]) -> Iterator[Finding]:
    inputs = [pieces(f"{row.get('seed_context') or ''}\n{row['seed_question']}") for row in rows]
    answers = [pieces(row["seed_response"]) for row in rows]
    forms = [_forms(row["seed_response"]) for row in rows]
    asked = [_plain(row["seed_question"]) for row in rows]
    for later in range(len(rows)):
        for earlier in range(later):
            same = similarity(inputs[earlier], inputs[later], SAME)
            if same >= SAME and similarity(answers[earlier], answers[later]) < SAME:
                severity = "error" if same == 1 else "warning"
                yield _found("two_answers", later + 1, "seed_response", other=earlier + 1, severity=severity)
                break
            one, two = forms[earlier], forms[later]
            if asked[earlier] == asked[later] and (one or two) and not one & two:
                yield _found("two_forms", later + 1, "seed_response", other=earlier + 1)
                break


# Variety --------------------------------------------------------------------------------------------------------------


def _variety(rows: Sequence[Seed]) -> Iterator[Finding]:
    if len(rows) < USUAL:
        yield _found("few", None, "", seeds=counted(len(rows), "seed"))
    column = "seed_context" if "seed_context" in rows[0] else "seed_question"
    inputs = [pieces(row[column]) for row in rows]
    for later in range(len(rows)):
        likeness = [(similarity(inputs[earlier], inputs[later], ALIKE), earlier + 1) for earlier in range(later)]
        best = max(likeness, default=(0.0, 0))
        if best[0] >= ALIKE:
            how = "the same as" if best[0] == 1 else "nearly"
            yield _found("alike", later + 1, column, how=how, other=best[1])
    if len(rows) < USUAL:
        return
    lengths = [len(row[column]) for row in rows]
    if max(lengths) - min(lengths) < 2 * SAME_LENGTH * sum(lengths) / len(lengths):
        yield _found("one_length", None, column)
    openings = Counter(" ".join(row[column].split()[:2]).casefold() for row in rows)
    [(opening, times)] = openings.most_common(1)
    if times > 0.8 * len(rows):
        yield _found("one_opening", None, column, text=opening)


# The judge ------------------------------------------------------------------------------------------------------------


def _judged(seeds: Any, teacher: Teacher, prompts: Any) -> Iterator[Finding]:
    planned = plan(seeds, prompts=prompts)
    rows = [{**as_sample(row), "id": str(number)} for number, row in enumerate(planned.rows, 1)]
    judged = judge_rows(teacher, rows, planned)
    for row, kept in judged.verdicts:
        if not kept:
            said = {"score": f"{row['score']:g}", "words": row["evaluation"], "prompt": judged.prompt}
            yield _found("own_judge_drops", int(row["id"]), "seed_response", **said)
    for drop in judged.unsure:
        said = {"message": drop["message"], "prompt": judged.prompt}
        yield _found("no_verdict", int(drop["id"]), "seed_response", **said)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in words("seed_check")[name]))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
