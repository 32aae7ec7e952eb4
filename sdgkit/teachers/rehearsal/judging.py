"""A judge: a response held against the right one, line by line; what differs in words; a score on any scale."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.wording import vocabulary

ENTRY = re.compile(r"(?:[-*•]\s+)?([^:|\n]{1,60}): +(\S.*)")  # "- Revenue: 3", "Title: x"
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a text, in words. A slight one costs some of the score, any other all of it."""

    words: str
    is_slight: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a response: a table's row, an entry, or running text. `name`: its first cell, label or first words."""

    text: str
    name: str
    said: tuple[str, ...]
    is_running: bool = False


@lru_cache(maxsize=512)
def lines(text: str) -> tuple[Line, ...]:
    """A response's lines; running text that is only wrapped is one."""
    found: list[Line] = []
    for block in re.split(r"\n\s*\n", text[: wording.LONGEST]):
        running: list[str] = []
        for line in filter(None, map(str.strip, block.splitlines())):
            if line.startswith("|"):
                name, *cells = map(str.strip, _CELL_END.split(line.strip("|")))
                if line.strip("|-: "):  # no rule between head and rows
                    found.append(Line(line, name, tuple(cells)))
            elif entry := ENTRY.fullmatch(line):
                found.append(Line(line, entry[1], (entry[2],)))
            else:
                running.append(line)
        if running:
            whole = " ".join(running)
            found.append(Line(whole, " ".join(whole.lower().split()[:3]), (whole,), is_running=True))
    return tuple(found)


def differences(wanted: str, text: str) -> list[Finding]:
    """What is wrong with a response beside the one that is wanted."""
    if text.strip() == wanted.strip():
        return []
    found = form_findings(text, wanted)
    if found:
        return found
    expected, given = _by_name(wanted), _by_name(text)
    for name, line in expected.items():
        found += _line_findings(line, given[name]) if name in given else [Finding(f"“{line.text}” is missing.")]
    for name, line in given.items():
        if name not in expected:
            found.append(Finding(f"“{line.text}” is not called for.", is_slight=line.is_running))
    if not found and list(expected) != list(given):
        found.append(Finding("The order is not the one in which things come up.", is_slight=True))
    return found


def _by_name(text: str) -> dict[tuple[str, int], Line]:
    named: dict[tuple[str, int], Line] = {}
    times: Counter[str] = Counter()
    for line in lines(text):
        name = line.name.lower()
        named[name, times[name]] = line
        times[name] += 1
    return named


def _line_findings(expected: Line, given: Line) -> list[Finding]:
    for wanted, said in zip(expected.said, given.said, strict=False):
        mine, theirs = wording.words(wanted), wording.words(said)
        differs = wording.numbers(wanted) != wording.numbers(said) or (mine ^ theirs) & _decisive()
        if differs or (mine | theirs and not mine & theirs):
            return [Finding(f"“{given.text}” is wrong: it should be “{wanted}”.")]
        if len(theirs) > 1.5 * len(mine) + 2:
            return [Finding(f"“{given.text}” says more than belongs there.", is_slight=True)]
    return []


@cache
def _decisive() -> frozenset[str]:
    return frozenset(word.lower() for words in vocabulary("verdicts")["confused"] for word in words)


def form_findings(text: str, example: str) -> list[Finding]:
    """What a response's form lacks beside the example's."""
    form, wanted = wording.form(text), wording.form(example)
    if not text.strip():
        return [Finding("The response is empty.")]
    if wanted in ("table", "json", "list") and form != wanted:
        noun = "JSON" if wanted == "json" else f"a {wanted}"
        return [Finding(f"The example answers with {noun}; this is something else.")]
    if wanted == "lines" and form == "prose":
        return [Finding("The example has a line for each part; here they run into one.")]
    if example.rstrip().endswith((".", "!", "?")) and form == "prose" and text.rstrip()[-1:].isalnum():
        return [Finding("It breaks off in the middle of a sentence.")]
    return []


def verdict(
    findings: Sequence[Finding], scale: tuple[int, int], kind: str, text: str, dice: random.Random
) -> tuple[str, int]:
    """The evaluation and the score: the highest where nothing was found in `text`, above the middle for what is slight.

    `kind` is the skill's name or "question".
    """
    low, high = scale
    if not findings:
        named = lines(text)
        first, last = (named[0], named[-1]) if named else (Line("", "", ()), Line("", "", ()))
        praise = dice.choice(vocabulary("verdicts")["praise"][kind])
        size, form = len(text.split()), wording.form(text)
        return praise.format(first=first.text, last=last.name, count=len(named), size=size, form=form), high
    is_slight = all(finding.is_slight for finding in findings)
    opening = dice.choice(vocabulary("verdicts")["slight" if is_slight else "bad"])
    words = " ".join([opening, *(finding.words for finding in findings[:4])])
    return words, low + round(0.6 * (high - low)) if is_slight else low
