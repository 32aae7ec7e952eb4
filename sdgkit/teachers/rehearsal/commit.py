"""A change in plain words → a commit message: how a change becomes one, and what changes in other words might be."""

import random
import re
import textwrap
from functools import cached_property
from typing import Any

from sdgkit.teachers.rehearsal.reading import Assignment
from sdgkit.teachers.rehearsal.skills import Facts, Skill, pattern

LONGEST_LINE = 72  # characters, as Conventional Commits are usually kept


class Commit(Skill):
    """The skill in `texts/commit.toml`."""

    def response(self, source: str, example: str) -> str:
        """First line, body and footer of the message for a described change."""
        change = self._change(" ".join(source.split()))
        kind, mark = change["type"].rstrip("!"), "!" if change["type"].endswith("!") else ""
        scope = f"({change['scope'].replace(' ', '-')})" if change["scope"] else ""
        subject = change["subject"][:1].lower() + change["subject"][1:]
        head = f"{kind}{scope}{mark}: {subject}"[:LONGEST_LINE].rstrip()
        body = [textwrap.fill(part, LONGEST_LINE) for part in change["body"].split("\n\n") if part]
        issues = list(dict.fromkeys(re.findall(r"#\d+", source)))[:10]
        closes = re.search(r"\b(?:settles|closed?s?|fixes|resolves)\b", source, re.I)
        footer = f"{'Closes' if closes else 'Refs'} {', '.join(issues)}" if issues else ""
        return "\n\n".join(filter(None, [head, *body, footer]))

    def known(self, asked: Assignment, dice: random.Random) -> dict[str, Any]:
        """The change that the message is asked for."""
        return {"lines": self.context(asked, dice)}

    def _change(self, text: str) -> Facts:
        """What a text describes: a known change is recognised, another is guessed."""
        for known, change in self._changes:
            if found := known.search(text):
                return {name: part.format(**found.groupdict()) for name, part in change.items()}
        return self.guessed(text)

    @cached_property
    def _changes(self) -> list[tuple[re.Pattern[str], Facts]]:
        return [(pattern(one.said), one.facts) for one in self.fragments["change"]]
