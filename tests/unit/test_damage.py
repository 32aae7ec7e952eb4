"""Good responses are spoilt as models spoil them, where they have what it takes."""

import json

import pytest

from sdgkit.evaluation.damage import MUTATORS, spoil
from sdgkit.evaluation.good_response import GoodResponse
from sdgkit.quality.verdicts import BAD_KINDS

SOURCE = "Revenue 48.6 (45.0 before), 312 people, guidance confirmed in Graz. Please report."
MAIL = GoodResponse(
    "Subject: Q2\n\nDear all,\n\n- Revenue: €48.6 million\n"
    "- People: 312 of them\n\nBest regards,\nAnn",
    SOURCE,
    "Subject: Q1\n\nDear all,\n\n- Orders: $22.0 million on hand abroad\n"
    "- Heads: 100\n\nBest regards,\nAnn",
)
TABLE = GoodResponse(
    "| Feature | Verdict |\n|---|---|\n| Search | It is fast and good. |\n"
    "| Export | It fails on Mondays. |",
    "Search is fast. Export fails on Mondays.",
    "| Feature | Verdict |\n|---|---|\n"
    "| Map | Nobody can find the second floor. |\n| Seat | It is soft. |",
)
TICKET = GoodResponse(
    "Titel: Aufzug B steht\nOrt: Halle 2\nPriorität: hoch",
    "Der Aufzug B steht in Halle 2 seit gestern, und die Leute warten.",
    "Titel: Drucker druckt weiße Seiten\nOrt: Versand\nPriorität: niedrig",
)
TEXT = GoodResponse(
    "The order has arrived in the shop. "
    "It was 12 days late and it is not the right one. We have sent it back.",
    "The order arrived 12 days late. It was wrong, so they sent it back.",
    "Nobody ever answered the letter about the broken window upstairs.",
)
JSON = GoodResponse(
    '{\n  "name": "Ann Lee from Graz in Austria",\n  "age": 41,\n  "city": "Graz"\n}',
    "Ann Lee, 41, from Graz in Austria",
    '{\n  "name": "Bo",\n  "age": 30,\n  "city": "Bern"\n}',
)
LABEL = GoodResponse("Positive", "I like it.", "Negative")


def test_every_kind_of_damage_has_a_name_in_words() -> None:
    assert set(MUTATORS) == set(BAD_KINDS)


@pytest.mark.parametrize("response", [MAIL, TABLE, TICKET, TEXT, JSON, LABEL])
def test_damage_is_always_the_same_and_always_a_change(response: GoodResponse) -> None:
    spoilt = spoil(response)
    assert spoilt == spoil(response)
    assert all(text != response.text and text.strip() for text in spoilt.values())


ONE_ROW = GoodResponse(
    "| Feature | Verdict |\n|---|---|\n| Pipes | `a \\| b` reads like a sentence. |",
    "a | b reads like a sentence",
    TABLE.text,
)


def test_a_table_of_one_row_is_spoilt_as_a_table() -> None:
    head = "| Feature | Verdict |\n|---|---|"
    spoilt = spoil(ONE_ROW)
    assert spoilt["omission"] == head
    assert spoilt["sentence"].splitlines()[:3] == ONE_ROW.text.splitlines()
    assert spoilt["form"] == "- Pipes: `a \\| b` reads like a sentence."
    assert "order" not in spoilt


def test_one_figure_is_wrong_by_a_digit() -> None:
    assert spoil(MAIL)["figure"] == MAIL.text.replace("312", "313")
    assert spoil(TEXT)["figure"] == TEXT.text.replace("12", "13")


def test_a_figure_with_zeros_at_its_end_changes_before_them() -> None:
    response = GoodResponse("It costs 45.0 euros.", "45.0", "Free.")
    assert spoil(response)["figure"] == "It costs 46.0 euros."


def test_the_number_of_an_entry_is_no_figure() -> None:
    response = GoodResponse("1. tea\n2. milk", "tea and milk, 1 and 2 of each", "1. salt\n2. oil")
    assert "figure" not in spoil(response)


def test_a_figure_that_nothing_in_the_source_bears_out_is_not_known_to_be_right() -> None:
    assert "figure" not in spoil(GoodResponse("Seven or 7 dwarfs.", "A tale, please.", "A tale."))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("It took 3 hours.", "It took 3 minutes."),
        ("Es dauert 3 Tage.", "Es dauert 3 Wochen."),
        ("It costs €5 now.", "It costs $5 now."),
        ("It weighs 5kg.", "It weighs 5g."),
    ],
)
def test_a_unit_becomes_another(right: str, wrong: str) -> None:
    assert spoil(GoodResponse(right, "", ""))["unit"] == wrong


