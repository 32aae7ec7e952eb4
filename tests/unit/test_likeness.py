"""Texts that are alike: the same matches as by comparing each with each, and in reasonable time."""

import random
from collections.abc import Callable

import pytest

import sdgkit as sk
from sdgkit.quality.duplicates import Match, similarity
from sdgkit.quality.likeness import FEWEST, earlier_matches

WORDS = "the order of chairs for room in a big and quiet office on time with care".split()


def from_template(chance: random.Random) -> str:
    name = chance.choice("Anna Ben Carla Dirk Eva".split())
    return (
        f"Dear team, {name} ordered {chance.randint(1, 99)} chairs for the office. Regards, {name}"
    )


def of_words(chance: random.Random) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(chance.randint(2, 12)))


def of_both(chance: random.Random) -> str:
    return chance.choice([from_template, of_words])(chance)


@pytest.mark.parametrize("make", [from_template, of_words, of_both])
@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_matches_are_those_of_comparing_each_text_with_each(
    make: Callable[[random.Random], str], threshold: float
) -> None:
    chance = random.Random(threshold)
    texts = [make(chance) for _ in range(FEWEST + 150)]
    texts[17] = ""
    texts[-1] = texts[3].upper() + "  "
    found = earlier_matches(texts, threshold)
    for place, text in enumerate(texts):
        likeness = [similarity(text, other) for other in texts[:place]]
        most = max(likeness, default=0.0)
        expected = Match(likeness.index(most), most) if most >= threshold and most else None
        assert found[place] == expected, place


def test_few_texts_give_the_same_matches_as_many() -> None:
    chance = random.Random(5)
    texts = [from_template(chance) for _ in range(FEWEST)]
    assert earlier_matches(texts, 0.8)[: FEWEST - 1] == earlier_matches(texts[: FEWEST - 1], 0.8)


@pytest.mark.timeout(240)
def test_thousands_of_seeds_after_one_template_are_checked() -> None:
    """Comparing each with each took minutes: 18 million comparisons."""
    chance = random.Random(1)
    seeds = [
        {
            "task_description": "Summarise the mail.",
            "seed_context": f"{from_template(chance)} " * 4 + f"Day {number}.",
            "seed_question": "Summarise it.",
            "seed_response": f"Chairs were ordered on day {number}.",
        }
        for number in range(6_000)
    ]
    alike = [found for found in sk.check_seeds(seeds) if found.quality == "variety"]
    assert len(alike) > 5_000
