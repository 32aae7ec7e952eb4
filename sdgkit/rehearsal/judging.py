"""Honest mistakes, and the judge who finds them: a response held against the right one, line by line."""

import random
import re

from sdgkit.rehearsal import wording
from sdgkit.rehearsal.wording import vocabulary

VERDICTS = vocabulary("verdicts")
OPPOSITES = {word.lower() for words in VERDICTS["confused"] for word in words}

# What is wrong with a text, in words; whether it is slight: then it costs some of the score, otherwise all of it.
Findings = dict[str, bool]


def differences(wanted: str, text: str) -> Findings:
    """What is wrong with a response beside the one that is wanted."""
    form, right_form = wording.form(text), wording.form(wanted)
    if form != right_form:
        return {f"The form is another: {form} instead of {right_form}.": False}
    expected, given = _by_name(wanted), _by_name(text)
    found = {f"“{line}” is missing.": False for name, line in expected.items() if name not in given}
    for name, line in given.items():
        said, right = line.removeprefix(name), expected.get(name, "").removeprefix(name)
        mine, theirs = wording.words(right), wording.words(said)
        numbers, right_numbers = wording.NUMBER.findall(said), wording.NUMBER.findall(right)
        if name not in expected:
            found[f"“{line}” is not called for."] = not re.search("[|:] ", line.rstrip())
        elif (
            numbers != right_numbers
            or (mine ^ theirs) & OPPOSITES
            or (mine | theirs and not mine & theirs)
        ):
            found[f"“{line}” is wrong: it should be “{expected[name]}”."] = False
        elif len(theirs) > 1.5 * len(mine) + 2:
            found[f"“{line}” says more than belongs there."] = True
    if not found and list(expected) != list(given):
        found["The order is not the one in which things come up."] = True
    return found


def _by_name(text: str) -> dict[str, str]:
    """A response's lines by their names: a row's first cell, an entry's label, or the first words of running text."""
    named = {}
    for line in filter(None, (line.strip("|-*• ") for line in text.splitlines())):
        name, *rest = re.split(r"\s*[:|] ", line, maxsplit=1)
        named[name if rest and len(name) <= 60 else " ".join(line.split()[:3])] = line
    return named


def verdict(
    found: Findings, scale: tuple[int, int], kind: str, text: str, dice: random.Random
) -> tuple[str, int]:
    """The evaluation and the score: the highest where nothing was found in `text`, above the middle for what is slight.

    `kind` is the skill's name or "question".
    """
    low, high = scale
    if not found:
        lines = list(_by_name(text).items()) or [("", "")]
        words = dice.choice(VERDICTS["praise"][kind])
        return words.format(
            first=lines[0][1], last=lines[-1][0], count=len(lines), form=wording.form(text)
        ), high
    is_slight = all(found.values())
    opening = dice.choice(VERDICTS["slight" if is_slight else "bad"])
    words = " ".join([opening, *list(found)[:4]])
    return words, low + round(0.6 * (high - low)) if is_slight else low


def spoilt(text: str, other: str, dice: random.Random) -> str:
    """`text` with one mistake in it; `other` is a right response to something else. Unchanged if none can be made."""
    talk = dice.choice(VERDICTS["talk"].get(wording.language(text), VERDICTS["talk"]["en"]))
    ways = [other, f"{talk}\n\n{text}", text[: len(text) // 3].rstrip()]
    if wording.form(text) != "running text":
        ways.append(" ".join(re.sub(r"[|{}\[\]-]+\s", " ", text).split()))
    lines, strange = text.split("\n"), other.split("\n")
    # a table's head and the first entry, which may be a title, stay as they are
    mine, theirs = (
        [at for at, line in enumerate(held) if re.search(r"[|:] ", line)][1:]
        for held in (lines, strange)
    )
    if len(mine) > 1:
        at = dice.choice(mine)
        turned = {place: lines[turn] for place, turn in zip(mine, reversed(mine), strict=True)}
        orders = [
            [*lines[:at], *lines[at + 1 :]],
            [turned.get(place, line) for place, line in enumerate(lines)],
        ]
        if theirs:
            orders.append(
                [*lines[: mine[-1] + 1], strange[dice.choice(theirs)], *lines[mine[-1] + 1 :]]
            )
        ways += ["\n".join(order) for order in orders]
    figures = [number for number in wording.NUMBER.findall(text) if len(number) > 1]
    if figures:
        wrong = dice.choice(figures)
        ways.append(text.replace(wrong, wording.other_number(wrong, dice), 1))
    for words in VERDICTS["confused"]:
        found = list(re.finditer(rf"\b(?:{'|'.join(words)})\b", text))
        if found:
            right = dice.choice(found)
            wrong = dice.choice([word for word in words if word != right[0]])
            ways.append(text[: right.start()] + wrong + text[right.end() :])
    ways = [way for way in ways if way and way != text]
    return dice.choice(ways) if ways else text
