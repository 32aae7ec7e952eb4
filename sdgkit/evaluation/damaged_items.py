"""Damage to items and sentences: one left out, two swapped, one that belongs elsewhere."""

import re
from collections.abc import Sequence

from sdgkit.evaluation.good_response import GoodResponse
from sdgkit.evaluation.response_parts import (
    ENTRY,
    LABELLED,
    Items,
    items_of,
    sentences_of,
    share_in,
    words_of,
)

MIN_WORDS = 4  # of a passage that may be put in
KNOWN = 0.7  # share of a passage's words from which on a source may well say the same


def left_out(response: GoodResponse) -> str:
    """One item left out, or a sentence of at least three."""
    items = items_of(response.text)
    if items is not None:
        middle = len(items.places) // 2
        if items.kind == "key":  # JSON must stay valid: its last key has no comma
            middle = 0
        return items.without(middle)
    sentences = sentences_of(response.text)
    if len(sentences) < 3:
        return ""
    sentence = sentences[len(sentences) // 2]
    without = response.text[: sentence.start()].rstrip(" ") + response.text[sentence.end() :]
    return re.sub(r"\n{3,}", "\n\n", without).strip()


def swapped_items(response: GoodResponse) -> str:
    """The first and the last item swapped, where their order is that of the source or a form's."""
    items = items_of(response.text)
    if items is None or items.kind == "key":
        return ""
    if not (_has_labels_of(items, response.example) or _follows(items, response.source)):
        return ""
    first = items.texts[0]
    last = items.texts[-1]
    lines = list(items.lines)
    lines[items.places[0]] = _numbered_as(first, last)
    lines[items.places[-1]] = _numbered_as(last, first)
    return "\n".join(lines)


def _numbered_as(place: str, text: str) -> str:
    """An item's text at the place of another: the numbers of a list stay in their order."""
    there = ENTRY.fullmatch(place)
    here = ENTRY.fullmatch(text)
    if there is None or here is None:
        return text
    return there[1] + here[2]


def _has_labels_of(items: Items, example: str) -> bool:
    """Whether the items are labelled as the example's are, in the same order."""
    other = items_of(example)
    if items.kind != "label" or other is None or other.kind != "label":
        return False
    return _labels(items) == _labels(other)


def _labels(items: Items) -> list[str]:
    labels = []
    for text in items.texts:
        match = LABELLED.fullmatch(text)
        label = ""
        if match:
            label = match[2]
        labels.append(label)
    return labels


def _follows(items: Items, source: str) -> bool:
    """Whether the items are in the order in which the source mentions them."""
    source_text = source.lower()
    words = [words_of(text) for text in items.texts]
    positions = []
    for place, item_words in enumerate(words):
        elsewhere = set().union(*words[:place], *words[place + 1 :])
        word_positions = []
        for word in item_words - elsewhere:
            position = source_text.find(word)
            if len(word) > 3 and position >= 0:
                word_positions.append(position)
        if not word_positions:
            return False
        positions.append(min(word_positions))
    return positions == sorted(positions) and positions[0] < positions[-1]


def foreign_sentence(response: GoodResponse) -> str:
    """A sentence, an entry or a value of the example's response put in."""
    items = items_of(response.text)
    other = items_of(response.example)
    if items is not None and other is not None and items.kind == other.kind:
        if items.kind == "label":
            return _with_foreign_value(response, items, other)
        if items.kind != "key":
            item = _least_known(response, other.texts)
            if not item:
                return ""
            return items.with_further(item)
    if items is not None:
        return ""
    sentence = _least_known(response, [match[0] for match in sentences_of(response.example)])
    own = sentences_of(response.text)
    if not sentence or not own:
        return ""
    end = own[0].end()
    is_at_line_end = response.text[end : end + 1] in ("", "\n")
    separator = "\n" if is_at_line_end else " "
    return f"{response.text[:end]}{separator}{sentence}{response.text[end:]}"


def _with_foreign_value(response: GoodResponse, items: Items, other: Items) -> str:
    """The response with the example's value behind one of the labels that both have."""
    values = {}
    for text in other.texts:
        match = LABELLED.fullmatch(text)
        if match:
            values[match[2]] = match[4]
    for place, text in enumerate(items.texts):
        match = LABELLED.fullmatch(text)
        if not match:
            continue
        value = values.get(match[2])
        if value and share_in(value, f"{response.source} {match[4]}") < KNOWN:
            return items.with_line(place, f"{match[1]}{match[2]}{match[3]}{value}")
    return ""


def _least_known(response: GoodResponse, passages: Sequence[str]) -> str:
    """The passage that has least in common with the response and its source; "" if none is new."""
    known_text = f"{response.source} {response.text}"
    longer = []
    for passage in passages:
        if len(words_of(passage)) >= MIN_WORDS:
            longer.append(passage)
    unknown = [passage for passage in longer if share_in(passage, known_text) < KNOWN]
    return min(unknown, key=lambda passage: share_in(passage, known_text), default="")