@pytest.mark.parametrize("text", ["No unit here, 5 of them.", "The hours are long.", "5 gates"])
def test_a_unit_needs_a_figure(text: str) -> None:
    assert "unit" not in spoil(GoodResponse(text, "", ""))


def test_one_item_is_left_out() -> None:
    assert spoil(TABLE)["omission"] == TABLE.text.rpartition("\n")[0]
    assert spoil(TICKET)["omission"] == "Titel: Aufzug B steht\nPriorität: hoch"
    assert "12 days late" not in spoil(TEXT)["omission"]
    assert json.loads(spoil(JSON)["omission"]) == {"age": 41, "city": "Graz"}
    assert "omission" not in spoil(LABEL)


def test_two_items_are_swapped_where_their_order_is_that_of_the_source_or_the_form() -> None:
    head, rule, search, export = TABLE.text.split("\n")
    assert spoil(TABLE)["order"] == "\n".join([head, rule, export, search])
    assert spoil(TICKET)["order"] == "Priorität: hoch\nOrt: Halle 2\nTitel: Aufzug B steht"
    free = GoodResponse("- red\n- blue", "Name two colours.", "- big\n- small")
    assert "order" not in spoil(free)


def test_the_numbers_of_a_list_stay_where_they_are() -> None:
    response = GoodResponse("1. Search fast\n2. Export slow", "search, then export", "1. a\n2. b")
    assert spoil(response)["order"] == "1. Export slow\n2. Search fast"


def test_something_of_the_example_is_put_in() -> None:
    assert spoil(TABLE)["sentence"] == (
        TABLE.text + "\n| Map | Nobody can find the second floor. |"
    )
    assert "Titel: Drucker druckt weiße Seiten\nOrt: Halle 2" in spoil(TICKET)["sentence"]
    assert "the shop. Nobody ever answered" in spoil(TEXT)["sentence"]


def test_what_both_responses_say_is_not_put_in_again() -> None:
    response = GoodResponse("Dear all. It rains today.", "rain", "Dear all. It rains today.")
    assert "sentence" not in spoil(response)


@pytest.mark.parametrize("kind", ["talk_before", "talk_after"])
def test_talk_is_in_the_language_of_the_response(kind: str) -> None:
    assert TICKET.text in spoil(TICKET)[kind]
    german = GoodResponse(
        "Der Aufzug steht seit gestern und die Leute warten auf der Treppe.", "", ""
    )
    assert any(word in spoil(german)[kind] for word in ("Ergebnis", "ändern"))
    assert any(word in spoil(TEXT)[kind] for word in ("Sure!", "Let me know"))


def test_a_label_is_changed() -> None:
    assert spoil(TABLE)["label"].startswith("| Feature | Details |\n|---|---|\n| Search")
    assert "Ort: Halle 2" not in spoil(TICKET)["label"]
    assert json.loads(spoil(JSON)["label"])["Details"] == 41
    assert "label" not in spoil(TEXT)


def test_the_last_tenth_is_cut_off() -> None:
    cut = spoil(TEXT)["cut"]
    assert TEXT.text.startswith(cut)
    assert 0.75 * len(TEXT.text) < len(cut) <= 0.9 * len(TEXT.text)
    assert not cut.endswith(".")
    assert "cut" not in spoil(LABEL)


def test_a_detail_is_made_up_in_a_place_where_it_fits() -> None:
    assert "Mondays (confirmed by Ms Holt on 14 March). |" in spoil(TABLE)["invention"] or (
        "good (confirmed by Ms Holt on 14 March). |" in spoil(TABLE)["invention"]
    )
    invented = json.loads(spoil(JSON)["invention"])
    assert invented["name"].startswith("Ann Lee from Graz in Austria (")
    assert "invention" not in spoil(LABEL)


def test_it_slips_into_another_language() -> None:
    assert spoil(TEXT)["language"].startswith("Die order hat arrived")
    assert "language" not in spoil(LABEL)


def test_its_form_is_lost() -> None:
    assert spoil(TABLE)["form"] == (
        "- Search: It is fast and good.\n- Export: It fails on Mondays."
    )
    assert spoil(TICKET)["form"] == "Titel: Aufzug B steht; Ort: Halle 2; Priorität: hoch"
    assert spoil(TEXT)["form"].startswith("- The order has arrived")
    assert "form" not in spoil(LABEL)


@pytest.mark.parametrize(
    "text", ["", " ", "|", "||\n|-|\n", "- \n- ", ":::", "1.\n2.", '{"', "a" * 5000, "x: y\nx: y"]
)
def test_any_text_can_be_given(text: str) -> None:
    spoil(GoodResponse(text, text, text))
    spoil(GoodResponse(text, "", "Something else entirely is said here."))
