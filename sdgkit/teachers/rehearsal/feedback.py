"""User feedback → a table of features: how remarks become rows, and what remarks in other words might mean."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.reading import Assignment
from sdgkit.teachers.rehearsal.skills import Facts, Skill

_NOUN = re.compile(r"\b(?:the|your|our|my|its)\s+(?:new\s+)?((?:[a-z][a-z-]*\s)?[a-z][a-z-]{2,})\b")
_BEFORE_WORDS = re.compile(r"^[^\w\[@]*(?:\[[^\]\n]{1,20}\]\s*)?(?:\d{1,2}[.)]\s+|@[\w.]+\s+)?(?:[\w() .]{1,24}:\s+)?")


class Feedback(Skill):
    """The skill in `texts/feedback.toml`."""

    def written(self, asked: Assignment) -> str:
        """One row for each feature, in the order in which they come up."""
        rows: dict[str, list[Facts]] = {}
        for remark in _remarks(self, asked.source):
            told = rows.setdefault(remark["Feature"], [])
            if remark not in told:
                told.append(remark)
        head = asked.example.splitlines()[:2] if asked.example.startswith("|") else []
        head = head or ["| Feature | Feedback | Sentiment |", "|---|---|---|"]
        return "\n".join([*head, *(_row(feature, told) for feature, told in rows.items())])

    def remarks(self, text: str) -> Iterator[Facts]:
        """What the users say, remark by remark."""
        for sentence, known in self.recognised(text):
            found = self._guessed(_BEFORE_WORDS.sub("", sentence)) if known is None else known.facts
            if found:
                yield found

    def _guessed(self, sentence: str) -> Facts | None:
        lexicon, held, low = self.texts["lexicon"], wording.words(sentence), f" {sentence.lower()} "
        found = [
            sentiment
            for sentiment in ("Negative", "Positive", "Neutral")
            if any(sign in held if sign.isalpha() else sign in low for sign in lexicon[sentiment])
        ]
        if not found or len(low) < 12:
            return None
        sentiment = "Neutral" if "Neutral" in found and "Negative" not in found else found[0]
        told = " ".join(sentence.split()).rstrip(".!?… ").replace("|", "\\|")[:200]
        return {"Feature": self._feature(low), "Feedback": told, "Sentiment": sentiment}

    def _feature(self, low: str) -> str:
        known = _features(self).search(low)
        if known:
            return known[1].capitalize()
        for match in _NOUN.finditer(low):
            noun = [word for word in match[1].split() if word not in self.texts["lexicon"]["not_features"]]
            if noun:
                return " ".join(noun).capitalize()
        return "Overall"


@lru_cache(maxsize=512)
def _remarks(skill: Feedback, text: str) -> tuple[Facts, ...]:
    return tuple(skill.remarks(text))


@cache
def _features(skill: Feedback) -> re.Pattern[str]:
    remarks = skill.texts["fragments"]["remark"]
    names = {row[remarks["columns"].index("Feature")].lower() for row in remarks["rows"]}
    return re.compile(rf" ({'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})")


def _row(feature: str, told: list[Facts]) -> str:
    sentiments = {remark["Sentiment"] for remark in told}
    mixed = {"Positive", "Negative"} <= sentiments
    sentiment = "Mixed" if mixed else next(one for one in ("Positive", "Negative", "Neutral") if one in sentiments)
    feedback = ", and ".join(remark["Feedback"] for remark in told[:3])
    feedback = feedback.replace(", and ", ", while ", 1) if len(sentiments) > 1 else feedback
    return f"| {feature} | {feedback[0].upper()}{feedback[1:]}. | {sentiment} |"
