"""The right response of the tutorial skill that makes an e-mail of quarterly figures."""

import re
from dataclasses import dataclass
from functools import lru_cache

from sdgkit.rehearsal.tutorial_skill import TutorialSkill

_UNITS = {"m": "million", "k": "thousand"}
_PAST_TENSE = {"up": "rose", "down": "fell"}
_LEAD_FIGURES = ("Revenue", "Sales")
_MAX_FIGURES = 40
_MAX_NAME_WORDS = 7

_QUARTER = re.compile(r"\bQ([1-4])(?:[ /](20\d\d|FY\d\d)\b(?!,\d))?")
_AMOUNT = re.compile(
    r"(?<![\w.,])-?(?:[€$£]|CHF ?)?-?\d+(?:,\d{3})*(?:\.\d+)?"
    r"(?: ?(?:million|thousand|m|k|%))?(?!\w)"
)
# Numbers that are no amounts: quarters, years, "per 1,000 hours".
_NO_AMOUNT = re.compile(rf"{_QUARTER.pattern}|\b20\d\d\b(?![,.]\d)|\bper [\d,]+ \w+")
_NAME_END = re.compile(r"(?: (?:came in at|was|is|of|at|in))*[\s:|,(\"]*$")
_ENTRY_END = re.compile(r"\n[-\s]*|(?<=[\w%)])[.;](?:\s+|$)")
_LONG_NUMBER = re.compile(r"(?<![\d.,])\d{4,}(?![\d.,])")
_SHORT_UNIT = re.compile(r"(?<=\d)[mk]$")


@dataclass(frozen=True, slots=True)
class NamedFigure:
    """A figure as a source gives it.

    Attributes:
        name: What it is, such as "Revenue".
        now: Its amount, such as "€45.0m".
        earlier: The amount of the earlier quarter, or an empty string.
    """

    name: str
    now: str
    earlier: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """How an amount has changed.

    Attributes:
        direction: "up", "down", or an empty string where no size can be given.
        size: By how much, such as "8.0%".
        text: The change in words, such as "up 8.0% from €45.0 million".
    """

    direction: str
    size: str
    text: str


@lru_cache(maxsize=512)
def mail(skill: TutorialSkill, source: str, example: str) -> str:
    """Quarterly figures → the e-mail. Greeting and sign-off are the seed example's.

    Args:
        skill: The skill, with the words by which an outlook is recognised.
        source: The figures, in any layout.
        example: The seed example's response.
    """
    figures = _read_figures(skill, source)
    entries = []
    for figure in figures:
        change = _change(figure)
        entries.append(f"- {figure.name}: {_written_out(figure.now)} ({change.text})")
    title, period = _quarter(skill, source)
    subject, lead = _subject_and_lead(_lead_figure(figures), title, period)
    parts = example.split("\n\n")
    greeting = parts[1:2]
    outlook = f"Outlook: {_read_outlook(skill, source)}."
    return "\n\n".join([subject, *greeting, lead, "\n".join(entries), outlook, *parts[-1:]])


def _quarter(skill: TutorialSkill, source: str) -> tuple[str, str]:
    """The quarter as a title ("Q1 2025") and in words ("the first quarter of 2025")."""
    match = _QUARTER.search(source)
    if match is None:
        return "Figures", "the last quarter"
    title = match[0].replace("/", " ")
    ordinal = skill.texts["quarters"].get(title[:2], "last")
    year = ""
    if match[2]:
        year = f" of {match[2]}"
    return title, f"the {ordinal} quarter{year}"


def _lead_figure(figures: list[NamedFigure]) -> NamedFigure:
    """The figure for subject and first sentence."""
    for figure in figures:
        if figure.name in _LEAD_FIGURES:
            return figure
    if figures:
        return figures[0]
    return NamedFigure("Figures", "0")


