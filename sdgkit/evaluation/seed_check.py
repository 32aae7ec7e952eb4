"""The seed check: what is wrong with seed examples, by the five qualities of a good one, before anything is paid for.

Every rule is one that the seeds themselves can answer; what each says stands in texts/seed_check.yaml. What only a
reader can tell is left to a judge: with a teacher, each seed is scored by the run's own prompt, and one that its own
judge would drop is the best warning there is.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sdgkit.checks import Table, facts_in_context, refusal, valid_json
from sdgkit.evaluation.judgement import as_sample, judge_rows, last_judge
from sdgkit.formatting import pluralize, visible
from sdgkit.method import plan
from sdgkit.quality.duplicates import Known, similarity
from sdgkit.quality.measures import as_html
from sdgkit.seeds import COLUMNS, read_seeds
from sdgkit.teachers.teacher import Teacher
from sdgkit.texts import load_texts

Seed = Mapping[str, Any]
Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "hint")
TASK, CONTEXT, QUESTION, RESPONSE = COLUMNS
LEAST = {TASK: 6, CONTEXT: 4, QUESTION: 2, RESPONSE: 0}  # words
USUAL = 5  # seed examples; fewer show no range
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

    @property
    def place(self) -> str:
        """Which seed, and where in it."""
        return ", ".join(
            filter(None, ["all seeds" if self.row is None else f"seed {self.row}", self.column])
        )


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
        found = ", ".join(
            pluralize(self.count(name), name) for name in SEVERITIES if self.count(name)
        )
        nothing = (
            "Nothing was found: clear task, realistic input, complete output, no ambiguity, variety"
        )
        return f"{found or nothing}." + (
            f" The judge {self.judge} has scored each seed." if self.judge else ""
        )

    def __repr__(self) -> str:
        lines = [
            f"{one.place}: {one.severity} ({one.quality}): {one.what} {one.advice}" for one in self
        ]
        return visible("\n".join([*lines, self.note]))

    def _repr_html_(self) -> str:
        rows = [[one.place, one.severity, one.quality, one.what, one.advice] for one in self]
        return as_html(["seed", "severity", "quality", "what", "advice"], rows, self.note)


def check_seeds(seeds: Any, teacher: Teacher | None = None, *, prompts: Any = None) -> SeedCheck:
    """What is wrong with the seeds.

    seeds: what `load_seeds` takes. teacher: also has it judge each seed, as a run would judge a sample. prompts: as of
    `generate`. Raises SeedError for what is no seed at all, TeacherError.
    """
    rows = read_seeds(seeds)
    found = [*_inputs(rows), *_responses(rows), *_likeness(rows), *_range(rows)]
    if teacher is not None:
        found += _judged(seeds, teacher, prompts)
    check = SeedCheck(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.row or 0)))
    check.judge = None if teacher is None else teacher.model
    return check


def _found(name: str, row: int | None, column: str, **said: Any) -> Finding:
    """The finding of this name. said: what its sentences quote, or another severity."""
    listed = {**load_texts("seed_check")["findings"][name], **said}
    what, advice = (listed[part].format(**said) for part in ("what", "advice"))
    return Finding(row, column, listed["quality"], listed["severity"], what, advice)


def _inputs(rows: Sequence[Seed]) -> Iterator[Finding]:
    """Clear task, realistic input; nothing left to be filled in."""
    tasks = Counter(row[TASK] for row in rows)
    others = [str(n) for n, row in enumerate(rows, 1) if row[TASK] != tasks.most_common(1)[0][0]]
    if others:
        yield _found("tasks", None, TASK, tasks=len(tasks), others=", ".join(others[:5]))
    for number, row in enumerate(rows, 1):
        texts = {column: row[column] for column in COLUMNS if row.get(column) is not None}
        if row[TASK] in [earlier[TASK] for earlier in rows[: number - 1]]:
            del texts[TASK]
        for column, text in texts.items():
            where = None if column == TASK and not others else number
            if left := _pattern("placeholders").search(text):
                yield _found(f"placeholder_{column}", where, column, text=left[0])
            if _words(text) < LEAST[column]:
                yield _found(f"short_{column}", where, column, text=text)
            elif column in (CONTEXT, QUESTION) and _is_keywords(text):
                yield _found("keywords", where, column)


def _words(text: str) -> int:
    """How many words there are; of scripts that put no spaces between them, how many signs."""
    return len(text.split()) + sum(ord(letter) > 0x2E80 for letter in text)


def _is_keywords(text: str) -> bool:
    items = [item.strip() for item in re.split(r"[,;\n|/]", text) if item.strip()]
    short = sum(len(item.split()) <= 2 for item in items)
    return (
        len(items) >= 4 and short >= 0.8 * len(items) and not re.search(r"[.!?:]\s|[.!?]$|\d", text)
    )


def _responses(rows: Sequence[Seed]) -> Iterator[Finding]:
    """Complete and correctly formatted output."""
    forms = [_forms(row[RESPONSE]) for row in rows]
    times = Counter(form for having in forms for form in having)
    usual = {form for form, number in times.items() if len(rows) > 2 and number >= MOST * len(rows)}
    tables = [Table.of(row[RESPONSE]) for row in rows]
    heads = Counter(" | ".join(table.head) for table in tables if table)
    usual_head = max(heads, key=heads.__getitem__, default="")
    for number, (row, having) in enumerate(zip(rows, forms, strict=True), 1):
        text = row[RESPONSE]
        asked, table = _forms(f"{row[TASK]}\n{row[QUESTION]}", "asked"), tables[number - 1]
        head = " | ".join(table.head) if table and heads[usual_head] > 1 else usual_head
        repeated = any(_plain(text) == _plain(str(row.get(name))) for name in (CONTEXT, QUESTION))
        signs = {
            "other_form": _named(usual - having),
            "not_as_asked": "" if having & (usual | asked) else _named(asked - having),
            "other_head": f"{head}; most are {usual_head}" if head != usual_head else "",
            "flaw_in_table": table.flaw() if table else "",
            "flaw_in_json": valid_json().function({"response": text}) if "json" in having else "",
            "broken_off": _match("broken_off", text)
            or ("a code fence that is open" if text.count("```") % 2 else ""),
            "talk": text[:40] if _pattern("talk").match(text.casefold()) else "",
            "declines": refusal(text),
            "repeats_input": "the same" if repeated else "",
            "made_up": ""
            if repeated
            else facts_in_context().function({**as_sample(row), RESPONSE: ""}),
        }
        yield from (
            _found(name, number, RESPONSE, sign=sign) for name, sign in signs.items() if sign
        )


def _forms(text: str, sign: str = "looks") -> set[str]:
    """The forms that a text has, or, by the sign "asked", asks for."""
    return {
        name
        for name, form in load_texts("seed_check")["forms"].items()
        if sign in form and re.search(form[sign], text)
    }


def _named(forms: set[str]) -> str:
    return " or ".join(load_texts("seed_check")["forms"][form]["name"] for form in sorted(forms))


def _likeness(rows: Sequence[Seed]) -> Iterator[Finding]:
    """No ambiguity; no two seeds that are one."""
    column = CONTEXT if CONTEXT in rows[0] else QUESTION
    inputs, cases = Known(ALIKE), Known(SAME)
    asked: dict[str, int] = {}  # the first seed with this question
    for number, row in enumerate(rows, 1):
        case, forms = f"{row.get(CONTEXT) or ''}\n{row[QUESTION]}", _forms(row[RESPONSE])
        same, first = cases.like(case), asked.setdefault(_plain(row[QUESTION]), number)
        others = _forms(rows[first - 1][RESPONSE])
        if same and similarity(row[RESPONSE], rows[same[0] - 1][RESPONSE]) < SAME:
            severity = "error" if same[1] == 1 else "warning"
            yield _found("two_answers", number, RESPONSE, other=same[0], severity=severity)
        elif forms | others and not forms & others:
            yield _found("two_forms", number, RESPONSE, other=first)
        if like := inputs.like(row[column]):
            yield _found(
                "alike",
                number,
                column,
                other=like[0],
                how="the same as" if like[1] == 1 else "nearly",
            )
        inputs.add(number, row[column])
        cases.add(number, case)


def _range(rows: Sequence[Seed]) -> Iterator[Finding]:
    """Variety of the set: enough seeds, of different length and tone."""
    if len(rows) < USUAL:
        yield _found("few", None, "", seeds=pluralize(len(rows), "seed"))
        return
    column = CONTEXT if CONTEXT in rows[0] else QUESTION
    lengths = [len(row[column]) for row in rows]
    if max(lengths) - min(lengths) < 2 * SAME_LENGTH * sum(lengths) / len(lengths):
        yield _found("one_length", None, column)
    [(opening, times)] = Counter(
        " ".join(_plain(row[column]).split()[:2]) for row in rows
    ).most_common(1)
    if times > 0.8 * len(rows):
        yield _found("one_opening", None, column, text=opening)


def _judged(seeds: Any, teacher: Teacher, prompts: Any) -> Iterator[Finding]:
    planned = plan(seeds, prompts=prompts)
    rows = [{**as_sample(row), "id": str(number)} for number, row in enumerate(planned.rows, 1)]
    prompt = last_judge(planned.pipeline).judge.name
    for judgement in judge_rows(teacher, rows, planned):
        row, kept = judgement.row, judgement.kept
        if kept is None:
            yield _found(
                "no_verdict", int(row["id"]), RESPONSE, message=row["message"], prompt=prompt
            )
        elif not kept:
            said = {"score": f"{row['score']:g}", "words": row["evaluation"], "prompt": prompt}
            yield _found("own_judge_drops", int(row["id"]), RESPONSE, **said)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in load_texts("seed_check")[name]))


def _match(name: str, text: str) -> str:
    found = _pattern(name).search(text)
    return found[0].strip() if found else ""


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
