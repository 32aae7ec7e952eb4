"""Honest mistakes: a right response, spoilt in one of the ways in which models spoil theirs."""

import random
import re
from collections.abc import Callable

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.judging import ENTRY
from sdgkit.teachers.rehearsal.wording import vocabulary


def spoilt(text: str, other: str, dice: random.Random) -> str:
    """`text` with one mistake in it; `other` is a right response to something else. Unchanged if none can be made."""
    for way in dice.sample(_WAYS, len(_WAYS)):
        changed = way(text, other, dice)
        if changed != text:
            return changed
    return text


def _entries(lines: list[str]) -> list[int]:
    """Which lines are rows or entries; a table's head and the first entry, which may be a title, are not counted."""
    found = [at for at, line in enumerate(lines) if line.startswith("|") or ENTRY.fullmatch(line)]
    return found[2:] if lines[0].startswith("|") else found[1:]


def _left_out(text: str, other: str, dice: random.Random) -> str:
    lines = text.split("\n")
    entries = _entries(lines)
    if len(entries) > 1:
        del lines[dice.choice(entries)]
    return "\n".join(lines)


def _out_of_order(text: str, other: str, dice: random.Random) -> str:
    lines = text.split("\n")
    entries = _entries(lines)
    for here, there in zip(entries[: len(entries) // 2], reversed(entries), strict=False):
        lines[here], lines[there] = lines[there], lines[here]
    return "\n".join(lines)


def _made_up(text: str, other: str, dice: random.Random) -> str:
    """With a line of another response: added, or in place of what is said under the same name."""
    lines, strange = text.split("\n"), other.split("\n")
    mine, theirs = _entries(lines), _entries(strange)
    if not mine or not theirs:
        return text
    added = strange[dice.choice(theirs)]
    name = re.split(r"[:|]", added.strip("|"))[0]
    same = [at for at in mine if lines[at].strip("|").startswith(name)]
    if same:
        lines[same[0]] = added
    else:
        lines.insert(mine[-1] + 1, added)
    return "\n".join(lines)


def _formless(text: str, other: str, dice: random.Random) -> str:
    return " ".join(re.sub(r"[|{}\[\]-]{1,}\s", " ", text).split()) if wording.form(text) != "prose" else text


def _chatty(text: str, other: str, dice: random.Random) -> str:
    talk = vocabulary("verdicts")["talk"]
    return dice.choice(talk.get(wording.language(text), talk["en"])) + "\n\n" + text


def _broken_off(text: str, other: str, dice: random.Random) -> str:
    return text[: len(text) // 3].rstrip() if len(text) > 30 else text


def _copied(text: str, other: str, dice: random.Random) -> str:
    return other


def _wrong_number(text: str, other: str, dice: random.Random) -> str:
    found = [number for number in wording.NUMBER.findall(text) if len(number) > 1]
    if not found:
        return text
    wrong = dice.choice(found)
    return text.replace(wrong, wording.other_number(wrong, dice), 1)


def _wrong_word(text: str, other: str, dice: random.Random) -> str:
    for words in vocabulary("verdicts")["confused"]:
        found = list(re.finditer(rf"\b(?:{'|'.join(words)})\b", text))
        if found:
            match = dice.choice(found)
            wrong = dice.choice([word for word in words if word != match[0]])
            return text[: match.start()] + wrong + text[match.end() :]
    return text


_WAYS: list[Callable[[str, str, random.Random], str]] = [
    _left_out, _out_of_order, _made_up, _formless, _chatty, _broken_off, _copied, _wrong_number, _wrong_word
]  # fmt: skip
