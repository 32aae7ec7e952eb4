"""A skill of the tutorials: how its contexts and questions are written and understood.

`texts/NAME.toml` has the fragments of text, what each means, and how they arrive. The same
fragments write a context and are recognised in one, so responding and judging need nothing but the
context.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sdgkit.rehearsal.fragments import Facts, Fragment, read_fragments
from sdgkit.rehearsal.reading import Assignment
from sdgkit.rehearsal.templates import fill, pattern_for
from sdgkit.rehearsal.vocabulary import vocabulary

# Share of questions that do not suit their context.
OFF_QUESTIONS = 0.11

# Contexts that give a time begin at one between 7:00 and 17:00, in minutes.
_EARLIEST_MINUTE = 7 * 60
_LATEST_MINUTE = 17 * 60

# Writes a response. Arguments: the skill, the source to respond to, the seed example's response.
ResponseRule = Callable[["TutorialSkill", str, str], str]
# How contexts arrive: templates by kind of line, and lists to fill them from.
Layout = Mapping[str, Any]


class RecipeStep(NamedTuple):
    """A kind of fragment in a context, from `least` to `most` of them, with a certain chance."""

    kind: str
    least: int
    most: int
    chance: float


class ChosenFragment(NamedTuple):
    """A fragment for a context, and its kind."""

    kind: str
    fragment: Fragment


class TutorialSkill:
    """One skill.

    Args:
        name: Its file in `texts/`.
        response_rule: What writes its responses.

    Attributes:
        name: Its file in `texts/`, and its praise in `texts/verdicts.toml`.
        sign: What a response of this skill looks like: a regular expression.
        off_questions: Templates of questions that do not suit their context, and why not.
        texts: The contents of its file.
    """

    def __init__(self, name: str, response_rule: ResponseRule) -> None:
        self.name = name
        self.texts = vocabulary(name)
        self.sign: str = self.texts["sign"]
        self.off_questions: dict[str, str] = dict(self.texts["off"])
        self._response_rule = response_rule
        self._fragments: dict[str, list[Fragment]] = {}
        for kind, table in self.texts["fragments"].items():
            self._fragments[kind] = read_fragments(table)
        self._meaningful: list[Fragment] = []
        for fragments in self._fragments.values():
            for fragment in fragments:
                if fragment.facts:
                    self._meaningful.append(fragment)

    def context(self, assignment: Assignment, dice: random.Random) -> str:
        """A context that arrives the way the seed's does."""
        layout = self._layout(assignment.seed.get("context", ""))
        steps = [RecipeStep(*step) for step in layout.get("recipe", self.texts["recipe"])]
        chosen = self._choose_fragments(steps, dice)
        values = {"about": self._subject("", [chosen[0].fragment])}
        if "once" in self.texts:
            values |= dice.choice(self.texts["once"])
        entries = []
        for choice in chosen:
            entries.append((choice.kind, self._line_fields(choice.fragment, dice, values)))
        slots = self.texts["slots"]
        minute = dice.randint(_EARLIEST_MINUTE, _LATEST_MINUTE)
        lines = []
        for count, (kind, fields) in enumerate(entries, start=1):
            values["clock"] = f"{minute // 60:02d}:{minute % 60:02d}"
            values["count"] = str(count)
            template = dice.choice(layout.get(kind) or layout.get("line", ["{say}"]))
            lines.append(fill(template, dice, layout, slots, **values, **fields))
            minute += dice.randint(0, 6)
        text = layout.get("joint", "\n").join(lines)
        frame = dice.choice(layout.get("frame", ["{lines}"]))
        return fill(frame, dice, layout, slots, **values, lines=text)

    def question(self, assignment: Assignment, dice: random.Random) -> str:
        """A request for what the seed asks for; sometimes one that does not suit the context."""
        source = assignment.material.get("context", "")
        is_off = dice.random() < OFF_QUESTIONS
        if is_off:
            templates = list(self.off_questions)
        else:
            templates = self.texts["asking"]
        template = dice.choice(templates)
        values = {"about": self._subject(source, recognise(self, source))}
        if "{lines}" in template:
            # In a freeform skill, the question contains what there is to work on.
            values["lines"] = self.context(assignment, dice)
        return fill(template, dice, self._layout(source), self.texts["slots"], **values)

    def response(self, assignment: Assignment) -> str:
        """The right response to the material, in the form of the seed example's."""
        return self._response_rule(self, assignment.source, assignment.seed_response)

    def meaningful_fragments(self) -> Sequence[Fragment]:
        """The fragments that state facts."""
        return self._meaningful

    def guess(self, text: str) -> Facts:
        """What a text in other words may mean: for each fact, the first of its patterns decides."""
        facts: Facts = {}
        for name, rules in self.texts["rules"].items():
            for pattern, template in rules:
                match = re.search(pattern, text[:4000])
                if match:
                    facts[name] = template.format(*match.groups()).strip()
                    break
        return facts

    def _choose_fragments(
        self, steps: Sequence[RecipeStep], dice: random.Random
    ) -> list[ChosenFragment]:
        """Fragments according to the recipe, all of which go with the first."""
        first_kind = steps[0].kind
        first = dice.choice(self._fragments[first_kind])
        others: list[ChosenFragment] = []
        for step in steps:
            if dice.random() >= step.chance:
                continue
            fitting = []
            for fragment in self._fragments[step.kind]:
                if fragment is not first and fragment.goes_with(first):
                    fitting.append(fragment)
            count = dice.randint(step.least, step.most)
            if step.kind == first_kind:
                count -= 1
            sample = dice.sample(fitting, min(count, len(fitting)))
            others += [ChosenFragment(step.kind, fragment) for fragment in sample]
        if not self.texts.get("in_order"):
            dice.shuffle(others)
        return [ChosenFragment(first_kind, first), *others]

    def _line_fields(
        self, fragment: Fragment, dice: random.Random, values: Mapping[str, str]
    ) -> dict[str, str]:
        """The fields for a line of a context: the words, stars for a sentiment, a drawn figure."""
        text = fill(fragment.text, dice, self.texts["slots"], **values)
        fields = {"say": text, "low": _uncapitalised(text).rstrip(".")}
        if "stars" in self.texts:
            sentiment = fragment.facts.get("Sentiment", "Neutral")
            fields["stars"] = dice.choice(self.texts["stars"][sentiment])
        figure = fragment.figure
        if figure is not None:
            for name in ("now", "then"):
                value = figure.template.format(dice.uniform(figure.low, figure.high))
                fields[name] = value.replace("¤-", "-¤").replace("¤", values["currency"])
        return fields

    def _layout(self, example: str) -> Layout:
        """The way in which the example arrives."""
        layouts: Sequence[Layout] = self.texts["layouts"]
        beginning = example[:2000]
        return next(layout for layout in layouts if re.search(layout["sign"], beginning))

    def _subject(self, text: str, fragments: Sequence[Fragment]) -> str:
        """What a text is about, as far as it says so or its fragments belong to something."""
        topics: set[str] = set()
        for fragment in fragments:
            topics |= fragment.topics
        for topic, name in self.texts["about"].items():
            if name.lower() in text.lower() or topic in topics:
                return str(name)
        return str(self.texts.get("unnamed", "it"))


# Cached: the questions, responses and judgements of one context read the same source.
@lru_cache(maxsize=512)
def recognise(skill: TutorialSkill, text: str) -> list[Fragment]:
    """The fragments in a text that state facts, in its order, with the fields of their facts."""
    line = " ".join(text.split())
    matches = []
    for fragment in skill.meaningful_fragments():
        match = pattern_for(fragment.text).search(line)
        if match:
            matches.append((match, fragment))
    matches.sort(key=lambda pair: pair[0].start())
    return [fragment.with_fields(match.groupdict()) for match, fragment in matches]


def _uncapitalised(text: str) -> str:
    """With a small first letter, unless it begins with an abbreviation."""
    if text[:2].isupper():
        return text
    return text[0].lower() + text[1:]
