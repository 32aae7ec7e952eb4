"""User feedback → a table: writes feedback from `texts/feedback.toml`, and reads any feedback by rules.

The same reading (`rows`) serves writer and judge and looks at the text alone: known remarks are recognised,
other sentences are sorted by their words of praise, criticism and wish.
"""

import random
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sdgkit.teachers.rehearsal import anyskill, wording
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment, vocabulary

OFF_QUESTIONS = 0.11  # share of questions that the context cannot answer
FLAWED_RESPONSES = 0.10
HEAD = "| Feature | Feedback | Sentiment |\n|---|---|---|"
SENTIMENTS = ("Positive", "Negative", "Mixed", "Neutral")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: what the users say of one feature."""

    feature: str
    feedback: str
    sentiment: str


def suits(asked: Assignment) -> bool:
    """Whether the seed's response is a table of features and sentiments."""
    lines = asked.seed.get("response", "").split("\n", 1)[0].lower()
    if lines.startswith("|"):
        return "feature" in lines and "sentiment" in lines
    prose = asked.prose.lower()
    return "feedback" in prose and "table" in prose and "sentiment" in prose


# --- writing -----------------------------------------------------


def context(asked: Assignment, dice: random.Random) -> str:
    """Feedback on one product, arriving the way the seed's does."""
    texts = vocabulary("feedback")
    product = dice.choice(texts["products"])
    channel = _channel(asked.seed.get("context", ""))
    most = 1 if channel == "note" else 5
    remarks = _remarks(product, dice.randint(1 if most == 1 else 2, most), dice)
    if dice.random() < 0.25 and channel != "note":
        remarks.insert(dice.choice([0, len(remarks)]), dice.choice(texts["overall"])[1])
    return str(_ARRIVALS[channel](remarks, product["name"], texts["channels"][channel], dice))


def _remarks(product: dict[str, Any], count: int, dice: random.Random) -> list[str]:
    features = dice.sample(list(product["features"].values()), count)
    chosen = [dice.choice(remarks)[1] for remarks in features]
    for remarks in features:
        rest = [remark[1] for remark in remarks if remark[1] not in chosen]
        if count > 1 and rest and dice.random() < 0.2:
            chosen.insert(dice.randint(1, len(chosen)), dice.choice(rest))
    return chosen


def _noise(dice: random.Random, share: float) -> list[str]:
    return [dice.choice(vocabulary("feedback")["noise"])] if dice.random() < share else []


