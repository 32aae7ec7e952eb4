"""Skills that the rehearsal teacher knows: fragments of text, what each of them means, and how they arrive.

`texts/NAME.toml` holds them. The same fragments write a context and are recognised in one, so that whoever responds
or judges reads the context alone. A function for each skill makes facts a response.
"""

import random
import re
import textwrap
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sdgkit.rehearsal.reading import Assignment
from sdgkit.rehearsal.wording import filled, sentences, sign, vocabulary

OFF_QUESTIONS = 0.11  # share of questions that do not suit their context

UNITS = {"m": "million", "k": "thousand"}
VERBS = {"up": "rose", "down": "fell"}

_QUARTER = re.compile(r"\bQ([1-4])(?:[ /](20\d\d|FY\d\d)\b(?!,\d))?")
_AMOUNT = re.compile(
    r"(?<![\w.,])-?(?:[€$£]|CHF ?)?-?\d+(?:,\d{3})*(?:\.\d+)?(?: ?(?:million|thousand|m|k|%))?(?!\w)"
)
_NO_AMOUNT = re.compile(rf"{_QUARTER.pattern}|\b20\d\d\b(?![,.]\d)|\bper [\d,]+ \w+")
_NAME_END = re.compile(r"(?: (?:came in at|was|is|of|at|in))*[\s:|,(\"]*$")

Facts = dict[str, Any]  # what a text means, under the names that the skill has for it


