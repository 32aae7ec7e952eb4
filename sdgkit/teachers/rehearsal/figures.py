"""Quarterly figures → a company e-mail: figures drawn, read from any layout, compared, and announced."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sdgkit.teachers.rehearsal.reading import Assignment
from sdgkit.teachers.rehearsal.skills import Skill
from sdgkit.teachers.rehearsal.wording import filled

GREETING, SIGN_OFF = "Dear colleagues,", "Best regards,\nFinance Communications"
NO_OUTLOOK = "no guidance has been given"
UNITS = {"million": "m", "thousand": "k", "billion": "bn"}
WORDS = {short: word for word, short in UNITS.items()}
CODES = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF "}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a quarter; amounts as in a source ("-$0.9m"), `earlier` None where the source has none."""

    name: str
    now: str
    earlier: str | None

    @property
    def rises(self) -> bool | None:
        """None if it is unchanged or has no earlier value."""
        if self.earlier is None or self.now == self.earlier:
            return None
        return _value(self.now) > _value(self.earlier)

    def size(self) -> str:
        """The change in percent or points, "" where there is none or it has no meaning."""
        if self.rises is None or self.earlier is None:
            return ""
        now, then = _value(self.now), _value(self.earlier)
        if self.now.endswith("%"):
            return f"{abs(now - then) + 1e-9:.1f} points"
        return "" if now * then <= 0 or now < 0 else f"{abs(now - then) / then * 100 + 1e-9:.1f}%"

    def change(self) -> str:
        """What stands in parentheses: "up 8.0% from €45.0 million"."""
        if self.earlier is None:
            return "no earlier value"
        if self.rises is None:
            return "unchanged"
        how = f"{'up' if self.rises else 'down'} {self.size()} from" if self.size() else "after"
        return f"{how} {_long(self.earlier)}"

    @property
    def low(self) -> str:
        """Its name in a sentence: without the capital, if that is not part of it ("EBIT")."""
        return self.name if self.name[:2].isupper() else self.name[:1].lower() + self.name[1:]

    @property
    def export(self) -> str:
        """Unit and amounts in an export: "EUR m,48.6,45.0"."""
        code = next((code for code, sign in CODES.items() if self.now.lstrip("-").startswith(sign)), "")
        unit = f"{code} m" if code else "%" if self.now.endswith("%") else "number"
        return ",".join([unit, *(_NO_NUMBER.sub("", amount) for amount in (self.now, self.earlier or ""))])


class Quarter(NamedTuple):
    """What a source says: a title such as "Q2 2025", the figures in order, outlook and reason or ""."""

    title: str
    figures: tuple[Figure, ...]
    outlook: str
    reason: str


