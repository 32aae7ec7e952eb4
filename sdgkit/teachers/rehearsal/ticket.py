"""Störungsmeldung → Ticket: the skill's rules for writing, reading and judging German fault reports."""

import random
import re
from functools import cache, lru_cache
from typing import Any

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment, vocabulary

OFF_QUESTIONS = 0.11  # share of questions that the context cannot answer
FLAWED_RESPONSES = 0.10

Ticket = dict[str, str]  # label → what stands behind it


def suits(asked: Assignment) -> bool:
    """Whether the seed's response is a German ticket."""
    response = asked.seed.get("response", "")
    if response:
        return "Störung:" in response and "Anlage:" in response
    prose = asked.prose
    return "Ticket" in prose and "Störung" in prose


# --- writing -----------------------------------------------------


def context(asked: Assignment, dice: random.Random) -> str:
    """A fault report that arrives the way the seed's does."""
    texts = vocabulary("ticket")
    example = asked.seed.get("context", "")
    said = _report(texts, dice)
    if dice.random() < 0.3:
        said.append(dice.choice(texts["asides"]))
    name = dice.choice(texts["people"])
    phone = f", Durchwahl {dice.randint(101, 989)}" if dice.random() < 0.6 else ""
    if example.startswith("["):
        return _chat(said, name, dice)
    if "Schichtbuch" in example:
        lines = [*said[:1], " ".join(said[1:])] if len(said) > 1 else said
        lines += [dice.choice(texts["fixed"])] if dice.random() < 0.6 else []
        day = f"{dice.randint(1, 28)}.{dice.randint(1, 12)}."
        return "\n".join([f"Schichtbuch {day}:", *(f"- {line}" for line in lines), f"gez. {name}"])
    if len(example) < 90 and "\n" not in example:
        return " ".join(said[: dice.randint(2, 3)])
    if "\n" not in example:
        said += [f"Meine Durchwahl ist die {phone[-3:]}."] if phone else []
        return f"Ja, hallo, {name} hier. {' '.join(said)} Danke."
    opening = dice.choice(["Guten Morgen zusammen,", "Hallo,", "Sehr geehrte Damen und Herren,", "Liebe Kollegen,"])
    subject = (
        f"Betreff: {dice.choice(['Störung', 'Bitte um Hilfe', 'Meldung', 'Defekt'])}\n\n"
        if "Betreff" in example
        else ""
    )
    return f"{subject}{opening}\n\n{' '.join(said)}\n\nViele Grüße\n{name}{phone}"


def _report(texts: dict[str, Any], dice: random.Random) -> list[str]:
    fault = dice.choice(texts["faults"])
    kind, fitting = fault[4], [place[0] for place in texts["places"] if place[1] in fault[5]]
    rest = []
    if fitting and dice.random() < 0.75:
        rest.append(f"Das ist {dice.choice(fitting)}.")
    if dice.random() < 0.7:
        rest.append(f"Das geht schon seit {dice.choice(texts['begins'])[0]} so.")
    if dice.random() < 0.8:
        rest.append(dice.choice([effect[0] for effect in texts["effects"] if kind in effect[3]]))
    attempts = [attempt[0] for attempt in texts["tries"] if kind in attempt[2]]
    rest += dice.sample(attempts, min(len(attempts), dice.choice([0, 1, 1, 2])))
    dice.shuffle(rest)
    return [fault[0], *rest]


def _chat(said: list[str], name: str, dice: random.Random) -> str:
    minute = dice.randint(7 * 60, 18 * 60)
    lines = []
    for text in said:
        lines.append(f"[{minute // 60:02d}:{minute % 60:02d}] {name}: {text}")
        minute += dice.randint(0, 3)
    thanks = dice.choice(["ok, geb ich weiter", "danke, ist notiert", "alles klar"])
    lines.append(f"[{minute // 60:02d}:{minute % 60:02d}] Empfang: {thanks}")
    return "\n".join(lines)


def question(asked: Assignment, dice: random.Random) -> str:
    """A request for the ticket; sometimes one that the report does not bear out."""
    texts = vocabulary("ticket")["questions"]
    people = [name for name in vocabulary("ticket")["people"] if name in asked.given.get("context", "")]
    template = dice.choice(texts["off" if dice.random() < OFF_QUESTIONS else "asking"])
    return wording.filled(template, dice, name=people[0] if people else "der Frühschicht")