def _reviews(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    lines = []
    rest = list(remarks)
    while rest:
        count = dice.choice([1, 1, 2])
        taken, rest = rest[:count], rest[count:]
        signs = {_known(remark)[0] for remark in taken}
        stars = (2 if "+" in signs else 1) if "-" in signs else dice.choice([4, 5])
        lines.append("★" * stars + "☆" * (5 - stars) + " " + " ".join(taken))
    return "\n".join(lines)


def _chat(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    people = dice.sample(channel["people"], dice.randint(2, 4))
    minutes = dice.randint(8 * 60, 17 * 60)
    lines = []
    for say in [*remarks, *_noise(dice, 0.5)]:
        say = say[0].lower() + say[1:].rstrip(".") if not say.startswith("I ") else say.rstrip(".")
        lines.append(f"[{minutes // 60:02d}:{minutes % 60:02d}] {dice.choice(people)}: {say}")
        minutes += dice.randint(0, 6)
    return "\n".join(lines)


def _mail(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    connectors = vocabulary("feedback")["connectors"]
    said = [remarks[0]]
    for say in remarks[1:]:
        starts_with_i = say.startswith("I ")
        lead = dice.choice(connectors) if dice.random() < 0.4 else ""
        said.append(lead + (say if starts_with_i or not lead else say[0].lower() + say[1:]))
    cut = dice.randint(1, len(said))
    lead = dice.choice(channel["leads"]).format(
        product=product, number=dice.randint(2, 9), month=dice.choice(vocabulary("feedback")["months"])
    )
    parts = [
        f"Subject: {dice.choice(channel['subjects'])}",
        dice.choice(channel["openings"]),
        " ".join([lead, *said[:cut]]),
        " ".join([*said[cut:], *_noise(dice, 0.2)]),
        f"{dice.choice(channel['endings'])}\n{dice.choice(channel['names'])}",
    ]
    return "\n\n".join(part for part in parts if part)


def _voice(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    said = [dice.choice(channel["openings"]).format(product=product, number=dice.randint(2, 9))]
    for say in remarks:
        said.append(say)
        if dice.random() < 0.5:
            said.append(dice.choice(channel["fillers"]))
    return " ".join([*said, dice.choice(channel["endings"])])


def _survey(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    answers = [*remarks, *_noise(dice, 0.6)]
    dice.shuffle(answers)
    question = dice.choice(channel["questions"]).format(product=product, count=len(answers))
    return "\n".join([question, "", *(f"{number}. {answer}" for number, answer in enumerate(answers, 1))])


def _thread(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    people = dice.sample(channel["people"], min(len(channel["people"]), len(remarks) + 1))
    handle = "@" + product.split()[-1].lower() + "_hq"
    lines = [f"{handle} {remarks[0]}"]
    for person, say in zip(people, [*remarks[1:], *_noise(dice, 0.5)], strict=False):
        lines.append(f"  ↳ @{person} {say}")
    return "\n".join(lines)


def _issue(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    title = f'Issue #{dice.randint(12, 980)} - "{product}: {dice.choice(channel["titles"])}"'
    return "\n\n".join([title, *remarks, *_noise(dice, 0.4)])


def _note(remarks: list[str], product: str, channel: dict[str, Any], dice: random.Random) -> str:
    return " ".join([*remarks, *_noise(dice, 0.3)])


_ARRIVALS = {
    "reviews": _reviews, "chat": _chat, "mail": _mail, "voice": _voice,
    "survey": _survey, "thread": _thread, "issue": _issue, "note": _note,
}  # fmt: skip


def question(asked: Assignment, dice: random.Random) -> str:
    """A request for the table; sometimes one that the context does not bear out."""
    texts = vocabulary("feedback")["questions"]
    source = asked.given.get("context", "")
    noun = dice.choice(vocabulary("feedback")["channels"][_channel(source)]["noun"])
    is_off = dice.random() < OFF_QUESTIONS
    held = source.lower()
    missing = [name for name in _features() if name.lower() not in held]
    return str(
        dice.choice(texts["off" if is_off else "asking"]).format(
            noun=noun,
            these="these" if noun.endswith("s") else "this",
            product=_product(source),
            missing=dice.choice(missing or ["service"]).lower(),
        )
    )


def response(asked: Assignment, dice: random.Random) -> str:
    """The table for the given context; sometimes with a mistake in it."""
    found = list(rows(asked.given.get("context") or asked.given.get("question", "")))
    head = _head(asked.seed.get("response", ""))
    if dice.random() >= FLAWED_RESPONSES:
        return _table(head, found)
    flaw = dice.choice(["wrong sentiment", "row missing", "row invented", "no table", "talks first", "wrong order"])
    if flaw == "wrong sentiment" and found:
        at = dice.randrange(len(found))
        wrong = [word for word in SENTIMENTS[:3] if word != found[at].sentiment]
        found[at] = Row(found[at].feature, found[at].feedback, dice.choice(wrong))
    elif flaw == "row missing" and len(found) > 1:
        found.pop(dice.randrange(len(found)))
    elif flaw == "no table":
        return "\n".join(f"- {row.feature} ({row.sentiment.lower()}): {row.feedback}" for row in found)
    elif flaw == "talks first":
        return "Sure! Here is the table you asked for:\n\n" + _table(head, found)
    elif flaw == "wrong order" and len(found) > 2:
        found.reverse()
    else:
        name = dice.choice([name for name in _features() if name not in {row.feature for row in found}])
        found.append(Row(name, "Several users are very happy with it.", "Positive"))
    return _table(head, found)


# --- reading -----------------------------------------------------

_BEFORE_WORDS = re.compile(r"^[^\w\[@]*(?:\[[^\]\n]{1,20}\]\s*)?(?:\d{1,2}[.)]\s+|@[\w.]+\s+)?(?:[\w() .]{1,24}:\s+)?")
_NOUN = re.compile(r"\b(?:the|your|our|my|its)\s+(?:new\s+)?((?:[a-z][a-z-]*\s)?[a-z][a-z-]{2,})\b")


@lru_cache(maxsize=512)
def rows(text: str) -> tuple[Row, ...]:
    """The table's rows for any feedback text: one for each feature, in the order in which they come up."""
    by_feature: dict[str, list[tuple[str, str]]] = {}
    for sentence in wording.sentences(text)[:400]:
        remark = _remark(sentence)
        if remark is not None:
            sign, feature, tell = remark
            held = by_feature.setdefault(feature, [])
            if (sign, tell) not in held:
                held.append((sign, tell))
    return tuple(_row(feature, told) for feature, told in by_feature.items())


def _row(feature: str, told: list[tuple[str, str]]) -> Row:
    signs = {sign for sign, _ in told}
    mixed = {"+", "-"} <= signs
    sentiment = "Mixed" if mixed else "Positive" if "+" in signs else "Negative" if "-" in signs else "Neutral"
    joint = ", while " if len(signs) > 1 else ", and "
    feedback = joint.join(tell for _, tell in told[:3])
    return Row(feature, feedback[0].upper() + feedback[1:] + ".", sentiment)


def _remark(sentence: str) -> tuple[str, str, str] | None:
    """(sign, feature, what the table says) of one sentence, or None if it is no feedback on the product."""
    bare = _BEFORE_WORDS.sub("", sentence)
    for connector in vocabulary("feedback")["connectors"]:
        if bare.startswith(connector):
            bare = bare[len(connector) :]
    for candidate in (bare, sentence):
        key = _key(candidate)
        if key in _remarks_by_key():
            return _remarks_by_key()[key]
    return _guess(bare)


def _guess(sentence: str) -> tuple[str, str, str] | None:
    low = f" {sentence.lower()} "
    if len(low) < 12 or _key(sentence) in _noise_keys():
        return None
    held = wording.words(sentence)
    signs = [
        sign
        for sign, single, phrases in _lexicon()
        if not single.isdisjoint(held) or any(phrase in low for phrase in phrases)
    ]
    if not signs:
        return None
    sign = "?" if "?" in signs and "-" not in signs else signs[0]
    tell = " ".join(sentence.split()).rstrip(".!?… ").replace("|", "\\|")[:200]
    return sign, _feature(low), tell


def _feature(low: str) -> str:
    known = _feature_pattern().search(low)
    if known:
        return next(name for name in _features() if name.lower() == known[1])
    not_features = vocabulary("feedback")["lexicon"]["not_features"]
    for match in _NOUN.finditer(low):
        noun = [word for word in match[1].split() if word not in not_features]
        if noun:
            return " ".join(noun).capitalize()
    return "Overall"


@cache
def _feature_pattern() -> re.Pattern[str]:
    return re.compile(rf" ({'|'.join(re.escape(name.lower()) for name in _features())})")


@cache
def _lexicon() -> list[tuple[str, frozenset[str], list[str]]]:
    """Per sentiment, criticism first: its words, and its phrases of several words."""
    lexicon = vocabulary("feedback")["lexicon"]
    kinds = [("-", lexicon["criticism"]), ("+", lexicon["praise"]), ("?", lexicon["wish"])]
    return [(sign, frozenset(entries), [entry for entry in entries if not entry.isalpha()]) for sign, entries in kinds]


def _key(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.lower()))


def _known(say: str) -> tuple[str, str, str]:
    return _remarks_by_key()[_key(say)]


@cache
def _remarks_by_key() -> dict[str, tuple[str, str, str]]:
    texts = vocabulary("feedback")
    known = {_key(say): (sign, "Overall", tell) for sign, say, tell in texts["overall"]}
    for product in texts["products"]:
        for feature, remarks in product["features"].items():
            known.update({_key(say): (sign, feature, tell) for sign, say, tell in remarks})
    return known


@cache
def _noise_keys() -> frozenset[str]:
    texts = vocabulary("feedback")
    leads = [*texts["channels"]["voice"]["fillers"], *texts["channels"]["voice"]["endings"]]
    leads += [*texts["channels"]["mail"]["endings"], *texts["channels"]["mail"]["openings"]]
    return frozenset(_key(sentence) for sentence in [*texts["noise"], *leads])


@cache
def _features() -> tuple[str, ...]:
    names = [name for product in vocabulary("feedback")["products"] for name in product["features"]]
    return tuple(dict.fromkeys(names))


def _channel(text: str) -> str:
    start = text[:400]
    for name, channel in vocabulary("feedback")["channels"].items():
        if channel["sign"] and channel["sign"] in start:
            return str(name)
    return "note"


def _product(text: str) -> str:
    texts = vocabulary("feedback")
    for product in texts["products"]:
        if product["name"].lower() in text.lower():
            return str(product["name"])
    features = {row.feature for row in rows(text)}
    best = max(texts["products"], key=lambda product: len(features.intersection(product["features"])))
    return str(best["name"]) if features.intersection(best["features"]) else "the product"


# --- tables and judging ------------------------------------------


def _head(example: str) -> str:
    lines = example.splitlines()
    if len(lines) > 1 and lines[0].startswith("|") and lines[0].count("|") == 4:
        return "\n".join(lines[:2])
    return HEAD


def _table(head: str, found: list[Row]) -> str:
    return "\n".join([head, *(f"| {row.feature} | {row.feedback} | {row.sentiment} |" for row in found)])


def _cells(text: str) -> list[list[str]]:
    lines = [line.strip() for line in text[: wording.LONGEST].splitlines()]
    table = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in table[2:]]


def question_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given question, seen from question and context alone."""
    text, source = asked.given.get("question", ""), asked.given.get("context", "")
    found = anyskill.beyond_context(text, source)
    low, held = text.lower(), source.lower()
    present = {row.feature for row in rows(source)}
    absent = [name for name in _features() if f"the {name.lower()}" in low and name not in present]
    if absent and absent[0].lower() not in held:
        found.append(Finding(f"It asks about the {absent[0].lower()}, which nobody in the context mentions."))
    if not {"table", "feature", "sentiment"} & set(re.findall(r"[a-z]+", low)):
        found.append(
            Finding("It does not ask for the table of feature, feedback and sentiment that the example asks for.")
        )
    return found


def response_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given table beside the rows that the context calls for."""
    text = asked.given.get("response", "")
    expected = {row.feature.lower(): row for row in rows(asked.given.get("context") or asked.given.get("question", ""))}
    if wording.form(text) != "table":
        return [Finding("It is not a Markdown table, and the example answers with nothing but one.")]
    found = []
    if not text.lstrip().startswith("|"):
        found.append(Finding("There is talk before the table; the example is the table alone.", is_slight=True))
    cells = [row for row in _cells(text) if len(row) >= 3]
    for row in cells:
        feature, sentiment = row[0], row[2]
        known = expected.get(feature.lower())
        if known is None:
            found.append(Finding(f"“{feature}” has a row, but the feedback does not mention it."))
        elif sentiment.lower() != known.sentiment.lower():
            found.append(
                Finding(f"“{feature}” is called {sentiment}, but what is said of it is {known.sentiment.lower()}.")
            )
    listed = [row[0].lower() for row in cells]
    missing = [row.feature for name, row in expected.items() if name not in listed]
    if missing:
        found.append(Finding(f"There is no row for “{missing[0]}”, which the feedback mentions."))
    if not found and listed != list(expected):
        found.append(Finding("The rows are not in the order in which the features come up.", is_slight=True))
    return found


def facts(asked: Assignment) -> dict[str, object]:
    """What the evaluation of a good table says of it."""
    features = [row.feature for row in rows(asked.given.get("context", ""))] or ["Overall"]
    return {"count": len(features), "first": features[0], "last": features[-1]}
