"""A change in plain words → a commit message: how a change becomes one, and what changes in other words might be."""

import random
import re
import textwrap
from functools import lru_cache
from typing import Any

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment
from sdgkit.teachers.rehearsal.skills import Facts, Skill, pattern

LONGEST_LINE = 72  # characters, as Conventional Commits are usually kept


class Commit(Skill):
    """The skill in `texts/commit.toml`."""

    def written(self, asked: Assignment) -> str:
        """First line, body and footer of the message for a described change."""
        return _message(self, asked.source[: wording.LONGEST])

    def known(self, asked: Assignment, dice: random.Random) -> dict[str, Any]:
        """The change that the message is asked for."""
        return {"lines": self.context(asked, dice)}

    def question_findings(self, asked: Assignment) -> list[Finding]:
        """As for any skill; and it is no copy of the example's."""
        text = asked.given.get("question", "")
        if text and text == asked.seed.get("question"):
            return [Finding("It is the example's question over again.")]
        return super().question_findings(asked)

    def change(self, text: str) -> Facts:
        """What a text describes: a known change is recognised, another is guessed."""
        for found, change in ((re.search(one, text), change) for one, change in _changes(self)):
            if found:
                return {name: part.format(**found.groupdict()) for name, part in change.items()}
        return self.guessed(text)


@lru_cache(maxsize=512)
def _message(skill: Commit, text: str) -> str:
    change = skill.change(" ".join(text.split()))
    kind, mark = change["type"].rstrip("!"), "!" if change["type"].endswith("!") else ""
    scope = f"({change['scope'].replace(' ', '-')})" if change["scope"] else ""
    subject = change["subject"][:1].lower() + change["subject"][1:]
    head = f"{kind}{scope}{mark}: {subject}"[:LONGEST_LINE].rstrip()
    body = [textwrap.fill(part, LONGEST_LINE) for part in change["body"].split("\n\n") if part]
    issues = list(dict.fromkeys(re.findall(r"#\d+", text)))[:10]
    closes = re.search(r"\b(?:settles|closed?s?|fixes|resolves)\b", text, re.I)
    return "\n\n".join([head, *body, *([f"{'Closes' if closes else 'Refs'} {', '.join(issues)}"] if issues else [])])


@lru_cache(maxsize=1)
def _changes(skill: Commit) -> list[tuple[re.Pattern[str], Facts]]:
    return [(pattern(one.said), one.facts) for one in skill.fragments["change"]]
