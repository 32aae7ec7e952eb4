"""Quarterly figures → a company e-mail: figures drawn, read from any layout, compared, and announced."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.reading import Assignment
from sdgkit.teachers.rehearsal.skills import Skill
from sdgkit.teachers.rehearsal.wording import filled

GREETING, SIGN_OFF = "Dear colleagues,", "Best regards,\nFinance Communications"
NO_OUTLOOK = "no guidance has been given"
UNITS = {"million": "m", "thousand": "k", "billion": "bn"}
CODES = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF "}


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as it is written: `-0.9` with unit `$` … `m`."""

    before: str
    digits: str
    after: str
    is_negative: bool = False

    @property
    def bare(self) -> str:
        """As in an export: `-1200`."""
        return "-" * self.is_negative + self.digits.replace(",", "")

    def __format__(self, spec: str) -> str:
        """As in a source: `-$0.9m`."""
        return format(f"{'-' * self.is_negative}{self.before}{self.digits}{self.after}", spec)

    def long(self) -> str:
        """As in the e-mail, with the unit written out and thousands set apart: `-$0.9 million`."""
        digits = f"{int(self.digits):,}" if self.digits.isdigit() and len(self.digits) > 3 else self.digits
        unit = next((f" {word}" for word, short in UNITS.items() if short == self.after), self.after)
        return f"{'-' * self.is_negative}{self.before}{digits}{unit}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a quarter; `earlier` is None where the source has no earlier value."""

    name: str
    now: Amount
    earlier: Amount | None

    @property
    def rises(self) -> bool | None:
        """None if it is unchanged or has no earlier value."""
        if self.earlier is None or self.now.bare == self.earlier.bare:
            return None
        return float(self.now.bare) > float(self.earlier.bare)

    def size(self) -> str:
        """The change in percent or points, "" where there is none or it has no meaning."""
        if self.rises is None or self.earlier is None:
            return ""
        now, then = float(self.now.bare), float(self.earlier.bare)
        if self.now.after == "%":
            return f"{abs(now - then) + 1e-9:.1f} points"
        return "" if now * then <= 0 or now < 0 else f"{abs(now - then) / then * 100 + 1e-9:.1f}%"

    def change(self) -> str:
        """What stands in parentheses: "up 8.0% from €45.0 million"."""
        if self.earlier is None:
            return "no earlier value"
        if self.rises is None:
            return "unchanged"
        how = f"{'up' if self.rises else 'down'} {self.size()} from" if self.size() else "after"
        return f"{how} {self.earlier.long()}"

    @property
    def low(self) -> str:
        """Its name in a sentence: without the capital, if that is not part of it ("EBIT")."""
        return self.name if self.name[:2].isupper() else self.name[:1].lower() + self.name[1:]

    @property
    def unit(self) -> str:
        """Its unit in an export: "EUR m"."""
        code = next((code for code, sign in CODES.items() if sign == self.now.before), "")
        return f"{code} m" if self.now.after == "m" else self.now.after or "number"


@dataclass(frozen=True, slots=True)
class Quarter:
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
        """The quarter, and what the source does not give."""
        source = asked.given.get("context", "")
        names = {metric[0].lower() for metrics in self.texts["metrics"].values() for metric in metrics}
        missing = sorted(name for name in names if name not in source.lower())
        other = [quarter for quarter in ("Q1", "Q2", "Q3", "Q4") if quarter not in source]
        return {
            **super().known(asked, dice), "quarter": read_quarter(self, source).title or "quarterly",
            "missing": dice.choice(missing or ["the staff canteen"]), "other": dice.choice(other or ["next year"]),
        }  # fmt: skip

    def written(self, asked: Assignment) -> str:
        """The e-mail; greeting and sign-off are the example's."""
        quarter = read_quarter(self, asked.source)
        parts = [part.strip() for part in asked.example.split("\n\n")]
        greeting = parts[1] if len(parts) > 3 and len(parts[1]) < 60 else GREETING
        sign_off = parts[-1] if len(parts) > 3 and len(parts[-1]) < 120 else SIGN_OFF
        entries = [f"- {figure.name}: {figure.now.long()} ({figure.change()})" for figure in quarter.figures]
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
        name, value, size = lead.low, lead.now.long(), lead.size()
        is_count = not lead.now.before and lead.now.after != "%" and name.endswith(("s", "built"))
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
    value = dice.uniform(low, high)
    earlier = value * dice.choice([dice.uniform(0.8, 0.99), dice.uniform(1.01, 1.2)])
    if kind == "percent":
        earlier = max(0.1, value + dice.uniform(-2.5, 2.5))
        return Figure(name, _amount(min(value, 100), 1, "", "%"), _amount(min(earlier, 100), 1, "", "%"))
    if kind in ("small", "balance"):  # may be zero or less, so that a percentage means nothing
        earlier = dice.uniform(low, high)
    if kind in ("small", "count"):
        return Figure(name, _amount(value, 0), _amount(earlier, 0))
    return Figure(name, _amount(value, 1, currency, "m"), _amount(earlier, 1, currency, "m"))


def _amount(value: float, places: int, before: str = "", after: str = "") -> Amount:
    return Amount(before, f"{abs(value):,.{places}f}", after, is_negative=round(value, places) < 0)


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


@lru_cache(maxsize=512)
def read_quarter(skill: Figures, text: str) -> Quarter:
    """Read a source of any layout by rules: figures are a name, a value and perhaps an earlier value."""
    text, words = text[: wording.LONGEST], skill.texts["words"]
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
    amounts = [_read_amount(match, default) for match in found[:2]]
    earlier = amounts[1] if len(amounts) > 1 and (amounts[1].after == "%") == (amounts[0].after == "%") else None
    return Figure(name[0].upper() + name[1:], amounts[0], earlier)


def _read_amount(match: re.Match[str], default: tuple[str, str]) -> Amount:
    before, after = match[2] or default[0], match[5] or default[1]
    before = "CHF " if before.startswith("CHF") else before
    return Amount(before, match[4], UNITS.get(after, after), bool(match[1] or match[3]))


def _outlook(entry: str, forms: list[tuple[str, str]]) -> str:
    for form, replacement in forms:
        entry = re.sub(form, replacement, entry)
    return entry if entry[:2].isupper() else entry[:1].lower() + entry[1:]
