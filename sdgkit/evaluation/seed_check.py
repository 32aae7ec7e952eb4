"""The seed check: what is wrong with seed examples, before anything is paid for.

Most rules need only the seeds themselves. What only a reader can tell is left to a judge: with a
teacher, each seed is scored with the run's own evaluate prompt, beside another seed. A seed that
its own judge would drop is the best warning there is.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdgkit.evaluation.judgement import judge_rows, last_judge
from sdgkit.evaluation.leave_one_out import beside_each_other
from sdgkit.evaluation.seed_findings import SEVERITIES, Finding, SeedCheck, make_finding
from sdgkit.evaluation.seed_rules import (
    RESPONSE,
    check_inputs,
    check_likeness,
    check_responses,
    check_variety,
)
from sdgkit.keywords import known_keywords
from sdgkit.method import Prompts, plan
from sdgkit.quality.verdicts import GOOD
from sdgkit.seeds import Columns, SeedSource, read_seeds
from sdgkit.teachers.source import TeacherSource, teacher_of
from sdgkit.teachers.teacher import Teacher


@known_keywords
def check_seeds(
    seeds: SeedSource,
    teacher: TeacherSource | None = None,
    *,
    prompts: Prompts = None,
    encoding: str | None = None,
    task: str | None = None,
    columns: Columns = None,
) -> SeedCheck:
    """Find what is wrong with seed examples.

    Args:
        seeds: Anything that `load_seeds` accepts.
        teacher: Also has it judge each seed, with another seed as its example, as in a run: one
            request for each seed. This requires at least two seeds with the same task.
        prompts: A folder of prompts, or prompts by stage name, for the judge; the shipped ones
            are used for the rest.
        encoding: As for `load_seeds`.
        task: As for `load_seeds`.
        columns: As for `load_seeds`.

    Returns:
        The findings, the most serious first. Empty if nothing is wrong.

    Raises:
        SeedError: For a seed that cannot be read.
        TeacherError: If the teacher cannot be asked.

    Example:
        >>> import sdgkit as sk
        >>> seed = {
        ...     "task_description": "Summarise.",
        ...     "seed_question": "And?",
        ...     "seed_response": "Sure! It works.",
        ... }
        >>> check = sk.check_seeds([seed])
        >>> check.count("warning")
        4
        >>> check[0].problem
        'The task description is very short: “Summarise.”.'
    """
    rows = read_seeds(seeds, encoding=encoding, task=task, columns=columns)
    findings = [
        *check_inputs(rows),
        *check_responses(rows),
        *check_likeness(rows),
        *check_variety(rows),
    ]
    judge = teacher_of(teacher)
    if judge is not None:
        findings.extend(_judge(rows, judge, prompts))
    findings.sort(key=_gravest_first)
    judge_model = None
    if judge is not None:
        judge_model = judge.model
    return SeedCheck(findings, judge=judge_model)


def _gravest_first(finding: Finding) -> tuple[int, int]:
    """By severity, then in the order of the seeds; what concerns all of them before."""
    return SEVERITIES.index(finding.severity), finding.row or 0


def _judge(seeds: SeedSource, teacher: Teacher, prompts: Prompts) -> Iterator[Finding]:
    """The seeds that their own judge would drop, finds faults with, or gives no verdict on."""
    planned = plan(seeds, prompts=prompts)
    prompt = last_judge(planned.pipeline).judge.name
    pairs = {f"s{pair.number}/{GOOD}": pair for pair in beside_each_other(planned.rows)}
    for number in range(1, len(planned.rows) + 1):
        if f"s{number}/{GOOD}" not in pairs:
            yield make_finding("alone", number, "")
    rows = [pair.as_row(pair.response, GOOD) for pair in pairs.values()]
    if not rows:
        return
    highest = max(last_judge(planned.pipeline).judge.scale)
    for judgement in judge_rows(teacher, rows, planned):
        row = judgement.row
        number = pairs[str(row["id"])].number
        if judgement.kept is None:
            yield make_finding(
                "no_verdict", number, RESPONSE, message=row["message"], prompt=prompt
            )
        elif not judgement.kept:
            yield make_finding(
                "own_judge_drops",
                number,
                RESPONSE,
                score=f"{row['score']:g}",
                evaluation=row["evaluation"],
                prompt=prompt,
            )
        elif row["score"] < highest:
            yield make_finding(
                "own_judge_objects",
                number,
                RESPONSE,
                score=f"{row['score']:g}",
                evaluation=row["evaluation"],
            )
