"""Damage: a good response, damaged in the ways in which models damage them.

Each kind is a small function of its own, always with the same result, that gives "" where the
response has nothing of the kind: no figure, no unit, no list.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from sdgkit.evaluation.damaged_figures import wrong_figure, wrong_unit
from sdgkit.evaluation.damaged_form import (
    cut_off,
    invention,
    other_form,
    other_label,
    other_language,
    talk_after,
    talk_before,
)
from sdgkit.evaluation.damaged_items import foreign_sentence, left_out, swapped_items
from sdgkit.evaluation.good_response import GoodResponse

Mutator: TypeAlias = Callable[[GoodResponse], str]


def spoil(response: GoodResponse) -> dict[str, str]:
    """A good response, damaged in each way that applies to it.

    Args:
        response: The good response.

    Returns:
        The damaged responses by kind of damage (see `MUTATORS`). A kind that cannot be applied is
        missing.

    Example:
        >>> damaged = spoil(GoodResponse("It costs 12 euros.", "12 euros each", "It is free."))
        >>> damaged["figure"], damaged["unit"]
        ('It costs 13 euros.', 'It costs 12 dollars.')
    """
    damaged = {}
    for kind, mutate in MUTATORS.items():
        text = mutate(response)
        if text.strip() and text != response.text:
            damaged[kind] = text
    return damaged


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