def response(asked: Assignment, dice: random.Random) -> str:
    """The ticket for the given report; sometimes with a mistake in it."""
    ticket = dict(read_report(_source(asked)))
    labels = _labels(asked.seed.get("response", ""))
    if dice.random() < FLAWED_RESPONSES:
        return _spoiled(ticket, labels, dice)
    return _written(ticket, labels)


def _written(ticket: Ticket, labels: list[str]) -> str:
    nothing = vocabulary("ticket")["nothing"]
    return "\n".join(f"{label}: {ticket.get(label, nothing)}" for label in labels)


def _spoiled(ticket: Ticket, labels: list[str], dice: random.Random) -> str:
    texts = vocabulary("ticket")
    unsaid = [label for label in ("Ort", "Beginn") if ticket.get(label) == texts["nothing"]]
    flaw = dice.choice(["priority", "line missing", "guessed", "no form", "aside"])
    if flaw == "guessed" and unsaid:
        ticket[unsaid[0]] = dice.choice(texts["places" if unsaid[0] == "Ort" else "begins"])[1]
    elif flaw == "line missing":
        labels = [label for label in labels if label != dice.choice(labels[1:])]
    elif flaw == "no form":
        return " ".join(f"{ticket.get(label, '')}." for label in labels[:6]).replace("..", ".")
    elif flaw == "aside":
        ticket["Störung"] = f"{ticket.get('Störung', '')} {dice.choice(texts['asides'])}"
    else:
        ticket["Priorität"] = dice.choice(
            [word for word in ("hoch", "mittel", "niedrig") if word != ticket.get("Priorität")]
        )
    return _written(ticket, labels)


# --- reading -----------------------------------------------------


@lru_cache(maxsize=512)
def read_report(text: str) -> Ticket:
    """The ticket that a report calls for: known sentences are recognised, others sorted by their words."""
    texts = vocabulary("ticket")
    ticket = dict.fromkeys(texts["labels"], texts["nothing"])
    attempts = []
    for sentence in _sentences(text):
        kind, entry = _known().get(_key(sentence), ("", []))
        if kind == "faults":
            ticket.update({"Titel": entry[1], "Anlage": entry[2], "Störung": entry[3]})
        elif kind == "effects":
            ticket["Auswirkung"] = entry[1]
        elif kind == "tries":
            attempts.append(entry[1])
    if attempts:
        ticket["Bereits versucht"] = ", ".join(attempts)
    if ticket["Titel"] == texts["nothing"]:
        ticket.update(_guessed(text))
    ticket["Ort"], ticket["Beginn"], ticket["Rückfragen an"] = _place(text), _begin(text), _reporter(text)
    ticket["Priorität"] = _priority(text)
    return ticket


def _sentences(text: str) -> list[str]:
    return [
        re.sub(r"^[^\w\[]*(?:\[\d\d:\d\d\]\s*)?(?:[\w. ]{2,24}:\s+)?", "", sentence)
        for sentence in wording.sentences(text)
    ]


def _key(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.lower()))


@cache
def _known() -> dict[str, tuple[str, list[str]]]:
    texts = vocabulary("ticket")
    return {_key(entry[0]): (kind, entry) for kind in ("faults", "effects", "tries") for entry in texts[kind]}


def _guessed(text: str) -> Ticket:
    """Title, machine and fault of a report in words that the rules do not know."""
    signs = vocabulary("ticket")["trouble"]
    said = [sentence for sentence in _sentences(text) if any(sign in sentence.lower() for sign in signs)]
    if not said:
        return {}
    sentence = " ".join(said[0].split()).rstrip("!.? ")[:160]
    nouns = re.findall(r"\b(?:[Dd](?:er|ie|as)|[Uu]nser\w*)\s+([A-ZÄÖÜ]\w+(?: (?:\d+|[A-Z]\b))?)", text)
    return {
        "Titel": " ".join(f"{sentence[0].upper()}{sentence[1:]}".split()[:9]),
        "Anlage": nouns[0] if nouns else vocabulary("ticket")["nothing"],
        "Störung": sentence[0].upper() + sentence[1:] + ".",
    }


_PLACE = re.compile(
    r"((?:Halle|Haus|Gebäude|Raum|Lager|Besprechungsraum|Packplatz|Werkstatt) [A-Z0-9][\w.]*"
    r"(?:, (?:Raum|Packplatz|Tor|Gang|Platz) [\d.]*\d)?"
    r"|(?:Teeküche|Büro) im \d\. Stock|\d\. Stock)", re.I,
)  # fmt: skip


