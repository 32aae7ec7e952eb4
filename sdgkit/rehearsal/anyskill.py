"""A skill that no rules were written for: the seed example in the prompt, recombined."""

import random
import re

from sdgkit.rehearsal import wording
from sdgkit.rehearsal.reading import Assignment
from sdgkit.rehearsal.wording import filled, likeness, vocabulary

OFF_QUESTIONS = 0.12  # share of questions that the context cannot answer
ALIKE = 0.6  # share of common words from which on a sentence is another one's counterpart

_NUMBER = re.compile(rf"(?<![:\d])(?:{wording.NUMBER.pattern})(?![:\d])")  # no time of day
_TOKEN = re.compile(rf"{wording.NUMBER.pattern}|[^\W\d_]+")
_LEAD = re.compile(
    r"\s*(?:[-*•]\s|\d+[.)]\s|[^:\n]{1,40}:\s)?\s*"
)  # what a line of a list or a form begins with


class AnySkill:
    """Writes by the seed alone."""

    def __init__(self) -> None:
        self.name, self.texts = "anyskill", vocabulary("anyskill")["in"]
        self.off = dict(row for texts in self.texts.values() for row in texts["off"])

    def context(self, asked: Assignment, dice: random.Random) -> str:
        """The seed's with other numbers, its middle in another order, and a detail more."""
        text = asked.seed_source or asked.prose.strip()[-2000:]
        texts, parts = self.texts[wording.language(text)], list(wording.units(text))
        # what stays in front: a table's head, rule and first row; or a heading or salutation, and the first line
        first = 3 if text.startswith("|") else 2 if re.match(r"#|[^\n]*[:,]\s*\n", text) else 1
        parts[first:-1] = dice.sample(parts[first:-1], len(parts[first:-1]))
        parts.append(filled(dice.choice(texts["details"]), dice, texts))
        whole = ("\n" if "\n" in text.strip() else " ").join(parts)
        return _NUMBER.sub(lambda number: wording.other_number(number[0], dice), whole)

    def question(self, asked: Assignment, dice: random.Random) -> str:
        """A question made of the seed's; in a freeform skill, where it stands for itself, recombined."""
        base, source = asked.seed.get("question", ""), asked.given.get("context", "")
        if not source:
            return self.context(asked, dice)
        texts = self.texts[wording.language(f"{base} {source}")]
        template = (
            dice.choice(texts["off"])[0]
            if dice.random() < OFF_QUESTIONS
            else dice.choice(texts["asking"])
        )
        return filled(template, dice, texts, question=base or wording.sentences(source)[0]).strip()

    def written(self, asked: Assignment) -> str:
        """The seed's response, with the numbers and sentences of the given text in it."""
        example = asked.example or asked.source or "Done."
        olds, news = wording.units(asked.seed_source), wording.units(asked.source)
        nearest = [(old, max(news, key=lambda new: likeness(old, new))) for old in olds if news]
        pairs = [(old, new) for old, new in nearest if likeness(old, new) >= ALIKE]
        if (
            nearest and not pairs and len(example.split()) > 3
        ):  # shorter ones are labels ("Positive")
            leads = [_LEAD.match(line)[0] for line in example.splitlines() if line]  # type: ignore[index]
            return "\n".join(
                lead + said
                for lead, said in zip(leads, wording.sentences(asked.source), strict=False)
            )
        swaps: dict[str, str] = {}
        for old, new in pairs:
            example = example.replace(old, new)
            before, after = _TOKEN.findall(old), _TOKEN.findall(new)
            swaps |= zip(before, after, strict=True) if len(before) == len(after) else ()
        return _TOKEN.sub(lambda found: swaps.get(found[0], found[0]), example)