class Skill:
    """One skill, by the name of its file in `texts/`. `responding` writes a response, by a source and the example's.

    A fragment is something that a context may say: `said`, what it means under other names, and `of`, what it goes with
    (nothing goes with everything).
    """

    def __init__(self, name: str, responding: "Callable[[Skill, str, str], str]") -> None:
        self.name, self.responding, self.texts = name, responding, vocabulary(name)
        self.off: dict[str, str] = dict(self.texts["off"])
        self.fragments: dict[str, list[Facts]] = {
            kind: [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
            for kind, table in self.texts["fragments"].items()
        }

    def context(self, asked: Assignment, dice: random.Random) -> str:
        """A context that arrives the way the seed's does.

        It has fragments as the recipe says (a line of it is kind, least, most, chance), which all go with the first.
        """
        layout, slots = self.layout(asked.seed.get("context", "")), self.texts["slots"]
        recipe = layout.get("recipe", self.texts["recipe"])
        lead, chosen = dice.choice(self.fragments[recipe[0][0]]), []
        kin = _of(lead)
        for kind, least, most, chance in recipe:
            if dice.random() < chance:
                fitting = [
                    one
                    for one in self.fragments[kind]
                    if one is not lead and (not _of(one) or _of(one) & kin)
                ]
                count = dice.randint(least, most) - (kind == recipe[0][0])
                chosen += [(kind, one) for one in dice.sample(fitting, min(count, len(fitting)))]
        if not self.texts.get("in_order"):
            dice.shuffle(chosen)
        known = {"about": self.about("", [lead])}
        if "once" in self.texts:
            known |= dice.choice(self.texts["once"])
        said = [
            (kind, _fields(self, one, dice, known)) for kind, one in ((recipe[0][0], lead), *chosen)
        ]
        minutes, lines = dice.randint(7 * 60, 17 * 60), []
        for count, (kind, fields) in enumerate(said, 1):
            known |= {"clock": f"{minutes // 60:02d}:{minutes % 60:02d}", "count": str(count)}
            template = dice.choice(layout.get(kind) or layout.get("line", ["{say}"]))
            lines.append(filled(template, dice, layout, slots, **known, **fields))
            minutes += dice.randint(0, 6)
        frame = dice.choice(layout.get("frame", ["{lines}"]))
        return filled(
            frame, dice, layout, slots, **known, lines=layout.get("joint", "\n").join(lines)
        )

    def question(self, asked: Assignment, dice: random.Random) -> str:
        """A request for what the seed asks for; sometimes one that does not suit the context."""
        source = asked.given.get("context", "")
        template = dice.choice(
            list(self.off) if dice.random() < OFF_QUESTIONS else self.texts["asking"]
        )
        known = {"about": self.about(source, recognised(self, source))}
        if (
            "{lines}" in template
        ):  # in a freeform skill, the question holds what there is to work on
            known["lines"] = self.context(asked, dice)
        return filled(template, dice, self.layout(source), self.texts["slots"], **known)

    def written(self, asked: Assignment) -> str:
        """The right response to what is given, in the form of the example."""
        return self.responding(self, asked.source, asked.example)

    def layout(self, example: str) -> Any:
        """The way in which the example arrives."""
        return next(
            layout for layout in self.texts["layouts"] if re.search(layout["sign"], example[:2000])
        )

    def about(self, text: str, fragments: list[Facts]) -> str:
        """The name of what a text of these fragments is about, as far as it names it or they belong to something."""
        of = {key for fragment in fragments for key in _of(fragment)}
        known = [
            name
            for key, name in self.texts["about"].items()
            if name.lower() in text.lower() or key in of
        ]
        return known[0] if known else self.texts.get("unnamed", "it")

    def guessed(self, text: str) -> Facts:
        """What a text in other words might mean: of each fact's patterns, the first that is found says it."""
        found: Facts = {}
        for name, rules in self.texts["rules"].items():
            matches = ((re.search(rule, text[:4000]), said) for rule, said in rules)
            found |= next(
                ({name: said.format(*match.groups()).strip()} for match, said in matches if match),
                {},
            )
        return found


def _of(fragment: Facts) -> set[str]:
    return set(fragment.get("of", "").split())


def _fields(skill: Skill, fragment: Facts, dice: random.Random, known: dict[str, str]) -> Facts:
    """What a line of a context may have of a fragment: its words, stars that go with its sentiment, a figure drawn."""
    say = filled(fragment["said"], dice, skill.texts["slots"], **known)
    fields = {
        "say": say,
        "low": (say if say[:2].isupper() else say[0].lower() + say[1:]).rstrip("."),
    }
    if "stars" in skill.texts:
        fields["stars"] = dice.choice(skill.texts["stars"][fragment.get("Sentiment", "Neutral")])
    if "draw" in fragment:
        form, low, high = fragment["draw"]
        for name in ("now", "then"):
            fields[name] = (
                form.format(dice.uniform(low, high))
                .replace("¤-", "-¤")
                .replace("¤", known["currency"])
            )
    return fields


@lru_cache(maxsize=512)  # whoever asks, responds and judges reads the same source
def recognised(skill: Skill, text: str) -> list[Facts]:
    """All fragments that are in a text and mean something, in its order, with the slots of their facts filled."""
    text = " ".join(text.split())
    known = [
        one
        for held in skill.fragments.values()
        for one in held
        if one.keys() - {"of", "said", "draw"}
    ]
    found = [(match, one) for one in known if (match := sign(one["said"]).search(text))]
    found.sort(key=lambda pair: pair[0].start())
    return [
        {name: said.format(**match.groupdict()) for name, said in one.items()}
        for match, one in found
    ]


@lru_cache(maxsize=512)
def table(skill: Skill, source: str, example: str) -> str:
    """User feedback → one row for each feature, in the order in which they come up."""
    remarks = recognised(skill, source) or [
        skill.guessed(sentence) for sentence in sentences(source)
    ]
    features: dict[str, list[Facts]] = {}
    for remark in remarks:
        if {"Sentiment", "Feedback"} <= remark.keys():
            features.setdefault(remark["Feature"], []).append(remark)
    rows = example.splitlines()[:2]
    for feature, told in features.items():
        sentiments = {remark["Sentiment"] for remark in told}
        is_mixed = {"Positive", "Negative"} <= sentiments
        sentiment = (
            "Mixed" if is_mixed else min(sentiments, key=["Positive", "Negative", "Neutral"].index)
        )
        said = ", and ".join(dict.fromkeys(remark["Feedback"] for remark in told))
        said = said.replace(", and ", ", while ", 1) if len(sentiments) > 1 else said
        cells = [
            cell[0].upper() + cell[1:].replace("|", "/")
            for cell in (feature, f"{said}.", sentiment)
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


@lru_cache(maxsize=512)
def ticket(skill: Skill, source: str, example: str) -> str:
    """Störungsmeldung → a line for each of the example's labels."""
    found: Facts = {}
    for facts in recognised(skill, source):
        for label, said in facts.items():
            found[label] = f"{found[label]}, {said}" if label in found else said
    found = skill.guessed(source) | found
    labels = dict.fromkeys(re.findall(r"(?m)^([A-ZÄÖÜ][\w ]{1,30}):", example))
    return "\n".join(f"{label}: {found.get(label, 'nicht angegeben')}" for label in labels)


def commit(skill: Skill, source: str, example: str) -> str:
    """A change in plain words → first line, body and footer of a commit message."""
    change = next(iter(recognised(skill, source)), None) or skill.guessed(" ".join(source.split()))
    kind, mark, _ = change["type"].partition("!")
    scope = f"({change['scope'].replace(' ', '-')})" if change["scope"] else ""
    subject = change["subject"][:1].lower() + change["subject"][1:]
    body = [textwrap.fill(part, 72) for part in change["body"].split("\n\n")]
    issues = ", ".join(dict.fromkeys(re.findall(r"#\d+", source)[:10]))
    closes = re.search(r"(?i)\b(?:settles|closed?s?|fixes|resolves)\b", source)
    footer = f"{'Closes' if closes else 'Refs'} {issues}" if issues else ""
    return "\n\n".join(
        filter(None, [f"{kind}{scope}{mark}: {subject}"[:72].rstrip(), *body, footer])
    )


@lru_cache(maxsize=512)
def mail(skill: Skill, source: str, example: str) -> str:
    """The e-mail; greeting and sign-off are the example's."""
    quarter, parts = _QUARTER.search(source), example.split("\n\n")
    title, year = (quarter[0].replace("/", " "), quarter[2]) if quarter else ("Figures", None)
    when = f"the {skill.texts['quarters'].get(title[:2], 'last')} quarter{f' of {year}' if year else ''}"
    figures, outlook = _read(skill, source)
    entries = "\n".join(
        f"- {name}: {_long(now)} ({_change(now, earlier)})" for name, now, earlier in figures
    )
    leads = (
        [figure for figure in figures if figure[0] in ("Revenue", "Sales")]
        or figures
        or [("Figures", "0", "")]
    )
    name, now, earlier = leads[0]
    low = name if name[:2].isupper() else name[0].lower() + name[1:]
    our = (
        f"the number of our {low}"
        if re.fullmatch(r"[\d,]+", now) and low.endswith(("s", "built"))
        else f"our {low}"
    )
    change = re.match("(up|down) (.+) from", _change(now, earlier))
    how, size = change.groups() if change else ("", "")
    short, verb = (f"{how} {size} to", f"{VERBS[how]} by {size} to") if size else ("at", "came to")
    head, lead = (
        f"Subject: {title}: {low} {short} {_long(now)}",
        f"In {when}, {our} {verb} {_long(now)}.",
    )
    return "\n\n".join([head, *parts[1:2], lead, entries, f"Outlook: {outlook}.", *parts[-1:]])


def _read(skill: Skill, text: str) -> tuple[list[tuple[str, str, str]], str]:
    """The figures of any layout (a name, a value and perhaps an earlier one, as in the text), and the outlook."""
    figures, outlook = [], skill.texts["no_outlook"]
    for entry in re.split(r"\n[-\s]*|(?<=[\w%)])[.;](?:\s+|$)", text):
        if any(word in entry.lower() for word in skill.texts["outlook_signs"]):
            for form, replacement in skill.texts["outlook_forms"]:
                entry = re.sub(form, replacement, entry)
            outlook = entry if entry[1:2].isupper() else entry[:1].lower() + entry[1:]
        elif not any(word in entry.lower() for word in skill.texts["withheld"]):
            bare = _NO_AMOUNT.sub("", entry)
            name, amounts = (
                _NAME_END.sub("", _AMOUNT.split(bare)[0]).strip("|-•:, \t"),
                _AMOUNT.findall(bare)[:2],
            )
            if amounts and name[:1].isalpha() and len(name.split()) <= 7:
                is_pair = len(amounts) == 2 and amounts[0].endswith("%") == amounts[1].endswith("%")
                figures.append(
                    (name[0].upper() + name[1:], amounts[0], amounts[1] if is_pair else "")
                )
    return figures[:40], outlook


def _change(now: str, earlier: str) -> str:
    """What stands in parentheses: "up 8.0% from €45.0 million"."""
    if not earlier or now == earlier:
        return "unchanged" if earlier else "no earlier value"
    value, before = (float(re.sub(r"[^\d.-]", "", amount)) for amount in (now, earlier))
    is_share = now.endswith("%")
    if not is_share and (value <= 0 or before <= 0):  # a percentage means nothing
        return f"after {_long(earlier)}"
    size = abs(value - before) / (1 if is_share else before / 100) + 1e-9
    return f"{'up' if value > before else 'down'} {size:.1f}{' points' if is_share else '%'} from {_long(earlier)}"


def _long(amount: str) -> str:
    """As in the e-mail, with the unit written out and thousands set apart: "-$0.9 million"."""
    amount = re.sub(r"(?<![\d.,])\d{4,}(?![\d.,])", lambda digits: f"{int(digits[0]):,}", amount)
    return re.sub(r"(?<=\d)[mk]$", lambda unit: f" {UNITS[unit[0]]}", amount)
