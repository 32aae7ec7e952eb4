"""Quarterly figures: drawn from `texts/figures.toml`, laid out as the seed's are, read from any layout."""

import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.reading import vocabulary


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as it is written: `-0.9` with unit `$` … `m`."""

    before: str
    digits: str
    after: str
    is_negative: bool = False

    @property
    def value(self) -> float:
        """The number itself, in its own unit."""
        value = float(self.digits.replace(",", ""))
        return -value if self.is_negative else value

    def short(self) -> str:
        """As in a source: `-$0.9m`."""
        return f"{'-' if self.is_negative else ''}{self.before}{self.digits}{self.after}"

    def long(self) -> str:
        """As in the e-mail, with the unit written out and thousands set apart: `-$0.9 million`."""
        digits = self.digits
        if digits.isdigit() and len(digits) > 3:
            digits = f"{int(digits):,}"
        unit = {"m": " million", "k": " thousand", "bn": " billion"}.get(self.after, self.after)
        return f"{'-' if self.is_negative else ''}{self.before}{digits}{unit}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a quarter; `earlier` is None where the source has no earlier value."""

    name: str
    value: Amount
    earlier: Amount | None


@dataclass(frozen=True, slots=True)
class Quarter:
    """What a source says: a title such as "Q2 2025", the figures in order, outlook and reason or ""."""

    title: str
    figures: tuple[Figure, ...]
    outlook: str
    reason: str


