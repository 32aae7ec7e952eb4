"""Quarterly figures → a company e-mail: the skill's rules for writing and judging."""

import random
import re
from functools import lru_cache

from sdgkit.teachers.rehearsal import anyskill, figures, wording
from sdgkit.teachers.rehearsal.figures import Figure, Quarter
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment, vocabulary

OFF_QUESTIONS = 0.11  # share of questions that the context cannot answer
FLAWED_RESPONSES = 0.10
GREETING = "Dear colleagues,"
SIGN_OFF = "Best regards,\nFinance Communications"
NO_OUTLOOK = "no guidance has been given"


def suits(asked: Assignment) -> bool:
    """Whether the seed's response is an e-mail about a quarter."""
    response = asked.seed.get("response", "")
    if response:
        return response.startswith("Subject:") and bool(re.search(r"\bQ[1-4]\b|quarter", response))
    prose = asked.prose.lower()
    return "mail" in prose and "quarter" in prose and "figures" in prose


def context(asked: Assignment, dice: random.Random) -> str:
    """A quarter's figures in the layout of the seed's."""
    return figures.source(asked.seed.get("context", ""), dice)


def question(asked: Assignment, dice: random.Random) -> str:
    """A request for the e-mail; sometimes one that the context does not bear out."""
    texts = vocabulary("figures")
    source = asked.given.get("context", "")
    quarter = figures.read_quarter(source)
    number = int(quarter.title[1:2] or 1)
    missing = [name for name in _metric_names() if name not in source.lower()]
    firms = [sector["firm"] for sector in texts["sectors"] if sector["firm"].lower() in source.lower()]
    template = dice.choice(texts["questions"]["off" if dice.random() < OFF_QUESTIONS else "asking"])
    return wording.filled(
        template,
        dice,
        quarter=quarter.title or "quarterly",
        other=number % 4 + 1,
        missing=dice.choice(missing or ["the staff canteen"]),
        firm=firms[0] if firms else "our company",
    )


@lru_cache(maxsize=1)
def _metric_names() -> tuple[str, ...]:
    names = (metric[0].lower() for sector in vocabulary("figures")["sectors"] for metric in sector["metrics"])
    return tuple(dict.fromkeys(names))


# --- the e-mail ---------------------------------------------


def change(figure: Figure) -> str:
    """What stands in a figure's parentheses: "up 8.0% from €45.0 million"."""
    if figure.earlier is None:
        return "no earlier value"
    now, then = figure.value.value, figure.earlier.value
    if now == then:
        return "unchanged"
    size = _size(figure)
    if not size:
        return f"after {figure.earlier.long()}"
    return f"{'up' if now > then else 'down'} {size} from {figure.earlier.long()}"


def _size(figure: Figure) -> str:
    """The change in percent or points, "" where that has no meaning."""
    assert figure.earlier is not None
    now, then = figure.value.value, figure.earlier.value
    if figure.value.after == "%":
        return f"{abs(now - then) + 1e-9:.1f} points"
    if now * then <= 0 or now < 0:
        return ""
    return f"{abs(now - then) / then * 100 + 1e-9:.1f}%"


def _lead(quarter: Quarter) -> Figure:
    wanted = vocabulary("figures")["words"]["metric_names"]
    return next((figure for figure in quarter.figures if figure.name.lower() in wanted), quarter.figures[0])


def _lead_sentence(quarter: Quarter) -> str:
    lead = _lead(quarter)
    name = figures.in_a_sentence(lead.name)
    is_count = not lead.value.before and lead.value.after != "%"
    subject = f"the number of our {name}" if is_count and name.endswith(("s", "built")) else f"our {name}"
    words = vocabulary("figures")["words"]["names"]
    when = f"the {words.get(quarter.title[1:2], 'last')} quarter" + (
        f" of {quarter.title[3:]}" if quarter.title[3:] else ""
    )
    has_size = lead.earlier is not None and lead.value.value != lead.earlier.value and _size(lead)
    if not has_size or lead.earlier is None:
        said = f"In {when}, {subject} came to {lead.value.long()}"
    else:
        verb = "rose" if lead.value.value > lead.earlier.value else "fell"
        said = f"In {when}, {subject} {verb} by {_size(lead)} to {lead.value.long()}"
    return said + (f", because {quarter.reason}." if quarter.reason else ".")


def _subject(quarter: Quarter) -> str:
    lead = _lead(quarter)
    name = figures.in_a_sentence(lead.name)
    size = _size(lead) if lead.earlier is not None and lead.value.value != lead.earlier.value else ""
    if not size or lead.earlier is None:
        return f"{quarter.title}: {name} at {lead.value.long()}".lstrip(": ")
    verb = "up" if lead.value.value > lead.earlier.value else "down"
    return f"{quarter.title}: {name} {verb} {size} to {lead.value.long()}".lstrip(": ")


def _parts(quarter: Quarter, example: str) -> dict[str, str]:
    """The e-mail's parts in order, greeting and sign-off as in the seed."""
    return {
        "subject": f"Subject: {_subject(quarter)}",
        "greeting": _greeting(example),
        "lead": _lead_sentence(quarter),
        "figures": "\n".join(
            f"- {figure.name}: {figure.value.long()} ({change(figure)})" for figure in quarter.figures
        ),
        "outlook": f"Outlook: {quarter.outlook or NO_OUTLOOK}.",
        "sign-off": _sign_off(example),
    }


