"""Honest mistakes: a right response, spoilt in one of the ways in which models spoil theirs."""

import random
import re

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.judging import ENTRY
from sdgkit.teachers.rehearsal.wording import vocabulary


def spoilt(text: str, other: str, dice: random.Random) -> str:
    """`text` with one mistake in it; `other` is a right response to something else. Unchanged if none can be made."""
    verdicts = vocabulary("verdicts")
    talk = dice.choice(verdicts["talk"].get(wording.language(text), verdicts["talk"]["en"]))
    ways = [other, f"{talk}\n\n{text}", text[: len(text) // 3].rstrip()]
    if wording.form(text) != "prose":
        ways.append(" ".join(re.sub(r"[|{}\[\]-]+\s", " ", text).split()))
    ways += _with_other_lines(text.split("\n"), other.split("\n"), dice)
    figures = [number for number in wording.NUMBER.findall(text) if len(number) > 1]
    if figures:
        wrong = dice.choice(figures)
        ways.append(text.replace(wrong, wording.other_number(wrong, dice), 1))
    for words in verdicts["confused"]:
        found = list(re.finditer(rf"\b(?:{'|'.join(words)})\b", text))
        if found:
            at = dice.choice(found)
            wrong = dice.choice([word for word in words if word != at[0]])
            ways.append(text[: at.start()] + wrong + text[at.end() :])
    ways = [way for way in ways if way and way != text]
    return dice.choice(ways) if ways else text


def _with_other_lines(lines: list[str], strange: list[str], dice: random.Random) -> list[str]:
    """With a row or entry left out, with all of them in another order, with a strange one among them."""
    mine, theirs = _entries(lines), _entries(strange)
    if len(mine) < 2:
        return []
    at = dice.choice(mine)
    ways = ["\n".join(lines[:at] + lines[at + 1 :])]
    turned = dict(zip(mine, [lines[place] for place in reversed(mine)], strict=True))
    ways.append("\n".join(turned.get(place, line) for place, line in enumerate(lines)))
    if theirs:
        added = strange[dice.choice(theirs)]
        name = re.split(r"[:|]", added.strip("|"))[0]
        same = next((place for place in mine if lines[place].strip("|").startswith(name)), None)
        before, after = (mine[-1] + 1, mine[-1] + 1) if same is None else (same, same + 1)
        ways.append("\n".join([*lines[:before], added, *lines[after:]]))
    return ways


def _entries(lines: list[str]) -> list[int]:
    """Which lines are rows or entries; a table's head and the first entry, which may be a title, are not counted."""
    found = [at for at, line in enumerate(lines) if line.startswith("|") or ENTRY.fullmatch(line)]
    return found[2:] if lines[0].startswith("|") else found[1:]