def in_a_sentence(name: str) -> str:
    """A figure's name without its capital, if that is not part of it ("EBIT")."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


# --- writing a source --------------------------------------------


def source(example: str, dice: random.Random) -> str:
    """Figures of some quarter, laid out as `example` is."""
    texts = vocabulary("figures")
    sector = dice.choice(texts["sectors"])
    metrics = [sector["metrics"][0], *dice.sample(sector["metrics"][1:], dice.randint(1, 4))]
    currency = dice.choice(texts["words"]["currencies"])
    figures = [_drawn(metric, currency, dice) for metric in metrics]
    number, year = dice.randint(1, 4), dice.randint(2022, 2026)
    by_year = dice.random() < 0.6
    earlier = f"Q{number} {year - 1}" if by_year else f"Q{(number - 2) % 4 + 1} {year - (number == 1)}"
    outlook = _filled(dice.choice(texts["words"]["outlooks"]), dice, number, year, metrics[0][0])
    rest = [outlook] if dice.random() < 0.75 else []
    layout = _layout(example)
    if layout in ("bullets", "report") and dice.random() < 0.35:
        rest.insert(0, _reason(figures[0], dice, number, year))
    if layout not in ("table", "export") and dice.random() < 0.25:
        rest.append(_filled(dice.choice(texts["words"]["asides"]), dice, number, year, metrics[0][0]))
    return _LAYOUTS[layout](figures, f"Q{number} {year}", earlier, rest, sector["firm"])


def _drawn(metric: list[Any], currency: str, dice: random.Random) -> Figure:
    name, kind, low, high = metric
    value = dice.uniform(low, high)
    earlier = value * dice.choice([dice.uniform(0.8, 0.99), dice.uniform(1.01, 1.2)])
    if kind == "percent":
        earlier = value + dice.uniform(-2.5, 2.5)
        return Figure(name, _amount(min(value, 100), 1, "", "%"), _amount(min(max(earlier, 0.1), 100), 1, "", "%"))
    if kind == "small":
        return Figure(name, _amount(round(value), 0), _amount(dice.randint(low, high), 0))
    if kind == "count":
        return Figure(name, _amount(value, 0), _amount(earlier, 0))
    if kind == "balance":
        earlier = dice.uniform(low, high)
    return Figure(name, _amount(value, 1, currency, "m"), _amount(earlier, 1, currency, "m"))


def _amount(value: float, places: int, before: str = "", after: str = "") -> Amount:
    return Amount(before, f"{abs(value):,.{places}f}", after, is_negative=round(value, places) < 0)


def _reason(lead: Figure, dice: random.Random, number: int, year: int) -> str:
    rises = lead.earlier is not None and lead.value.value >= lead.earlier.value
    reason = dice.choice(vocabulary("figures")["words"]["reasons_up" if rises else "reasons_down"])
    text = _filled(reason, dice, number, year, lead.name)
    return f"{text}, hence the {'rise' if rises else 'drop'} in {lead.name.lower()}"


def _filled(template: str, dice: random.Random, number: int, year: int, lead: str) -> str:
    texts = vocabulary("figures")["words"]
    return wording.filled(
        template,
        dice,
        year=year,
        next=number % 4 + 1,
        number=dice.randint(2, 9),
        day=dice.randint(1, 28),
        month=dice.choice(texts["months"]),
        season=dice.choice(texts["seasons"]),
        lead=lead.lower(),
        weekday=dice.choice(vocabulary("anyskill")["en"]["days"]),
    )


def _layout(example: str) -> str:
    first = example.lstrip()[:60].lower()
    if first.startswith("|"):
        return "table"
    if first.startswith("metric,") or first.count(",") >= 3 > first.count(" "):
        return "export"
    lines = [line for line in example.splitlines() if line.strip()]
    if len(lines) == 1:
        return "line"
    if sum(line.lstrip().startswith("-") for line in lines) >= 2 and "---" not in example:
        return "bullets"
    if re.search(r"\w {3,}[\d€$£]", example):
        return "columns"
    return "letter" if re.match(r"(hi|hello|dear)\b", first) else "report"


def _table(figures: list[Figure], now: str, then: str, rest: list[str], firm: str) -> str:
    cells = [("", now, then), *((f.name, f.value.short(), _short(f.earlier)) for f in figures)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(3)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, *(["", *rest] if rest else [])])


def _bullets(figures: list[Figure], now: str, then: str, rest: list[str], firm: str) -> str:
    lines = [f"{in_a_sentence(f.name)}: {f.value.short()} ({then[:2]}: {_short(f.earlier)})" for f in figures]
    return "\n".join([f"{now} (all compared with {then})", *(f"- {line}" for line in [*lines, *rest])])


def _export(figures: list[Figure], now: str, then: str, rest: list[str], firm: str) -> str:
    lines = [f"metric,unit,{now},{then}"]
    for figure in figures:
        unit = {"€": "EUR", "$": "USD", "£": "GBP", "CHF ": "CHF"}.get(figure.value.before, "")
        unit = f"{unit} m" if figure.value.after == "m" else figure.value.after or "number"
        assert figure.earlier is not None
        pair = [("-" if a.is_negative else "") + a.digits.replace(",", "") for a in (figure.value, figure.earlier)]
        lines.append(f"{in_a_sentence(figure.name)},{unit},{pair[0]},{pair[1]}")
    return "\n".join([*lines, *(f'note,,"{line}",' for line in rest)])


def _line(figures: list[Figure], now: str, then: str, rest: list[str], firm: str) -> str:
    before = "last year" if then[:2] == now[:2] else f"in {then[:2]}"
    said = [f"{in_a_sentence(f.name)} {f.value.short()}, {before} {_short(f.earlier)}" for f in figures]
    return " ".join([f"{now}:", *(f"{text}." for text in said), *rest])


def _columns(figures: list[Figure], now: str, then: str, rest: list[str], firm: str) -> str:
    width = max(len(figure.name) for figure in figures) + 4
    head = f"{firm[0].upper()}{firm[1:]}, {now} ({then} in brackets)"
    lines = [f"{f.name.ljust(width)}{f.value.short().rjust(10)}   ({_short(f.earlier)})" for f in figures]
    return "\n".join([head, "", *lines, *(["", *rest] if rest else [])])


def _report(figures: list[Figure], now: str, then: str, rest: list[str], firm: str) -> str:
    head = f"REPORT {now.replace(' ', '/')} (comparison: {then.replace(' ', '/')})"
    lines = [f"{f.name}: {f.value.short()} ({then[:2]}: {_short(f.earlier)})" for f in figures]
    return "\n".join([head, "", *lines, *(["", *rest] if rest else [])])


def _letter(figures: list[Figure], now: str, then: str, rest: list[str], firm: str) -> str:
    before = "a year ago" if then[:2] == now[:2] else f"in {then[:2]}"
    said = [f"{f.name} came in at {f.value.short()}, {before} it was {_short(f.earlier)}." for f in figures]
    return "\n\n".join(["Hi,", f"the board has just released {now}.\n" + "\n".join(said), *rest, "Ruth"])


def _short(amount: Amount | None) -> str:
    return amount.short() if amount else ""


_LAYOUTS = {
    "table": _table, "bullets": _bullets, "export": _export, "line": _line,
    "columns": _columns, "report": _report, "letter": _letter,
}  # fmt: skip


# --- reading a source --------------------------------------------

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
_UNITS = {"million": "m", "thousand": "k", "billion": "bn"}
_CODES = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF "}


@lru_cache(maxsize=512)
def read_quarter(text: str) -> Quarter:
    """Read a source of any layout by rules: figures are a name, a value and perhaps an earlier value."""
    text = text[: wording.LONGEST]
    quarter = _QUARTER.search(text)
    year = quarter and (f"FY{quarter[3]}" if quarter[2] else quarter[4])
    title = f"Q{quarter[1]} {year or ''}".strip() if quarter else ""
    unit = re.search(r"\bin (€|\$|£|CHF) (thousand|million)", text)
    default = (unit[1], _UNITS[unit[2]]) if unit else ("", "")
    signs = vocabulary("figures")["words"]["outlook_signs"]
    figures, outlook, reason = [], "", ""
    for entry in _entries(text):
        low = entry.lower()
        if ", hence the " in low:
            reason = entry.lstrip("- ").split(", hence the ")[0]
        elif any(sign in low for sign in signs) and not low.startswith(("|", "metric,")):
            outlook = outlook or _as_outlook(entry)
        elif not any(word in low for word in ("keep them out", "had an error", "don't use")):
            figure = _figure(entry, default)
            if figure is not None:
                figures.append(figure)
    return Quarter(title, tuple(figures[:40]), outlook, reason)


def _entries(text: str) -> list[str]:
    entries = []
    for line in text.splitlines():
        if line.startswith(("|", "-")) or ("," in line and line.count(" ") < line.count(",")):
            entries.append(line.strip())
        else:
            entries.extend(part.strip() for part in re.split(r"(?<=[\w%)])[.;]\s+", line) if part.strip())
    return entries


def _figure(entry: str, default: tuple[str, str]) -> Figure | None:
    masked = _NOT_A_FIGURE.sub(lambda found: "\0" * len(found[0]), entry)
    fields = entry.split(",")
    if len(fields) == 4 and " " not in fields[2] + fields[3] and fields[1]:  # a line of an export
        code, _, after = fields[1].partition(" ")
        default = (_CODES.get(code, ""), after or ("%" if code == "%" else ""))
        entry, masked = fields[0] + " " + " ".join(fields[2:]), fields[0] + " " + " ".join(fields[2:])
    found = list(_AMOUNT.finditer(masked))
    if not found:
        return None
    name = entry[: found[0].start()].strip("|-• \t")
    name = _NAME_ENDS.sub("", _QUARTER.sub("", name).replace("\0", "")).strip(" :(,|")
    if not name or not name[0].isalpha() or len(name.split()) > 7 or len(found) > 3:
        return None
    amounts = [_read_amount(match, default) for match in found[:2]]
    earlier = amounts[1] if len(amounts) > 1 and (amounts[1].after == "%") == (amounts[0].after == "%") else None
    return Figure(name[0].upper() + name[1:], amounts[0], earlier)


def _read_amount(match: re.Match[str], default: tuple[str, str]) -> Amount:
    before, after = match[2] or default[0], match[5] or default[1]
    if before.startswith("CHF"):
        before = "CHF "
    return Amount(before, match[4], _UNITS.get(after, after), bool(match[1] or match[3]))


def _as_outlook(entry: str) -> str:
    text = re.sub(r'^(?:note,,)?["-]?\s*', "", entry).rstrip('",. ')
    plan = re.match(r"Plan for ([^:]+):\s*(.*)", text)
    if plan:
        return f"the plan for {plan[1].replace('/', ' ')} is {plan[2]}"
    text = re.sub(r"^(?:Next|Outlook):\s*", "", text)
    text = re.sub(r"(?<=\d)m\b", " million", text)
    text = re.sub(r"(?<=Q\d)/", " ", text)
    if text.startswith("Guidance"):
        text = "the g" + text[1:]
    is_name = len(text) > 1 and text[:2].isupper()
    return text if is_name else text[:1].lower() + text[1:]
