"""A skill without its own rules: the seed example in the prompt, recombined."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sdgkit.rehearsal import wording
from sdgkit.rehearsal.reading import Assignment
from sdgkit.rehearsal.templates import fill
from sdgkit.rehearsal.vocabulary import vocabulary

# Share of questions that the context cannot answer.
OFF_QUESTIONS = 0.12
# Share of common words from which one sentence counts as the counterpart of another.
COUNTERPART_SIMILARITY = 0.6

_NUMBER = re.compile(rf"(?<![:\d])(?:{wording.NUMBER.pattern})(?![:\d])")  # not a time of day
_TOKEN = re.compile(rf"{wording.NUMBER.pattern}|[^\W\d_]+")
_TITLE = re.compile(r"#|[^\n]*[:,]\s*\n")  # a heading, a salutation
# What a line of a list or a form begins with.
_LEAD = re.compile(r"\s*(?:[-*•]\s|\d+[.)]\s|[^:\n]{1,40}:\s)?\s*")


class AnySkill:
    """Writes from the seed example alone."""

    def __init__(self) -> None:
        self.name = "anyskill"
        self.off_questions: dict[str, str] = {}
        self._texts: Mapping[str, Any] = vocabulary("anyskill")["in"]
        for texts in self._texts.values():
            self.off_questions |= dict(texts["off"])

    def context(self, assignment: Assignment, dice: random.Random) -> str:
        """The seed's with other numbers, its middle in another order, and one more detail."""
        text = assignment.seed_source or assignment.prose.strip()[-2000:]
        texts = self._texts[wording.language(text)]
        parts = list(wording.units(text))
        middle = parts[_fixed_parts(text) : -1]
        parts[_fixed_parts(text) : -1] = dice.sample(middle, len(middle))
        parts.append(fill(dice.choice(texts["details"]), dice, texts))
        separator = "\n" if "\n" in text.strip() else " "
        context = separator.join(parts)
        return _NUMBER.sub(lambda number: wording.other_number(number[0], dice), context)

    def question(self, assignment: Assignment, dice: random.Random) -> str:
        """A question made of the seed's; without a context (a freeform skill), a new context."""
        seed_question = assignment.seed.get("question", "")
        context = assignment.material.get("context", "")
        if not context:
            return self.context(assignment, dice)
        texts = self._texts[wording.language(f"{seed_question} {context}")]
        if dice.random() < OFF_QUESTIONS:
            template = dice.choice(texts["off"])[0]
        else:
            template = dice.choice(texts["asking"])
        subject = seed_question or wording.sentences(context)[0]
        return fill(template, dice, texts, question=subject).strip()

    def response(self, assignment: Assignment) -> str:
        """The seed's response, with the numbers and sentences of the material in it."""
        response = assignment.seed_response or assignment.source or "Done."
        nearest = _nearest_units(assignment.seed_source, assignment.source)
        counterparts = []
        for old, new in nearest:
            if wording.similarity(old, new) >= COUNTERPART_SIMILARITY:
                counterparts.append((old, new))
        is_label = len(response.split()) <= 3  # such as "Positive"
        if nearest and not counterparts and not is_label:
            return _same_leads(response, wording.sentences(assignment.source))
        replacements: dict[str, str] = {}
        for old, new in counterparts:
            response = response.replace(old, new)
            old_tokens = _TOKEN.findall(old)
            new_tokens = _TOKEN.findall(new)
            if len(old_tokens) == len(new_tokens):
                replacements |= zip(old_tokens, new_tokens, strict=True)
        return _TOKEN.sub(lambda token: replacements.get(token[0], token[0]), response)


def _fixed_parts(text: str) -> int:
    """How many parts stay in front.

    A table's head, rule and first row; a heading or salutation and the first line; otherwise one.
    """
    if text.startswith("|"):
        return 3
    return 2 if _TITLE.match(text) else 1


def _nearest_units(old_text: str, new_text: str) -> list[tuple[str, str]]:
    """Each unit of the old text with the unit of the new one that is most similar to it."""
    new_units = wording.units(new_text)
    if not new_units:
        return []
    nearest = []
    for old in wording.units(old_text):
        similarities = []
        for new in new_units:
            similarities.append(wording.similarity(old, new))
        nearest.append((old, new_units[similarities.index(max(similarities))]))
    return nearest


def _same_leads(response: str, sentences: Sequence[str]) -> str:
    """The sentences, each after what a line of the response begins with."""
    leads = []
    for line in response.splitlines():
        if line:
            leads.append(_LEAD.match(line))
    lines = []
    for lead, sentence in zip(leads, sentences, strict=False):
        opening = ""
        if lead:
            opening = lead[0]
        lines.append(f"{opening}{sentence}")
    return "\n".join(lines)
