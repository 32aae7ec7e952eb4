"""Fitting a study into the teacher's context: how long a reply may be, and which seeds to show."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from sdgkit.prompts import Prompt
from sdgkit.prompts.sandbox import MAX_RENDERED
from sdgkit.prompts.tokens import rough_tokens
from sdgkit.samples import Row, texts_in

ASSUMED_CONTEXT = 32_768
"""Tokens that a server is taken to hold if it does not say how many."""

REPLY_SHARE = 2
"""The reply may have at most half of what the server can hold; the prompt needs the rest."""

MOST_CHARACTERS = MAX_RENDERED // 2
"""Characters of seeds in one request, whatever the server can hold: the prompt renders to more."""

TAG_CHARACTERS = 200
"""About how many characters of tags stand around the texts of a seed."""

SEED_TEXTS = ("seed_context", "seed_question", "seed_response")


def with_fitting_reply(prompt: Prompt, context_length: int | None) -> Prompt:
    """The prompt with a limit for its reply that leaves room for the prompt itself.

    Args:
        prompt: The prompt.
        context_length: Tokens of prompt and reply that the server can hold; None if it does not
            say: then nothing is changed.
    """
    if context_length is None:
        return prompt
    most = context_length // REPLY_SHARE
    if prompt.sampling.get("max_tokens", 0) <= most:
        return prompt
    return replace(prompt, sampling={**prompt.sampling, "max_tokens": most})


def fitting_seeds(seeds: Sequence[Row], prompt: Prompt, context_length: int | None) -> list[Row]:
    """The seeds that the prompt can show within the server's context.

    If they do not all fit, they are taken in an order that depends on nothing but their texts, so
    that the choice is a fair sample, whatever the order in the file; at least one is shown.

    Args:
        seeds: All seeds.
        prompt: The prompt, which has the variables `task_description` and `seeds`.
        context_length: Tokens of prompt and reply that the server can hold; None if it does not
            say.

    Returns:
        The seeds to show, in their own order.
    """
    room = (context_length or ASSUMED_CONTEXT) - prompt.sampling.get("max_tokens", 0)
    characters = 0
    for seed in seeds:
        characters += _text_length(seed) + TAG_CHARACTERS
    if characters <= MOST_CHARACTERS and _length(prompt, seeds) <= room:
        return list(seeds)
    in_fair_order = sorted(range(len(seeds)), key=lambda index: _fair_place(seeds[index]))
    shortest = min(in_fair_order, key=lambda index: _text_length(seeds[index]))
    length = _length(prompt, [seeds[shortest]])
    room -= length
    characters_left = MOST_CHARACTERS
    shown = {shortest}
    for index in in_fair_order:
        if index == shortest:
            continue
        characters = _text_length(seeds[index]) + TAG_CHARACTERS
        if characters > characters_left:
            continue
        added = _length(prompt, [seeds[shortest], seeds[index]]) - length
        if added <= room:
            room -= added
            characters_left -= characters
            shown.add(index)
    return [seeds[index] for index in sorted(shown)]


def study_row(seeds: Sequence[Row]) -> dict[str, Any]:
    """The one row of a study's first stage: the task, and the texts of the seeds."""
    tasks = dict.fromkeys(str(seed.get("task_description") or "") for seed in seeds)
    texts = []
    for seed in seeds:
        texts.append({name: seed.get(name) or "" for name in SEED_TEXTS})
    return {"task_description": "\n\n".join(filter(None, tasks)), "seeds": texts}


def _length(prompt: Prompt, seeds: Sequence[Row]) -> int:
    """About how many tokens the prompt has when it shows these seeds."""
    messages: Sequence[Mapping[str, str]] = prompt.render(study_row(seeds))
    tokens = 0
    for message in messages:
        tokens += rough_tokens(message["content"])
    return tokens


def _text_length(seed: Row) -> int:
    return len("".join(texts_in(seed, SEED_TEXTS)))


def _fair_place(seed: Row) -> bytes:
    """The seed's place in an order that has nothing to do with its length or its content."""
    texts = "\x1f".join(texts_in(seed, SEED_TEXTS))
    return sha256(texts.encode("utf-8", "replace")).digest()