def _greeting(example: str) -> str:
    lines = [line.strip() for line in example.splitlines() if line.strip()]
    return next((line for line in lines[1:3] if line.endswith(",") and len(line) < 60), GREETING)


def _sign_off(example: str) -> str:
    blocks = [block for block in example.split("\n\n") if block.strip()]
    return blocks[-1].strip() if len(blocks) > 3 and len(blocks[-1]) < 120 else SIGN_OFF


def response(asked: Assignment, dice: random.Random) -> str:
    """The e-mail for the given figures; sometimes with a mistake in it."""
    quarter = figures.read_quarter(asked.given.get("context") or asked.given.get("question", ""))
    if not quarter.figures:
        return anyskill.response(asked, dice)
    parts = _parts(quarter, asked.seed.get("response", ""))
    if dice.random() < FLAWED_RESPONSES:
        _spoil(parts, dice)
    return "\n\n".join(part for part in parts.values() if part)


def _spoil(parts: dict[str, str], dice: random.Random) -> None:
    flaw = dice.choice(
        [
            "wrong change",
            "figure missing",
            "no greeting",
            "no sign-off",
            "made-up outlook",
            "wrong order",
            "no lead",
        ]
    )
    lines = parts["figures"].split("\n")
    changed = [line for line in lines if re.search(r"\((?:up|down) ", line)]
    if flaw == "no greeting":
        parts["greeting"] = ""
    elif flaw == "no lead":
        parts["lead"] = ""
    elif flaw == "no sign-off":
        parts["sign-off"] = ""
    elif flaw == "made-up outlook":
        parts["outlook"] = "Outlook: we look forward to another record quarter, with growth of 12%."
    elif flaw == "figure missing" and len(lines) > 1:
        lines.pop(dice.randrange(1, len(lines)))
    elif flaw == "wrong order" and len(lines) > 2:
        lines.reverse()
    elif changed:
        wrong = dice.choice(changed)
        swap = {"(up": "(down", "(down": "(up"}
        lines[lines.index(wrong)] = re.sub(r"\((?:up|down)", lambda found: swap[found[0]], wrong)
    parts["figures"] = "\n".join(lines)


# --- judging -----------------------------------------------------


def question_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given question, seen from question and context alone."""
    text, source = asked.given.get("question", ""), asked.given.get("context", "")
    low, held = text.lower(), source.lower()
    found = anyskill.beyond_context(text, source)
    strange = set(re.findall(r"\bQ[1-4]\b", text)) - set(re.findall(r"\bQ[1-4]\b", source))
    title = figures.read_quarter(source).title
    asked_for = re.search(r"\bQ[1-4]\b", text)
    if strange or (asked_for and title and asked_for[0] != title[:2]):
        named = asked_for[0] if asked_for else "a quarter"
        found.append(Finding(f"It asks about {named}, and the figures are those of {title}."))
    absent = re.search(r"figures for ([a-z -]+)", low)
    if absent and absent[1].strip() not in held and absent[1].strip() in _metric_names():
        found.append(Finding(f"It asks for {absent[1].strip()}, which the context does not give."))
    if not any(word in low for word in vocabulary("figures")["words"]["letter"]):
        found.append(Finding("It does not ask for the e-mail, as the example does, and the figures do not answer it."))
    return found


def response_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given e-mail beside what the figures call for."""
    text, example = asked.given.get("response", ""), asked.seed.get("response", "")
    quarter = figures.read_quarter(asked.given.get("context") or asked.given.get("question", ""))
    if not quarter.figures:
        return anyskill.response_findings(asked)
    expected = _parts(quarter, example)
    found = []
    if not text.startswith("Subject:"):
        found.append(Finding("There is no subject line."))
    if expected["greeting"] not in text:
        found.append(Finding(f"The greeting “{expected['greeting']}” is missing."))
    if expected["sign-off"] not in text:
        found.append(Finding("The sign-off of the house style is missing."))
    if expected["outlook"] not in text:
        wanted = "what the source says" if quarter.outlook else "that no guidance has been given"
        found.append(Finding(f"The outlook does not say {wanted}."))
    listed = [line.strip() for line in text.splitlines() if line.startswith("- ")]
    found.extend(_figure_findings(quarter, listed))
    if "\n\nIn the " not in text:
        found.append(Finding("The lead sentence before the list is missing.", is_slight=True))
    if not found and listed != expected["figures"].split("\n"):
        found.append(Finding("The figures are not in the order of the source.", is_slight=True))
    return found


def _figure_findings(quarter: Quarter, listed: list[str]) -> list[Finding]:
    found = []
    for figure in quarter.figures:
        line = next((line for line in listed if line.startswith(f"- {figure.name}:")), None)
        if line is None:
            found.append(Finding(f"{figure.name} is missing from the list."))
        elif figure.value.long() not in line or change(figure) not in line:
            said = line.removeprefix("- ")
            found.append(Finding(f"“{said}” is wrong: it is {figure.value.long()}, {change(figure)}."))
    names = {f"- {figure.name}" for figure in quarter.figures}
    extra = [line for line in listed if line.split(":")[0] not in names]
    if extra:
        found.append(Finding(f"“{extra[0].removeprefix('- ')}” is not in the source."))
    return found


def facts(asked: Assignment) -> dict[str, object]:
    """What the evaluation of a good e-mail says of it."""
    quarter = figures.read_quarter(asked.given.get("context", ""))
    lead = figures.in_a_sentence(_lead(quarter).name) if quarter.figures else "the first figure"
    return {"count": len(quarter.figures), "lead": lead}
