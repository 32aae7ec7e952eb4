"""Damage to form and wording: talk around it, another label, language or form, a cut."""

import re
from collections.abc import Mapping

from sdgkit.evaluation.good_response import (
    LANGUAGES,
    MIN_LITTLE_WORDS,
    GoodResponse,
    damage_texts,
    in_its_language,
    language_of,
    put,
)
from sdgkit.evaluation.response_parts import (
    ENTRY,
    KEY,
    LABELLED,
    RULE,
    WIDE_SIGNS,
    cells,
    items_of,
    places_of,
    sentences_of,
)
from sdgkit.prompts.words import count_words

MIN_CUT = 40  # characters of a response whose last tenth can be cut off
MIN_WORDS = 4  # of a passage into which a detail can be put
LITTLE_WORDS_SHARE = 0.15  # of all words
_WORD = re.compile(r"[^\W\d_]+")


def talk_before(response: GoodResponse) -> str:
    """An introduction."""
    return f"{in_its_language('talk_before', response.text)}\n\n{response.text}"


def talk_after(response: GoodResponse) -> str:
    """A closing offer."""
    return f"{response.text}\n\n{in_its_language('talk_after', response.text)}"


def cut_off(response: GoodResponse) -> str:
    """The last tenth cut off, as at a limit of tokens."""
    text = response.text
    if len(text) < MIN_CUT:
        return ""
    kept = text[: len(text) * 9 // 10]
    whole_words = kept
    if text[len(kept)].isalnum():
        whole_words = kept.rpartition(" ")[0]
    return (whole_words or kept).rstrip(f" .!?{WIDE_SIGNS}|\n")


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
        labelled = places_of(pattern, lines)
        if labelled:
            place = labelled[len(labelled) // 2]
            match = pattern.fullmatch(lines[place])
            assert match is not None, "it has just matched"
            lines[place] = f"{match[1]}{_other_name(match[2], text)}{match[3]}{match[4]}"
            return "\n".join(lines)
    heading = re.search(r"(?m)^(#+\s+|\*\*)([^\n*]+)", text)
    if heading is None:
        return ""
    return put(text, heading, heading[1] + _other_name(heading[2], text))


def _other_name(name: str, text: str) -> str:
    first, second = in_its_language("label", text)
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
    detail = in_its_language("invention", response.text)
    return put(response.text, longest, f"{body} {detail}{end}")


def other_language(response: GoodResponse) -> str:
    """Its little words in another language."""
    own = language_of(response.text)
    if not own:
        return ""
    translations = _little_words(own, "de" if own == "en" else "en")
    words = [match[0].lower() for match in _WORD.finditer(response.text)]
    replaced = 0
    for word in words:
        if word in translations:
            replaced += 1
    if replaced < max(MIN_LITTLE_WORDS, LITTLE_WORDS_SHARE * len(response.text.split())):
        return ""
    return _WORD.sub(lambda match: _translated(match[0], translations), response.text)


def _little_words(source: str, target: str) -> dict[str, str]:
    """The little words of a language, each with that of another; the first translation counts."""
    translations: dict[str, str] = {}
    for row in damage_texts()["little_words"]:
        word = row[LANGUAGES.index(source)].lower()
        translations.setdefault(word, row[LANGUAGES.index(target)])
    return translations


def _translated(word: str, translations: Mapping[str, str]) -> str:
    """The word in the other language, with a capital where it has one; itself if it is unknown."""
    translation = translations.get(word.lower(), word)
    if word[0].isupper() and translation != word:
        return translation.capitalize()
    return translation


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
        if entry:
            text_of_entry = entry[2]
        else:
            text_of_entry = text.strip()
        texts.append(text_of_entry)
    before = items.lines[: items.places[0]]
    between = set(range(items.places[0], items.places[-1] + 1)) - set(items.places)
    others = []
    for place in sorted(between):
        if items.lines[place].strip():
            others.append(items.lines[place])
    after = items.lines[items.places[-1] + 1 :]
    return "\n".join([*before, "; ".join([*texts, *others]), *after])
