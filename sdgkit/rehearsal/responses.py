"""The right responses of three tutorial skills: a table, a ticket, a commit message."""

import re
import textwrap
from collections.abc import Sequence
from functools import lru_cache

from sdgkit.rehearsal.fragments import Facts
from sdgkit.rehearsal.tutorial_skill import TutorialSkill, recognise
from sdgkit.rehearsal.wording import sentences

_LABEL = re.compile(r"(?m)^([A-ZÄÖÜ][\w ]{1,30}):")
_NOT_GIVEN = "nicht angegeben"
_ISSUE = re.compile(r"#\d+")
_MAX_ISSUES = 10
_CLOSES = re.compile(r"(?i)\b(?:settles|closed?s?|fixes|resolves)\b")
_COMMIT_WIDTH = 72


@lru_cache(maxsize=512)
def table(skill: TutorialSkill, source: str, example: str) -> str:
    """User feedback → one row for each feature, in the order in which they come up.

    Args:
        skill: The skill, which knows what a text means.
        source: The feedback.
        example: The seed example's response: its first two lines are the head.
    """
    remarks = [fragment.facts for fragment in recognise(skill, source)]
    if not remarks:
        remarks = [skill.guess(sentence) for sentence in sentences(source)]
    by_feature: dict[str, list[Facts]] = {}
    for remark in remarks:
        if "Sentiment" in remark and "Feedback" in remark:
            by_feature.setdefault(remark["Feature"], []).append(remark)
    rows = example.splitlines()[:2]
    for feature, same_feature in by_feature.items():
        rows.append(_table_row(feature, same_feature))
    return "\n".join(rows)


def _table_row(feature: str, remarks: Sequence[Facts]) -> str:
    sentiments = {remark["Sentiment"] for remark in remarks}
    if {"Positive", "Negative"} <= sentiments:
        sentiment = "Mixed"
    else:
        sentiment = min(sentiments, key=["Positive", "Negative", "Neutral"].index)
    feedback = ", and ".join(dict.fromkeys(remark["Feedback"] for remark in remarks))
    if len(sentiments) > 1:
        feedback = feedback.replace(", and ", ", while ", 1)
    cells = []
    for text in (feature, f"{feedback}.", sentiment):
        capitalised = text[0].upper() + text[1:]
        cells.append(capitalised.replace("|", "/"))
    return f"| {' | '.join(cells)} |"


@lru_cache(maxsize=512)
def ticket(skill: TutorialSkill, source: str, example: str) -> str:
    """Störungsmeldung (a report of a fault) → a line for each label of the seed example's ticket.

    Args:
        skill: The skill, which knows what a text means.
        source: The report.
        example: The seed example's response.
    """
    facts: Facts = {}
    for fragment in recognise(skill, source):
        for label, fact in fragment.facts.items():
            if label in facts:
                facts[label] = f"{facts[label]}, {fact}"
            else:
                facts[label] = fact
    facts = skill.guess(source) | facts
    labels = dict.fromkeys(_LABEL.findall(example))
    return "\n".join(f"{label}: {facts.get(label, _NOT_GIVEN)}" for label in labels)


def commit_message(skill: TutorialSkill, source: str, example: str) -> str:
    """A change in plain words → first line, body and footer of a commit message.

    Args:
        skill: The skill, which knows what a text means.
        source: The description of the change.
        example: The seed example's response. All of them have the same form, so it is not used.
    """
    fragments = recognise(skill, source)
    if fragments:
        change = fragments[0].facts
    else:
        change = skill.guess(" ".join(source.split()))
    kind, breaking_mark, _ = change["type"].partition("!")
    scope = ""
    if change["scope"]:
        scope = f"({change['scope'].replace(' ', '-')})"
    subject = change["subject"][:1].lower() + change["subject"][1:]
    first_line = f"{kind}{scope}{breaking_mark}: {subject}"[:_COMMIT_WIDTH].rstrip()
    body = [textwrap.fill(part, _COMMIT_WIDTH) for part in change["body"].split("\n\n")]
    parts = [first_line, *body, _commit_footer(source)]
    return "\n\n".join(filter(None, parts))


def _commit_footer(source: str) -> str:
    issues = ", ".join(dict.fromkeys(_ISSUE.findall(source)[:_MAX_ISSUES]))
    if not issues:
        return ""
    verb = "Refs"
    if _CLOSES.search(source):
        verb = "Closes"
    return f"{verb} {issues}"
