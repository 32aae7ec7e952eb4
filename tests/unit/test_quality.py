"""Duplicates, and how much is new in a set."""

import random
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import scripted
from scripted import PROMPTS, Ask, ScriptedTeacher, assert_adds_up

import sdgkit as sk
from sdgkit.quality import Diversity, diversity, repeats
from sdgkit.samples import Row

WORDS = [
    f"{a}{b}{c}"
    for a in ("ka", "lo", "mi")
    for b in ("ner", "tus", "vel", "bra")
    for c in ("on", "is", "um", "ex")
]


def text(seed: int, words: int = 40) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words)) + f" {seed}"


def nearly(text: str) -> str:
    """The text with one word changed."""
    return text.replace(text.split()[3], "another", 1)


def sample(id_: str, context: int, response: str | None = None, **columns: str) -> dict[str, str]:
    row = {
        "id": id_,
        "context": text(context),
        "question": f"What of {id_}?",
        "seed_context": "A lamp.",
    }
    row |= {
        "seed_question": "What of it?",
        "seed_response": "It is bright.",
        "response": response or f"It is {id_}.",
    }
    return {**row, **columns}


def repeats_in(samples: Iterable[Row], threshold: float = 0.8) -> list[tuple[str, str, str]]:
    """The id, column and reason of each repeat."""
    return [(repeat.id, repeat.column, repeat.reason) for repeat in repeats(samples, threshold)]


# Duplicates ---------------------------------------------------------------------------------------


def test_different_texts_are_no_duplicates() -> None:
    assert not repeats_in([sample(f"s1/c{n}/q{q}", n) for n in range(1, 30) for q in (1, 2, 3)])


def test_a_context_that_repeats_an_earlier_one_is_dropped_with_all_its_questions() -> None:
    rows = [sample(f"s1/c{n}/q{q}", n) for n in (1, 2) for q in (1, 2)]
    for row in rows[2:]:
        row["context"] = f"  {text(1).upper()} "
    assert repeats_in(rows) == [
        ("s1/c2/q1", "context", "duplicate"),
        ("s1/c2/q2", "context", "duplicate"),
    ]
    for row in rows[2:]:
        row["context"] = nearly(text(1))
    assert repeats_in(rows) == [
        ("s1/c2/q1", "context", "near_duplicate"),
        ("s1/c2/q2", "context", "near_duplicate"),
    ]
    assert not repeats_in(rows, 1.0)


def test_the_same_question_of_another_context_is_no_duplicate_but_of_the_same_it_is() -> None:
    rows = [sample(f"s1/c{n}/q1", n, question="Please make a table of it.") for n in (1, 2)]
    again = sample("s1/c2/q2", 2, question="please make a table of it.")
    assert repeats_in([*rows, again]) == [("s1/c2/q2", "question", "duplicate")]


def test_short_equal_responses_are_no_duplicates_and_long_ones_are() -> None:
    assert not repeats_in([sample(f"s1/c{n}/q1", n, "Positive") for n in (1, 2)])
    assert repeats_in([sample(f"s1/c{n}/q1", n, text(9)) for n in (1, 2)]) == [
        ("s1/c2/q1", "response", "duplicate")
    ]


def test_copies_of_a_seed_are_no_new_data() -> None:
    seed = {"seed_context": text(1), "seed_question": "What?", "seed_response": text(2)}
    rows = [sample("s1/c1/q1", 1), sample("s2/c1/q1", 5, nearly(text(2))), sample("s2/c2/q1", 6)]
    first, second = repeats(rows, 0.8, [("s7", seed)])
    assert (first.message, second.column) == (
        "Its context is the same as that of the seed example s7.",
        "response",
    )


def test_questions_of_a_freeform_skill_are_compared_with_all() -> None:
    rows = [{"id": f"s{n}/q1", "question": text(n), "response": "Yes."} for n in (1, 2)]
    rows.append({"id": "s3/q1", "question": nearly(text(1)), "response": "No."})
    assert repeats_in(rows) == [("s3/q1", "question", "near_duplicate")]


def test_all_texts_above_the_threshold_are_found_and_no_others() -> None:
    rows = [sample(f"s1/c{n}/q1", n) for n in range(100)]
    rows += [{**sample(f"s2/c{n}/q1", n), "context": nearly(text(n))} for n in range(100)]
    at = {threshold: len(repeats_in(rows, threshold)) for threshold in (0.7, 0.99)}
    assert at[0.7] == 100
    assert at[0.99] == 0
    assert repeats_in(rows, 0.8) == repeats_in(rows, 0.8)


# In a run -----------------------------------------------------------------------------------------


def pairs_of_contexts(script: ScriptedTeacher) -> Callable[[Ask], str]:
    """Contexts come in pairs, of one seed and between seeds, that differ in one word."""

    def answer(ask: Ask) -> str:
        if ask.stage == "gen_contexts":
            return scripted.tagged(
                context=f"{text(ask.ordinal // 2)} number{ask.ordinal % 2} seed{ask.seed}"
            )
        return script.usual(ask)

    return answer


def run_of(script: ScriptedTeacher, concurrency: int = 16, **settings: Any) -> sk.Run:
    teacher = script.connect(concurrency)
    return sk.generate(
        scripted.seeds(),
        teacher=teacher,
        prompts=PROMPTS,
        profile=False,
        num_contexts=6,
        **settings,
    )