def _subject_and_lead(figure: NamedFigure, title: str, period: str) -> tuple[str, str]:
    name = figure.name
    if not name[:2].isupper():
        name = name[0].lower() + name[1:]
    is_count = re.fullmatch(r"[\d,]+", figure.now) and name.endswith(("s", "built"))
    our_figure = f"the number of our {name}" if is_count else f"our {name}"
    change = _change(figure)
    if change.direction:
        short = f"{change.direction} {change.size} to"
        verb = f"{_PAST_TENSE[change.direction]} by {change.size} to"
    else:
        short = "at"
        verb = "came to"
    amount = _written_out(figure.now)
    subject = f"Subject: {title}: {name} {short} {amount}"
    lead = f"In {period}, {our_figure} {verb} {amount}."
    return subject, lead


def _entries(source: str) -> list[str]:
    return _ENTRY_END.split(source)


def _is_outlook(skill: TutorialSkill, entry: str) -> bool:
    return any(sign in entry.lower() for sign in skill.texts["outlook_signs"])


def _read_outlook(skill: TutorialSkill, source: str) -> str:
    """The last entry that looks ahead, as the e-mail has it."""
    outlook = str(skill.texts["no_outlook"])
    for entry in _entries(source):
        if _is_outlook(skill, entry):
            for pattern, replacement in skill.texts["outlook_forms"]:
                entry = re.sub(pattern, replacement, entry)
            outlook = entry
            if not entry[1:2].isupper():
                outlook = entry[:1].lower() + entry[1:]
    return outlook


def _read_figures(skill: TutorialSkill, source: str) -> list[NamedFigure]:
    """The figures, except those that must not be published; at most 40."""
    figures = []
    for entry in _entries(source):
        is_withheld = any(sign in entry.lower() for sign in skill.texts["withheld"])
        if _is_outlook(skill, entry) or is_withheld:
            continue
        figure = _read_figure(entry)
        if figure is not None:
            figures.append(figure)
    return figures[:_MAX_FIGURES]


def _read_figure(entry: str) -> NamedFigure | None:
    """A name, an amount and perhaps an earlier one, as the entry has them."""
    bare_entry = _NO_AMOUNT.sub("", entry)
    amounts = _AMOUNT.findall(bare_entry)[:2]
    name = _NAME_END.sub("", _AMOUNT.split(bare_entry)[0]).strip("|-•:, \t")
    if not amounts or not name[:1].isalpha() or len(name.split()) > _MAX_NAME_WORDS:
        return None
    name = name[0].upper() + name[1:]
    is_pair = len(amounts) == 2 and amounts[0].endswith("%") == amounts[1].endswith("%")
    return NamedFigure(name, amounts[0], amounts[1] if is_pair else "")


def _change(figure: NamedFigure) -> Change:
    if not figure.earlier:
        return Change("", "", "no earlier value")
    if figure.now == figure.earlier:
        return Change("", "", "unchanged")
    now = _value(figure.now)
    earlier = _value(figure.earlier)
    earlier_amount = _written_out(figure.earlier)
    is_share = figure.now.endswith("%")
    if not is_share and (now <= 0 or earlier <= 0):
        # A percentage means nothing here.
        return Change("", "", f"after {earlier_amount}")
    direction = "down"
    if now > earlier:
        direction = "up"
    # The tiny addition makes halves round up.
    if is_share:
        size = f"{abs(now - earlier) + 1e-9:.1f} points"
    else:
        size = f"{abs(now - earlier) / (earlier / 100) + 1e-9:.1f}%"
    return Change(direction, size, f"{direction} {size} from {earlier_amount}")


def _value(amount: str) -> float:
    return float(re.sub(r"[^\d.-]", "", amount))


def _written_out(amount: str) -> str:
    """As in the e-mail, with the unit in full and commas between thousands: "-$0.9 million"."""
    amount = _LONG_NUMBER.sub(lambda digits: f"{int(digits[0]):,}", amount)
    return _SHORT_UNIT.sub(lambda unit: f" {_UNITS[unit[0]]}", amount)
