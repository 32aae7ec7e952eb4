"""User feedback → a table of features: how remarks become rows, and what remarks in other words might mean."""

import random
from collections.abc import Iterator
from typing import Any

from sdgkit.teachers.rehearsal.skills import Facts, Fragment, Skill


class Feedback(Skill):
    """The skill in `texts/feedback.toml`."""

    def said(self, fragment: Fragment, dice: random.Random) -> dict[str, Any]:
        """As for any skill, and the stars that go with the sentiment."""
        stars = self.texts["stars"][fragment.facts.get("Sentiment", "Neutral")]
        return {**super().said(fragment, dice), "stars": dice.choice(stars)}

    def response(self, source: str, example: str) -> str:
        """One row for each feature, in the order in which they come up."""
        rows: dict[str, list[Facts]] = {}
        for remark in self._remarks(source):
            told = rows.setdefault(remark["Feature"], [])
            if remark not in told:
                told.append(remark)
        head = example.splitlines()[:2] if example.startswith("|") else []
        head = head or ["| Feature | Feedback | Sentiment |", "|---|---|---|"]
        return "\n".join([*head, *(_row(feature, told) for feature, told in rows.items())])

    def _remarks(self, text: str) -> Iterator[Facts]:
        for sentence, known in self.recognised(text):
            found = self.guessed(sentence) if known is None else known.facts
            if {"Sentiment", "Feedback"} <= found.keys():
                yield found


def _row(feature: str, told: list[Facts]) -> str:
    sentiments = {remark["Sentiment"] for remark in told}
    mixed = {"Positive", "Negative"} <= sentiments
    sentiment = "Mixed" if mixed else next(one for one in ("Positive", "Negative", "Neutral") if one in sentiments)
    feedback = ", and ".join(remark["Feedback"] for remark in told[:3])
    feedback = feedback.replace(", and ", ", while ", 1) if len(sentiments) > 1 else feedback
    cells = (feature[0].upper() + feature[1:], feedback[0].upper() + feedback[1:] + ".", sentiment)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
