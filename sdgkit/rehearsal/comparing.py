"""What a reader sees in a response, next to its source and the example, without knowing the answer.

The rules know the right response to contexts of their own making. Of any other, the judge can only
say what a reader notices: the form, the labels, the figures, the language, talk, and what belongs
to the example's content.
"""

import re
from collections.abc import Iterator

from sdgkit.rehearsal import wording
from sdgkit.rehearsal.judging import Finding
from sdgkit.rehearsal.reading import Assignment
from sdgkit.rehearsal.vocabulary import vocabulary

_READING = vocabulary("verdicts")["reading"]
_TALK_BEFORE = re.compile(_READING["talk_before"])
_TALK_AFTER = re.compile(_READING["talk_after"])
STRICT_FORMS = ("a table", "JSON")
_LABEL = re.compile(r"(?m)^(?:[-*•]\s*)?([^\W\d][^:|\n]{0,40}):(?= |$)")
_HEAD = re.compile(r"\A(\|.*\|)\s*\n\s*\|[\s:|-]+\|")
_SENTENCE_SIGNS: str = _READING["sentence_signs"]
_ENTRY = re.compile(r"(?m)^\s*(?:[-*•]|\d{1,2}[.)])\s+\S")
_FEWEST_ENTRIES = 3  # of the example, so that a list is part of the form
_FEWEST_LABELS = 3  # that two responses share, so that the labels are part of the form
_LARGEST_IN_WORDS = 12  # a number that a source may have spelt out
_FEWEST_WORDS = 4  # of a line, so that its repetition is no chance


def impressions(assignment: Assignment, response: str) -> list[Finding]:
    """What a reader notices about a response.

    Args:
        assignment: The judge's assignment: the example, and the source of the response.
        response: The response.
    """
    example = assignment.seed_response
    source_texts = []
    for role, text in assignment.material.items():
        if role != "response":
            source_texts.append(text)
    source = "\n".join(source_texts)
    seed_texts = []
    for role, text in assignment.seed.items():
        if role not in ("response", "score"):
            seed_texts.append(text)
    seed_source = "\n".join(seed_texts)
    return [
        *_form(response, example),
        *_talk(response, example),
        *_labels(response, example),
        *_ending(response, example, seed_source),
        *_language(response, example),
        *_figures(response, example, source, seed_source),
        *_copies(response, example, source),
    ]


def _form(response: str, example: str) -> Iterator[Finding]:
    form = wording.form(response)
    example_form = wording.form(example)
    if form != example_form and {form, example_form} & {*STRICT_FORMS}:
        yield Finding(f"The form is another: {form} instead of {example_form}.", "form")
        return
    entries = _ENTRY.findall(response)
    example_entries = _ENTRY.findall(example)
    if len(example_entries) >= _FEWEST_ENTRIES and not entries:
        yield Finding("The example has a list, and this has none.", "form")
    if _ENTRY.match(response) and not _ENTRY.match(example):
        yield Finding("The example does not begin with a list.", "form")


def _talk(response: str, example: str) -> Iterator[Finding]:
    before = _TALK_BEFORE.match(response)
    if before and not _TALK_BEFORE.match(example):
        yield Finding(f"“{before[0]}” is talk before the response.", "extra")
    after = _TALK_AFTER.search(response[-200:])
    if after and not _TALK_AFTER.search(example[-200:]):
        yield Finding(f"“{after[0]}” is talk after the response.", "extra")


def _labels(response: str, example: str) -> Iterator[Finding]:
    """A head of a table that differs; a label missing, added or in another place."""
    head = _HEAD.match(response)
    example_head = _HEAD.match(example)
    if head and example_head and head[1] != example_head[1]:
        yield Finding(f"The head is “{head[1]}” instead of “{example_head[1]}”.", "form")
    # Each once: a response may hold several records of the same form.
    labels = list(dict.fromkeys(_LABEL.findall(response)))
    example_labels = list(dict.fromkeys(_LABEL.findall(example)))
    shared = []
    for label in labels:
        if label in example_labels:
            shared.append(label)
    if len(shared) < max(_FEWEST_LABELS, len(example_labels) - 2):
        return
    for label in example_labels:
        if label not in labels:
            yield Finding(f"The line “{label}” is missing.", "completeness")
    for label in labels:
        if label not in example_labels:
            yield Finding(f"The label “{label}” is not one of the example's.", "form")
    if shared != [label for label in example_labels if label in shared]:
        yield Finding("The lines are in another order than the example's.", "form")


def _ending(response: str, example: str, seed_source: str) -> Iterator[Finding]:
    """The example's closing formula missing; an ending without a sign where the example has one."""
    closing = example.strip().rpartition("\n")[2]
    closing_words = wording.words(closing)
    has_content = _LABEL.match(closing) or wording.NUMBER.search(closing)
    is_formula = "\n" in example and not has_content
    is_from_source = bool(closing_words & wording.words(seed_source))
    if is_formula and closing_words and not is_from_source and closing not in response:
        yield Finding(f"It does not end with “{closing}”.", "completeness")
    last_line = response.strip().rpartition("\n")[2]
    is_short = len(last_line.split()) < _FEWEST_WORDS  # such as a signature
    if is_short:
        return
    if response[-1:] not in _SENTENCE_SIGNS and example[-1:] in _SENTENCE_SIGNS:
        yield Finding(f"It breaks off at “{response[-20:].strip()}”.", "completeness")


def _language(response: str, example: str) -> Iterator[Finding]:
    language = wording.language(response)
    example_language = wording.language(example)
    if language != example_language and "other" not in (language, example_language):
        yield Finding("It is in another language than the example.", "language")


def _figures(response: str, example: str, source: str, seed_source: str) -> Iterator[Finding]:
    """Figures that are not in the source, unless the example computes some, too."""
    seed_figures = set(wording.NUMBER.findall(seed_source))
    if any(number not in seed_figures for number in wording.NUMBER.findall(example)):
        return
    source_figures = set(wording.NUMBER.findall(source))
    for number in dict.fromkeys(wording.NUMBER.findall(response)):
        may_be_in_words = number.isdigit() and int(number) <= _LARGEST_IN_WORDS
        if number not in source_figures and not may_be_in_words:
            yield Finding(f"“{number}” is not in what is given.", "truth")


def _copies(response: str, example: str, source: str) -> Iterator[Finding]:
    """The example's whole response, or a line of it with figures of its own."""
    if response == example:
        yield Finding("It is the example's response.", "copied")
        return
    source_figures = set(wording.NUMBER.findall(source))
    lines = {line.strip() for line in response.splitlines()}
    for line in example.splitlines():
        numbers = set(wording.NUMBER.findall(line))
        is_long = len(line.split()) >= _FEWEST_WORDS
        if line.strip() in lines and is_long and numbers - source_figures:
            yield Finding(f"“{line.strip()}” is the example's.", "copied")
