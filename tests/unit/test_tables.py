"""Rows to look at: nothing is cut silently, nothing can be executed, no stylesheet is needed."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import TypeAlias

import pytest

import sdgkit as sk
from sdgkit.report.tables import RowView
from sdgkit.samples import Row

Attributes: TypeAlias = dict[str, str | None]
Show: TypeAlias = Callable[..., RowView]

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)></pre></details>\"'> "
    "{{ 7 * 7 }} \x1b[31m \u202e $x$"
)
TAGS = "div section table thead tbody tr th td pre details summary strong span"


class Page(HTMLParser):
    """The elements of a piece of HTML, and the text that a reader sees, folded parts included."""

    def __init__(self, view: RowView) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self.text = ""
        self.depth = 0
        self.feed(view._repr_html_())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.depth += 1

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def sample(number: int = 1, **columns: object) -> dict[str, object]:
    return {
        "id": f"s1/c{number}/q1",
        "task_description": "Make a table.",
        "seed_context": "The seed's context.",
        "seed_question": "The seed's question?",
        "seed_response": "The seed's response.",
        "context": f"Context {number}.",
        "question": f"Context {number}.\n\nQuestion {number}?",
        "response": f"Response {number}.",
        "evaluation": f"Words of the judge {number}.",
        "score": 3.0,
    } | columns


def drop(**columns: object) -> dict[str, object]:
    end = {"stage": "filter_grounded_qa_pair", "reason": "score", "message": "The judge gave 1."}
    return sample() | end | columns


def forms_of(view: RowView) -> list[str]:
    """What a notebook shows, and what a terminal prints."""
    return [" ".join(Page(view).text.split()), " ".join(repr(view).split())]


def test_a_table_has_the_requested_columns_and_the_number_of_rows() -> None:
    rows = [sample(number) for number in range(1, 8)]
    for form in forms_of(sk.as_table(rows, "context", "score", most=2)):
        assert "s1/c1/q1" in form and "Context 1." in form and "Context 2." in form
        assert "Context 3." not in form and "Response" not in form
        assert "2 of 7 rows shown" in form


def test_a_table_without_columns_shows_all_of_them() -> None:
    for form in forms_of(sk.as_table([{"id": "s1", "one": "first", "two": 2.0}])):
        assert re.search("one.*first", form) and re.search("two.* 2 ", form)


def test_seeds_have_the_ids_that_a_run_gives_them() -> None:
    seeds = [{"seed_question": "First?"}, {"seed_question": "Second?"}]
    for form in forms_of(sk.as_table(seeds, "seed_question")):
        assert form.index("s1") < form.index("First?") < form.index("s2") < form.index("Second?")


def test_a_table_by_score_begins_with_the_lowest_and_ends_with_rows_without_one() -> None:
    rows = [sample(1, score=3.0), sample(2, score=None), sample(3, score=1.0)]
    for form in forms_of(sk.as_table(rows, "context", by="score")):
        assert form.index("Context 3.") < form.index("Context 1.") < form.index("Context 2.")


def test_samples_stand_beside_their_seeds_with_the_judge_s_evaluation() -> None:
    for form in forms_of(sk.beside_seeds([sample()])):
        for text in (
            "Context 1.",
            "Question 1?",
            "Response 1.",
            "Words of the judge 1.",
            "score 3",
        ):
            assert text in form
        for name in ("context", "question", "response"):
            assert f"The seed's {name}" in form


def test_the_context_is_not_shown_a_second_time_above_its_question() -> None:
    for form in forms_of(sk.beside_seeds([sample()])):
        assert form.count("Context 1.") == 1


def test_samples_are_taken_evenly_from_the_beginning_to_the_end() -> None:
    rows = [sample(number) for number in range(1, 100)]
    for form in forms_of(sk.beside_seeds(rows, most=3)):
        assert [int(n) for n in re.findall(r"s1/c(\d+)/q1", form)] == [17, 50, 83]
        assert "3 of 99 rows shown" in form


def test_a_drop_shows_its_stage_its_reason_and_the_reply() -> None:
    row = drop(reason="malformed", message="No tags.", reply="I'd rather not.")
    for form in forms_of(sk.beside_seeds([row])):
        assert "dropped by filter_grounded_qa_pair (malformed): No tags." in form
        assert "I'd rather not." in form


def test_rows_without_texts_show_what_there_is() -> None:
    lost = {"id": "s1/c4", "stage": "gen_contexts", "reason": "duplicate", "message": "Twice."}
    for form in forms_of(sk.beside_seeds([lost])):
        assert "s1/c4" in form and "duplicate" in form and "Twice." in form


@pytest.mark.parametrize("show", [sk.as_table, sk.beside_seeds])
def test_a_run_is_shown_by_its_samples(show: Show) -> None:
    class Run:
        def samples(self) -> Iterator[Row]:
            yield sample()

    assert repr(show(Run())) == repr(show([sample()]))


@pytest.mark.parametrize("show", [sk.as_table, sk.beside_seeds])
def test_an_empty_table_says_so(show: Show) -> None:
    for form in forms_of(show([])):
        assert form == "There are no rows to show."


def test_long_texts_are_complete_and_unfold() -> None:
    text = " ".join(f"word{number}" for number in range(1500))
    page = Page(sk.as_table([sample(response=text)], "response"))
    assert [tag for tag, _ in page.elements].count("details") == 1
    more = re.search(r"[\d,]+ more characters", page.text)
    assert more and more[0] == f"{len(text) - 900:,} more characters"
    assert "".join(text.split()) in "".join(page.text.replace(more[0], "").split())


def test_printed_texts_are_cut_with_a_note() -> None:
    text = "x" * 1000
    assert "x" * 300 + " [… 700 more characters]" in repr(
        sk.as_table([sample(response=text)], "response")
    )


@pytest.mark.parametrize("show", [sk.as_table, sk.beside_seeds])
def test_hostile_text_stays_text(show: Show) -> None:
    columns = ["id", "context", "question", "seed_context", "evaluation", "message", "stage"]
    row = drop(**dict.fromkeys(columns, HOSTILE))
    plain, page = Page(show([drop(evaluation="x")])), Page(show([row]))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert "<script>alert(1)</script>" in page.text and "{{ 7 * 7 }}" in page.text
    assert page.depth == 0
    for form in forms_of(show([row])):
        assert "\x1b" not in form and "\u202e" not in form


@pytest.mark.parametrize("show", [sk.as_table, sk.beside_seeds])
def test_the_style_is_inline(show: Show) -> None:
    page = Page(show([sample(response="long " * 1000)]))
    assert {tag for tag, _ in page.elements} <= set(TAGS.split())
    assert not any(name in attrs for _, attrs in page.elements for name in ("class", "src", "href"))
