"""The checks that all seeds pass, found without any request."""

import re
from collections.abc import Iterator, Sequence

from sdgkit.checks.json_texts import json_objects, read_json
from sdgkit.checks.languages import language
from sdgkit.checks.reading import read_shipped_check
from sdgkit.checks.tables import Table
from sdgkit.errors import SettingsError
from sdgkit.prompts.words import count_words
from sdgkit.samples import Row
from sdgkit.seeds import seed_texts
from sdgkit.stages import Check

# A new response may have a third of the words of the shortest seed's response, and three times
# those of the longest one: a limit for what went wrong altogether, not for what is a little long.
LENGTH_SLACK = 3

# With fewer words in the longest response, characters are counted.
FEW_WORDS = 3

# The beginning that all responses have in common says something from three characters on; up to
# this many are compared.
SHORTEST_BEGINNING = 3
LONGEST_BEGINNING = 60
# With fewer seeds, what they have in common may be chance.
ENOUGH_SEEDS = 2

# What a name is, is guessed: it takes some seeds to show that the guess fits this skill.
ENOUGH_SEEDS_FOR_FACTS = 3

_SEPARATED = re.compile(r"[,\n]")  # what cannot stand in a list after `NAME=`


def derive_checks(seeds: Sequence[Row]) -> list[str]:
    """The checks that the responses of all seeds pass, with the parameters that they share.

    Args:
        seeds: The seeds.

    Returns:
        The checks as they are typed after `--check`, in the order in which they would be applied.

    Example:
        >>> table = "| Name | Age |\\n|---|---|\\n| Ana | 31 |"
        >>> derive_checks([{"seed_question": "?", "seed_response": table}])[0]
        'markdown_table=Name,Age'
    """
    responses = [seed_texts(seed)["seed_response"] for seed in seeds]
    if not responses or not all(map(str.strip, responses)):
        return []
    samples = list(map(_as_sample, seeds))
    candidates = [
        *_table_checks(responses),
        *_json_checks(responses),
        *_beginning_checks(responses),
        *_length_checks(responses),
        *_language_checks(responses),
        "no_refusal",
    ]
    passed = []
    for text in candidates:
        if _all_pass(text, samples):
            passed.append(text)
    return [*passed, *_fact_checks(seeds)]


def _as_sample(seed: Row, example: Row | None = None) -> dict[str, object]:
    """A seed as a sample: its own context, question and response.

    Args:
        seed: The seed.
        example: The seed that is its example, as for a new sample (default: itself).
    """
    own = {}
    for name, value in seed.items():
        if name.startswith("seed_"):
            own[name.removeprefix("seed_")] = value
    return {**(seed if example is None else example), **own}


def _all_pass(text: str, samples: Sequence[Row]) -> bool:
    """Whether a check, typed so, can be read and lets every sample pass."""
    try:
        check = read_shipped_check(text)
    except SettingsError:
        return False
    return not any(_flaw(check, sample) for sample in samples)


def _flaw(check: Check, sample: Row) -> object:
    return check.function(sample)


def _table_checks(responses: Sequence[str]) -> Iterator[str]:
    """`markdown_table`, with the head that all tables share."""
    heads = []
    for text in responses:
        table = Table.of(text)
        if table is not None:
            heads.append(table.head)
    if len(heads) < len(responses):
        return
    shares_head = all(head == heads[0] for head in heads)
    can_be_typed = not any(_SEPARATED.search(cell) or not cell for cell in heads[0])
    if shares_head and can_be_typed:
        yield f"markdown_table={','.join(heads[0])}"
    else:
        yield "markdown_table"


def _json_checks(responses: Sequence[str]) -> Iterator[str]:
    """`valid_json`, with the keys that all objects share."""
    values = []
    for text in responses:
        try:
            values.append(read_json(text))
        except (ValueError, RecursionError):
            return
    if not any(isinstance(value, dict | list) for value in values):
        return  # a number or a word is JSON by chance
    key_lists: list[list[str]] = []
    for value in values:
        key_lists += map(list, json_objects(value))
    has_objects_only = all(map(json_objects, values))
    shares_keys = bool(key_lists) and all(set(keys) == set(key_lists[0]) for keys in key_lists)
    can_be_typed = shares_keys and not any(map(_cannot_be_typed, key_lists[0]))
    if has_objects_only and can_be_typed:
        yield f"valid_json={','.join(key_lists[0])}"
    else:
        yield "valid_json"


def _cannot_be_typed(key: str) -> bool:
    return not key or key != key.strip() or bool(_SEPARATED.search(key)) or key.endswith(".json")


def _beginning_checks(responses: Sequence[str]) -> Iterator[str]:
    """`matches`, with the label or salutation with which all begin."""
    has_form_of_its_own = any(text.lstrip().startswith(("|", "{", "[")) for text in responses)
    if len(set(responses)) < ENOUGH_SEEDS or has_form_of_its_own:
        return
    beginning = _common_beginning(responses).partition("\n")[0]
    # Up to a mark, as in a label or a salutation: words alone may be common by chance.
    label = re.match(r".*[^\w\s](?=\s|$)", beginning)
    if label is None or len(label[0]) < SHORTEST_BEGINNING:
        return
    yield f"matches=\\A{_escaped(label[0])}"


def _common_beginning(texts: Sequence[str]) -> str:
    """The characters with which all texts begin."""
    shortest = min(texts, key=len)[:LONGEST_BEGINNING]
    for place, character in enumerate(shortest):
        if any(text[place] != character for text in texts):
            return shortest[:place]
    return shortest


def _escaped(text: str) -> str:
    """A text as a regular expression that a person can read: only what is special is escaped."""
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


def _length_checks(responses: Sequence[str]) -> Iterator[str]:
    """`length`, from a third of the shortest response to three times the longest."""
    numbers = list(map(count_words, responses))
    unit = "words"
    if max(numbers) < FEW_WORDS:
        # Hardly a word: labels.
        numbers = list(map(len, responses))
        unit = "characters"
    shortest = max(1, min(numbers) // LENGTH_SLACK)
    longest = max(numbers) * LENGTH_SLACK
    yield f"length={shortest}..{longest} {unit}"


def _language_checks(responses: Sequence[str]) -> Iterator[str]:
    """`same_language`, if the responses are long enough to recognise their language."""
    if all(map(language, responses)):
        yield "same_language"


def _fact_checks(seeds: Sequence[Row]) -> Iterator[str]:
    """`facts_in_context`, for a skill with contexts, if enough seeds speak for it.

    Each seed has another one as its example. With itself, it would always pass: what its response
    has beyond its context, such as a product of two numbers, would count as the form of the skill.
    """
    has_contexts = all(seed.get("seed_context") for seed in seeds)
    if not has_contexts or len(seeds) < ENOUGH_SEEDS_FOR_FACTS:
        return
    examples = [*seeds[1:], seeds[0]]
    samples = []
    for seed, example in zip(seeds, examples, strict=True):
        samples.append(_as_sample(seed, example))
    if _all_pass("facts_in_context", samples):
        yield "facts_in_context"
