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
        """What a text describes: a known change is recognised, another is sorted by its words."""
        for found, change in ((re.search(one, text), change) for one, change in _changes(self)):
            if found:
                return {name: part.format(**found.groupdict()) for name, part in change.items()}
        low, held = text.lower(), wording.words(text)
        kinds = self.texts["guess"].items()
        kind = next((k for k, signs in kinds if any(s in held if s.isalpha() else s in low for s in signs)), "feat")
        said = [s for s in wording.sentences(text) if not re.search(r"commit|#\d|phrase|\?$", s, re.I)] or [text]
        subject = re.sub(r"^(?:.{0,40}commit message[^:]*:|ok so |basically |i |we )\s*", "", said[0], flags=re.I)
        subject = textwrap.shorten(subject.rstrip(".!? "), LONGEST_LINE - len(kind) - 2, placeholder="")
        return {
            "type": kind, "scope": "", "subject": subject[:1].lower() + subject[1:] or "change",
            "body": " ".join(said[1:3]),
        }  # fmt: skip


@lru_cache(maxsize=512)
def _message(skill: Commit, text: str) -> str:
    change = skill.change(" ".join(text.split()))
    kind, mark = change["type"].rstrip("!"), "!" if change["type"].endswith("!") else ""
    scope = f"({change['scope'].replace(' ', '-')})" if change["scope"] else ""
    head = f"{kind}{scope}{mark}: {change['subject']}"[:LONGEST_LINE].rstrip()
    body = [textwrap.fill(part, LONGEST_LINE) for part in change["body"].split("\n\n") if part]
    issues = list(dict.fromkeys(re.findall(r"#\d+", text)))[:10]
    closes = re.search(r"\b(?:settles|closed?s?|fixes|resolves)\b", text, re.I)
    return "\n\n".join([head, *body, *([f"{'Closes' if closes else 'Refs'} {', '.join(issues)}"] if issues else [])])


@lru_cache(maxsize=1)
def _changes(skill: Commit) -> list[tuple[re.Pattern[str], Facts]]:
    return [(pattern(one.said), one.facts) for one in skill.fragments["change"]]
