"""Honest mistakes, and the judge that finds them by comparing a response with the right one."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sdgkit.rehearsal import wording
from sdgkit.rehearsal.vocabulary import vocabulary

VERDICTS = vocabulary("verdicts")
# Words with opposite meanings, in lower case.
OPPOSITES = frozenset(word.lower() for word in chain.from_iterable(VERDICTS["confused"]))
FILLERS = tuple(chain.from_iterable(VERDICTS["fillers"].values()))

# Share of mistakes that are slight, at least. Were all kinds as frequent, they would be one in ten,
# and a run of a hundred samples would often have none with a 2.
SLIGHT_MISTAKES = 0.3

_NAMED_ENTRY = re.compile(r"[|:] ")
_LONGEST_NAME = 60
# The last word of a sentence at the end of a line or of a table's cell.
_LAST_WORD = re.compile(r"(?<=[^\W\d_]) ([^\W\d_]+\.(?: \|.*)?)$")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a text.

    Attributes:
        sentence: What is wrong.
        kind: What kind of fault it is: truth, completeness, form, manner, language, copied or
            extra.
        is_slight: It costs some of the score; anything else costs all of it.
    """

    sentence: str
    kind: str = "truth"
    is_slight: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge writes."""

    evaluation: str
    score: int
    faults: tuple[str, ...] = ()


def differences(right: str, response: str) -> list[Finding]:
    """What is wrong with a response, compared with the right one."""
    form = wording.form(response)
    right_form = wording.form(right)
    if form != right_form:
        return [Finding(f"The form is another: {form} instead of {right_form}.", "form")]
    right_lines = _lines_by_name(right)
    lines = _lines_by_name(response)
    findings = []
    for name, line in right_lines.items():
        if name not in lines:
            findings.append(Finding(f"“{line}” is missing.", "completeness"))
    for name, line in lines.items():
        difference = _difference(name, line, right_lines.get(name))
        if difference:
            findings.append(difference)
    if not findings and list(right_lines) != list(lines):
        findings.append(Finding("The order is not the one in which things come up.", "form"))
    return findings


def _difference(name: str, line: str, right_line: str | None) -> Finding | None:
    """What is wrong with a line, compared with the right one of this name."""
    if right_line is None:
        return Finding(f"“{line}” is not called for.", "extra")
    entry = line.removeprefix(name)
    right_entry = right_line.removeprefix(name)
    words = wording.words(entry)
    right_words = wording.words(right_entry)
    has_other_numbers = wording.NUMBER.findall(entry) != wording.NUMBER.findall(right_entry)
    has_opposites = bool((words ^ right_words) & OPPOSITES)
    has_nothing_in_common = bool(words | right_words) and not words & right_words
    if has_other_numbers or has_opposites or has_nothing_in_common:
        return Finding(f"“{line}” is wrong: it should be “{right_line}”.")
    if len(words) > 1.5 * len(right_words) + 2:
        return Finding(f"“{line}” says more than belongs there.", "extra")
    filler = _filler_in(entry)
    if filler and not _filler_in(right_entry):
        return Finding(f"“{line}” is clumsy: “{filler}” says nothing.", "manner", is_slight=True)
    return None


def _filler_in(text: str) -> str:
    """The first filler in a text, or ""."""
    return next((filler for filler in FILLERS if f" {filler}," in text), "")


def _lines_by_name(text: str) -> dict[str, str]:
    """The lines of a text by their names.

    A name is a row's first cell, an entry's label, or the first three words of running text.
    """
    lines = {}
    for untrimmed in text.splitlines():
        line = untrimmed.strip("|-*• ")
        if not line:
            continue
        name, *rest = re.split(r"\s*[:|] ", line, maxsplit=1)
        if not rest or len(name) > _LONGEST_NAME:
            name = " ".join(line.split()[:3])
        lines[name] = line
    return lines


def judge(
    findings: Sequence[Finding],
    scale: tuple[int, int],
    praise: str,
    text: str,
    dice: random.Random,
) -> Verdict:
    """The evaluation and the score.

    Args:
        findings: What is wrong. Without any, the score is the highest; with slight ones only, it
            is above the middle; otherwise it is the lowest.
        scale: The lowest and the highest score.
        praise: The name of a list of praise: the skill's, or "question".
        text: What is judged.
        dice: What chooses the words.
    """
    low, high = scale
    if not findings:
        lines = list(_lines_by_name(text).items()) or [("", "")]
        template = dice.choice(VERDICTS["praise"][praise])
        evaluation = template.format(
            first=lines[0][1],
            last=lines[-1][0],
            count=len(lines),
            form=wording.form(text),
        )
        return Verdict(evaluation, high)
    faults = tuple(dict.fromkeys(finding.kind for finding in findings))
    is_slight = all(finding.is_slight for finding in findings)
    opening = dice.choice(VERDICTS["slight" if is_slight else "bad"])
    sentences = [finding.sentence for finding in findings[:4]]
    evaluation = " ".join([opening, *sentences])
    score = low + round(0.6 * (high - low)) if is_slight else low
    return Verdict(evaluation, score, faults)


def with_mistake(text: str, other: str, dice: random.Random) -> str:
    """The text with one mistake in it; unchanged if none can be made.

    Some of the mistakes are slight, where the text has a line that can be made clumsy.

    Args:
        text: A right response.
        other: A right response to something else.
        dice: What chooses the mistake.
    """
    versions = [
        *_wrong_as_a_whole(text, other, dice),
        *_wrong_lines(text, other, dice),
        *_wrong_number(text, dice),
        *_opposite_words(text, dice),
    ]
    clumsy = _clumsy_line(text, dice)
    mistakes = []
    for version in (*versions, *clumsy):
        if version and version != text:
            mistakes.append(version)
    mistake = text
    if mistakes:
        mistake = dice.choice(mistakes)
    if clumsy and dice.random() < SLIGHT_MISTAKES:
        return clumsy[0]
    return mistake


def _wrong_as_a_whole(text: str, other: str, dice: random.Random) -> list[str]:
    """Another response; talk before it; only its beginning; its form lost."""
    talk = VERDICTS["talk"]
    opening = dice.choice(talk.get(wording.language(text), talk["en"]))
    versions = [other, f"{opening}\n\n{text}", text[: len(text) // 3].rstrip()]
    if wording.form(text) != wording.RUNNING_TEXT:
        without_marks = re.sub(r"[|{}\[\]-]+\s", " ", text)
        versions.append(" ".join(without_marks.split()))
    return versions


def _wrong_lines(text: str, other: str, dice: random.Random) -> list[str]:
    """A line missing; all in reverse order; a line of another response added."""
    lines = text.split("\n")
    other_lines = other.split("\n")
    entries = _entry_positions(lines)
    other_entries = _entry_positions(other_lines)
    if len(entries) < 2:
        return []
    missing = dice.choice(entries)
    shortened = [*lines[:missing], *lines[missing + 1 :]]
    reversed_lines = list(lines)
    for position, source in zip(entries, reversed(entries), strict=True):
        reversed_lines[position] = lines[source]
    versions = [shortened, reversed_lines]
    if other_entries:
        end = entries[-1] + 1
        added = other_lines[dice.choice(other_entries)]
        versions.append([*lines[:end], added, *lines[end:]])
    return list(map("\n".join, versions))


def _entry_positions(lines: Sequence[str]) -> list[int]:
    """Where the rows and entries are, without the first, which may be a table's head or a title."""
    positions = []
    for position, line in enumerate(lines):
        if _NAMED_ENTRY.search(line):
            positions.append(position)
    return positions[1:]


