"""What repeats what, and how much is new."""

import random
import re
import xml.etree.ElementTree as ElementTree

import pytest
import scripted
from scripted import PROMPTS, assert_adds_up

import sdgkit as sk
from sdgkit.quality import diversity, repeats

WORDS = [
    f"{a}{b}{c}"
    for a in ("ka", "lo", "mi")
    for b in ("ner", "tus", "vel", "bra")
    for c in ("on", "is", "um", "ex")
]


def text(seed: int, words: int = 40) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words)) + f" {seed}"


def nearly(one: str) -> str:
    return one.replace(one.split()[3], "another", 1)


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


def found(samples, threshold=0.8, seeds=()):
    return [(one.id, one.column, one.reason) for one in repeats(samples, threshold, seeds)]


# Duplicates -----------------------------------------------------------------------------------------------------------


def test_texts_of_ones_own_are_no_duplicates() -> None:
    assert not found([sample(f"s1/c{n}/q{q}", n) for n in range(1, 30) for q in (1, 2, 3)])


def test_a_context_that_repeats_an_earlier_one_is_dropped_with_all_its_questions() -> None:
    rows = [sample(f"s1/c{n}/q{q}", n) for n in (1, 2) for q in (1, 2)]
    for row in rows[2:]:
        row["context"] = f"  {text(1).upper()} "
    assert found(rows) == [
        ("s1/c2/q1", "context", "duplicate"),
        ("s1/c2/q2", "context", "duplicate"),
    ]
    for row in rows[2:]:
        row["context"] = nearly(text(1))
    assert found(rows) == [
        ("s1/c2/q1", "context", "near_duplicate"),
        ("s1/c2/q2", "context", "near_duplicate"),
    ]
    assert not found(rows, 1.0)


def test_the_same_question_of_another_context_is_no_duplicate_but_of_the_same_it_is() -> None:
    rows = [sample(f"s1/c{n}/q1", n, question="Please make a table of it.") for n in (1, 2)]
    again = sample("s1/c2/q2", 2, question="please make a table of it.")
    assert found([*rows, again]) == [("s1/c2/q2", "question", "duplicate")]


def test_short_equal_answers_are_no_duplicates_and_long_ones_are() -> None:
    assert not found([sample(f"s1/c{n}/q1", n, "Positive") for n in (1, 2)])
    assert found([sample(f"s1/c{n}/q1", n, text(9)) for n in (1, 2)]) == [
        ("s1/c2/q1", "response", "duplicate")
    ]


def test_copies_of_a_seed_are_no_new_data() -> None:
    seed = {"seed_context": text(1), "seed_question": "What?", "seed_response": text(2)}
    rows = [sample("s1/c1/q1", 1), sample("s2/c1/q1", 5, nearly(text(2))), sample("s2/c2/q1", 6)]
    one, other = repeats(rows, 0.8, [("s7", seed)])
    assert (one.message, other.column) == (
        "Its context is the same as that of the seed example s7.",
        "response",
    )


def test_questions_of_a_freeform_skill_are_compared_with_all() -> None:
    rows = [{"id": f"s{n}/q1", "question": text(n), "response": "Yes."} for n in (1, 2)]
    rows.append({"id": "s3/q1", "question": nearly(text(1)), "response": "No."})
    assert found(rows) == [("s3/q1", "question", "near_duplicate")]


def test_what_is_found_is_exactly_what_is_similar_enough() -> None:
    rows = [sample(f"s1/c{n}/q1", n) for n in range(100)]
    rows += [{**sample(f"s2/c{n}/q1", n), "context": nearly(text(n))} for n in range(100)]
    at = {threshold: len(found(rows, threshold)) for threshold in (0.7, 0.99)}
    assert at[0.7] == 100
    assert at[0.99] == 0
    assert found(rows, 0.8) == found(rows, 0.8)


# In a run -------------------------------------------------------------------------------------------------------------


def alike(script: scripted.ScriptedTeacher):
    """Contexts come in pairs, of one seed and between seeds, that differ in one word."""

    def answer(ask):
        if ask.stage == "gen_contexts":
            return scripted.tagged(
                context=f"{text(ask.ordinal // 2)} number{ask.ordinal % 2} seed{ask.seed}"
            )
        return script.usual(ask)

    return answer


