"""Texts that are alike: the same matches as by comparing each with each, and in reasonable time."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdgkit as sk
from sdgkit.quality import repeats
from sdgkit.quality.likeness import FEWEST, earlier_matches
from sdgkit.quality.similarity import Match, SimilarityIndex, similarity

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


@given(
    texts=st.lists(st.text("abc xy", max_size=60), min_size=30, max_size=120),
    repeated=st.integers(0, 40),
    threshold=st.sampled_from([0.05, 0.3, 0.5, 0.75, 0.9, 1.0]),
)
@settings(deadline=None, max_examples=40, derandomize=True, database=None)
def test_an_index_finds_what_comparing_with_each_text_finds(
    texts: list[str], repeated: int, threshold: float
) -> None:
    template = "The lamp in the hall flickers when it rains, says the customer of the house. "
    texts[:repeated] = [template + text for text in texts[:repeated]]
    index = SimilarityIndex[int](threshold)
    added: list[tuple[int, str, str]] = []
    for place, text in enumerate(texts):
        group = str(place % 7) if place % 3 else ""
        likeness = [
            (similarity(text, other), -earlier)
            for earlier, other_group, other in added
            if not group or other_group != group
        ]
        most, earliest = max(likeness, default=(0.0, 0))
        expected = Match(-earliest, most) if likeness and most >= threshold else None
        assert index.most_similar(text, group) == expected, place
        index.add(place, text, group)
        if (group, text) not in {(other_group, other) for _, other_group, other in added}:
            added.append((place, group, text))


@pytest.mark.timeout(120)
def test_near_duplicates_are_found_among_thousands_of_rows_after_one_template() -> None:
    """Comparing each with each took minutes: 18 million comparisons."""
    text = "The customer reports that the lamp in the hall flickers when it rains, again and again."
    rows = [{"id": f"s1/c{n}/q1", "context": f"{text} Case {n}."} for n in range(6_000)]
    rows.append({"id": "s1/c6000/q1", "context": f"{text.upper()}  Case 77."})
    assert [repeat.message for repeat in repeats(rows, 0.99)] == [
        "Its context is the same as that of s1/c77/q1."
    ]


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