def _wrong_number(text: str, dice: random.Random) -> list[str]:
    numbers = []
    for number in wording.NUMBER.findall(text):
        if len(number) > 1:
            numbers.append(number)
    if not numbers:
        return []
    number = dice.choice(numbers)
    return [text.replace(number, wording.other_number(number, dice), 1)]


def _clumsy_line(text: str, dice: random.Random) -> list[str]:
    """A filler before the last word of a line: all of it stays right."""
    lines = text.split("\n")
    long_lines = []
    for place, line in enumerate(lines):
        if _LAST_WORD.search(line):
            long_lines.append(place)
    if not long_lines:
        return []
    place = dice.choice(long_lines)
    fillers = VERDICTS["fillers"].get(wording.language(text), VERDICTS["fillers"]["en"])
    lines[place] = _LAST_WORD.sub(rf", {dice.choice(fillers)}, \1", lines[place], count=1)
    return ["\n".join(lines)]


def _opposite_words(text: str, dice: random.Random) -> list[str]:
    """For each group of words with opposite meanings, one of them in place of another."""
    versions = []
    for group in VERDICTS["confused"]:
        matches = list(re.finditer(rf"\b(?:{'|'.join(group)})\b", text))
        if matches:
            match = dice.choice(matches)
            wrong_words = []
            for word in group:
                if word != match[0]:
                    wrong_words.append(word)
            wrong = dice.choice(wrong_words)
            versions.append(text[: match.start()] + wrong + text[match.end() :])
    return versions