def run_of(script: ScriptedTeacher, concurrency=16, **settings):
    teacher = script.connect(concurrency)
    return sk.generate(
        scripted.seeds(), teacher=teacher, prompts=PROMPTS, num_contexts=6, **settings
    )


def test_a_run_drops_near_duplicates_at_the_end_and_counts_them(tmp_path: Path) -> None:
    with scripted.ScriptedTeacher() as script:
        script.answer = alike(script)
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


def test_which_of_them_stays_depends_on_the_lineage_alone() -> None:
    kept = []
    for concurrency, slow in ((1, 0.0), (16, 0.02)):
        with scripted.ScriptedTeacher() as script:
            script.answer = alike(script)
            script.delay = lambda ask, slow=slow: slow if ask.seed == 1 else 0.0
            kept.append(
                [row["id"] for row in run_of(script, concurrency, near_duplicates=0.8).samples()]
            )
    assert kept[0] == kept[1]
    assert kept[0][0].startswith("s1/")


def test_another_threshold_asks_nothing_and_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    with scripted.ScriptedTeacher() as script:
        script.answer = alike(script)
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
    with scripted.ScriptedTeacher() as script:
        script.answer = alike(script)
        run = run_of(script, near_duplicates=0.8, target=20)
    assert_adds_up(run)
    dropped = sum(run.funnel[-1].dropped.values())
    assert any(f"{dropped} of 20 samples repeat others" in note for note in run.notes)
    assert len(list(run.samples())) == 20 - dropped


@pytest.mark.parametrize("threshold", [0, 1.5, "much", True])
def test_a_threshold_that_is_no_similarity_is_refused(threshold: object) -> None:
    with pytest.raises(sk.SettingsError, match="near_duplicates"):
        sk.plan(scripted.seeds(), prompts=PROMPTS, near_duplicates=threshold)


# Diversity ------------------------------------------------------------------------------------------------------------


def rows_of(texts):
    return [
        {"id": f"s1/q{n}", "question": f"Question {n}?", "response": one}
        for n, one in enumerate(texts, 1)
    ]


def test_a_set_that_repeats_itself_measures_less() -> None:
    varied, same = (
        diversity(rows_of([text(n if new else n % 3) for n in range(60)])) for new in (True, False)
    )
    one, other = varied.columns[-1], same.columns[-1]
    assert one.column == "response"
    assert (one.repeated, other.repeated) == (0, 57)
    assert all(a > b for a, b in zip(one.distinct, other.distinct, strict=True))
    assert one.compression < other.compression
    assert same.repeats["response duplicate"] == 57
    assert varied.growth[-1][1] > same.growth[-1][1]


def test_the_share_of_different_words_is_what_one_counts_by_hand() -> None:
    [_, measured] = diversity(rows_of(["a b c d", "a b c e"])).columns
    assert measured.distinct == pytest.approx((5 / 8, 4 / 6, 3 / 4))


def test_a_context_counts_once_for_all_its_questions() -> None:
    measured = diversity([sample(f"s1/c{n}/q{q}", n) for n in (1, 2) for q in (1, 2, 3)])
    assert {one.column: one.number for one in measured.columns} == {
        "context": 2,
        "question": 6,
        "response": 6,
    }


def test_the_curve_is_a_picture_that_can_be_read_aloud_and_compared() -> None:
    one, other = (
        diversity(rows_of([text(n % k) for n in range(60)]), name=f"<{k}>") for k in (60, 5)
    )
    both = one.beside(other)
    root = ElementTree.fromstring(both.picture())
    assert "new word triples" in root.get("aria-label")
    assert "<60>: " in root.get("aria-label")
    assert len([node for node in root.iter() if node.tag.endswith("polyline")]) == 2
    assert "question, &lt;5&gt;" in both._repr_html_() and "response, <60>" in repr(both)
    assert "distinct-3" in repr(one)


def test_an_empty_set_has_measures_too() -> None:
    assert diversity([]).samples == 0
    assert "0 of 0" in repr(diversity([]))
    assert "<svg" in diversity([])._repr_html_()


def test_a_run_is_measured_by_its_samples() -> None:
    with scripted.ScriptedTeacher() as script:
        run = run_of(script)
    assert sk.diversity(run).samples == len(list(run.samples()))
