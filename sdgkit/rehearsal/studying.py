"""The study of a skill: notes on all examples in a prompt, and whether one of them meets criteria.

Of the criteria, only those that it words itself can be tested by a rule; it takes it on trust that
a response keeps to a sentence of the task.
"""

import itertools
import re
from collections.abc import Sequence

from sdgkit.rehearsal import wording
from sdgkit.rehearsal.reading import Assignment
from sdgkit.rehearsal.vocabulary import vocabulary

# Criteria, of which the last ones are sentences of the task.
MOST_CRITERIA = 9
# Share of common words below which one question asks for something else than another.
OTHER_QUESTION = 0.2
# Sentences of the task that are noted as special cases.
MOST_CASES = 6

_NOTES = ("criteria", "kind", "case", "setting", "size", "steering", "finding")
_TEXTS = vocabulary("study")
_LINES = re.compile(_TEXTS["criteria"]["lines"].replace("{lines}", r"(\d+)"))
_FORM = re.compile(re.escape(_TEXTS["criteria"]["form"]).replace(r"\{form\}", "(.+)"))


def is_study(assignment: Assignment) -> bool:
    """Whether notes on examples are asked for, or whether one of them meets criteria."""
    return all(tag.role in _NOTES for tag in assignment.tags)


def notes(assignment: Assignment, role: str) -> str:
    """What is noted between tags of this role, an entry on each line."""
    if role == "criteria":
        return "\n".join(_criteria(assignment))
    if role == "finding":
        return "\n".join(_findings(assignment))
    if role == "steering":
        return "yes" if _question_steers(assignment) else "no"
    entries = list(_TEXTS["lists"][role])
    if role == "case":
        entries[1:1] = _conditions(_task(assignment))
    return "\n".join(entries)


def _criteria(assignment: Assignment) -> list[str]:
    """Rules by the form, the language and the length of the examples, and the task's sentences."""
    responses = _texts(assignment, "response")
    texts = _TEXTS["criteria"]
    criteria = []
    forms = {wording.form(response) for response in responses}
    if len(forms) == 1:
        criteria.append(texts["form"].format(form=forms.pop()))
    if responses:
        # From the first example alone, as someone in a hurry would do: another one may break it.
        lines = len(responses[0].splitlines())
        criteria.append(texts["lines"].format(lines=lines))
    criteria.append(texts["language"])
    for sentence in wording.sentences(_task(assignment)):
        criteria.append(texts["sentence"].format(sentence=sentence))
    return criteria[:MOST_CRITERIA]


def _findings(assignment: Assignment) -> list[str]:
    """Each criterion by its number, with what was found, and yes or no."""
    responses = _texts(assignment, "response")
    response = ""
    if responses:
        response = responses[-1]
    findings = []
    for line in "\n".join(_texts(assignment, "criteria")).splitlines():
        number, _, criterion = line.strip().partition(". ")
        observation, is_met = _look_up(criterion, response)
        answer = "no"
        if is_met:
            answer = "yes"
        findings.append(f"{number}: {observation}: {answer}")
    return findings


def _look_up(criterion: str, response: str) -> tuple[str, bool]:
    """What the response shows about a criterion, and whether it meets it."""
    most_lines = _LINES.fullmatch(criterion)
    if most_lines:
        lines = len(response.splitlines())
        return f"the response has {lines} lines", lines <= int(most_lines[1])
    form = _FORM.fullmatch(criterion)
    if form:
        actual = wording.form(response)
        return f"the response is {actual}", actual == form[1]
    return "nothing in the response speaks against it", True


def _question_steers(assignment: Assignment) -> bool:
    """Whether the examples' questions differ by more than a few words, as if much hung on them."""
    questions = _texts(assignment, "question")
    if len(questions) == 1:
        return True  # one question says nothing about others
    pairs = itertools.pairwise(questions)
    return any(wording.similarity(first, second) < OTHER_QUESTION for first, second in pairs)


def _conditions(task: str) -> list[str]:
    """The sentences of the task that state a special case."""
    words = set(_TEXTS["words"]["conditions"])
    sentences: Sequence[str] = wording.sentences(task)
    cases = []
    for text in sentences:
        if words & wording.words(text):
            cases.append(text)
    return cases[:MOST_CASES]


def _task(assignment: Assignment) -> str:
    """The task, which is between its own tags."""
    for block in assignment.content:
        if "task" in block.start.lower():
            return block.text
    return ""


def _texts(assignment: Assignment, role: str) -> list[str]:
    """The texts of all blocks of a role but the task, in order."""
    blocks = []
    for block in assignment.content:
        if "task" not in block.start.lower():
            blocks.append(block)
    texts = []
    for block in blocks:
        if block.role == role:
            texts.append(block.text)
    return texts
