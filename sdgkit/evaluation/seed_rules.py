"""The rules of the seed check: what can be told from the seeds themselves, without a teacher.

They are arranged by the qualities of a good seed: clear task and realistic input, complete output,
no ambiguity, variety. What each finding says is in `texts/seed_check.yaml`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from sdgkit.checks import Table, facts_in_context, refusal, valid_json
from sdgkit.evaluation.judgement import as_sample
from sdgkit.evaluation.seed_findings import Finding, Severity, make_finding
from sdgkit.evaluation.text_forms import forms_asked_for, forms_of, name_forms
from sdgkit.formatting import pluralize
from sdgkit.prompts.words import count_words
from sdgkit.quality.likeness import earlier_matches
from sdgkit.quality.similarity import Match, similarity
from sdgkit.samples import Row
from sdgkit.seeds import COLUMNS
from sdgkit.texts import load_texts

TASK, CONTEXT, QUESTION, RESPONSE = COLUMNS
MIN_WORDS = {TASK: 6, CONTEXT: 4, QUESTION: 2, RESPONSE: 0}
USUAL_SEEDS = 5  # fewer show no range
USUAL_SHARE = 0.6  # share of the responses that makes their form the form of the set
SAME = 0.95  # similarity from which two texts count as the same
ALIKE = 0.8  # similarity of two inputs from which they are hardly two examples
LENGTH_SPREAD = 0.1  # lengths that stay within this share of their mean are about the same
OPENING_WORDS = 2  # of an input, that are compared
OPENING_SHARE = 0.8  # more inputs than this share with one opening begin alike
PHRASE_WORDS = 5  # more words count as a sentence
_SENTENCE = re.compile(r"[.!?]\s|\b(?:is|are|was|were|has|have|had)\b")
_LIST_SIGNS = " \t-*•0123456789.)\"'\u201c\u201d"
QUOTED = 40  # characters of the beginning of a response


# Clear task, realistic input ----------------------------------------------------------------------


def check_inputs(seeds: Sequence[Row]) -> Iterator[Finding]:
    """Find unclear tasks, unrealistic inputs, and placeholders that were never filled in."""
    tasks = Counter(seed[TASK] for seed in seeds)
    [(usual_task, _)] = tasks.most_common(1)
    others = []
    for number, seed in enumerate(seeds, 1):
        if seed[TASK] != usual_task:
            others.append(str(number))
    if others:
        yield make_finding("tasks", None, TASK, tasks=len(tasks), others=", ".join(others[:5]))
    checked_tasks: set[str] = set()
    for number, seed in enumerate(seeds, 1):
        for column in COLUMNS:
            text = seed.get(column)
            if text is None or (column == TASK and text in checked_tasks):
                continue
            about_all = column == TASK and not others
            yield from _check_text(None if about_all else number, column, text)
        checked_tasks.add(seed[TASK])


def _check_text(number: int | None, column: str, text: str) -> Iterator[Finding]:
    """Check a single text of a seed."""
    placeholder = _pattern("placeholders").search(text)
    if placeholder is not None:
        yield make_finding(f"placeholder_{column}", number, column, text=placeholder[0])
    if count_words(text) < MIN_WORDS[column]:
        yield make_finding(f"short_{column}", number, column, text=text)
    elif column in (CONTEXT, QUESTION) and _is_keywords(text):
        yield make_finding("keywords", number, column)


def _is_keywords(text: str) -> bool:
    """Whether a text is a list of keywords: four or more short items, and no sentence."""
    items = []
    for item in re.split(r"[,;\n|/]", text):
        if item.strip():
            items.append(item)
    short_items = []
    for item in items:
        if len(item.split()) <= 2:
            short_items.append(item)
    is_list = len(items) >= 4 and len(short_items) >= 0.8 * len(items)
    has_sentence_or_number = re.search(r"[.!?:]\s|[.!?]$|\d", text) is not None
    return is_list and not has_sentence_or_number


# Complete output ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Usual:
    """What most responses of the set have in common.

    Attributes:
        forms: Their forms.
        header: The header row of their tables, as one text; "" without tables.
        headers: How many tables have it.
    """

    forms: set[str]
    header: str
    headers: int


def check_responses(seeds: Sequence[Row]) -> Iterator[Finding]:
    """Find responses that are incomplete, or not in the form of the task or the other seeds."""
    usual = _usual([seed[RESPONSE] for seed in seeds])
    for number, seed in enumerate(seeds, 1):
        yield from _check_form(number, seed, usual)
        yield from _check_content(number, seed)


def _usual(responses: Sequence[str]) -> _Usual:
    forms: Counter[str] = Counter()
    headers: Counter[str] = Counter()
    for response in responses:
        forms.update(forms_of(response))
        table = Table.of(response)
        if table is not None:
            headers[_header(table)] += 1
    usual_forms: set[str] = set()
    if len(responses) > 2:
        most = USUAL_SHARE * len(responses)
        usual_forms = set()
        for form, number in forms.items():
            if number >= most:
                usual_forms.add(form)
    header = max(headers, key=headers.__getitem__, default="")
    return _Usual(usual_forms, header, headers[header])


def _header(table: Table) -> str:
    return " | ".join(table.head)


def _check_form(number: int, seed: Row, usual: _Usual) -> Iterator[Finding]:
    """Check the form of one response."""
    response = seed[RESPONSE]
    forms = forms_of(response)
    asked_for = forms_asked_for(f"{seed[TASK]}\n{seed[QUESTION]}")
    missing = usual.forms - forms
    if missing:
        yield make_finding("other_form", number, RESPONSE, form=name_forms(missing))
    not_as_asked = asked_for - forms
    if not_as_asked and not forms & (usual.forms | asked_for):
        yield make_finding("not_as_asked", number, RESPONSE, form=name_forms(not_as_asked))
    table = Table.of(response)
    if table is not None:
        header = _header(table)
        if header != usual.header and usual.headers > 1:
            yield make_finding(
                "other_header", number, RESPONSE, header=header, usual_header=usual.header
            )
        if table.flaw():
            yield make_finding("flaw_in_table", number, RESPONSE, flaw=table.flaw())
    if "json" in forms:
        flaw = valid_json().function({"response": response})
        if flaw:
            yield make_finding("flaw_in_json", number, RESPONSE, flaw=flaw)


def _check_content(number: int, seed: Row) -> Iterator[Finding]:
    """Check whether one response is complete, begins with the answer, and adds no facts."""
    response = seed[RESPONSE]
    broken_off = _pattern("broken_off").search(response)
    dangling = _pattern("dangling").search(response)
    if broken_off is not None and not _is_list_of_words(response):
        yield make_finding("broken_off", number, RESPONSE, end=broken_off[0].strip())
    elif dangling is not None and not _is_list_of_phrases(response):
        yield make_finding("dangling", number, RESPONSE, end=dangling[0].strip())
    elif response.count("```") % 2:
        yield make_finding("open_code_block", number, RESPONSE)
    if _pattern("talk").match(response.casefold()):
        yield make_finding("talk", number, RESPONSE, beginning=response[:QUOTED])
    refusal_phrase = refusal(response)
    if refusal_phrase:
        yield make_finding("declines", number, RESPONSE, phrase=refusal_phrase)
    inputs = [_normalize(seed.get(column) or "") for column in (CONTEXT, QUESTION)]
    if _normalize(response) in inputs:
        yield make_finding("repeats_input", number, RESPONSE)
        return
    made_up = facts_in_context().function({**as_sample(seed), RESPONSE: ""})
    if made_up:
        yield make_finding("made_up", number, RESPONSE, facts=made_up)


def _is_list_of_words(text: str) -> bool:
    """Whether each line is a single word, such as "and" among conjunctions."""
    words = []
    for line in text.splitlines():
        if line.strip():
            words.append(line.strip(f"{_LIST_SIGNS}.,;"))
    return all(len(word.split()) == 1 for word in words) and all(map(str.isalpha, words))


def _is_list_of_phrases(text: str) -> bool:
    """Whether each line is a short phrase and no sentence, such as the verb "put up with"."""
    lines = []
    for line in text.splitlines():
        if line.strip():
            lines.append(line.strip(_LIST_SIGNS))
    return all(map(_is_short_phrases, lines))


def _is_short_phrases(line: str) -> bool:
    """Whether a line is a short phrase, or several, and no sentence."""
    phrases = re.split("[,;/]| or ", line)
    is_short = all(len(phrase.split()) <= PHRASE_WORDS for phrase in phrases)
    return is_short and not _SENTENCE.search(line)


# No ambiguity, variety ----------------------------------------------------------------------------


def check_likeness(seeds: Sequence[Row]) -> Iterator[Finding]:
    """Find seeds that contradict each other, and seeds that repeat each other."""
    column = _input_column(seeds)
    cases = [f"{seed.get(CONTEXT) or ''}\n{seed[QUESTION]}" for seed in seeds]
    same_cases = earlier_matches(cases, SAME)
    alike_inputs = earlier_matches([seed[column] for seed in seeds], ALIKE)
    first_with_question: dict[str, int] = {}
    for number, seed in enumerate(seeds, 1):
        forms = forms_of(seed[RESPONSE])
        first = first_with_question.setdefault(_normalize(seed[QUESTION]), number)
        first_forms = forms_of(seeds[first - 1][RESPONSE])
        contradiction = _contradiction(number, seeds, same_cases[number - 1])
        if contradiction is not None:
            yield contradiction
        elif forms | first_forms and not forms & first_forms:
            yield make_finding("two_forms", number, RESPONSE, other=first)
        earlier_input = alike_inputs[number - 1]
        if earlier_input is not None:
            how = "nearly the same as"
            if earlier_input.is_exact:
                how = "the same as"
            yield make_finding("alike", number, column, other=earlier_input.key + 1, how=how)


def _contradiction(
    number: int, seeds: Sequence[Row], same_case: Match[int] | None
) -> Finding | None:
    """The finding that an earlier seed with the same input has another response, if it has.

    Args:
        number: The number of the seed.
        seeds: All seeds.
        same_case: The place of the earlier seed with the same input, from 0, if there is one.
    """
    if same_case is None:
        return None
    response = seeds[number - 1][RESPONSE]
    if similarity(response, seeds[same_case.key][RESPONSE]) >= SAME:
        return None
    severity: Severity = "warning"
    if same_case.is_exact:
        severity = "error"
    return make_finding("two_answers", number, RESPONSE, severity=severity, other=same_case.key + 1)


def check_variety(seeds: Sequence[Row]) -> Iterator[Finding]:
    """Find sets that are too few, all of one length, or all in one tone."""
    if len(seeds) < USUAL_SEEDS:
        yield make_finding("few", None, "", seeds=pluralize(len(seeds), "seed"))
        return
    column = _input_column(seeds)
    lengths = [len(seed[column]) for seed in seeds]
    mean_length = sum(lengths) / len(lengths)
    if max(lengths) - min(lengths) < 2 * LENGTH_SPREAD * mean_length:
        yield make_finding("one_length", None, column)
    openings = Counter(_opening(seed[column]) for seed in seeds)
    [(opening, number)] = openings.most_common(1)
    if number > OPENING_SHARE * len(seeds):
        yield make_finding("one_opening", None, column, text=opening)


def _input_column(seeds: Sequence[Row]) -> str:
    """The column in which the inputs differ: the contexts, or the questions of a freeform skill."""
    if CONTEXT in seeds[0]:
        return CONTEXT
    return QUESTION


def _opening(text: str) -> str:
    return " ".join(_normalize(text).split()[:OPENING_WORDS])


def _normalize(text: str) -> str:
    """The text without differences of case and white space."""
    return " ".join(text.casefold().split())


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """One pattern that finds what any of the patterns under this name finds."""
    patterns = load_texts("seed_check")[name]
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
