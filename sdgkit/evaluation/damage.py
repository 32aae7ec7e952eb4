"""Damage: a good response, spoilt in the ways in which models spoil them.

Each kind is a small function of its own, always with the same result, that gives "" where the
response has nothing of the kind: no figure, no unit, no list.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sdgkit.checks import language
from sdgkit.checks.word_count import count_words
from sdgkit.evaluation.response_parts import (
    ENTRY,
    KEY,
    LABELLED,
    RULE,
    WIDE_SIGNS,
    Items,
    cells,
    figures_of,
    items_of,
    sentences_of,
    share_in,
    words_of,
)
from sdgkit.texts import load_texts

MIN_CUT = 40  # characters of a response whose last tenth can be cut off
MIN_WORDS = 4  # of a passage into which a detail can be put
KNOWN = 0.7  # share of a passage's words from which on a source may well say the same
MIN_LITTLE_WORDS = 3  # that are replaced, so that another language is to be seen
LITTLE_WORDS_SHARE = 0.15  # of all words
LANGUAGES = ("en", "de", "fr", "es", "it")  # as they stand in texts/damage.yaml


@dataclass(frozen=True)
class GoodResponse:
    """A good response, and what it stands beside.

    Attributes:
        text: The response.
        source: What it responds to: its context and its question.
        example: The response of the seed that the judge is shown as an example.
    """

    text: str
    source: str
    example: str


Mutator: TypeAlias = Callable[[GoodResponse], str]


def spoil(response: GoodResponse) -> dict[str, str]:
    """A good response, spoilt in each way in which it can be.

    Args:
        response: The good response.

    Returns:
        The spoilt responses by kind of damage (see `MUTATORS`). A kind that cannot be applied is
        missing.

    Example:
        >>> spoilt = spoil(GoodResponse("It costs 12 euros.", "12 euros each", "It is free."))
        >>> spoilt["figure"], spoilt["unit"]
        ('It costs 13 euros.', 'It costs 12 dollars.')
    """
    spoilt = {}
    for kind, mutate in MUTATORS.items():
        text = mutate(response)
        if text.strip() and text != response.text:
            spoilt[kind] = text
    return spoilt


# Figures --------------------------------------------------------------------------------------


def wrong_figure(response: GoodResponse) -> str:
    """One figure wrong by a digit: one from the source, or a computed one if the source has any."""
    given = {match[0] for match in figures_of(response.source)}
    figures = figures_of(response.text)
    taken_over = [figure for figure in figures if figure[0] in given]
    candidates = taken_over or (figures if given else [])
    if not candidates:
        return ""
    figure = candidates[len(candidates) // 2]
    return _put(response.text, figure, _with_other_digit(figure[0]))


def _with_other_digit(figure: str) -> str:
    """A figure with its last digit but zeros changed by one: 45.0 becomes 46.0."""
    digits = [place for place, sign in enumerate(figure) if sign.isdigit()]
    other_than_zero = [place for place in digits if figure[place] != "0"]
    place = (other_than_zero or digits)[-1]
    digit = int(figure[place])
    changed = digit + 1 if digit < 9 else 8
    return f"{figure[:place]}{changed}{figure[place + 1 :]}"


def wrong_unit(response: GoodResponse) -> str:
    """The unit of one figure, such as euros or hours, in the place of which another one stands."""
    texts = _texts()
    swaps = _both_ways(texts["units"])
    longest_first = sorted(swaps, key=len, reverse=True)
    units = "|".join(map(re.escape, longest_first))
    after = re.search(rf"(?<=\d)(\s?)({units})(?![^\W_])", response.text)
    if after:
        return _put(response.text, after, after[1] + swaps[after[2]])
    signs = _both_ways(texts["signs"])
    before = re.search(rf"({'|'.join(map(re.escape, signs))})(?=\s?\d)", response.text)
    return _put(response.text, before, signs[before[1]]) if before else ""


def _both_ways(pairs: list[list[str]]) -> dict[str, str]:
    """What each unit becomes: its first pair decides."""
    swaps: dict[str, str] = {}
    for first, second in pairs:
        swaps.setdefault(first, second)
        swaps.setdefault(second, first)
    return swaps


# Items and sentences --------------------------------------------------------------------------


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
    first, last = items.texts[0], items.texts[-1]
    if items.kind == "entry":  # the numbers of a list stay in their order
        first_entry, last_entry = ENTRY.fullmatch(first), ENTRY.fullmatch(last)
        assert first_entry is not None, "an entry"
        assert last_entry is not None, "an entry"
        first, last = last_entry[1] + first_entry[2], first_entry[1] + last_entry[2]
    lines = list(items.lines)
    lines[items.places[0]] = last
    lines[items.places[-1]] = first
    return "\n".join(lines)


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
        labels.append(match[2] if match else "")
    return labels


def _follows(items: Items, source: str) -> bool:
    """Whether the items stand in the order in which the source speaks of them."""
    source_text = source.lower()
    words = [words_of(text) for text in items.texts]
    positions = []
    for place, item_words in enumerate(words):
        elsewhere = set().union(*words[:place], *words[place + 1 :])
        found = [source_text.find(word) for word in item_words - elsewhere if len(word) > 3]
        known = [position for position in found if position >= 0]
        if not known:
            return False
        positions.append(min(known))
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
            return items.with_further(item) if item else ""
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
        value = values.get(match[2]) if match else None
        if match and value and share_in(value, f"{response.source} {match[4]}") < KNOWN:
            return items.with_line(place, f"{match[1]}{match[2]}{match[3]}{value}")
    return ""


def _least_known(response: GoodResponse, passages: list[str] | Any) -> str:
    """The passage of which the response and its source know least; "" if they may know it all."""
    known_text = f"{response.source} {response.text}"
    longer = [passage for passage in passages if len(words_of(passage)) >= MIN_WORDS]
    unknown = [passage for passage in longer if share_in(passage, known_text) < KNOWN]
    return min(unknown, key=lambda passage: share_in(passage, known_text), default="")


# Around the response --------------------------------------------------------------------------


def talk_before(response: GoodResponse) -> str:
    """An introduction."""
    return f"{_in_its_language('talk_before', response.text)}\n\n{response.text}"


def talk_after(response: GoodResponse) -> str:
    """A closing offer."""
    return f"{response.text}\n\n{_in_its_language('talk_after', response.text)}"


def cut_off(response: GoodResponse) -> str:
    """The last tenth cut off, as at a limit of tokens."""
    text = response.text
    if len(text) < MIN_CUT:
        return ""
    kept = text[: len(text) * 9 // 10]
    whole_words = kept.rpartition(" ")[0] if text[len(kept)].isalnum() else kept
    return (whole_words or kept).rstrip(f" .!?{WIDE_SIGNS}|\n")


# Form and content -----------------------------------------------------------------------------


def other_label(response: GoodResponse) -> str:
    """One heading or label changed: of a table, of JSON, of a line, or above a part."""
    text = response.text
    lines = text.split("\n")
    for place, line in enumerate(lines[1:], 1):
        if RULE.fullmatch(line):
            names = cells(lines[place - 1])
            names[-1] = _other_name(names[-1], text)
            lines[place - 1] = f"| {' | '.join(names)} |"
            return "\n".join(lines)
    for pattern in (KEY, LABELLED):
        labelled = [place for place, line in enumerate(lines) if pattern.fullmatch(line)]
        if labelled:
            place = labelled[len(labelled) // 2]
            match = pattern.fullmatch(lines[place])
            assert match is not None, "it has just matched"
            lines[place] = f"{match[1]}{_other_name(match[2], text)}{match[3]}{match[4]}"
            return "\n".join(lines)
    heading = re.search(r"(?m)^(#+\s+|\*\*)([^\n*]+)", text)
    if heading is None:
        return ""
    return _put(text, heading, heading[1] + _other_name(heading[2], text))


def _other_name(name: str, text: str) -> str:
    first, second = _in_its_language("label", text)
    return str(second if name == first else first)


def invention(response: GoodResponse) -> str:
    """A detail made up, in the longest passage."""
    passages = list(re.finditer(r"[^\n|\"{}\[\]]+", response.text))
    longest = max(passages, key=lambda passage: count_words(passage[0]), default=None)
    if longest is None or count_words(longest[0]) < MIN_WORDS:
        return ""
    passage = longest[0].rstrip()
    body = passage.rstrip(f".!?{WIDE_SIGNS}")
    end = longest[0][len(body) :]
    detail = _in_its_language("invention", response.text)
    return _put(response.text, longest, f"{body} {detail}{end}")


def other_language(response: GoodResponse) -> str:
    """Its little words in another language."""
    own = _language_of(response.text)
    if not own:
        return ""
    target = "de" if own == "en" else "en"
    translations: dict[str, str] = {}
    for row in _texts()["little_words"]:
        translations.setdefault(row[LANGUAGES.index(own)].lower(), row[LANGUAGES.index(target)])
    replaced = 0

    def translate(match: re.Match[str]) -> str:
        nonlocal replaced
        word = translations.get(match[0].lower())
        if word is None:
            return match[0]
        replaced += 1
        return word.capitalize() if match[0][0].isupper() else word

    text = re.sub(r"[^\W\d_]+", translate, response.text)
    enough = max(MIN_LITTLE_WORDS, LITTLE_WORDS_SHARE * len(response.text.split()))
    return text if replaced >= enough else ""


def other_form(response: GoodResponse) -> str:
    """The same in another form: a table as a list, a list or lines as one line, text as a list."""
    items = items_of(response.text)
    if items is None:
        sentences = sentences_of(response.text)
        if len(sentences) < 2:
            return ""
        return "\n".join(f"- {sentence[0]}" for sentence in sentences)
    if items.kind == "row":
        rows = [cells(row) for row in items.texts]
        entries = [f"- {row[0]}: {', '.join(row[1:])}" for row in rows]
        head = items.lines[: max(0, items.places[0] - 2)]
        return "\n".join([*head, *entries, *items.lines[items.places[-1] + 1 :]])
    if items.kind == "key":
        return re.sub(r"[{}\[\]\"]|,$", "", response.text, flags=re.MULTILINE).strip()
    texts = []
    for text in items.texts:
        entry = ENTRY.fullmatch(text)
        texts.append(entry[2] if entry else text.strip())
    before = items.lines[: items.places[0]]
    between = set(range(items.places[0], items.places[-1] + 1)) - set(items.places)
    others = [items.lines[place] for place in sorted(between) if items.lines[place].strip()]
    after = items.lines[items.places[-1] + 1 :]
    return "\n".join([*before, "; ".join([*texts, *others]), *after])


def copy(response: GoodResponse) -> str:
    """The example's response in its place."""
    return response.example