class Figures(Skill):
    """The skill in `texts/figures.toml`."""

    def context(self, asked: Assignment, dice: random.Random) -> str:
        """Figures of some quarter, laid out as the seed's are."""
        layout = self.layout(asked.seed.get("context", ""))
        firm = dice.choice(list(self.texts["metrics"]))
        first, *others = self.texts["metrics"][firm]
        currency = dice.choice(self.texts["words"]["currencies"])
        figures = [_drawn(one, currency, dice) for one in (first, *dice.sample(others, dice.randint(1, 4)))]
        number, year = dice.randint(1, 4), dice.randint(2022, 2026)
        title, is_yearly = f"Q{number} {year}", dice.random() < 0.6
        earlier = f"Q{number} {year - 1}" if is_yearly else f"Q{(number - 2) % 4 + 1} {year - (number == 1)}"
        known = {
            "title": title, "slashed": title.replace(" ", "/"), "earlier": earlier, "period": earlier[:2], "year": year,
            "next": f"Q{number % 4 + 1}", "ago": "a year ago" if is_yearly else f"in {earlier[:2]}", "blank": "",
            "lead": first[0].lower(), "about": self.texts["about"][firm].replace("the ", "The "),
        }  # fmt: skip
        items: list[tuple[str, dict[str, Any]]] = [("figure", {"figure": figure}) for figure in figures]
        for kind, chance in (("reason", 0.35), ("outlook", 0.75), ("aside", 0.25)):
            if kind in layout["notes"] and dice.random() < chance:
                kind = ("rise" if figures[0].rises else "drop") if kind == "reason" else kind
                say = filled(dice.choice(self.texts["notes"][kind]), dice, self.texts["slots"], **known)
                items.append(("note", {"say": say}))
        return self.laid_out(layout, items, dice, **known)

    def known(self, asked: Assignment, dice: random.Random) -> dict[str, Any]:
        """As for any skill, and the quarter."""
        title = read_quarter(self, asked.given.get("context", "")).title
        return {**super().known(asked, dice), "quarter": title or "quarterly"}

    def response(self, source: str, example: str) -> str:
        """The e-mail; greeting and sign-off are the example's."""
        quarter = read_quarter(self, source)
        parts = [part.strip() for part in example.split("\n\n")]
        greeting = parts[1] if len(parts) > 3 and len(parts[1]) < 60 else GREETING
        sign_off = parts[-1] if len(parts) > 3 and len(parts[-1]) < 120 else SIGN_OFF
        entries = [f"- {figure.name}: {_long(figure.now)} ({figure.change()})" for figure in quarter.figures]
        subject, lead = self._lead(quarter)
        outlook = f"Outlook: {quarter.outlook or NO_OUTLOOK}."
        return "\n\n".join([f"Subject: {subject}", greeting, lead, "\n".join(entries), outlook, sign_off])

    def _lead(self, quarter: Quarter) -> tuple[str, str]:
        """Subject and lead sentence, both about the most important figure."""
        words = self.texts["words"]
        when = f"the {words['names'].get(quarter.title[1:2], 'last')} quarter"
        when += f" of {quarter.title[3:]}" if quarter.title[3:] else ""
        title = f"{quarter.title}: " if quarter.title else ""
        if not quarter.figures:
            return f"{title}no figures", f"For {when}, no figures have been given."
        lead = next((one for one in quarter.figures if one.name.lower() in words["leads"]), quarter.figures[0])
        name, value, size = lead.low, _long(lead.now), lead.size()
        is_count = lead.now[-1:].isdigit() and lead.now[:1].isdigit() and name.endswith(("s", "built"))
        subject = f"the number of our {name}" if is_count else f"our {name}"
        reason = f", because {quarter.reason}" if quarter.reason else ""
        if not size:
            return f"{title}{name} at {value}", f"In {when}, {subject} came to {value}{reason}."
        verbs = ("up", "rose") if lead.rises else ("down", "fell")
        said = f"In {when}, {subject} {verbs[1]} by {size} to {value}{reason}."
        return f"{title}{name} {verbs[0]} {size} to {value}", said


# --- drawing -----------------------------------------------------


def _drawn(metric: list[Any], currency: str, dice: random.Random) -> Figure:
    name, kind, low, high = metric
    now = dice.uniform(low, high)
    then = now * dice.choice([dice.uniform(0.8, 0.99), dice.uniform(1.01, 1.2)])
    if kind == "percent":
        now, then = min(now, 100), min(max(0.1, now + dice.uniform(-2.5, 2.5)), 100)
        return Figure(name, f"{now:.1f}%", f"{then:.1f}%")
    if kind in ("small", "balance"):  # may be zero or less, so that a percentage means nothing
        then = dice.uniform(low, high)
    if kind in ("small", "count"):
        return Figure(name, f"{now:,.0f}", f"{then:,.0f}")
    money = [f"{'-' * (round(value, 1) < 0)}{currency}{abs(value):.1f}m" for value in (now, then)]
    return Figure(name, *money)


# --- reading -----------------------------------------------------

