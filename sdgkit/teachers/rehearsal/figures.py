"""Quarterly figures → a company e-mail: figures read from any layout, compared, and announced."""

import re
from functools import lru_cache

from sdgkit.teachers.rehearsal.skills import Skill

UNITS = {"m": "million", "k": "thousand"}
VERBS = {"up": "rose", "down": "fell"}

_QUARTER = re.compile(r"\bQ([1-4])(?:[ /](20\d\d|FY\d\d)\b(?!,\d))?")
_AMOUNT = re.compile(r"(?<![\w.,])-?(?:[€$£]|CHF ?)?-?\d+(?:,\d{3})*(?:\.\d+)?(?: ?(?:million|thousand|m|k|%))?(?!\w)")
_NO_AMOUNT = re.compile(rf"{_QUARTER.pattern}|\b20\d\d\b(?![,.]\d)|\bper [\d,]+ \w+")
_NAME_END = re.compile(r"(?: (?:came in at|was|is|of|at|in))*[\s:|,(\"]*$")


@lru_cache(maxsize=512)
def mail(skill: Skill, source: str, example: str) -> str:
    """The e-mail; greeting and sign-off are the example's."""
    quarter, parts = _QUARTER.search(source), example.split("\n\n")
    title, year = (quarter[0].replace("/", " "), quarter[2]) if quarter else ("Figures", None)
    when = f"the {skill.texts['quarters'].get(title[:2], 'last')} quarter{f' of {year}' if year else ''}"
    figures, outlook = _read(skill, source)
    entries = "\n".join(f"- {name}: {_long(now)} ({_change(now, earlier)})" for name, now, earlier in figures)
    leads = [figure for figure in figures if figure[0] in ("Revenue", "Sales")] or figures or [("Figures", "0", "")]
    name, now, earlier = leads[0]
    low = name if name[:2].isupper() else name[0].lower() + name[1:]
    our = f"the number of our {low}" if re.fullmatch(r"[\d,]+", now) and low.endswith(("s", "built")) else f"our {low}"
    change = re.match("(up|down) (.+) from", _change(now, earlier))
    short, verb = (
        (f"{change[1]} {change[2]} to", f"{VERBS[change[1]]} by {change[2]} to") if change else ("at", "came to")
    )
    head, lead = f"Subject: {title}: {low} {short} {_long(now)}", f"In {when}, {our} {verb} {_long(now)}."
    return "\n\n".join([head, *parts[1:2], lead, entries, f"Outlook: {outlook}.", *parts[-1:]])


def _read(skill: Skill, text: str) -> tuple[list[tuple[str, str, str]], str]:
    """The figures of any layout (a name, a value and perhaps an earlier one, as in the text), and the outlook."""
    figures, outlook = [], skill.texts["no_outlook"]
    for entry in re.split(r"\n[-\s]*|(?<=[\w%)])[.;](?:\s+|$)", text):
        if any(sign in entry.lower() for sign in skill.texts["outlook_signs"]):
            for form, replacement in skill.texts["outlook_forms"]:
                entry = re.sub(form, replacement, entry)
            outlook = entry if entry[1:2].isupper() else entry[:1].lower() + entry[1:]
        elif not any(word in entry.lower() for word in skill.texts["withheld"]):
            bare = _NO_AMOUNT.sub("", entry)
            name, amounts = _NAME_END.sub("", _AMOUNT.split(bare)[0]).strip("|-•:, \t"), _AMOUNT.findall(bare)[:2]
            if amounts and name[:1].isalpha() and len(name.split()) <= 7:
                is_pair = len(amounts) == 2 and amounts[0].endswith("%") == amounts[1].endswith("%")
                figures.append((name[0].upper() + name[1:], amounts[0], amounts[1] if is_pair else ""))
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
