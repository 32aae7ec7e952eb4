"""A skill that the rehearsal teacher knows: fragments of text, what each of them means, and how they arrive.

`texts/NAME.toml` holds them. The same fragments write a context and are recognised in one, so that whoever responds
or judges reads the context alone. A skill adds how facts become a response (`written`) and, for texts in other
words, what they might mean.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from sdgkit.teachers.rehearsal import anyskill, judging, wording
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment
from sdgkit.teachers.rehearsal.wording import filled, vocabulary

OFF_QUESTIONS = 0.11  # share of questions that do not suit their context
LONGEST_LEAD = 6  # words that may stand before a fragment: the time, who says it, "To be fair,"
LONGEST_GUESS = 4000  # characters of a text in other words that patterns are looked for in

Facts = Mapping[str, str]  # what a fragment means, under the names that the skill has for it
Items = Sequence[tuple[str, dict[str, Any]]]  # what a context says: the name of its template, the template's fields


@dataclass(frozen=True, slots=True)
class Fragment:
    """Something that a context may say. `of`: what it goes with; nothing goes with everything."""

    said: str
    facts: Facts
    of: frozenset[str]


class Skill:
    """One skill, by the name of its file in `texts/`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts = vocabulary(name)

    def suits(self, asked: Assignment) -> bool:
        """Whether the prompt's seed (or, without one, its task) is of this skill."""
        if response := asked.seed.get("response"):
            return re.search(self.texts["response"], response) is not None
        prose = asked.prose.lower()
        return all(word in prose for word in self.texts["prose"])

    # --- writing -------------------------------------------------

    def context(self, asked: Assignment, dice: random.Random) -> str:
        """A context that arrives the way the seed's does."""
        layout = self.layout(asked.seed.get("context", ""))
        chosen, of = self._chosen(layout.get("recipe", self.texts["recipe"]), dice)
        items = [("line", self.said(one, dice)) for one in chosen]
        return self.laid_out(layout, items, dice, about=self._name(of))

    def question(self, asked: Assignment, dice: random.Random) -> str:
        """A request for what the seed asks for; sometimes one that does not suit the context."""
        source = asked.given.get("context", "")
        if dice.random() < OFF_QUESTIONS:
            template = dice.choice(self.texts["off"])[0]
        else:
            template = dice.choice(self.texts["asking"])
        return filled(template, dice, self.layout(source), self.texts["slots"], **self.known(asked, dice))

    def known(self, asked: Assignment, dice: random.Random) -> dict[str, Any]:
        """What a question may name."""
        return {"about": self.about(asked.given.get("context", ""))}

    def layout(self, example: str) -> Mapping[str, Any]:
        """The way in which the example arrives."""
        layouts: list[dict[str, Any]] = self.texts["layouts"]
        return next(layout for layout in layouts if re.search(layout["sign"], example[:2000]))

    def laid_out(self, layout: Mapping[str, Any], items: Items, dice: random.Random, **known: Any) -> str:
        """A context: each item (the name of its template, its fields) in a line, the lines in the layout's frame."""
        minutes, lines = dice.randint(7 * 60, 17 * 60), []
        lists = (layout, self.texts["slots"])
        for count, (name, fields) in enumerate(items, 1):
            known["clock"] = f"{minutes // 60:02d}:{minutes % 60:02d}"
            template = dice.choice(layout.get(name, ["{say}"]))
            lines.append(filled(template, dice, *lists, **{**known, **fields, "count": count}))
            minutes += dice.randint(0, 6)
        frame = dice.choice(layout.get("frame", ["{lines}"]))
        return filled(frame, dice, *lists, **known, lines=layout.get("joint", "\n").join(lines))

    def _chosen(self, recipe: Sequence[Any], dice: random.Random) -> tuple[list[Fragment], frozenset[str]]:
        """Fragments as the recipe has them (kind, least, most, chance), which all go with the first."""
        lead = dice.choice(self.fragments[recipe[0][0]])
        chosen = []
        for kind, least, most, chance in recipe:
            if dice.random() < chance:
                fitting = [one for one in self.fragments[kind] if one is not lead and (not one.of or one.of & lead.of)]
                count = dice.randint(least, most) - (kind == recipe[0][0])
                chosen += dice.sample(fitting, min(count, len(fitting)))
        dice.shuffle(chosen)
        return [lead, *chosen], lead.of

    def said(self, fragment: Fragment, dice: random.Random) -> dict[str, Any]:
        """The fields that a layout's line may have of a fragment."""
        say = filled(fragment.said, dice, self.texts["slots"])
        low = say if say.startswith("I ") else say[0].lower() + say[1:]
        return {"say": say, "low": low.rstrip(".")}

    def _name(self, of: frozenset[str]) -> str:
        names: dict[str, str] = self.texts["about"]
        return next((names[key] for key in sorted(of) if key in names), self.texts.get("unnamed", "it"))

    # --- reading -------------------------------------------------

    @cached_property
    def fragments(self) -> dict[str, list[Fragment]]:
        """All fragments, by their kind."""
        found: dict[str, list[Fragment]] = {}
        for kind, table in self.texts.get("fragments", {}).items():
            for row in table["rows"]:
                facts = dict(zip(table["columns"], row, strict=True))
                of = frozenset(facts.pop("of", "").split())
                found.setdefault(kind, []).append(Fragment(facts.pop("said"), facts, of))
        return found

    @cached_property
    def _by_words(self) -> dict[str, Fragment]:
        """The fragments by their words; what a layout says around them means nothing, so that no rule guesses at it."""
        names = list(self.texts["about"].values())
        lists = [texts for layout in self.texts["layouts"] for texts in layout.values() if isinstance(texts, list)]
        around = [
            sentence
            for text in (text for texts in lists for text in texts if isinstance(text, str))
            for name in (names if "{about}" in text else [""])
            for sentence in wording.sentences(text.replace("{about}", name))
        ]
        known = {_key(sentence): Fragment(sentence, {}, frozenset()) for sentence in around}
        return known | {_key(one.said): one for held in self.fragments.values() for one in held}

    def recognised(self, text: str) -> Iterator[tuple[str, Fragment | None]]:
        """Each sentence of a text, with the fragment that it is."""
        for sentence in wording.sentences(text)[:400]:
            held = _key(sentence).split()
            leads = range(min(len(held), LONGEST_LEAD))
            known = (self._by_words.get(" ".join(held[lead:])) for lead in leads)
            yield sentence, next((one for lead, one in enumerate(known) if one and (one.facts or lead < 2)), None)

    def guessed(self, text: str) -> dict[str, str]:
        """What a text in other words might mean: of each fact's patterns, the first that is found says it."""
        found: dict[str, str] = {}
        for name, rules in self._rules.items():
            for rule, said in rules:
                if match := rule.search(text, 0, LONGEST_GUESS):
                    found[name] = said.format(*match.groups()).strip()
                    break
        return found

    @cached_property
    def _rules(self) -> dict[str, list[tuple[re.Pattern[str], str]]]:
        return {name: [(re.compile(rule), said) for rule, said in held] for name, held in self.texts["rules"].items()}

    def about(self, text: str) -> str:
        """The name of what a text is about, as far as that is known."""
        low = text.lower()
        named = next((name for name in self.texts["about"].values() if name.lower() in low), None)
        fitting = (self._name(one.of) for _, one in self.recognised(text) if one and one.of)
        return named or next(fitting, self._name(frozenset()))

    # --- responding and judging ----------------------------------

    def written(self, asked: Assignment) -> str:
        """The right response to what is given, in the form of the example."""
        return _written(self, asked.source[: wording.LONGEST], asked.example)

    def response(self, source: str, example: str) -> str:
        """The right response to a source."""
        raise NotImplementedError

    def question_findings(self, asked: Assignment) -> list[Finding]:
        """What is wrong with the given question, seen from question and context alone."""
        text, source = asked.given.get("question", ""), asked.given.get("context", "")
        off = next((reason for template, reason in self._off if template.fullmatch(text.strip())), None)
        if off is not None:
            return [Finding(off)]
        if not self._asks.search(text):
            return [Finding("It does not ask for what the example asks for.")]
        return anyskill.beyond_context(text, source)

    @cached_property
    def _off(self) -> list[tuple[re.Pattern[str], str]]:
        return [(pattern(template), reason) for template, reason in self.texts["off"]]

    @cached_property
    def _asks(self) -> re.Pattern[str]:
        return re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, self.texts['asks']))})")

    def response_findings(self, asked: Assignment) -> list[Finding]:
        """What is wrong with the given response beside the right one."""
        return judging.differences(self.written(asked), asked.given.get("response", ""))


@lru_cache(maxsize=512)  # whoever responds and whoever judges the response read the same source
def _written(skill: Skill, source: str, example: str) -> str:
    return skill.response(source, example)


def pattern(template: str) -> re.Pattern[str]:
    """What finds a template in a text, its fields as named groups."""
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found[1]
        again = name in seen
        seen.add(name)
        return f"(?P={name})" if again else rf"(?P<{name}>[^\n]{{1,60}}?)"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(template)) + r"(?!\w)")


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