def test_a_run_drops_near_duplicates_at_the_end_and_counts_them(tmp_path: Path) -> None:
    with ScriptedTeacher() as script:
        script.answer = pairs_of_contexts(script)
        whole = run_of(script)
        run = run_of(script, near_duplicates=0.8, out=tmp_path)
    assert_adds_up(run)
    line = run.funnel[-1]
    assert line.name == "near_duplicates"
    assert line.rows_in == len(list(whole.samples()))
    assert line.dropped["near_duplicate"] > len(list(run.samples())) > 0
    drop = next(drop for drop in run.drops() if drop["stage"] == "near_duplicates")
    assert re.match(r"Its context is \d+% the same as that of s1/c\d+/q\d+\.", drop["message"])
    kept = [row["id"] for row in run.samples()]
    assert kept == [row["id"] for row in whole.samples() if row["id"] in kept]


def test_which_duplicate_is_kept_depends_on_the_lineage_alone() -> None:
    kept = []
    for concurrency, slow in ((1, 0.0), (16, 0.02)):
        with ScriptedTeacher() as script:
            script.answer = pairs_of_contexts(script)
            script.delay = lambda ask, slow=slow: slow if ask.seed == 1 else 0.0
            kept.append(
                [row["id"] for row in run_of(script, concurrency, near_duplicates=0.8).samples()]
            )
    assert kept[0] == kept[1]
    assert kept[0][0].startswith("s1/")


def test_another_threshold_sends_no_request_and_the_same_one_changes_nothing(
    tmp_path: Path,
) -> None:
    with ScriptedTeacher() as script:
        script.answer = pairs_of_contexts(script)
        strict = list(run_of(script, near_duplicates=0.8, out=tmp_path).samples())
        script.forget()
        again = sk.generate(tmp_path, teacher=script.connect())
        assert list(again.samples()) == strict
        assert again.funnel[-1].name == "near_duplicates"
        loose = run_of(script, near_duplicates=1.0, out=tmp_path)
        assert "near_duplicates 0.8 → 1.0" in " ".join(loose.notes)
        assert len(list(loose.samples())) > len(strict)
        assert list(run_of(script, near_duplicates=0.8, out=tmp_path).samples()) == strict
        assert script.asked() == 0


def test_a_target_says_what_was_dropped_after_it_was_reached() -> None:
    with ScriptedTeacher() as script:
        script.answer = pairs_of_contexts(script)
        run = run_of(script, near_duplicates=0.8, target=20)
    assert_adds_up(run)
    dropped = sum(run.funnel[-1].dropped.values())
    assert any(f"{dropped} of 20 samples repeated others" in note for note in run.notes)
    assert len(list(run.samples())) == 20 - dropped


@pytest.mark.parametrize("threshold", [0, 1.5, "much", True])
def test_a_threshold_out_of_range_is_refused(threshold: object) -> None:
    with pytest.raises(sk.SettingsError, match="near_duplicates"):
        sk.plan(scripted.seeds(), prompts=PROMPTS, profile=False, near_duplicates=threshold)  # type: ignore[arg-type]


# Diversity ----------------------------------------------------------------------------------------


def rows_with(responses: Sequence[str]) -> list[Row]:
    return [
        {"id": f"s1/q{n}", "question": f"Question {n}?", "response": response}
        for n, response in enumerate(responses, 1)
    ]


def diversity_of_cycle(different: int, name: str = "") -> Diversity:
    """The diversity of sixty responses, as many of them different."""
    return diversity(rows_with([text(n % different) for n in range(60)]), name=name)


def test_a_set_that_repeats_itself_measures_less() -> None:
    varied = diversity_of_cycle(60)
    same = diversity_of_cycle(3)
    varied_responses = varied.columns[-1]
    same_responses = same.columns[-1]
    assert varied_responses.column == "response"
    assert (varied_responses.repeated, same_responses.repeated) == (0, 57)
    shares = zip(varied_responses.distinct, same_responses.distinct, strict=True)
    assert all(varied_share > same_share for varied_share, same_share in shares)
    assert varied_responses.compression < same_responses.compression
    assert same.repeats["response duplicate"] == 57
    assert varied.growth[-1].y > same.growth[-1].y


def test_the_share_of_different_words_is_the_one_counted_by_hand() -> None:
    [_, measured] = diversity(rows_with(["a b c d", "a b c e"])).columns
    assert measured.distinct == pytest.approx((5 / 8, 4 / 6, 3 / 4))


def test_a_context_counts_once_for_all_its_questions() -> None:
    measured = diversity([sample(f"s1/c{n}/q{q}", n) for n in (1, 2) for q in (1, 2, 3)])
    assert {column.column: column.number for column in measured.columns} == {
        "context": 2,
        "question": 6,
        "response": 6,
    }


def test_the_curve_is_a_picture_that_can_be_read_aloud_and_compared() -> None:
    varied = diversity_of_cycle(60, name="<60>")
    both = varied.beside(diversity_of_cycle(5, name="<5>"))
    root = ElementTree.fromstring(both.picture())
    assert "new word triples" in root.attrib["aria-label"]
    assert "<60>: " in root.attrib["aria-label"]
    assert len([node for node in root.iter() if node.tag.endswith("polyline")]) == 2
    assert "question, &lt;5&gt;" in both._repr_html_() and "response, <60>" in repr(both)
    assert "distinct-3" in repr(varied)


def test_an_empty_set_has_measures() -> None:
    assert diversity([]).samples == 0
    assert "0 of 0" in repr(diversity([]))
    assert "<svg" in diversity([])._repr_html_()


def test_a_run_is_measured_by_its_samples() -> None:
    with ScriptedTeacher() as script:
        run = run_of(script)
    assert sk.diversity(run).samples == len(list(run.samples()))