MUTATORS: Mapping[str, Mutator] = {
    "figure": wrong_figure,
    "unit": wrong_unit,
    "omission": left_out,
    "order": swapped_items,
    "sentence": foreign_sentence,
    "talk_before": talk_before,
    "talk_after": talk_after,
    "label": other_label,
    "cut": cut_off,
    "invention": invention,
    "language": other_language,
    "form": other_form,
    "copy": copy,
}
"""What spoils a response, by kind of damage."""


def _put(text: str, place: re.Match[str], new: str) -> str:
    """The text with another one in the place of a match."""
    return text[: place.start()] + new + text[place.end() :]


def _in_its_language(name: str, text: str) -> Any:
    """A text of `texts/damage.yaml` in the language of another one."""
    return _texts()[name][_language_of(text) or "en"]


def _language_of(text: str) -> str:
    """Which of `LANGUAGES` a text is in (a short one by its little words); "" if unclear."""
    own = language(text)
    if own:
        return own if own in LANGUAGES else ""
    words = words_of(text)
    counts = []
    for place, code in enumerate(LANGUAGES):
        little_words = {str(row[place]).lower() for row in _texts()["little_words"]}
        counts.append((len(words & little_words), code))
    counts.sort(reverse=True)
    (most, best), (second_most, _) = counts[:2]
    return best if most >= MIN_LITTLE_WORDS and most > second_most else ""


def _texts() -> Mapping[str, Any]:
    return load_texts("damage")