def _place(text: str) -> str:
    for said, place in vocabulary("ticket")["places"]:
        if f"Das ist {said}." in text:
            return str(place)
    found = _PLACE.search(text)
    return found[1] if found else str(vocabulary("ticket")["nothing"])


_SINCE = re.compile(
    r"\bseit (?:dem )?((?:gestern|heute|vorgestern)(?: \w+)?|(?:mon|diens|mitt|donners|frei|sams|sonn)\w+"
    r"|\d{1,2}(?::\d\d|\. \w+))", re.I,
)  # fmt: skip


def _begin(text: str) -> str:
    for said, begin in vocabulary("ticket")["begins"]:
        if f"seit {said} so." in text:
            return str(begin)
    found = _SINCE.search(text)
    if found is None:
        return str(vocabulary("ticket")["nothing"])
    return found[1].capitalize() if re.fullmatch(r"\w+(?:tag|woch)", found[1]) else found[1]


def _reporter(text: str) -> str:
    name = next((name for name in vocabulary("ticket")["people"] if name in text), "")
    if not name:
        signed = re.search(r"(?:Grüße|Gruß|gez\.)[,\s]+([A-ZÄÖÜ][\w.]+(?: [A-ZÄÖÜ][\w.]+)*)", text)
        spoken = re.search(r"(?m)^\[\d\d:\d\d\] (\w+):", text)
        name = signed[1].rstrip(".") if signed else spoken[1] if spoken else ""
    phone = re.search(r"\b(?:Durchwahl|Apparat)(?: ist die)? ([\d ]*\d)", text)
    if not name:
        return f"Durchwahl {phone[1]}" if phone else str(vocabulary("ticket")["nothing"])
    return f"{name}, Durchwahl {phone[1]}" if phone else name


def _priority(text: str) -> str:
    for sentence in _sentences(text):
        kind, entry = _known().get(_key(sentence), ("", []))
        if kind == "effects":
            return str(entry[2])
    low = text.lower()
    if any(word in low for word in vocabulary("ticket")["urgent"]):
        return "hoch"
    return "mittel" if any(word in low for word in vocabulary("ticket")["hindered"]) else "niedrig"


def _labels(example: str) -> list[str]:
    """The labels of the seed's (first) ticket, in order."""
    found = re.findall(r"(?m)^([A-ZÄÖÜ][\w ]{1,30}):", example.split("\n\n", 1)[0])
    return found if len(found) >= 3 else list(vocabulary("ticket")["labels"])


def _source(asked: Assignment) -> str:
    return asked.given.get("context") or asked.given.get("question", "")


# --- judging -----------------------------------------------------


def question_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given question, seen from question and report alone."""
    text, source = asked.given.get("question", "").lower(), asked.given.get("context", "").lower()
    found = []
    strange = [word for word in vocabulary("ticket")["off_words"] if word in text and word not in source]
    if strange:
        found.append(Finding(f"It asks about something that the report does not hold (“{strange[0]}”)."))
    if "ticket" not in text and not found:
        found.append(Finding("It does not ask for a ticket, as the example does."))
    return found


def response_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given ticket beside what the report says."""
    text = asked.given.get("response", "")
    expected, labels = read_report(_source(asked)), _labels(asked.seed.get("response", ""))
    nothing = vocabulary("ticket")["nothing"]
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if not any(label in lines for label in labels):
        return [Finding("It is running text and not a ticket with its labelled lines.")]
    found = [Finding(f"The line “{label}” is missing.") for label in labels if label not in lines]
    for label in labels:
        wanted, said = expected.get(label, nothing), lines.get(label, "")
        if not said or said == wanted:
            continue
        if label == "Priorität":
            found.append(Finding(f"The priority is “{said}”, but by the rules of the task it is “{wanted}”."))
        elif wanted == nothing:
            found.append(Finding(f"“{label}: {said}” is a guess: the report does not say it."))
        elif said.startswith(wanted):
            found.append(Finding(f"“{label}” keeps a side remark that does not belong there.", is_slight=True))
        else:
            found.append(Finding(f"“{label}” should be “{wanted}”, not “{said}”.", is_slight=True))
    return found


def facts(asked: Assignment) -> dict[str, object]:
    """What the evaluation of a good ticket says of it."""
    ticket = read_report(_source(asked))
    return {"priority": ticket["Priorität"], "title": ticket["Titel"]}