_QUARTER = re.compile(r"\bQ([1-4])(?:[ /](?:(FY)\s?(\d\d)|(20\d\d))\b(?![,.]\d))?")
_NOT_A_FIGURE = re.compile(
    r"\bQ[1-4]\b(?:[ /](?:FY\s?\d\d|20\d\d)\b(?![,.]\d))?|\bFY ?\d{2,4}\b|\bper [\d,]+ \w+"
    r"|\b(?:19|20)\d\d\b(?![,.]\d)"
    r"|\b\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)
_AMOUNT = re.compile(
    r"(?<![\w.,])(-?)(€|US\$|\$|£|CHF ?)?(-?)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r" ?(million|thousand|billion|bn|m|k|%)?(?!\w)"
)
_NAME_ENDS = re.compile(r"(?:\s+(?:came in at|was|is|of|at|in|last year|a year ago))*\s*[:|,(]*\s*$")


def read_quarter(skill: Figures, text: str) -> Quarter:
    """Read a source of any layout by rules: figures are a name, a value and perhaps an earlier value."""
    words = skill.texts["words"]
    quarter = _QUARTER.search(text)
    year = quarter and (f"FY{quarter[3]}" if quarter[2] else quarter[4])
    title = f"Q{quarter[1]} {year or ''}".strip() if quarter else ""
    unit = re.search(r"\bin (€|\$|£|CHF) (thousand|million)", text)
    default = (unit[1], UNITS[unit[2]]) if unit else ("", "")
    figures, outlook, reason = [], "", ""
    for entry in _entries(text):
        low = entry.lower()
        if ", hence the " in low:
            reason = entry.lstrip("- ").split(", hence the ")[0]
        elif any(sign in low for sign in words["outlook_signs"]) and not low.startswith(("|", "metric,")):
            outlook = outlook or _outlook(entry, words["outlook_forms"])
        elif not any(word in low for word in words["withheld"]):
            figure = _figure(entry, default)
            if figure is not None:
                figures.append(figure)
    return Quarter(title, tuple(figures[:40]), outlook, reason)


def _entries(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith(("|", "-")) or ("," in line and line.count(" ") < line.count(",")):
            yield line.strip()
        else:
            yield from (part.strip() for part in re.split(r"(?<=[\w%)])[.;]\s+", line) if part.strip())


def _figure(entry: str, default: tuple[str, str]) -> Figure | None:
    fields = entry.split(",")
    if len(fields) == 4 and " " not in fields[2] + fields[3] and fields[1]:  # a line of an export
        code, _, after = fields[1].partition(" ")
        default = (CODES.get(code, ""), "%" if code == "%" else after)
        entry = f"{fields[0]} {fields[2]} {fields[3]}"
    found = list(_AMOUNT.finditer(_NOT_A_FIGURE.sub(lambda match: "\0" * len(match[0]), entry)))
    if not 1 <= len(found) <= 3:
        return None
    name = entry[: found[0].start()].strip("|-• \t")
    name = _NAME_ENDS.sub("", _QUARTER.sub("", name)).strip(" :(,|")
    if not name[:1].isalpha() or len(name.split()) > 7:
        return None
    amounts = [_amount(match, default) for match in found[:2]]
    earlier = amounts[1] if len({amount.endswith("%") for amount in amounts}) < len(amounts) else None
    return Figure(name[0].upper() + name[1:], amounts[0], earlier)


def _amount(match: re.Match[str], default: tuple[str, str]) -> str:
    before, after = match[2] or default[0], match[5] or default[1]
    before = "CHF " if before.startswith("CHF") else before
    return f"{'-' if match[1] or match[3] else ''}{before}{match[4]}{UNITS.get(after, after)}"


def _outlook(entry: str, forms: list[tuple[str, str]]) -> str:
    for form, replacement in forms:
        entry = re.sub(form, replacement, entry)
    return entry if entry[:2].isupper() else entry[:1].lower() + entry[1:]


# --- amounts -----------------------------------------------------

_NO_NUMBER = re.compile(r"[^\d.-]")


def _value(amount: str) -> float:
    return float(_NO_NUMBER.sub("", amount))


def _long(amount: str) -> str:
    """As in the e-mail, with the unit written out and thousands set apart: "-$0.9 million"."""
    amount = re.sub(r"(?<![\d.,])\d{4,}(?![\d.,])", lambda digits: f"{int(digits[0]):,}", amount)
    return re.sub(r"(?<=\d)(?:m|k|bn)$", lambda unit: f" {WORDS[unit[0]]}", amount)
